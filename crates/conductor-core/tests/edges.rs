//! No limits make the host itself overflow: a plugin is loaded and called under every limit at the edges of its type,
//! of its default and of the least that a configuration may name, one after the other and all at once.

#![expect(clippy::expect_used, reason = "a test that cannot be set up fails, outside its test function too")]

#[path = "support/plugins.rs"]
#[expect(dead_code, reason = "each test program uses the plugins that it needs")]
mod support;

use std::time::Duration;

use conductor_abi::Op;
use conductor_core::{Host, Isolation, Limits, Outcome, PluginOptions, WasmConfig};
use support::{REQUEST, load};

/// A limit: its name, and how it is set to a number or to the most of its type.
type Limit = (&'static str, fn(&mut Limits, u64));

fn narrow(number: u64) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}

/// Each number also as a time in the units that sums are made in.
fn times(number: u64) -> [Duration; 3] {
    [Duration::from_nanos(number), Duration::from_millis(number), Duration::from_secs(number)]
}

const LIMITS: [Limit; 31] = [
    ("max_fuel", |limits, number| limits.max_fuel = number),
    ("max_memory_bytes", |limits, number| limits.max_memory_bytes = number),
    ("max_table_elements", |limits, number| limits.max_table_elements = number),
    ("max_execution_time in ns", |limits, number| limits.max_execution_time = times(number)[0]),
    ("max_execution_time in ms", |limits, number| limits.max_execution_time = times(number)[1]),
    ("max_execution_time in s", |limits, number| limits.max_execution_time = times(number)[2]),
    ("max_stack_bytes", |limits, number| limits.max_stack_bytes = narrow(number)),
    ("max_open_files", |limits, number| limits.max_open_files = narrow(number)),
    ("max_disk_bytes", |limits, number| limits.max_disk_bytes = number),
    ("max_disk_files", |limits, number| limits.max_disk_files = narrow(number)),
    ("max_message_bytes", |limits, number| limits.max_message_bytes = narrow(number)),
    ("max_calls_per_second", |limits, number| limits.max_calls_per_second = narrow(number)),
    ("max_network_bytes_per_minute", |limits, number| limits.max_network_bytes_per_minute = number),
    ("max_network_connections", |limits, number| limits.max_network_connections = narrow(number)),
    ("max_network_lookups", |limits, number| limits.max_network_lookups = narrow(number)),
    ("max_network_buffered_bytes", |limits, number| limits.max_network_buffered_bytes = number),
    ("max_network_frames_per_second", |limits, number| limits.max_network_frames_per_second = narrow(number)),
    ("max_reply_bytes", |limits, number| limits.max_reply_bytes = narrow(number)),
    ("max_log_bytes", |limits, number| limits.max_log_bytes = narrow(number)),
    ("max_log_bytes_per_minute", |limits, number| limits.max_log_bytes_per_minute = number),
    ("max_queued_events", |limits, number| limits.max_queued_events = narrow(number)),
    ("max_queued_bytes", |limits, number| limits.max_queued_bytes = number),
    ("max_module_bytes", |limits, number| limits.max_module_bytes = number),
    ("wall_clock_step in ns", |limits, number| limits.wall_clock_step = times(number)[0]),
    ("wall_clock_step in s", |limits, number| limits.wall_clock_step = times(number)[2]),
    ("monotonic_clock_step in ns", |limits, number| limits.monotonic_clock_step = times(number)[0]),
    ("monotonic_clock_step in s", |limits, number| limits.monotonic_clock_step = times(number)[2]),
    ("max_compile_time in s", |limits, number| limits.max_compile_time = times(number)[2]),
    ("max_compile_time in ns", |limits, number| limits.max_compile_time = times(number)[0]),
    ("max_compile_bytes", |limits, number| limits.max_compile_bytes = number),
    ("isolation", |limits, number| {
        limits.isolation = if number % 2 == 0 { Isolation::Fresh } else { Isolation::Persistent };
    }),
];

const NUMBERS: [u64; 9] =
    [0, 1, 255, 1 << 20, i32::MAX as u64, u32::MAX as u64, u32::MAX as u64 + 1, i64::MAX as u64, u64::MAX];

/// A plugin that grows its memory and table, asks for both clocks and their steps, writes a file, prints, and replies.
fn plugin() -> Vec<u8> {
    let manifest = r#"{\"name\":\"edges\",\"version\":\"1\",\"capabilities\":[{\"name\":\"Filesystem\"}]}"#;
    let text = format!(
        r#"(module
            (import "wasi_snapshot_preview1" "path_open"
                (func $open (param i32 i32 i32 i32 i32 i64 i64 i32 i32) (result i32)))
            (import "wasi_snapshot_preview1" "fd_write" (func $write (param i32 i32 i32 i32) (result i32)))
            (import "wasi_snapshot_preview1" "clock_time_get" (func $time (param i32 i64 i32) (result i32)))
            (import "wasi_snapshot_preview1" "clock_res_get" (func $step (param i32 i32) (result i32)))
            (import "conductor" "call" (func $call (param i32 i32 i32) (result i64)))
            (memory (export "memory") 2)
            (table 1 funcref)
            (data (i32.const 0) "file")
            (func (export "alloc") (param i32) (result i32) (i32.const 4096))
            (func (export "execute") (param i32 i32) (result i32)
                (drop (memory.grow (i32.const 1)))
                (drop (table.grow (ref.null func) (i32.const 3)))
                (drop (call $time (i32.const 0) (i64.const 1) (i32.const 64)))
                (drop (call $time (i32.const 1) (i64.const 1) (i32.const 64)))
                (drop (call $step (i32.const 0) (i32.const 64)))
                (drop (call $step (i32.const 1) (i32.const 64)))
                (i32.store (i32.const 16) (i32.const 1024))
                (i32.store (i32.const 20) (i32.const 300))
                (drop (call $write (i32.const 1) (i32.const 16) (i32.const 1) (i32.const 24)))
                (drop (call $open (i32.const 3) (i32.const 0) (i32.const 0) (i32.const 4) (i32.const 1)
                    (i64.const 0x200042) (i64.const 0) (i32.const 0) (i32.const 8)))
                (drop (call $write (i32.load (i32.const 8)) (i32.const 16) (i32.const 1) (i32.const 24)))
                (drop (call $call (i32.const {reply}) (i32.const 1024) (i32.const 300)))
                (i32.const 0))
            (@custom "conductor:manifest" "{manifest}"))"#,
        reply = Op::Reply as u32,
    );
    wat::parse_str(text).expect("valid text")
}

/// Loads the plugin and calls it twice: whatever becomes of it, it is told, and stays within the limits. Says whether
/// it loads.
fn holds(what: &str, host: &Host, wasm: &[u8], limits: Limits) -> bool {
    let options = PluginOptions {
        limits: Some(limits),
        granted: vec!["Filesystem".parse().expect("a grant")],
        accept_unsigned: true,
        ..PluginOptions::default()
    };
    let Ok(mut plugin) = load(host, "edges.wasm", wasm.to_vec(), &options) else { return false };
    for _ in 0..2 {
        let report = plugin.execute(REQUEST);
        assert!(
            matches!(report.outcome, Outcome::Ok | Outcome::Limit { .. } | Outcome::Suspended { .. }),
            "{what}: {:?}",
            report.outcome
        );
        assert!(report.fuel_used <= limits.max_fuel, "{what}: {} of fuel", report.fuel_used);
        assert!(report.peak_memory_bytes <= limits.max_memory_bytes, "{what}: {}", report.peak_memory_bytes);
        let reply = report.reply.as_ref().map_or(0, Vec::len);
        assert!(reply <= limits.max_reply_bytes as usize, "{what}: a reply of {reply}");
        let logged: usize = report.log.iter().map(|line| line.text.len()).sum();
        assert!(logged <= limits.max_log_bytes as usize, "{what}: {logged} bytes of log");
        // A call takes as long as it takes; it is not longer than the limit allows by more than a busy machine makes
        // it.
        assert!(
            report.elapsed <= limits.max_execution_time.saturating_add(Duration::from_secs(60)),
            "{what}"
        );
    }
    true
}

#[test]
fn no_limit_overflows_alone() {
    let data = tempfile::tempdir().expect("a directory");
    let config = WasmConfig { data_dir: Some(data.path().to_owned()), ..WasmConfig::default() };
    let (host, wasm) = (Host::new(config).expect("a host"), plugin());
    for (name, set) in LIMITS {
        let loaded = NUMBERS.into_iter().filter(|number| {
            let mut limits = Limits::default();
            set(&mut limits, *number);
            holds(&format!("{name} is {number}"), &host, &wasm, limits)
        });
        assert!(loaded.count() > 0, "{name}: the plugin loads under some limit");
    }
    // The plugin does what it is there for, where nothing is in its way.
    let written = std::fs::read_dir(data.path().join("edges")).expect("its directory").count();
    assert_eq!(written, 1, "its file");
}

#[test]
fn no_limits_overflow_together() {
    let data = tempfile::tempdir().expect("a directory");
    let config = WasmConfig { data_dir: Some(data.path().to_owned()), ..WasmConfig::default() };
    let (host, wasm) = (Host::new(config).expect("a host"), plugin());
    let is_loaded = holds("the usual", &host, &wasm, Limits::default());
    assert!(is_loaded, "the plugin loads");
    holds("the least", &host, &wasm, Limits::LEAST);
    for number in NUMBERS {
        let mut limits = Limits::default();
        for (_, set) in LIMITS {
            set(&mut limits, number);
        }
        holds(&format!("each is {number}"), &host, &wasm, limits);
        // The same, but for what would keep it from being loaded at all.
        limits.max_stack_bytes = limits.max_stack_bytes.min(conductor_core::MAX_STACK_BYTES);
        holds(&format!("each but the stack is {number}"), &host, &wasm, limits);
    }
}
