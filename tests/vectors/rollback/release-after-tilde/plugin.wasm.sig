{
  "algorithm": "Ed25519",
  "developer": {
    "email": "dev@example.org",
    "name": "Ada"
  },
  "plugin_hash": "ea84d2fde006b4a6d93f16f3acb2a2e8ba51e1cab618ef814dfc3ad9eefcd174",
  "plugin_size": 89,
  "public_key": "8a88e3dd7409f195fd52db2d3cba5d72ca6709bf1d94121bf3748801b40f6f5c",
  "signature": "4e9f3173dfeb874272669fdca67edff7bbfd540702b605ef7946fd503a5029c330240f60dbda346fddbfa42ac940e7b1df52a347b5ccf3a0bce8c2f1c689cb00",
  "signed_at": "2026-01-01T00:00:00Z",
  "statement": "eyJjYXBhYmlsaXRpZXMiOm51bGwsImRldmVsb3BlciI6eyJlbWFpbCI6ImRldkBleGFtcGxlLm9yZyIsIm5hbWUiOiJBZGEifSwicGx1Z2luX2hhc2giOiJlYTg0ZDJmZGUwMDZiNGE2ZDkzZjE2ZjNhY2IyYTJlOGJhNTFlMWNhYjYxOGVmODE0ZGZjM2FkOWVlZmNkMTc0IiwicGx1Z2luX25hbWUiOiJjaG9yZCIsInBsdWdpbl9zaXplIjo4OSwicGx1Z2luX3ZlcnNpb24iOiIxLjEiLCJzaWduZWRfYXQiOiIyMDI2LTAxLTAxVDAwOjAwOjAwWiJ9",
  "statement_signature": "44895bb939bdeeac782512d7c0d3aa73cba8202250cd0e0c106a752d6522a94be67cd032e01214b25f4707b77f1db0d443ca3b474e8384ac41e10bf192995709",
  "version": 1
}
