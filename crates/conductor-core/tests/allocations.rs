//! A call of a plugin in the host's process allocates nothing on the host's heap, after the first calls.

use conductor_core::{Host, Outcome, PluginOptions, WasmConfig};
use conductor_signing::UnverifiedPlugin;

const CALLS: u32 = 1_000;

#[test]
fn a_call_in_process_allocates_nothing_on_the_hosts_heap() {
    let wasm = wat::parse_str(
        r#"(module
            (memory (export "memory") 1)
            (func (export "alloc") (param i32) (result i32) (i32.const 1024))
            (func (export "dealloc") (param i32 i32))
            (func (export "execute") (param i32 i32) (result i32)
                ;; Fails unless the request begins with a brace.
                (i32.ne (i32.load8_u (local.get 0)) (i32.const 0x7b))))"#,
    )
    .expect("valid text");
    let host = Host::new(WasmConfig::default()).expect("host");
    let plugin = UnverifiedPlugin::from_parts("still.wasm", wasm, None);
    let options = PluginOptions { accept_unsigned: true, ..PluginOptions::default() };
    let mut plugin = host.load_unverified(plugin, &options).expect("loads");
    let mut calls = || {
        for _ in 0..CALLS {
            let report = plugin.execute(br#"{"action":"a","context":{"timestamp":1},"parameters":null}"#);
            assert_eq!(report.outcome, Outcome::Ok);
        }
    };
    calls();
    let allocations = allocation_counter::measure(calls);
    assert_eq!(allocations.count_total, 0, "{allocations:?}");
    assert_ne!(allocation_counter::measure(|| drop(vec![0u8; 64])).count_total, 0, "the counter counts");
}
