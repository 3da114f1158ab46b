{
  "version": 1,
  "algorithm": "Ed25519",
  "plugin_hash": "9d747ad60101ba38d75ab4ee2084e180ab49a2bc80349aac7a15619105679e5d",
  "plugin_size": 245,
  "public_key": "a44aa7d637bedd44913c6db56f7b224b844673f4387d039bcfc3c98203e271d4",
  "signature": "ef53bf17caf68803516528f2f644a4bec01bf6173d02ed5e2f47400e2c80a28deb37fb1f0b05c262a5b76c9fbd4cfcbf289c3999be741d534f9cb9681b67d604",
  "signed_at": "2026-11-29T06:05:37Z",
  "developer": {
    "name": "Ada",
    "email": "ada@example.org"
  },
  "statement": "eyJwbHVnaW5faGFzaCI6IjlkNzQ3YWQ2MDEwMWJhMzhkNzVhYjRlZTIwODRlMTgwYWI0OWEyYmM4MDM0OWFhYzdhMTU2MTkxMDU2NzllNWQiLCJwbHVnaW5fc2l6ZSI6MjQ1LCJwbHVnaW5fbmFtZSI6ImJvYi1rZXB0IiwicGx1Z2luX3ZlcnNpb24iOiIxLjAuMCIsImNhcGFiaWxpdGllcyI6W3sibmFtZSI6IkZpbGVzeXN0ZW0ifSx7Im5hbWUiOiJNaWRpIiwic2NvcGUiOiJzeW50aCJ9XSwiZGV2ZWxvcGVyIjp7Im5hbWUiOiJBZGEiLCJlbWFpbCI6ImFkYUBleGFtcGxlLm9yZyJ9LCJzaWduZWRfYXQiOiIyMDI2LTExLTI5VDA2OjA1OjM3WiJ9",
  "statement_signature": "7327c3708907deaa40cb0e17253a40b80a7337254de0be1f913b152d4e7fa73901d6bd463c296aa947d49118216c19ebb482fee3d14b45aed732866fcb9a7e0d"
}
