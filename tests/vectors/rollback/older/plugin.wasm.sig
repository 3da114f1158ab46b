{
  "algorithm": "Ed25519",
  "developer": {
    "email": "dev@example.org",
    "name": "Ada"
  },
  "plugin_hash": "cf011448acb3ec8eea840ae43a66b03622d24a1365e9b8794c1ff9d73d42c698",
  "plugin_size": 91,
  "public_key": "8a88e3dd7409f195fd52db2d3cba5d72ca6709bf1d94121bf3748801b40f6f5c",
  "signature": "a797401126d7eb46da21bae846a8c0d889da9d7fb4f6e703785a04bf80bdc9fed026cebdd854ac429ac1ce0a4a6fa6e7a49793e901a9ef9284466d2201a6ef09",
  "signed_at": "2026-01-01T00:00:00Z",
  "statement": "eyJjYXBhYmlsaXRpZXMiOm51bGwsImRldmVsb3BlciI6eyJlbWFpbCI6ImRldkBleGFtcGxlLm9yZyIsIm5hbWUiOiJBZGEifSwicGx1Z2luX2hhc2giOiJjZjAxMTQ0OGFjYjNlYzhlZWE4NDBhZTQzYTY2YjAzNjIyZDI0YTEzNjVlOWI4Nzk0YzFmZjlkNzNkNDJjNjk4IiwicGx1Z2luX25hbWUiOiJjaG9yZCIsInBsdWdpbl9zaXplIjo5MSwicGx1Z2luX3ZlcnNpb24iOiIxLjkuMCIsInNpZ25lZF9hdCI6IjIwMjYtMDEtMDFUMDA6MDA6MDBaIn0=",
  "statement_signature": "719081a3bd613eb3b83aa3bc5309cdda15ac73b7251fdf99c734c92c3150c3fcfa6f1f8c5ca01a50df0fa2a750ddee9c57aeb8a080d3d5ba19875000ae6e8302",
  "version": 1
}
