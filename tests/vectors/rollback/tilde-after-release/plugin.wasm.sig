{
  "algorithm": "Ed25519",
  "developer": {
    "email": "dev@example.org",
    "name": "Ada"
  },
  "plugin_hash": "7093edca83f4523aa372996aa7108afbef456e5e0bfb001ef09998ffd4ddbeff",
  "plugin_size": 93,
  "public_key": "8a88e3dd7409f195fd52db2d3cba5d72ca6709bf1d94121bf3748801b40f6f5c",
  "signature": "4a63259ca6ac3aaa2f3a2f5efe0bd8b99f4e4ae4a587d98b80df0551f906dc78f6b240def44b824aa95fbd68d227f677181c872059f23f0d6a2762368e350c0d",
  "signed_at": "2026-01-01T00:00:00Z",
  "statement": "eyJjYXBhYmlsaXRpZXMiOm51bGwsImRldmVsb3BlciI6eyJlbWFpbCI6ImRldkBleGFtcGxlLm9yZyIsIm5hbWUiOiJBZGEifSwicGx1Z2luX2hhc2giOiI3MDkzZWRjYTgzZjQ1MjNhYTM3Mjk5NmFhNzEwOGFmYmVmNDU2ZTVlMGJmYjAwMWVmMDk5OThmZmQ0ZGRiZWZmIiwicGx1Z2luX25hbWUiOiJjaG9yZCIsInBsdWdpbl9zaXplIjo5MywicGx1Z2luX3ZlcnNpb24iOiIxLjF+cmMxIiwic2lnbmVkX2F0IjoiMjAyNi0wMS0wMVQwMDowMDowMFoifQ==",
  "statement_signature": "382d98ff72e71107234f173a57f343ccce442fa71abeeb17200a64e865c5112ac551d8a93f4fee3f055950d05ce109ab5d0bde21097ae0fb08dc5ee06e29be09",
  "version": 1
}
