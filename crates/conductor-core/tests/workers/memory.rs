//! A plugin's memory limit also bounds its worker, as measured from outside.

use conductor_core::{Outcome, PluginOptions};

use crate::hosts;
use crate::support::{REQUEST, load};

/// Memory that a worker may use beyond the plugin's own 128 MiB.
const ALLOWANCE_KIB: u64 = 16 * 1024;

/// A worker grows by no more than its plugin may.
pub(crate) fn a_worker_grows_by_no_more_than_its_plugin_may() {
    let host = hosts::in_workers();
    let wasm = wat::parse_str(include_str!("../support/grower.wat")).expect("valid text");
    let mut plugin = load(&host, "grower.wasm", wasm, &PluginOptions::default()).expect("loads");
    let worker = plugin.worker_pid().expect("it runs in a worker");
    let before = peak_kib(worker);
    assert_eq!(plugin.execute(REQUEST).outcome, Outcome::Ok);
    assert_eq!(plugin.worker_pid(), Some(worker), "it is the worker that was measured before");
    let grown = peak_kib(worker) - before;
    assert!(grown >= 100 * 1024, "the worker grew by {grown} KiB only, so the limit was not tried");
    assert!(grown <= 128 * 1024 + ALLOWANCE_KIB, "the worker grew by {grown} KiB");
}

/// Peak of a process's resident memory.
fn peak_kib(pid: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).expect("readable");
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).expect("there");
    line.trim().trim_end_matches(" kB").trim().parse().expect("a number")
}
