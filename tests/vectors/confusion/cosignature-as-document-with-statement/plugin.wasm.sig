{
  "algorithm": "Ed25519",
  "developer": {
    "email": "dev@example.org",
    "name": "Bob"
  },
  "plugin_hash": "e86744ce1dca698378000b5b8716c715d673a519aaec645b5680d4abceba6b17",
  "plugin_size": 18,
  "public_key": "ed4928c628d1c2c6eae90338905995612959273a5c63f93636c14614ac8737d1",
  "signature": "7faa4c22227191a1d0f34a4b1c7407b27155d9607b1615cd3680a10932fa6912d07e31c86cb04995b6ee8d89c10493649083c29664fac8c6a1f0820200c1560f",
  "signed_at": "2026-01-01T00:00:00Z",
  "statement": "eyJkZXZlbG9wZXIiOnsiZW1haWwiOiJib2JAZXhhbXBsZS5vcmciLCJuYW1lIjoiQm9iIn0sImVuZG9yc2VzIjoiOGE4OGUzZGQ3NDA5ZjE5NWZkNTJkYjJkM2NiYTVkNzJjYTY3MDliZjFkOTQxMjFiZjM3NDg4MDFiNDBmNmY1YyIsInBsdWdpbl9oYXNoIjoiZTg2NzQ0Y2UxZGNhNjk4Mzc4MDAwYjViODcxNmM3MTVkNjczYTUxOWFhZWM2NDViNTY4MGQ0YWJjZWJhNmIxNyIsInBsdWdpbl9uYW1lIjpudWxsLCJwbHVnaW5fdmVyc2lvbiI6bnVsbCwic2lnbmVkX2F0IjoiMjAyNi0wMS0wMVQwMDowMDowMFoifQ==",
  "statement_signature": "7faa4c22227191a1d0f34a4b1c7407b27155d9607b1615cd3680a10932fa6912d07e31c86cb04995b6ee8d89c10493649083c29664fac8c6a1f0820200c1560f",
  "version": 1
}
