//! Any text as a manifest: an accepted manifest can be put into a module and is found there again.

#![no_main]
#![forbid(unsafe_code)]

use conductor_signing::{PluginFile, UnverifiedPlugin, add_manifest, manifest_from_toml};
use libfuzzer_sys::fuzz_target;

/// Magic number and version: the smallest module.
const MODULE: &[u8] = b"\0asm\x01\0\0\0";

fuzz_target!(|bytes: &[u8]| {
    let _ = conductor_abi::Manifest::from_json(bytes);
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let Ok(manifest) = manifest_from_toml(text) else { return };
    // A manifest that fits in TOML may be too long for a module when written as JSON.
    let Ok(wasm) = add_manifest(MODULE, &manifest, false) else { return };
    let plugin = UnverifiedPlugin::from_parts("fuzzed.wasm", wasm, None);
    let file: &PluginFile = plugin.file();
    assert_eq!(file.manifest(), Ok(Some(manifest)));
});
