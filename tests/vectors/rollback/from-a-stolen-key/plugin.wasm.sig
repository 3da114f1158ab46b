{
  "algorithm": "Ed25519",
  "developer": {
    "email": "dev@example.org",
    "name": "Ada"
  },
  "plugin_hash": "989ab89b63459d7542ec03c1f3c944e78b3ac713add63c666fe7d19f29a9d874",
  "plugin_size": 89,
  "public_key": "8139770ea87d175f56a35466c34c7ecccb8d8a91b4ee37a25df60f5b8fc9b394",
  "signature": "379c5d8177a8cacd6f056f5db62b0ac85f8b75d4ed9abec258544e91b6c480aba9ac184e00a1392c8982be2ec422e8e5bb80d93667237502bd8abc68de84930d",
  "signed_at": "2026-01-01T00:00:00Z",
  "statement": "eyJjYXBhYmlsaXRpZXMiOm51bGwsImRldmVsb3BlciI6eyJlbWFpbCI6ImRldkBleGFtcGxlLm9yZyIsIm5hbWUiOiJBZGEifSwicGx1Z2luX2hhc2giOiI5ODlhYjg5YjYzNDU5ZDc1NDJlYzAzYzFmM2M5NDRlNzhiM2FjNzEzYWRkNjNjNjY2ZmU3ZDE5ZjI5YTlkODc0IiwicGx1Z2luX25hbWUiOiJjaG9yZCIsInBsdWdpbl9zaXplIjo4OSwicGx1Z2luX3ZlcnNpb24iOm51bGwsInNpZ25lZF9hdCI6IjIwMjYtMDEtMDFUMDA6MDA6MDBaIn0=",
  "statement_signature": "40b94f385760ab51899a5d11242fa9e0de1af336cad6dfcbb71c71c9f5ffc120037ffc7146276d8b5b9db0c133debce8ea74b76e95199c5166dee2dda5ad8508",
  "version": 1
}
