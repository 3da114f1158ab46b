{
  "algorithm": "Ed25519",
  "developer": {
    "email": "dev@example.org",
    "name": "Ada"
  },
  "plugin_hash": "8b400daa500b1961e6247a30bbff80597433a97b34b3cafe37821f29581a1601",
  "plugin_size": 94,
  "public_key": "8a88e3dd7409f195fd52db2d3cba5d72ca6709bf1d94121bf3748801b40f6f5c",
  "signature": "7ae4ec3f1e227fb51dc1094412a4524b6477332292ea74ed14bf1866ba26a890d113cf7f7fc02631ddfdcc598e068c5ea2789bb123183ba2ca9e7677d7f8d301",
  "signed_at": "2026-01-01T00:00:00Z",
  "statement": "eyJjYXBhYmlsaXRpZXMiOm51bGwsImRldmVsb3BlciI6eyJlbWFpbCI6ImRldkBleGFtcGxlLm9yZyIsIm5hbWUiOiJBZGEifSwicGx1Z2luX2hhc2giOiI4YjQwMGRhYTUwMGIxOTYxZTYyNDdhMzBiYmZmODA1OTc0MzNhOTdiMzRiM2NhZmUzNzgyMWYyOTU4MWExNjAxIiwicGx1Z2luX25hbWUiOiJjaG9yZCIsInBsdWdpbl9zaXplIjo5NCwicGx1Z2luX3ZlcnNpb24iOm51bGwsInNpZ25lZF9hdCI6IjIwMjYtMDEtMDFUMDA6MDA6MDBaIn0=",
  "statement_signature": "1cc83d722f4410922c7655c98319d7e0f47010417068674833db1c10a28bf8a15dd7f0992e53496880ae9252f026d63fc3433f2e6a90c482bbee4874dd05b80a",
  "version": 1
}
