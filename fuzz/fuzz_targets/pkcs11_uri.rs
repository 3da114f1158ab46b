//! Any text as a PKCS#11 URI: a URI that can be read is the same after it is shown, except for its PIN.

#![no_main]
#![forbid(unsafe_code)]

use conductor_keys::TokenUri;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    match text.parse::<TokenUri>() {
        Ok(uri) => {
            let shown = uri.to_string();
            assert!(!shown.contains(char::is_control), "{shown:?}");
            // Escapes take more room, so the shown text may be too long to be read again.
            if let Ok(again) = shown.parse::<TokenUri>() {
                assert!(again == uri.without_pin(), "{shown}");
            }
        }
        Err(error) => assert!(!error.to_string().contains(char::is_control), "{error:?}"),
    }
});
