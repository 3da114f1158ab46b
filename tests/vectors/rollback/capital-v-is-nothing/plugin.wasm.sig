{
  "algorithm": "Ed25519",
  "developer": {
    "email": "dev@example.org",
    "name": "Ada"
  },
  "plugin_hash": "cec6f43ad1e8cfd259c3716281ba5f9a0b51e986c0c96a1250260a496cf924bd",
  "plugin_size": 90,
  "public_key": "8a88e3dd7409f195fd52db2d3cba5d72ca6709bf1d94121bf3748801b40f6f5c",
  "signature": "dc718c18233f5ec75f3e8c9007c95c8b882c0c57dc1451070e43725b6a0adf362537bd98e113de0f21411e9340dc3a420240f5a27eb2ce009f5173f9c558060d",
  "signed_at": "2026-01-01T00:00:00Z",
  "statement": "eyJjYXBhYmlsaXRpZXMiOm51bGwsImRldmVsb3BlciI6eyJlbWFpbCI6ImRldkBleGFtcGxlLm9yZyIsIm5hbWUiOiJBZGEifSwicGx1Z2luX2hhc2giOiJjZWM2ZjQzYWQxZThjZmQyNTljMzcxNjI4MWJhNWY5YTBiNTFlOTg2YzBjOTZhMTI1MDI2MGE0OTZjZjkyNGJkIiwicGx1Z2luX25hbWUiOiJjaG9yZCIsInBsdWdpbl9zaXplIjo5MCwicGx1Z2luX3ZlcnNpb24iOiJWMS4xIiwic2lnbmVkX2F0IjoiMjAyNi0wMS0wMVQwMDowMDowMFoifQ==",
  "statement_signature": "4ff73b6c55b2732b0cf8b1758d332cacbbe65749f7e8cbe9c4349b68969cf60b91fd4935df99c3517a4f4035aeb4c339fcc34a17727be6b7ff9348b30536ff0d",
  "version": 1
}
