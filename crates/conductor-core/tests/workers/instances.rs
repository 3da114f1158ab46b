//! What one call leaves for the next: nothing after a trap, everything after success, and never another plugin's bytes;
//! on every host, whether it runs plugins in its own process or in workers.

use conductor_core::{Host, Isolation, Limits, Outcome, Plugin, PluginOptions};

use crate::hosts::OnHost;
use crate::support::{Bystander, REQUEST, load};

/// Every test of this file, with its name.
pub(crate) const TESTS: [OnHost; 9] = [
    ("instances::a_trap_is_followed_by_a_fresh_instance", a_trap_is_followed_by_a_fresh_instance),
    ("instances::fresh_isolation_gives_every_call_an_instance", fresh_isolation_gives_every_call_an_instance),
    ("instances::every_call_has_the_whole_budget", every_call_has_the_whole_budget),
    ("instances::memory_of_a_new_instance_is_zero", memory_of_a_new_instance_is_zero),
    (
        "a_command_reads_its_request_and_its_output_is_the_reply",
        a_command_reads_its_request_and_its_output_is_the_reply,
    ),
    ("instances::every_exit_status_is_a_result", every_exit_status_is_a_result),
    ("instances::a_reactor_may_exit", a_reactor_may_exit),
    (
        "a_second_plugin_on_another_thread_is_not_held_up_by_a_loop",
        a_second_plugin_on_another_thread_is_not_held_up_by_a_loop,
    ),
    ("instances::each_plugin_may_have_a_stack_of_its_own_size", each_plugin_may_have_a_stack_of_its_own_size),
];

/// Counts its calls in a global; traps when the request is `!`.
const COUNTER: &str = r#"(module
    (memory (export "memory") 1)
    (global $calls (mut i32) (i32.const 0))
    (func (export "alloc") (param i32) (result i32) (i32.const 1024))
    (func (export "execute") (param $at i32) (param $len i32) (result i32)
        (global.set $calls (i32.add (global.get $calls) (i32.const 1)))
        (if (i32.eq (i32.load8_u (local.get $at)) (i32.const 33)) (then (unreachable)))
        (global.get $calls)))"#;

fn counter(host: &Host, isolation: Isolation) -> Box<dyn Plugin> {
    let limits = Limits { isolation, ..Limits::default() };
    let options = PluginOptions { limits: Some(limits), ..PluginOptions::default() };
    load(host, "counter.wasm", wat::parse_str(COUNTER).expect("valid text"), &options).expect("loads")
}

pub(crate) fn a_trap_is_followed_by_a_fresh_instance(host: &Host) {
    let mut plugin = counter(host, Isolation::Persistent);
    assert_eq!(plugin.execute(REQUEST).outcome, Outcome::Failed { code: 1 });
    assert_eq!(plugin.execute(REQUEST).outcome, Outcome::Failed { code: 2 });
    let trapped = plugin.execute(b"!").outcome;
    assert_eq!(trapped.to_string(), "trapped: wasm `unreachable` instruction executed");
    assert_eq!(plugin.execute(REQUEST).outcome, Outcome::Failed { code: 1 });
}

pub(crate) fn fresh_isolation_gives_every_call_an_instance(host: &Host) {
    let mut plugin = counter(host, Isolation::Fresh);
    for _ in 0..3 {
        assert_eq!(plugin.execute(REQUEST).outcome, Outcome::Failed { code: 1 });
    }
}

pub(crate) fn every_call_has_the_whole_budget(host: &Host) {
    let spender = r#"(module
        (memory (export "memory") 1)
        (func (export "alloc") (param i32) (result i32) (i32.const 1024))
        (func (export "execute") (param i32 i32) (result i32)
            (local $left i32)
            (local.set $left (i32.const 10000000))
            (loop $again
                (local.set $left (i32.sub (local.get $left) (i32.const 1)))
                (br_if $again (local.get $left)))
            (i32.const 0)))"#;
    let wasm = wat::parse_str(spender).expect("valid text");
    let mut plugin = load(host, "spender.wasm", wasm, &PluginOptions::default()).expect("loads");
    let first = plugin.execute(REQUEST);
    for _ in 0..3 {
        let next = plugin.execute(REQUEST);
        assert_eq!(next.outcome, Outcome::Ok);
        assert_eq!(next.fuel_used, first.fuel_used, "the same work costs the same fuel");
    }
    assert!(first.fuel_used > 10_000_000 && first.fuel_used < 100_000_000, "{}", first.fuel_used);
}

pub(crate) fn memory_of_a_new_instance_is_zero(host: &Host) {
    let filler = r#"(module
        (memory (export "memory") 512)
        (func (export "alloc") (param i32) (result i32) (i32.const 1024))
        (func (export "execute") (param i32 i32) (result i32)
            (memory.fill (i32.const 0) (i32.const 0x5a) (i32.const 33554432))
            (i32.const 0)))"#;
    let reader = r#"(module
        (memory (export "memory") 512)
        (func (export "alloc") (param i32) (result i32) (i32.const 1024))
        (func (export "execute") (param i32 i32) (result i32)
            (local $at i32)
            (local.set $at (i32.const 4096))
            (loop $again
                (if (i64.ne (i64.load (local.get $at)) (i64.const 0)) (then (return (i32.const 1))))
                (local.set $at (i32.add (local.get $at) (i32.const 8)))
                (br_if $again (i32.lt_u (local.get $at) (i32.const 33554432))))
            (i32.const 0)))"#;
    let limits = Limits { max_fuel: 1_000_000_000, ..Limits::default() };
    let options = PluginOptions { limits: Some(limits), ..PluginOptions::default() };
    for _ in 0..3 {
        let wasm = wat::parse_str(filler).expect("valid text");
        let mut first = load(host, "filler.wasm", wasm, &options).expect("loads");
        assert_eq!(first.execute(REQUEST).outcome, Outcome::Ok);
        drop(first);
        let wasm = wat::parse_str(reader).expect("valid text");
        let mut second = load(host, "reader.wasm", wasm, &options).expect("loads");
        assert_eq!(second.execute(REQUEST).outcome, Outcome::Ok);
    }
}

pub(crate) fn a_command_reads_its_request_and_its_output_is_the_reply(host: &Host) {
    let echo = r#"(module
        (import "wasi_snapshot_preview1" "fd_read" (func $read (param i32 i32 i32 i32) (result i32)))
        (import "wasi_snapshot_preview1" "fd_write" (func $write (param i32 i32 i32 i32) (result i32)))
        (import "wasi_snapshot_preview1" "proc_exit" (func $exit (param i32)))
        (memory (export "memory") 1)
        (func (export "_start")
            (i32.store (i32.const 0) (i32.const 1024))
            (i32.store (i32.const 4) (i32.const 4096))
            (drop (call $read (i32.const 0) (i32.const 0) (i32.const 1) (i32.const 8)))
            (i32.store (i32.const 4) (i32.load (i32.const 8)))
            (drop (call $write (i32.const 1) (i32.const 0) (i32.const 1) (i32.const 8)))
            (call $exit (i32.sub (i32.load8_u (i32.const 1024)) (i32.const 48)))))"#;
    let wasm = wat::parse_str(echo).expect("valid text");
    let mut plugin = load(host, "echo.wasm", wasm, &PluginOptions::default()).expect("loads");
    let report = plugin.execute(b"0 hello");
    assert_eq!((report.outcome, report.reply.as_deref()), (Outcome::Ok, Some(&b"0 hello"[..])));
    let report = plugin.execute(b"7 again");
    assert_eq!(
        (report.outcome, report.reply.as_deref()),
        (Outcome::Failed { code: 7 }, Some(&b"7 again"[..]))
    );
}

pub(crate) fn every_exit_status_is_a_result(host: &Host) {
    for (status, code) in
        [(1, 1), (125, 125), (126, 126), (255, 255), (-1, 255), (256, 0), (257, 1), (i32::MIN, 0)]
    {
        let exit = format!(
            r#"(module
                (import "wasi_snapshot_preview1" "proc_exit" (func $exit (param i32)))
                (memory (export "memory") 1)
                (func (export "_start") (call $exit (i32.const {status}))))"#
        );
        let wasm = wat::parse_str(exit).expect("valid text");
        let mut plugin = load(host, "exit.wasm", wasm, &PluginOptions::default()).expect("loads");
        let expected = if code == 0 { Outcome::Ok } else { Outcome::Failed { code } };
        // More often than a plugin may trap before it is not called any more.
        for _ in 0..12 {
            assert_eq!(plugin.execute(REQUEST).outcome, expected, "status {status}");
        }
    }
}

/// A call that exits gives its status as the result, and the next call gets a new instance; `_initialize` may exit with
/// 0.
pub(crate) fn a_reactor_may_exit(host: &Host) {
    let exits = |initialize: i32| {
        let module = format!(
            r#"(module
                (import "wasi_snapshot_preview1" "proc_exit" (func $exit (param i32)))
                (memory (export "memory") 1)
                (global $calls (mut i32) (i32.const 0))
                (func (export "_initialize") (call $exit (i32.const {initialize})))
                (func (export "alloc") (param i32) (result i32) (i32.const 1024))
                (func (export "execute") (param $at i32) (param i32) (result i32)
                    (global.set $calls (i32.add (global.get $calls) (i32.const 1)))
                    (if (i32.eq (i32.load8_u (local.get $at)) (i32.const 33)) (then (call $exit (i32.const -1))))
                    (global.get $calls)))"#
        );
        load(host, "exits.wasm", wat::parse_str(module).expect("valid text"), &PluginOptions::default())
    };
    let mut plugin = exits(0).expect("loads");
    for (request, code) in [(REQUEST, 1), (REQUEST, 2), (b"!", 255), (b"!", 255), (REQUEST, 1)] {
        assert_eq!(plugin.execute(request).outcome, Outcome::Failed { code });
    }
    let Err(refused) = exits(3) else { panic!("it was loaded") };
    assert!(refused.to_string().contains("`_initialize` exited with status 3"), "{refused}");
}

pub(crate) fn a_second_plugin_on_another_thread_is_not_held_up_by_a_loop(host: &Host) {
    let bystander = Bystander::start(host);
    let text = include_str!("../../../../tests/vectors/loop/wall-clock.wat");
    let limits = Limits {
        max_fuel: u64::MAX / 4,
        max_execution_time: std::time::Duration::from_millis(300),
        ..Limits::default()
    };
    let options = PluginOptions { limits: Some(limits), ..PluginOptions::default() };
    let mut plugin =
        load(host, "loop.wasm", wat::parse_str(text).expect("valid text"), &options).expect("loads");
    let before = bystander.answered();
    assert_eq!(plugin.execute(REQUEST).outcome.to_string(), "time limit exceeded");
    assert!(bystander.answered() > before + 5, "{} answers", bystander.answered() - before);
    bystander.stop();
}

pub(crate) fn each_plugin_may_have_a_stack_of_its_own_size(host: &Host) {
    // A function that calls itself 10,000 times and returns.
    let deep = r#"(module
        (memory (export "memory") 1)
        (func $down (param $left i32)
            (if (local.get $left) (then (call $down (i32.sub (local.get $left) (i32.const 1))))))
        (func (export "alloc") (param i32) (result i32) (i32.const 1024))
        (func (export "execute") (param i32 i32) (result i32)
            (call $down (i32.const 10000))
            (i32.const 0)))"#;
    let outcome = |max_stack_bytes| {
        let limits = Limits { max_stack_bytes, ..Limits::default() };
        let options = PluginOptions { limits: Some(limits), ..PluginOptions::default() };
        let wasm = wat::parse_str(deep).expect("valid text");
        load(host, "deep.wasm", wasm, &options).map(|mut plugin| plugin.execute(REQUEST).outcome.to_string())
    };
    assert_eq!(outcome(conductor_core::MAX_STACK_BYTES).expect("loads"), "ok");
    assert_eq!(outcome(16 * 1024).expect("loads"), "stack exhausted");
    let refused = outcome(conductor_core::MAX_STACK_BYTES + 1).expect_err("too large");
    assert_eq!(refused.to_string(), "max_stack_bytes is 1048577, more than 1048576");
}
