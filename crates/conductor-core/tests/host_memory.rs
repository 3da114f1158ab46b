//! A plugin's memory limit bounds the host's growth too. A program of its own, because the test measures the whole
//! process.

#![expect(clippy::expect_used, reason = "a test that cannot be set up fails, outside its test function too")]

#[path = "support/plugins.rs"]
#[expect(dead_code, reason = "each test binary uses a part of the support")]
mod support;

use conductor_core::{Host, Outcome, PluginOptions, WasmConfig};
use support::{REQUEST, load};

/// Memory that the host may use beyond the plugin's own 128 MiB.
const ALLOWANCE_KIB: u64 = 16 * 1024;

#[test]
fn the_host_grows_by_no_more_than_the_plugin_may() {
    let host = Host::new(WasmConfig::default()).expect("host");
    let text = include_str!("support/grower.wat");
    let wasm = wat::parse_str(text).expect("valid text");
    let mut plugin = load(&host, "grower.wasm", wasm, &PluginOptions::default()).expect("loads");
    let before = peak_kib();
    assert_eq!(plugin.execute(REQUEST).outcome, Outcome::Ok);
    let grown = peak_kib() - before;
    assert!(grown <= 128 * 1024 + ALLOWANCE_KIB, "the process grew by {grown} KiB");
}

/// Peak of this process's resident memory.
fn peak_kib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").expect("readable");
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).expect("there");
    line.trim().trim_end_matches(" kB").trim().parse().expect("a number")
}
