{
  "algorithm": "Ed25519",
  "developer": {
    "email": "dev@example.org",
    "name": "Bob"
  },
  "plugin_hash": "e86744ce1dca698378000b5b8716c715d673a519aaec645b5680d4abceba6b17",
  "plugin_size": 18,
  "public_key": "ed4928c628d1c2c6eae90338905995612959273a5c63f93636c14614ac8737d1",
  "signature": "386f343ba31b9cde7e3fd1dcda269e36cc1718b5efa1a5f28a77a580f74cdf63c3ecc10b39cc97892e5d9b1eebf7c483e6fd82a21263e7e881e1496e2d3c0607",
  "signed_at": "2026-01-01T00:00:00Z",
  "version": 1
}
