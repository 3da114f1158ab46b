{
  "algorithm": "Ed25519",
  "developer": {
    "email": "dev@example.org",
    "name": "Ada"
  },
  "plugin_hash": "3aa916336b89034dc14d0caf0760ab507fd8a8e2ec453babd7924146dd6f122c",
  "plugin_size": 18,
  "public_key": "8a88e3dd7409f195fd52db2d3cba5d72ca6709bf1d94121bf3748801b40f6f5c",
  "signature": "e66436265271dccbba29a90619bebcb5784e3704fd8db37566224834c3c4a4cd36d10471b9c9f4a8717eff17a00e89e59b6b5b3724e025f0acab0c953fc8a00e",
  "signed_at": "2026-01-01T00:00:00Z",
  "statement": "eyJjYXBhYmlsaXRpZXMiOm51bGwsImRldmVsb3BlciI6eyJlbWFpbCI6ImRldkBleGFtcGxlLm9yZyIsIm5hbWUiOiJBZGEifSwicGx1Z2luX2hhc2giOiIzYWE5MTYzMzZiODkwMzRkYzE0ZDBjYWYwNzYwYWI1MDdmZDhhOGUyZWM0NTNiYWJkNzkyNDE0NmRkNmYxMjJjIiwicGx1Z2luX25hbWUiOiJjaG9yZCIsInBsdWdpbl9zaXplIjoxOCwicGx1Z2luX3ZlcnNpb24iOm51bGwsInNpZ25lZF9hdCI6IjIwMjYtMDEtMDFUMDA6MDA6MDBaIn0=",
  "statement_signature": "3143db7dfff5db367cf311715e90cd56c29a5068583d7539ea4bec632d1a56858db0e30dd89be89a28efefdd54e7e62b28c15f7dbe2274af91f63d4fe2c79d00",
  "version": 1
}
