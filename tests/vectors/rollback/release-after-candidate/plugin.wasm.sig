{
  "algorithm": "Ed25519",
  "developer": {
    "email": "dev@example.org",
    "name": "Ada"
  },
  "plugin_hash": "989ab89b63459d7542ec03c1f3c944e78b3ac713add63c666fe7d19f29a9d874",
  "plugin_size": 89,
  "public_key": "8a88e3dd7409f195fd52db2d3cba5d72ca6709bf1d94121bf3748801b40f6f5c",
  "signature": "2b2399b5225fab5602d6b79be41fd725fdb473ab5dd36c39513a71ca28650a50c06cfb796da43077b4a79cc4ad73f37336b0ee88992639ca3e1459e5f4dc380f",
  "signed_at": "2026-01-01T00:00:00Z",
  "statement": "eyJjYXBhYmlsaXRpZXMiOm51bGwsImRldmVsb3BlciI6eyJlbWFpbCI6ImRldkBleGFtcGxlLm9yZyIsIm5hbWUiOiJBZGEifSwicGx1Z2luX2hhc2giOiI5ODlhYjg5YjYzNDU5ZDc1NDJlYzAzYzFmM2M5NDRlNzhiM2FjNzEzYWRkNjNjNjY2ZmU3ZDE5ZjI5YTlkODc0IiwicGx1Z2luX25hbWUiOiJjaG9yZCIsInBsdWdpbl9zaXplIjo4OSwicGx1Z2luX3ZlcnNpb24iOiIxLjAiLCJzaWduZWRfYXQiOiIyMDI2LTAxLTAxVDAwOjAwOjAwWiJ9",
  "statement_signature": "c1fc97c52f9a197315930a42c213925fdbc9d7bc96a9a048c43213325c543fa50025083254a8564a25c568d58c64ff8f870fc9c4f711f3a14eb977bf55f02a0f",
  "version": 1
}
