//! The data directory as a hand-written guest sees it.

#![expect(clippy::expect_used, reason = "a test that cannot be set up fails, outside its test function too")]

#[path = "support/plugins.rs"]
#[expect(dead_code, reason = "each test program uses the plugins that it needs")]
mod support;

use std::time::Duration;

use conductor_core::{Host, Limits, Outcome, Plugin, PluginOptions, WasmConfig};
use support::{REQUEST, load};
use tempfile::TempDir;

/// A plugin that was granted Filesystem, with these functions added to the usual ones; and its data directory.
fn plugin(functions: &str, limits: Limits) -> (Box<dyn Plugin>, TempDir) {
    let data = tempfile::tempdir().expect("data directory");
    let host = Host::new(WasmConfig { data_dir: Some(data.path().to_owned()), ..WasmConfig::default() });
    let manifest = r#"{\"name\":\"writer\",\"version\":\"1\",\"capabilities\":[{\"name\":\"Filesystem\"}]}"#;
    let text = format!(
        r#"(module
            (import "wasi_snapshot_preview1" "path_open"
                (func $open (param i32 i32 i32 i32 i32 i64 i64 i32 i32) (result i32)))
            (import "wasi_snapshot_preview1" "fd_write" (func $write (param i32 i32 i32 i32) (result i32)))
            (import "wasi_snapshot_preview1" "fd_filestat_get" (func $stat (param i32 i32) (result i32)))
            (import "wasi_snapshot_preview1" "path_filestat_get"
                (func $stat_at (param i32 i32 i32 i32 i32) (result i32)))
            (memory (export "memory") 2)
            (data (i32.const 0) "file")
            (func $create (result i32)
                (call $open (i32.const 3) (i32.const 0) (i32.const 0) (i32.const 4) (i32.const 1)
                    (i64.const 0x200042) (i64.const 0) (i32.const 0) (i32.const 8)))
            (func $append (param $bytes i32) (result i32)
                (i32.store (i32.const 16) (i32.const 1024))
                (i32.store (i32.const 20) (local.get $bytes))
                (call $write (i32.load (i32.const 8)) (i32.const 16) (i32.const 1) (i32.const 24)))
            (func (export "alloc") (param i32) (result i32) (i32.const 1024))
            {functions}
            (@custom "conductor:manifest" "{manifest}"))"#
    );
    let options = PluginOptions {
        limits: Some(limits),
        granted: vec!["Filesystem".parse().expect("a grant")],
        accept_unsigned: true,
        ..PluginOptions::default()
    };
    let wasm = wat::parse_str(text).expect("valid text");
    (load(&host.expect("host"), "writer.wasm", wasm, &options).expect("loads"), data)
}

#[test]
fn the_start_function_is_held_to_the_quota() {
    let functions = r#"
        (global $refused (mut i32) (i32.const 0))
        (func $fill
            (drop (call $create))
            (drop (call $append (i32.const 10000)))
            (global.set $refused (call $append (i32.const 1))))
        (start $fill)
        (func (export "execute") (param i32 i32) (result i32) (global.get $refused))"#;
    let limits = Limits { max_disk_bytes: 10_000, ..Limits::default() };
    let (mut plugin, data) = plugin(functions, limits);
    let report = plugin.execute(REQUEST);
    assert_eq!(report.outcome, Outcome::Failed { code: 19 });
    assert_eq!(report.limits_refused, [conductor_core::Limit::DiskBytes]);
    assert_eq!(std::fs::metadata(data.path().join("writer/file")).expect("written").len(), 10_000);
}

#[test]
fn the_times_of_files_are_as_coarse_as_the_clock() {
    // The step is an hour: the file was made in this hour or the one before.
    let functions = r#"
        (global $step i64 (i64.const 3600000000000))
        (func $check (param $time i64)
            (if (i64.eqz (local.get $time)) (then (unreachable)))
            (if (i64.ne (i64.rem_u (local.get $time) (global.get $step)) (i64.const 0)) (then (unreachable))))
        (func $check_all
            (call $check (i64.load (i32.const 552)))
            (call $check (i64.load (i32.const 560)))
            (call $check (i64.load (i32.const 568))))
        (func (export "execute") (param i32 i32) (result i32)
            (if (call $create) (then (unreachable)))
            (if (call $append (i32.const 1)) (then (unreachable)))
            (if (call $stat (i32.load (i32.const 8)) (i32.const 512)) (then (unreachable)))
            (call $check_all)
            (memory.fill (i32.const 512) (i32.const 0) (i32.const 64))
            (if (call $stat_at (i32.const 3) (i32.const 0) (i32.const 0) (i32.const 4) (i32.const 512))
                (then (unreachable)))
            (call $check_all)
            (i32.const 0))"#;
    let limits = Limits { wall_clock_step: Duration::from_secs(3600), ..Limits::default() };
    let (mut plugin, _data) = plugin(functions, limits);
    assert_eq!(plugin.execute(REQUEST).outcome, Outcome::Ok);
}
