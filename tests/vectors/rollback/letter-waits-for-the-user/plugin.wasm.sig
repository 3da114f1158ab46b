{
  "algorithm": "Ed25519",
  "developer": {
    "email": "dev@example.org",
    "name": "Ada"
  },
  "plugin_hash": "6e2f05dc1ba394a4235edeee6a59d37dd06c3d93c9f5b18f8c7b94cb40d4a7bf",
  "plugin_size": 90,
  "public_key": "8a88e3dd7409f195fd52db2d3cba5d72ca6709bf1d94121bf3748801b40f6f5c",
  "signature": "a928b4e14e02f4d6b584d91edcc9b1e28d9d3676e7b6e4af2249f3778128a8751bd0cdfb820a31f2116d0e509590f7c6b2ae5f8fea80da7cfb2f7cf1bb90da00",
  "signed_at": "2026-01-01T00:00:00Z",
  "statement": "eyJjYXBhYmlsaXRpZXMiOm51bGwsImRldmVsb3BlciI6eyJlbWFpbCI6ImRldkBleGFtcGxlLm9yZyIsIm5hbWUiOiJBZGEifSwicGx1Z2luX2hhc2giOiI2ZTJmMDVkYzFiYTM5NGE0MjM1ZWRlZWU2YTU5ZDM3ZGQwNmMzZDkzYzlmNWIxOGY4YzdiOTRjYjQwZDRhN2JmIiwicGx1Z2luX25hbWUiOiJjaG9yZCIsInBsdWdpbl9zaXplIjo5MCwicGx1Z2luX3ZlcnNpb24iOiIxLjBhIiwic2lnbmVkX2F0IjoiMjAyNi0wMS0wMVQwMDowMDowMFoifQ==",
  "statement_signature": "9f4130f947e6769cb03222560a217f851b16b0f091548e2ee9103d3e4c7f603af91efb888adc68636156b1e6f6d069aeb3704d7919c34bfb64234e2e41adb10e",
  "version": 1
}
