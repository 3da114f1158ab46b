{
  "version": 1,
  "algorithm": "Ed25519",
  "plugin_hash": "9a27b8c0f72229589f0294244150e4e719c8a97fad92db0d81dd4588182992e8",
  "plugin_size": 346,
  "public_key": "19c4475a142102081d1842c4f880898e76d8ea20c7e8ab16c54c1178758bcd05",
  "signature": "b4e3e05f4b4ae13a8de854f602e1829ffb2d779f8fe2d54dbe48dc73576562a7f038206344c59f51564db7d0bdd60fec875653b24a14097d8a10e85048cc460c",
  "signed_at": "2026-11-29T06:05:37Z",
  "developer": {
    "name": "Ada",
    "email": "ada@example.org"
  },
  "statement": "eyJwbHVnaW5faGFzaCI6IjlhMjdiOGMwZjcyMjI5NTg5ZjAyOTQyNDQxNTBlNGU3MTljOGE5N2ZhZDkyZGIwZDgxZGQ0NTg4MTgyOTkyZTgiLCJwbHVnaW5fc2l6ZSI6MzQ2LCJwbHVnaW5fbmFtZSI6ImxpZ2h0cyIsInBsdWdpbl92ZXJzaW9uIjoiMS4wLjAiLCJjYXBhYmlsaXRpZXMiOlt7Im5hbWUiOiJNaWRpIiwic2NvcGUiOiJzeW50aCJ9LHsibmFtZSI6Ik5ldHdvcmsifSx7Im5hbWUiOiJGaWxlc3lzdGVtIn0seyJuYW1lIjoiU3VicHJvY2VzcyIsInNjb3BlIjoiL2Jpbi9lY2hvIn0seyJuYW1lIjoiU3lzdGVtQ29udHJvbCJ9LHsibmFtZSI6IkF1ZGlvIn1dLCJkZXZlbG9wZXIiOnsibmFtZSI6IkFkYSIsImVtYWlsIjoiYWRhQGV4YW1wbGUub3JnIn0sInNpZ25lZF9hdCI6IjIwMjYtMTEtMjlUMDY6MDU6MzdaIn0=",
  "statement_signature": "b87383c97bbcc5ccf7022ad72bd7013e7af97c93df4397758a6202afb8532af7cd0156c0cf0cd1977492e475b1c425f28a8f29e49e80120cc30b2180eeea190b"
}
