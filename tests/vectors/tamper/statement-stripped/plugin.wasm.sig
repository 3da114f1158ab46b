{
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
  }
}
