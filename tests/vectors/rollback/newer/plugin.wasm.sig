{
  "algorithm": "Ed25519",
  "developer": {
    "email": "dev@example.org",
    "name": "Ada"
  },
  "plugin_hash": "d022fad3a7197c3fb1476c4ec84d016f3fa58a83a2681c99f3a64fb00e223af7",
  "plugin_size": 92,
  "public_key": "8a88e3dd7409f195fd52db2d3cba5d72ca6709bf1d94121bf3748801b40f6f5c",
  "signature": "4432dace07efb0331ebd4cfd32223e07288837c880a0def74b996eb33ae2fd2b57a30cf8f51e8c129a3aa43745a4ab1e2587fa274203699d30951e097c88be07",
  "signed_at": "2026-01-01T00:00:00Z",
  "statement": "eyJjYXBhYmlsaXRpZXMiOm51bGwsImRldmVsb3BlciI6eyJlbWFpbCI6ImRldkBleGFtcGxlLm9yZyIsIm5hbWUiOiJBZGEifSwicGx1Z2luX2hhc2giOiJkMDIyZmFkM2E3MTk3YzNmYjE0NzZjNGVjODRkMDE2ZjNmYTU4YTgzYTI2ODFjOTlmM2E2NGZiMDBlMjIzYWY3IiwicGx1Z2luX25hbWUiOiJjaG9yZCIsInBsdWdpbl9zaXplIjo5MiwicGx1Z2luX3ZlcnNpb24iOiIxLjEwLjAiLCJzaWduZWRfYXQiOiIyMDI2LTAxLTAxVDAwOjAwOjAwWiJ9",
  "statement_signature": "04c88ac66d7bd0c1e76e4b3e96a7d989b446314dd18c1432ec88f4e23d7f9a1a93475ecba860fed8a41e3ffa6395b582c9a1cbb4ed64f51c23004935ee63b301",
  "version": 1
}
