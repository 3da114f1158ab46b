{
  "algorithm": "Ed25519",
  "developer": {
    "email": "dev@example.org",
    "name": "Ada"
  },
  "plugin_hash": "530b76a5feb1d29025c3b6184ba239c54d575b92e136bb685924e1185139d0e0",
  "plugin_size": 89,
  "public_key": "8a88e3dd7409f195fd52db2d3cba5d72ca6709bf1d94121bf3748801b40f6f5c",
  "signature": "3bf0a781622ddfccd4963ad802f4aa78bd3cfdd09215c9d219926f7182aad572d5779ed8450f534e8f8663a5058fcc81c916793fe6b65e866ec3813bd006ee0b",
  "signed_at": "2026-01-01T00:00:00Z",
  "statement": "eyJjYXBhYmlsaXRpZXMiOm51bGwsImRldmVsb3BlciI6eyJlbWFpbCI6ImRldkBleGFtcGxlLm9yZyIsIm5hbWUiOiJBZGEifSwicGx1Z2luX2hhc2giOiI1MzBiNzZhNWZlYjFkMjkwMjVjM2I2MTg0YmEyMzljNTRkNTc1YjkyZTEzNmJiNjg1OTI0ZTExODUxMzlkMGUwIiwicGx1Z2luX25hbWUiOiJjaG9yZCIsInBsdWdpbl9zaXplIjo4OSwicGx1Z2luX3ZlcnNpb24iOiIxLjIiLCJzaWduZWRfYXQiOiIyMDI2LTAxLTAxVDAwOjAwOjAwWiJ9",
  "statement_signature": "d5c38f8603347530f6d2e6df97f47c3da72fcdc4f0fedd883f259c8b052467331b699e111fcbcfb4fe78ba25307ddd74287e73c0a7c05ebee2dd0f95e372e004",
  "version": 1
}
