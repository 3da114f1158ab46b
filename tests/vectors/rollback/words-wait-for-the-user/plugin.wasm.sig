{
  "algorithm": "Ed25519",
  "developer": {
    "email": "dev@example.org",
    "name": "Ada"
  },
  "plugin_hash": "e9a3d00183bc59fe15e82b18eecb6c3719ccec625cce81d9acecff6d9581f5d3",
  "plugin_size": 92,
  "public_key": "8a88e3dd7409f195fd52db2d3cba5d72ca6709bf1d94121bf3748801b40f6f5c",
  "signature": "d7edf7174aa8b63555f71dc195c01a3c6f3f68a8fdc7c464becec1b8a8c4acd55039baf8ccfbbd1232a535a0db3b13b5d5a5fcf9f254bdcc78d55f35dfc1d501",
  "signed_at": "2026-01-01T00:00:00Z",
  "statement": "eyJjYXBhYmlsaXRpZXMiOm51bGwsImRldmVsb3BlciI6eyJlbWFpbCI6ImRldkBleGFtcGxlLm9yZyIsIm5hbWUiOiJBZGEifSwicGx1Z2luX2hhc2giOiJlOWEzZDAwMTgzYmM1OWZlMTVlODJiMThlZWNiNmMzNzE5Y2NlYzYyNWNjZTgxZDlhY2VjZmY2ZDk1ODFmNWQzIiwicGx1Z2luX25hbWUiOiJjaG9yZCIsInBsdWdpbl9zaXplIjo5MiwicGx1Z2luX3ZlcnNpb24iOiJzdW1tZXIiLCJzaWduZWRfYXQiOiIyMDI2LTAxLTAxVDAwOjAwOjAwWiJ9",
  "statement_signature": "7d1a8897053000c972c0db2a5e5effc3146db442c21c9cdf8cb82c2fb66abff6b0d75f8603fd597c57ea696dc2e17d69d8fc873aa966ca38ad0526e6c3ade706",
  "version": 1
}
