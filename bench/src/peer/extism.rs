//! Extism, in this process, with the limits that Conductor has too.

use std::time::Duration;

use extism::{Manifest, Plugin, PluginBuilder, Wasm};

use crate::stage::Result;

/// 128 MiB, in pages.
const PAGES: u32 = 2048;

/// Makes a plugin whose instance is used for every call.
pub(crate) fn plugin(bytes: Vec<u8>) -> Result<Plugin> {
    let manifest =
        Manifest::new([Wasm::data(bytes)]).with_memory_max(PAGES).with_timeout(Duration::from_secs(5));
    Ok(PluginBuilder::new(manifest).with_wasi(true).with_fuel_limit(100_000_000).build()?)
}

/// Calls the plugin.
pub(crate) fn execute(plugin: &mut Plugin, request: &[u8]) {
    let answer = plugin.call::<&[u8], &[u8]>("execute", request);
    assert!(answer.is_ok(), "{answer:?}");
}
