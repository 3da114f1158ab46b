//! Row lengths: every host call with every length and address of a request, including invalid ones, as postcard and as
//! JSON.

#![expect(clippy::expect_used, reason = "a test that cannot be set up fails, outside its test function too")]

use conductor_abi::{Op, Status};
use conductor_call::JSON_BYTES_PER_MESSAGE_BYTE;
use conductor_core::{CallReport, Host, Limit, Outcome, Plugin, PluginOptions, WasmConfig};
use conductor_signing::{UnverifiedPlugin, add_manifest, manifest_from_toml};

/// Largest request that these plugins may make.
const MAX: u32 = 64 * 1024;

/// Largest request as JSON.
const MAX_JSON: u32 = MAX * JSON_BYTES_PER_MESSAGE_BYTE;

/// Size of the guest's memory in bytes.
const MEMORY: u32 = 16 * 64 * 1024;

/// Address of memory that holds only zeros.
const ZEROS: u32 = 256 * 1024;

/// Makes a host call with the three numbers at the beginning of the request, and returns the status.
const CALLER: &str = r#"(module
    (import "conductor" "call" (func $call (param i32 i32 i32) (result i64)))
    (memory (export "memory") 16)
    (func (export "alloc") (param i32) (result i32) (i32.const 1024))
    (func (export "execute") (param i32 i32) (result i32)
        (i32.wrap_i64 (i64.shr_u
            (call $call (i32.load (local.get 0)) (i32.load offset=4 (local.get 0))
                (i32.load offset=8 (local.get 0)))
            (i64.const 32)))))"#;

/// Copies as many bytes as the first number says, which follow the three numbers, to the address that the second says,
/// makes a host call as JSON with that address and the length that the third says, replies with the answer, and returns the
/// status.
const JSON_CALLER: &str = r#"(module
    (import "conductor" "call" (func $call (param i32 i32 i32) (result i64)))
    (import "conductor" "request" (func $request (param i32 i32) (result i64)))
    (memory (export "memory") 16)
    (func (export "alloc") (param i32) (result i32) (i32.const 1024))
    (func (export "execute") (param i32 i32) (result i32)
        (local $result i64) (local $to i32)
        (local.set $to (i32.load offset=4 (local.get 0)))
        (if (i32.load (local.get 0)) (then
            (memory.copy (local.get $to) (i32.add (local.get 0) (i32.const 12)) (i32.load (local.get 0)))))
        (local.set $result (call $request (local.get $to) (i32.load offset=8 (local.get 0))))
        (drop (call $call (i32.const 0) (i32.const 1024) (i32.wrap_i64 (local.get $result))))
        (drop (call $call (i32.const 1) (i32.const 1024) (i32.wrap_i64 (local.get $result))))
        (i32.wrap_i64 (i64.shr_u (local.get $result) (i64.const 32)))))"#;

/// A plugin of this module that is granted everything that it can ask for.
fn plugin(module: &str) -> Box<dyn Plugin> {
    let wasm = wat::parse_str(module).expect("a module");
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
    let mut plugin = plugin(CALLER);
    let plugin = plugin.as_mut();
    let known: Vec<u32> = (0..0x1000).filter(|number| Op::from_number(*number).is_some()).collect();
    assert!(known.len() >= 29, "every operation is tried: {known:#x?}");
    for op in known.into_iter().chain([3, 0x600, u32::MAX]) {
        let mut told = |pointer, length| {
            let outcome = call(plugin, op, pointer, length);
            status(&outcome).ok_or(outcome)
        };
        // An empty request at any address, and every valid length.
        for (pointer, length) in [(ZEROS, 0), (MEMORY, 0), (ZEROS, 1), (MEMORY - 1, 1), (ZEROS, MAX)] {
            assert!(
                told(pointer, length).is_ok(),
                "{op:#x}: {length} at {pointer}: {:?}",
                told(pointer, length)
            );
        }
        // Requests outside of the memory, also where the sum of address and length wraps around to zero.
        for (pointer, length) in
            [(MEMORY, 1), (MEMORY + 1, 0), (MEMORY - 1, 2), (u32::MAX, 0), (u32::MAX, 1), (u32::MAX - 7, 16)]
        {
            assert_eq!(told(pointer, length), Ok(Status::Invalid), "{op:#x}: {length} at {pointer}");
        }
        // One byte more than the largest request is refused before its content is looked at.
        let too_large = told(ZEROS, MAX + 1);
        match Op::from_number(op) {
            Some(Op::Fetch) => assert_eq!(too_large, Ok(Status::Ok)),
            Some(Op::Reply) => assert!(too_large.is_ok(), "a reply has a limit of its own"),
            Some(Op::Log) => assert_eq!(too_large, Ok(Status::Ok), "a record and what follows it"),
            _ => assert_eq!(too_large, Ok(Status::TooLarge), "{op:#x}"),
        }
        // The bytes of a request are charged before they are looked at.
        let endless = call(plugin, op, ZEROS, u32::MAX);
        assert!(matches!(endless, Outcome::Limit { limit: Limit::Fuel }), "{op:#x}: {endless}");
    }
}

/// Makes a host call as JSON with so many bytes at this address, after `text` was written there.
fn request(plugin: &mut dyn Plugin, text: &str, pointer: u32, length: u32) -> CallReport {
    let numbers = [text.len() as u32, pointer, length].map(u32::to_le_bytes).concat();
    plugin.execute(&[&numbers, text.as_bytes()].concat())
}

/// The status of a call, the answer that the plugin replied with, and the limits that refused something.
fn told(report: &CallReport) -> (Option<Status>, String, &[Limit]) {
    let reply = String::from_utf8_lossy(report.reply.as_deref().unwrap_or_default()).into_owned();
    (status(&report.outcome), reply, &report.limits_refused)
}

fn error(status: &str, message: &str) -> String {
    format!(r#"{{"error":{{"status":"{status}","message":"{message}"}}}}"#)
}

#[test]
fn no_length_and_no_place_of_json_is_too_much_for_the_host() {
    let mut plugin = plugin(JSON_CALLER);
    let plugin = plugin.as_mut();
    let no_json = error("invalid", "the request is not JSON: expected an object at byte 0");
    for (pointer, length) in [(ZEROS, 0), (MEMORY, 0), (ZEROS, 1), (MEMORY - 1, 1), (ZEROS, MAX_JSON)] {
        let report = request(plugin, "", pointer, length);
        let expected = (Some(Status::Invalid), no_json.clone(), &[][..]);
        assert_eq!(told(&report), expected, "{length} at {pointer}");
    }
    let outside = error("invalid", "the request lies outside the plugin's memory");
    for (pointer, length) in
        [(MEMORY, 1), (MEMORY + 1, 0), (MEMORY - 1, 2), (u32::MAX, 0), (u32::MAX, 1), (u32::MAX - 7, 16)]
    {
        let report = request(plugin, "", pointer, length);
        let expected = (Some(Status::Invalid), outside.clone(), &[][..]);
        assert_eq!(told(&report), expected, "{length} at {pointer}");
    }
    // One byte more than the largest request is refused before its content is looked at.
    let report = request(plugin, "", ZEROS, MAX_JSON + 1);
    let too_large = error("too-large", "the request as JSON is larger than 524288 bytes");
    assert_eq!(told(&report), (Some(Status::TooLarge), too_large, &[Limit::MessageBytes][..]));
    // The bytes of a request are charged before they are looked at.
    let endless = request(plugin, "", ZEROS, u32::MAX).outcome;
    assert!(matches!(endless, Outcome::Limit { limit: Limit::Fuel }), "{endless}");
    // A request may stand at the very end of the memory.
    let text = r#"{"op":"midi-ports"}"#;
    let report = request(plugin, text, MEMORY - text.len() as u32, text.len() as u32);
    assert_eq!(told(&report), (Some(Status::Ok), r#"{"ports":[]}"#.to_owned(), &[][..]));
}

#[test]
fn what_fits_as_bytes_fits_as_json() {
    let mut plugin = plugin(JSON_CALLER);
    let plugin = plugin.as_mut();
    // On the wire stand the name of the port with its length, the length of the bytes, and the bytes.
    let largest = MAX as usize - "synth".len() - 1 - 3;
    for (bytes, expected) in [(largest, Status::Invalid), (largest + 1, Status::TooLarge)] {
        let list = vec!["100"; bytes].join(",");
        let text = format!(r#"{{"op":"midi-send","port":"synth","bytes":[{list}]}}"#);
        let report = request(plugin, &text, ZEROS, text.len() as u32);
        let limits: &[Limit] = if expected == Status::TooLarge { &[Limit::MessageBytes] } else { &[] };
        let (status, reply, refused) = told(&report);
        // The broker is asked for the first one, and finds no status byte in front.
        assert_eq!((status, refused), (Some(expected), limits), "{reply}");
    }
}

#[test]
fn every_operation_can_be_asked_for_as_json() {
    let mut plugin = plugin(JSON_CALLER);
    let plugin = plugin.as_mut();
    for op in Op::ALL {
        let text = format!(r#"{{"op":"{}"}}"#, op.name());
        let report = request(plugin, &text, ZEROS, text.len() as u32);
        let (status, reply, refused) = told(&report);
        assert_eq!(refused, [], "{reply}");
        let expected = if op == Op::Fetch {
            Status::UnknownOp
        } else if matches!(op, Op::MidiPorts | Op::MidiInputs) {
            // These need no field.
            Status::Ok
        } else if matches!(op, Op::AudioOutputs | Op::LockScreen) {
            // Nor do these, for which this host has no device.
            Status::Unavailable
        } else {
            assert!(reply.contains(&format!("{}: missing field", op.name())), "{reply}");
            Status::Invalid
        };
        assert_eq!(status, Some(expected), "{reply}");
    }
}
