//! Any text as a file of the trust store: the file is read, or refused with the line that is wrong.
//!
//! The first byte says which file it is: trusted keys, revocations, pins or rotations.

#![no_main]
#![forbid(unsafe_code)]

use conductor_signing::{SigningKey, TrustError, TrustStore};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let Some((which, rest)) = bytes.split_first() else { return };
    let Ok(text) = std::str::from_utf8(rest) else { return };
    let mut texts = ["version = 1\n"; 4];
    texts[usize::from(which % 4)] = text;
    match TrustStore::from_texts(texts) {
        Ok(store) => {
            // Whatever a file says, the store can be asked about keys.
            if let Ok(key) = SigningKey::generate() {
                let key = key.public_key();
                assert!(store.get(&key).is_none() && store.revoked_key(&key).is_none());
                let _ = store.lineage(None).map(|lineage| lineage.ancestors(&key).count());
            }
        }
        Err(error @ (TrustError::Encode { .. } | TrustError::Write { .. })) => {
            unreachable!("nothing was written: {error}")
        }
        Err(error) => assert!(!error.to_string().contains(char::is_control), "{error:?}"),
    }
});
