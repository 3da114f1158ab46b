{
  "algorithm": "Ed25519",
  "developer": {
    "email": "dev@example.org",
    "name": "Ada"
  },
  "plugin_hash": "321691302393cc5a6fa0d2ea781a606f68f91e5eeacaeec30821732761855001",
  "plugin_size": 89,
  "public_key": "8a88e3dd7409f195fd52db2d3cba5d72ca6709bf1d94121bf3748801b40f6f5c",
  "signature": "12a8f43d61e7fef32619d29ee12726427cac630aaf5e6e546f5e47607e1ab6bc20a24d436879019949be6907bfc17c1d24a43764cd9a2871c72937fe4adba908",
  "signed_at": "2026-01-01T00:00:00Z",
  "statement": "eyJjYXBhYmlsaXRpZXMiOm51bGwsImRldmVsb3BlciI6eyJlbWFpbCI6ImRldkBleGFtcGxlLm9yZyIsIm5hbWUiOiJBZGEifSwicGx1Z2luX2hhc2giOiIzMjE2OTEzMDIzOTNjYzVhNmZhMGQyZWE3ODFhNjA2ZjY4ZjkxZTVlZWFjYWVlYzMwODIxNzMyNzYxODU1MDAxIiwicGx1Z2luX25hbWUiOiJjaG9yZCIsInBsdWdpbl9zaXplIjo4OSwicGx1Z2luX3ZlcnNpb24iOm51bGwsInNpZ25lZF9hdCI6IjIwMjYtMDEtMDFUMDA6MDA6MDBaIn0=",
  "statement_signature": "c556e61180ea370f991e7448115e3fc30c4b63c3776b300332ea1e82795b36661d4230dd247a2a98c4672092253163f51c636d65c04b058f41d04e21beb44103",
  "version": 1
}
