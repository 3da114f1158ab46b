{
  "version": 1,
  "algorithm": "Ed25519",
  "plugin_hash": "daac7db78442f541cb0cae73225afd5efd0b5ea0ca2cafe443540b9a7f3f8fbb",
  "plugin_size": 274,
  "public_key": "a44aa7d637bedd44913c6db56f7b224b844673f4387d039bcfc3c98203e271d4",
  "signature": "4dfa5b7e96fa380ae1d2d3493c8324dda43382ab32aa770596516877023c5a88b378488441fe2a0a38274255e14558a4e8ef937b99a50a840ddc9a651f5c7909",
  "signed_at": "2026-11-29T06:05:37Z",
  "developer": {
    "name": "Ada",
    "email": "ada@example.org"
  },
  "statement": "eyJwbHVnaW5faGFzaCI6ImRhYWM3ZGI3ODQ0MmY1NDFjYjBjYWU3MzIyNWFmZDVlZmQwYjVlYTBjYTJjYWZlNDQzNTQwYjlhN2YzZjhmYmIiLCJwbHVnaW5fc2l6ZSI6Mjc0LCJwbHVnaW5fbmFtZSI6ImJvYi1ob29rcyIsInBsdWdpbl92ZXJzaW9uIjoiMS4wLjAiLCJjYXBhYmlsaXRpZXMiOlt7Im5hbWUiOiJOZXR3b3JrIiwic2NvcGUiOiJob29rcy5leGFtcGxlLm9yZzttZXRob2RzPVBPU1QifSx7Im5hbWUiOiJGaWxlc3lzdGVtIn1dLCJkZXZlbG9wZXIiOnsibmFtZSI6IkFkYSIsImVtYWlsIjoiYWRhQGV4YW1wbGUub3JnIn0sInNpZ25lZF9hdCI6IjIwMjYtMTEtMjlUMDY6MDU6MzdaIn0=",
  "statement_signature": "df441c4132651763781d40a1b89a74ff054c885b6dd9bf21b69ab434e13cddf010ea181b7534c8ff4664f30d47f6d6089ce7c72cfcc39765a9d8d8375d400c08"
}
