//! Row lengths: every host call with every length and place of a request, also those that are none.

#![expect(clippy::expect_used, reason = "a test that cannot be set up fails, outside its test function too")]

use conductor_abi::{Op, Status};
use conductor_core::{Host, Limit, Outcome, Plugin, PluginOptions, WasmConfig};
use conductor_signing::{UnverifiedPlugin, add_manifest, manifest_from_toml};

/// Largest request of these plugins.
const MAX: u32 = 64 * 1024;

/// The guest's memory.
const MEMORY: u32 = 4 * 64 * 1024;

/// Where nothing but zeros is.
const ZEROS: u32 = 64 * 1024;

/// A plugin that makes the host call that its request names by three numbers, and returns the status.
fn plugin() -> Box<dyn Plugin> {
    let wasm = wat::parse_str(
        r#"(module
            (import "conductor" "call" (func $call (param i32 i32 i32) (result i64)))
            (memory (export "memory") 4)
            (func (export "alloc") (param i32) (result i32) (i32.const 1024))
            (func (export "execute") (param i32 i32) (result i32)
                (i32.wrap_i64 (i64.shr_u
                    (call $call (i32.load (local.get 0)) (i32.load offset=4 (local.get 0))
                        (i32.load offset=8 (local.get 0)))
                    (i64.const 32)))))"#,
    )
    .expect("a module");
    let mut manifest = "name = \"guest\"\nversion = \"1.0.0\"\n".to_owned();
    for (name, scope) in [
        ("Network", "*"),
        ("Audio", "*"),
        ("Midi", "*"),
        ("Subprocess", "/bin/true"),
        ("SystemControl", "volume,mute,media,notify,lock,open-url"),
    ] {
        manifest +=
            &format!("[[capabilities]]\nname = \"{name}\"\nscope = \"{scope}\"\nreason = \"a test\"\n");
    }
    let wasm =
        add_manifest(&wasm, &manifest_from_toml(&manifest).expect("a manifest"), false).expect("added");
    let config = WasmConfig { max_message_bytes: MAX, ..WasmConfig::default() };
    let granted = ["Network", "Audio", "Midi", "Subprocess", "SystemControl"];
    let options = PluginOptions {
        granted: granted.iter().map(|grant| grant.parse().expect("a grant")).collect(),
        accept_unsigned: true,
        ..PluginOptions::default()
    };
    let host = Host::new(config).expect("a host");
    host.load_unverified(UnverifiedPlugin::from_parts("guest.wasm", wasm, None), &options).expect("loads")
}

fn call(plugin: &mut dyn Plugin, op: u32, pointer: u32, length: u32) -> Outcome {
    plugin.execute(&[op, pointer, length].map(u32::to_le_bytes).concat()).outcome
}

fn status(outcome: &Outcome) -> Option<Status> {
    match outcome {
        Outcome::Ok => Some(Status::Ok),
        Outcome::Failed { code } => Status::from_number(code.cast_unsigned()),
        Outcome::Limit { .. }
        | Outcome::Trap { .. }
        | Outcome::Protocol { .. }
        | Outcome::Crashed { .. }
        | Outcome::Suspended { .. } => None,
    }
}

#[test]
fn no_length_and_no_place_is_too_much_for_the_host() {
    let mut plugin = plugin();
    let plugin = plugin.as_mut();
    let known: Vec<u32> = (0..0x1000).filter(|number| Op::from_number(*number).is_some()).collect();
    assert!(known.len() >= 29, "every operation is tried: {known:#x?}");
    for op in known.into_iter().chain([3, 0x600, u32::MAX]) {
        let mut told = |pointer, length| {
            let outcome = call(plugin, op, pointer, length);
            status(&outcome).ok_or(outcome)
        };
        // Nothing, wherever it is; and all the lengths that a request may have.
        for (pointer, length) in [(ZEROS, 0), (MEMORY, 0), (ZEROS, 1), (MEMORY - 1, 1), (ZEROS, MAX)] {
            assert!(
                told(pointer, length).is_ok(),
                "{op:#x}: {length} at {pointer}: {:?}",
                told(pointer, length)
            );
        }
        // What is not in the memory, also where pointer and length together begin anew at zero.
        for (pointer, length) in
            [(MEMORY, 1), (MEMORY + 1, 0), (MEMORY - 1, 2), (u32::MAX, 0), (u32::MAX, 1), (u32::MAX - 7, 16)]
        {
            assert_eq!(told(pointer, length), Ok(Status::Invalid), "{op:#x}: {length} at {pointer}");
        }
        // One more than the largest, before anybody looks at it.
        let too_large = told(ZEROS, MAX + 1);
        match Op::from_number(op) {
            Some(Op::Fetch) => assert_eq!(too_large, Ok(Status::Ok)),
            Some(Op::Reply) => assert!(too_large.is_ok(), "a reply has a limit of its own"),
            Some(Op::Log) => assert_eq!(too_large, Ok(Status::Ok), "a record and what follows it"),
            _ => assert_eq!(too_large, Ok(Status::TooLarge), "{op:#x}"),
        }
        // Bytes are paid for before they are looked at.
        let endless = call(plugin, op, ZEROS, u32::MAX);
        assert!(matches!(endless, Outcome::Limit { limit: Limit::Fuel }), "{op:#x}: {endless}");
    }
}
