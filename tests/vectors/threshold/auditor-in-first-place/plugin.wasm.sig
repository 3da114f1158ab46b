{
  "algorithm": "Ed25519",
  "cosignatures": [
    {
      "public_key": "8a88e3dd7409f195fd52db2d3cba5d72ca6709bf1d94121bf3748801b40f6f5c",
      "statement": "eyJkZXZlbG9wZXIiOnsiZW1haWwiOiJib2JAZXhhbXBsZS5vcmciLCJuYW1lIjoiQm9iIn0sImVuZG9yc2VzIjoiZWQ0OTI4YzYyOGQxYzJjNmVhZTkwMzM4OTA1OTk1NjEyOTU5MjczYTVjNjNmOTM2MzZjMTQ2MTRhYzg3MzdkMSIsInBsdWdpbl9oYXNoIjoiZTg2NzQ0Y2UxZGNhNjk4Mzc4MDAwYjViODcxNmM3MTVkNjczYTUxOWFhZWM2NDViNTY4MGQ0YWJjZWJhNmIxNyIsInBsdWdpbl9uYW1lIjpudWxsLCJwbHVnaW5fdmVyc2lvbiI6bnVsbCwic2lnbmVkX2F0IjoiMjAyNi0wMS0wMVQwMDowMDowMFoifQ==",
      "statement_signature": "d2b51d841b21ea9b4d466f11502bf82ca768d07deada3227e74ad1fb4f6de236b7e147ec7c7390188f51ed6af1790a7e3b6056b0df5a43be07309603d1da160f"
    }
  ],
  "developer": {
    "email": "dev@example.org",
    "name": "Ada"
  },
  "plugin_hash": "e86744ce1dca698378000b5b8716c715d673a519aaec645b5680d4abceba6b17",
  "plugin_size": 18,
  "public_key": "ed4928c628d1c2c6eae90338905995612959273a5c63f93636c14614ac8737d1",
  "signature": "386f343ba31b9cde7e3fd1dcda269e36cc1718b5efa1a5f28a77a580f74cdf63c3ecc10b39cc97892e5d9b1eebf7c483e6fd82a21263e7e881e1496e2d3c0607",
  "signed_at": "2026-01-01T00:00:00Z",
  "statement": "eyJjYXBhYmlsaXRpZXMiOm51bGwsImRldmVsb3BlciI6eyJlbWFpbCI6ImRldkBleGFtcGxlLm9yZyIsIm5hbWUiOiJBZGEifSwicGx1Z2luX2hhc2giOiJlODY3NDRjZTFkY2E2OTgzNzgwMDBiNWI4NzE2YzcxNWQ2NzNhNTE5YWFlYzY0NWI1NjgwZDRhYmNlYmE2YjE3IiwicGx1Z2luX25hbWUiOiJjaG9yZCIsInBsdWdpbl9zaXplIjoxOCwicGx1Z2luX3ZlcnNpb24iOm51bGwsInNpZ25lZF9hdCI6IjIwMjYtMDEtMDFUMDA6MDA6MDBaIn0=",
  "statement_signature": "0e1416704ef2c0a606791b787cbd89547455510a56912bc77f8b9de2adad0872b8de7f3d9fec9ee1dced84ade790e10a7a5b02422ca3687cc6cc50eca5a23b03",
  "version": 1
}
