{
  "algorithm": "Ed25519",
  "developer": {
    "email": "dev@example.org",
    "name": "Ada"
  },
  "plugin_hash": "155a4cdb02e4fb99bc176b9ac28a362bb6792bdcb0864f1919d48e022bec3038",
  "plugin_size": 91,
  "public_key": "8a88e3dd7409f195fd52db2d3cba5d72ca6709bf1d94121bf3748801b40f6f5c",
  "signature": "b8c27f96f6033c61f2058a097bd73f2cc649e65ff324561d46b3925bd982ca08dfd3683c578aeacd6970878b015670bd8669a07cb483937a3e03ca0507040303",
  "signed_at": "2026-01-01T00:00:00Z",
  "statement": "eyJjYXBhYmlsaXRpZXMiOm51bGwsImRldmVsb3BlciI6eyJlbWFpbCI6ImRldkBleGFtcGxlLm9yZyIsIm5hbWUiOiJBZGEifSwicGx1Z2luX2hhc2giOiIxNTVhNGNkYjAyZTRmYjk5YmMxNzZiOWFjMjhhMzYyYmI2NzkyYmRjYjA4NjRmMTkxOWQ0OGUwMjJiZWMzMDM4IiwicGx1Z2luX25hbWUiOiJjaG9yZCIsInBsdWdpbl9zaXplIjo5MSwicGx1Z2luX3ZlcnNpb24iOiIxLjAuMCIsInNpZ25lZF9hdCI6IjIwMjYtMDEtMDFUMDA6MDA6MDBaIn0=",
  "statement_signature": "0dec099f0f17f7e861ce21513fc9e0a205aab9edcba0765c26ec75e9b7f1e39a7138c02ee7ece63243deb3ce941d9cd94a90cd51e52e93eef423cdf4bc392c0a",
  "version": 1
}
