{
  "algorithm": "Ed25519",
  "cosignatures": [
    {
      "public_key": "ed4928c628d1c2c6eae90338905995612959273a5c63f93636c14614ac8737d1",
      "statement": "eyJkZXZlbG9wZXIiOnsiZW1haWwiOiJib2JAZXhhbXBsZS5vcmciLCJuYW1lIjoiQm9iIn0sImVuZG9yc2VzIjoiOGE4OGUzZGQ3NDA5ZjE5NWZkNTJkYjJkM2NiYTVkNzJjYTY3MDliZjFkOTQxMjFiZjM3NDg4MDFiNDBmNmY1YyIsInBsdWdpbl9oYXNoIjoiZTg2NzQ0Y2UxZGNhNjk4Mzc4MDAwYjViODcxNmM3MTVkNjczYTUxOWFhZWM2NDViNTY4MGQ0YWJjZWJhNmIxNyIsInBsdWdpbl9uYW1lIjpudWxsLCJwbHVnaW5fdmVyc2lvbiI6bnVsbCwic2lnbmVkX2F0IjoiMjAyNi0wMS0wMVQwMDowMDowMFoifQ==",
      "statement_signature": "7faa4c22227191a1d0f34a4b1c7407b27155d9607b1615cd3680a10932fa6912d07e31c86cb04995b6ee8d89c10493649083c29664fac8c6a1f0820200c1560f"
    }
  ],
  "developer": {
    "email": "dev@example.org",
    "name": "Ada"
  },
  "plugin_hash": "e86744ce1dca698378000b5b8716c715d673a519aaec645b5680d4abceba6b17",
  "plugin_size": 18,
  "public_key": "ea4a6c63e29c520abef5507b132ec5f9954776aebebe7b92421eea691446d22c",
  "signature": "07bdc452bc2153b4491fe135592d45a6e16a61dea426017f086b7f5a72c136e7a39c9f0c68677c737d106907f701f210f1aa2fea5fe0cb3e9edb003dc5031904",
  "signed_at": "2026-01-01T00:00:00Z",
  "statement": "eyJjYXBhYmlsaXRpZXMiOm51bGwsImRldmVsb3BlciI6eyJlbWFpbCI6ImRldkBleGFtcGxlLm9yZyIsIm5hbWUiOiJBZGEifSwicGx1Z2luX2hhc2giOiJlODY3NDRjZTFkY2E2OTgzNzgwMDBiNWI4NzE2YzcxNWQ2NzNhNTE5YWFlYzY0NWI1NjgwZDRhYmNlYmE2YjE3IiwicGx1Z2luX25hbWUiOiJjaG9yZCIsInBsdWdpbl9zaXplIjoxOCwicGx1Z2luX3ZlcnNpb24iOm51bGwsInNpZ25lZF9hdCI6IjIwMjYtMDEtMDFUMDA6MDA6MDBaIn0=",
  "statement_signature": "68305111665844ffb0df6cd32542e77b0f6d670bb9fd3bb01f0101618baee122c528c77c85f53fc81fd3c2e7b24e8827f41e450526c9000f32eae1f9f9da6307",
  "version": 1
}
