{
  "algorithm": "Ed25519",
  "cosignatures": [
    {
      "public_key": "8139770ea87d175f56a35466c34c7ecccb8d8a91b4ee37a25df60f5b8fc9b394",
      "statement": "eyJkZXZlbG9wZXIiOnsiZW1haWwiOiJib2JAZXhhbXBsZS5vcmciLCJuYW1lIjoiQm9iIn0sImVuZG9yc2VzIjoiOGE4OGUzZGQ3NDA5ZjE5NWZkNTJkYjJkM2NiYTVkNzJjYTY3MDliZjFkOTQxMjFiZjM3NDg4MDFiNDBmNmY1YyIsInBsdWdpbl9oYXNoIjoiZTg2NzQ0Y2UxZGNhNjk4Mzc4MDAwYjViODcxNmM3MTVkNjczYTUxOWFhZWM2NDViNTY4MGQ0YWJjZWJhNmIxNyIsInBsdWdpbl9uYW1lIjpudWxsLCJwbHVnaW5fdmVyc2lvbiI6bnVsbCwic2lnbmVkX2F0IjoiMjAyNi0wMS0wMVQwMDowMDowMFoifQ==",
      "statement_signature": "cd4ae7d7fa500c33abce15cbc8bccfdb0ce78c590017032e08e724424404ad89cb6282de2a97c66d25a0a4d06f3b4f582c9da6b4f30ea989540d5b465f8f6209"
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
