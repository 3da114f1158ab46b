//! The stack of plugins that run in this process is part of the stack of the thread that calls them.

#![expect(clippy::expect_used, reason = "a test that cannot be set up fails, outside its test function too")]

#[path = "support/plugins.rs"]
#[expect(dead_code, reason = "each test binary uses a part of the support")]
mod support;

use conductor_core::{Host, PluginOptions, WasmConfig};
use support::{REQUEST, load};

#[test]
fn a_stack_that_threads_do_not_have_is_refused() {
    let config = |max_stack_bytes| WasmConfig { max_stack_bytes, ..WasmConfig::default() };
    let Err(error) = Host::new(config(conductor_core::MAX_STACK_BYTES + 1)) else {
        panic!("it was accepted")
    };
    assert_eq!(error.to_string(), "max_stack_bytes is 1048577, more than 1048576");
    // With the largest accepted stack size, a thread of the usual size survives a plugin's recursion without end.
    std::thread::spawn(move || {
        let host = Host::new(config(conductor_core::MAX_STACK_BYTES)).expect("host");
        let text = include_str!("../../../tests/vectors/stack/recursion.wat");
        let wasm = wat::parse_str(text).expect("valid text");
        let mut plugin = load(&host, "deep.wasm", wasm, &PluginOptions::default()).expect("loads");
        assert_eq!(plugin.execute(REQUEST).outcome.to_string(), "stack exhausted");
    })
    .join()
    .expect("the thread lives");
}
