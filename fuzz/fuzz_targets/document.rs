//! Any bytes as a signature document: the document is judged, and one that can be read is the same after it is written.

#![no_main]
#![forbid(unsafe_code)]

use conductor_signing::SignatureDocument;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    match SignatureDocument::parse(bytes) {
        Ok(document) => {
            assert_eq!(SignatureDocument::parse(document.to_json().as_bytes()).as_ref(), Ok(&document));
        }
        Err(error) => assert!(!error.to_string().contains(char::is_control), "{error:?}"),
    }
});
