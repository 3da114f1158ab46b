//! Any bytes as a chain of rotations: a chain that holds is the same after it is written, and can be joined to accepted
//! rotations.

#![no_main]
#![forbid(unsafe_code)]

use conductor_signing::{MAX_ROTATION_LINKS, RotationChain, TrustStore};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    match RotationChain::parse(bytes) {
        Ok(chain) => {
            assert_eq!(RotationChain::parse(chain.to_json().as_bytes()).as_ref(), Ok(&chain));
            let store = TrustStore::default();
            let lineage = store.lineage(Some(&chain));
            assert!(lineage.is_ok_and(|lineage| {
                chain.links().iter().all(|link| lineage.ancestors(&link.new).count() <= MAX_ROTATION_LINKS)
            }));
        }
        Err(error) => assert!(!error.to_string().contains(char::is_control), "{error:?}"),
    }
});
