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
  "statement": "eyJjYXBhYmlsaXRpZXMiOm51bGwsImRldmVsb3BlciI6eyJlbWFpbCI6ImRldkBleGFtcGxlLm9yZyIsIm5hbWUiOiJBZGEifSwicGx1Z2luX2hhc2giOiI5ODlhYjg5YjYzNDU5ZDc1NDJlYzAzYzFmM2M5NDRlNzhiM2FjNzEzYWRkNjNjNjY2ZmU3ZDE5ZjI5YTlkODc0IiwicGx1Z2luX25hbWUiOiJjaG9yZCIsInBsdWdpbl9zaXplIjo4OSwicGx1Z2luX3ZlcnNpb24iOm51bGwsInNpZ25lZF9hdCI6IjIwMjYtMDEtMDFUMDA6MDA6MDBaIn0=",
  "statement_signature": "5c0e2337427136ec4a9ccd31432684fba03b944f0c97038f8bd9f9a60e126ddef7a0d6a76f4bbe1c3992bde02a9902596e080927849defc5e281a7db7a58800b",
  "version": 1
}
