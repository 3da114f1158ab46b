//! Any bytes as a revocation list: the list is judged, and one that holds says the same when it is read again.

#![no_main]
#![forbid(unsafe_code)]

use conductor_signing::RevocationList;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    match RevocationList::parse(bytes) {
        Ok(list) => assert_eq!(RevocationList::parse(list.json().as_bytes()).as_ref(), Ok(&list)),
        Err(error) => assert!(!error.to_string().contains(char::is_control), "{error:?}"),
    }
});
