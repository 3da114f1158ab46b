{
  "algorithm": "Ed25519",
  "developer": {
    "email": "dev@example.org",
    "name": "Ada"
  },
  "plugin_hash": "359c4f31626751373900029e6ef516575d35bc849eece0981c347f7f85e81f7e",
  "plugin_size": 89,
  "public_key": "8a88e3dd7409f195fd52db2d3cba5d72ca6709bf1d94121bf3748801b40f6f5c",
  "signature": "d3c14640766ebe9d02c473832d01e5b267434ca5a2939e86801621e1b77dc7c69e9b1dce57246fb87da91dca2bc8dcd3aec974f64da57600c7cd970561cdb202",
  "signed_at": "2026-01-01T00:00:00Z",
  "statement": "eyJjYXBhYmlsaXRpZXMiOm51bGwsImRldmVsb3BlciI6eyJlbWFpbCI6ImRldkBleGFtcGxlLm9yZyIsIm5hbWUiOiJBZGEifSwicGx1Z2luX2hhc2giOiIzNTljNGYzMTYyNjc1MTM3MzkwMDAyOWU2ZWY1MTY1NzVkMzViYzg0OWVlY2UwOTgxYzM0N2Y3Zjg1ZTgxZjdlIiwicGx1Z2luX25hbWUiOiJjaG9yZCIsInBsdWdpbl9zaXplIjo4OSwicGx1Z2luX3ZlcnNpb24iOm51bGwsInNpZ25lZF9hdCI6IjIwMjYtMDEtMDFUMDA6MDA6MDBaIn0=",
  "statement_signature": "e8fce5a92ce02298819784e3acd2319dfa79c75768e0c3befd016834cb03a69104869b380780d9b0b8ae3c089deac8aaf46d63bd1f1d38c8b8e539fa0b20da07",
  "version": 1
}
