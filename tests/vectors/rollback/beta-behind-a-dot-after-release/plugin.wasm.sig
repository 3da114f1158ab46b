{
  "algorithm": "Ed25519",
  "developer": {
    "email": "dev@example.org",
    "name": "Ada"
  },
  "plugin_hash": "117162225c667a1116752ba04d3ba2f1929a8edd1fbf77eff43f6a3a4135dbc6",
  "plugin_size": 96,
  "public_key": "8a88e3dd7409f195fd52db2d3cba5d72ca6709bf1d94121bf3748801b40f6f5c",
  "signature": "370f38e81f74c56944666bf5d4c771b3db8afef171ef3b282ffbe72034ade023ce58bfb8db062be8196d57c4d2e3ce3a7b51851011b0a9a915dc2c792c5bbd0e",
  "signed_at": "2026-01-01T00:00:00Z",
  "statement": "eyJjYXBhYmlsaXRpZXMiOm51bGwsImRldmVsb3BlciI6eyJlbWFpbCI6ImRldkBleGFtcGxlLm9yZyIsIm5hbWUiOiJBZGEifSwicGx1Z2luX2hhc2giOiIxMTcxNjIyMjVjNjY3YTExMTY3NTJiYTA0ZDNiYTJmMTkyOWE4ZWRkMWZiZjc3ZWZmNDNmNmEzYTQxMzVkYmM2IiwicGx1Z2luX25hbWUiOiJjaG9yZCIsInBsdWdpbl9zaXplIjo5NiwicGx1Z2luX3ZlcnNpb24iOiIxLjAuMC5iZXRhIiwic2lnbmVkX2F0IjoiMjAyNi0wMS0wMVQwMDowMDowMFoifQ==",
  "statement_signature": "fa6d4886cf445da8db1ce91fb2a65e230ff8d433ce2a457a392a1ffea22a8ec9be73fb8f631776ac35b92fe402a20fae1843181011a8ee2a21a1ea5ce0c9cc0d",
  "version": 1
}
