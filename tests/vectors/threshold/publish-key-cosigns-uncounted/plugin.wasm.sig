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
  "public_key": "8a88e3dd7409f195fd52db2d3cba5d72ca6709bf1d94121bf3748801b40f6f5c",
  "signature": "b068ddf795a02bb26582e62c2fa9ade44691dc10d7c4d44e479a250a0d3d6b309b43ee5cb178ec4e34566a87fc2c3c5003c00c2564ece9c08770e846adf62c04",
  "signed_at": "2026-01-01T00:00:00Z",
  "statement": "eyJjYXBhYmlsaXRpZXMiOm51bGwsImRldmVsb3BlciI6eyJlbWFpbCI6ImRldkBleGFtcGxlLm9yZyIsIm5hbWUiOiJBZGEifSwicGx1Z2luX2hhc2giOiJlODY3NDRjZTFkY2E2OTgzNzgwMDBiNWI4NzE2YzcxNWQ2NzNhNTE5YWFlYzY0NWI1NjgwZDRhYmNlYmE2YjE3IiwicGx1Z2luX25hbWUiOiJjaG9yZCIsInBsdWdpbl9zaXplIjoxOCwicGx1Z2luX3ZlcnNpb24iOm51bGwsInNpZ25lZF9hdCI6IjIwMjYtMDEtMDFUMDA6MDA6MDBaIn0=",
  "statement_signature": "576ba12835b4bcb813f616eb57c3b819e9dcda4d8a56a68a6b4437c4efc81e1bc349b4697d4eb4b1334d84512f18f2036c1a050152c1c3c6971f66d0646f380c",
  "version": 1
}
