{
  "threshold": 0,
  "version": 1,
  "algorithm": "Ed25519",
  "plugin_hash": "2bae42ea2e355442bb1c93afe8a071e66d04e62b45ac7fc12cd5dfef7e1a0afb",
  "plugin_size": 123,
  "public_key": "aace37cec1524af9cba942bc612ed4c09933e3e14b533ec02fe977a0347ba60b",
  "signature": "b7ab0aab54da00845e71a3bc58edba508649d02a926194e519a51b33d7b7877a8ce2beca34447eea7be0b94103591755f4933c808fc8b8aa5623b99f363ac800",
  "signed_at": "2026-11-23T22:08:14Z",
  "developer": {
    "name": "Ada",
    "email": "ada@example.org"
  },
  "statement": "eyJwbHVnaW5faGFzaCI6IjJiYWU0MmVhMmUzNTU0NDJiYjFjOTNhZmU4YTA3MWU2NmQwNGU2MmI0NWFjN2ZjMTJjZDVkZmVmN2UxYTBhZmIiLCJwbHVnaW5fc2l6ZSI6MTIzLCJwbHVnaW5fbmFtZSI6ImNob3JkIiwicGx1Z2luX3ZlcnNpb24iOiIxLjAuMCIsImNhcGFiaWxpdGllcyI6W3sibmFtZSI6Ik1pZGkiLCJzY29wZSI6InN5bnRoIn1dLCJkZXZlbG9wZXIiOnsibmFtZSI6IkFkYSIsImVtYWlsIjoiYWRhQGV4YW1wbGUub3JnIn0sInNpZ25lZF9hdCI6IjIwMjYtMTEtMjNUMjI6MDg6MTRaIn0=",
  "statement_signature": "59a02b74b38c27dada1f2f6c1e16b9582166f16897fae3a8aae17a6d5a293b8eb6500f6c431d0e16c3e3cda5518f3a7f95f53ef9a8d8abfa045901547c39590c"
}
