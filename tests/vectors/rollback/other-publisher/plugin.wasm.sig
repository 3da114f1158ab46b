{
  "algorithm": "Ed25519",
  "developer": {
    "email": "dev@example.org",
    "name": "Ada"
  },
  "plugin_hash": "321691302393cc5a6fa0d2ea781a606f68f91e5eeacaeec30821732761855001",
  "plugin_size": 89,
  "public_key": "ea4a6c63e29c520abef5507b132ec5f9954776aebebe7b92421eea691446d22c",
  "signature": "fe263630d3cb34f9d24b74c3a625bf50e61a47e8b85ef20bcbdcd46550a80105d2e3de7d43dff77b5c343f32b70f958e98dc65ffac20579cd946da424030770b",
  "signed_at": "2026-01-01T00:00:00Z",
  "statement": "eyJjYXBhYmlsaXRpZXMiOm51bGwsImRldmVsb3BlciI6eyJlbWFpbCI6ImRldkBleGFtcGxlLm9yZyIsIm5hbWUiOiJBZGEifSwicGx1Z2luX2hhc2giOiIzMjE2OTEzMDIzOTNjYzVhNmZhMGQyZWE3ODFhNjA2ZjY4ZjkxZTVlZWFjYWVlYzMwODIxNzMyNzYxODU1MDAxIiwicGx1Z2luX25hbWUiOiJjaG9yZCIsInBsdWdpbl9zaXplIjo4OSwicGx1Z2luX3ZlcnNpb24iOm51bGwsInNpZ25lZF9hdCI6IjIwMjYtMDEtMDFUMDA6MDA6MDBaIn0=",
  "statement_signature": "791c95bdaf839d919d3cbb4258f9f7cf4dfe5d3cc112651de4700e28ea890fd1a855c1d49d3b9d41308d724c362d0c90eb68853506c2e368ecbfe0d9815b120b",
  "version": 1
}
