{
  "algorithm": "Ed25519",
  "developer": {
    "email": "dev@example.org",
    "name": "Ada"
  },
  "plugin_hash": "d1d4885d9a5dee85546972029bc7a19b3739baef12be41494fff477b51d37803",
  "plugin_size": 92,
  "public_key": "8a88e3dd7409f195fd52db2d3cba5d72ca6709bf1d94121bf3748801b40f6f5c",
  "signature": "66e9963e3ed4624705a53c6bb7524b7b921f1fad0f929a75470f2455459ab2ca7d3b0835915e9b04f3a4f526277ca91b2670f5315dbf8bd139ed02ae18223c06",
  "signed_at": "2026-01-01T00:00:00Z",
  "statement": "eyJjYXBhYmlsaXRpZXMiOm51bGwsImRldmVsb3BlciI6eyJlbWFpbCI6ImRldkBleGFtcGxlLm9yZyIsIm5hbWUiOiJBZGEifSwicGx1Z2luX2hhc2giOiJkMWQ0ODg1ZDlhNWRlZTg1NTQ2OTcyMDI5YmM3YTE5YjM3MzliYWVmMTJiZTQxNDk0ZmZmNDc3YjUxZDM3ODAzIiwicGx1Z2luX25hbWUiOiJjaG9yZCIsInBsdWdpbl9zaXplIjo5MiwicGx1Z2luX3ZlcnNpb24iOiIxLjByYzEiLCJzaWduZWRfYXQiOiIyMDI2LTAxLTAxVDAwOjAwOjAwWiJ9",
  "statement_signature": "485c49e2d9d71b9d9b2058449a2dd5d119e4868bca0f5a0d3a8e46ca972338af5987b988d645d64ad2b17824bda3c191bab0bc19af3b2389b1b8c182a9e27501",
  "version": 1
}
