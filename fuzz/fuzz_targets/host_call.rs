//! Any operation with any request: the broker answers within its limits, gives its refusals as text, and passes nothing
//! but whole messages to a MIDI output.
//!
//! The first four bytes are the number of the operation, little-endian; the rest is the request. An input that begins with
//! `{`, as no operation's number does, is a request as JSON: it is refused with a short reason, or becomes a request as
//! before whose answer can be written as JSON.

#![no_main]
#![forbid(unsafe_code)]

use std::io;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::{Arc, LazyLock};
use std::time::{Duration, Instant};

use conductor_abi::{Capability, CapabilityRequest, Op, Risk, Status};
use conductor_call::json::{self, AnswerError};
use conductor_core::broker::{Answer, Broker};
use conductor_core::devices::{Devices, MidiError, MidiOutputs, NameResolver};
use conductor_core::grant::{Ceilings, Choices, GrantSpec, Grants};
use conductor_core::{Decision, Limits};
use conductor_signing::TrustLevel;
use libfuzzer_sys::fuzz_target;

/// Largest request, and largest answer.
const MAX_MESSAGE: u32 = 16 * 1024;

/// Longest that an operation may wait.
const PATIENCE: Duration = Duration::from_secs(1);

/// The only network address that is granted: a port of this machine on which nothing listens.
const NOWHERE: &str = "127.0.0.1:1";

/// Accepts MIDI messages (MIDI 1.0, 96-1-4) and nothing else.
struct Port;

impl MidiOutputs for Port {
    fn ports(&self) -> Vec<String> {
        vec!["synth".to_owned()]
    }

    fn send(&self, port: &str, message: &[u8]) -> Result<(), MidiError> {
        let is_data = |bytes: &[u8]| bytes.iter().all(|byte| *byte < 0x80);
        let is_whole = match message {
            [0xf0, body @ .., 0xf7] => is_data(body),
            [0xc0..=0xdf | 0xf1 | 0xf3, data] => is_data(&[*data]),
            [0x80..=0xbf | 0xe0..=0xef | 0xf2, first, second] => is_data(&[*first, *second]),
            [0xf6 | 0xf8..=0xff] => true,
            _ => false,
        };
        assert!(is_whole, "{message:02x?} is no whole message");
        if port == "synth" { Ok(()) } else { Err(MidiError::UnknownPort { port: port.to_owned() }) }
    }
}

/// Resolves every name to this machine, which no plugin may reach by a name.
struct Loopback;

impl NameResolver for Loopback {
    fn resolve(&self, _: &str) -> io::Result<Vec<IpAddr>> {
        Ok(vec![Ipv4Addr::LOCALHOST.into()])
    }
}

static BROKER: LazyLock<Broker> = LazyLock::new(|| {
    Broker::new(Devices { midi: Arc::new(Port), names: Arc::new(Loopback), ..Devices::default() })
});

/// Every capability, with the network limited to [`NOWHERE`].
static GRANTS: LazyLock<Grants> = LazyLock::new(|| {
    let scope = |capability| match capability {
        Capability::Network => Some(NOWHERE.to_owned()),
        Capability::Midi => Some("sysex=yes".to_owned()),
        Capability::Audio | Capability::Filesystem | Capability::Subprocess | Capability::SystemControl => {
            None
        }
    };
    let requests = Capability::ALL.map(|capability| CapabilityRequest {
        name: capability.to_string(),
        scope: scope(capability),
        reason: None,
    });
    let choices = Choices { configured: Capability::ALL.map(GrantSpec::bare).into(), ..Choices::default() };
    let ceilings = Ceilings { unsigned: Risk::Low, self_signed: Risk::Low, trusted: None };
    let trust = TrustLevel::Trusted { key_name: "fuzz".to_owned() };
    match Grants::resolve(&requests, &choices, &trust, ceilings) {
        Ok(grants) => {
            // Without these grants, most requests would be refused before they are read.
            for capability in [Capability::Network, Capability::Midi] {
                assert!(matches!(grants.decision(capability), Decision::Granted(_)), "{grants:?}");
            }
            grants
        }
        #[expect(clippy::panic, reason = "there is nothing to fuzz without grants")]
        Err(error) => panic!("{error}"),
    }
});

/// Most bytes of the reason for which JSON is refused.
const MAX_REASON: usize = 2048;

fuzz_target!(|bytes: &[u8]| {
    if bytes.first() == Some(&b'{') {
        return ask_in_json(bytes);
    }
    let Some((op, request)) = bytes.split_first_chunk() else { return };
    ask(u32::from_le_bytes(*op), request);
});

/// Asks the broker, and checks its answer.
fn ask(op: u32, request: &[u8]) -> Answer {
    // Each input gets a new session, so that no input uses up the calls per second of another.
    let limits = Limits { max_message_bytes: MAX_MESSAGE, ..Limits::default() };
    let session = BROKER.session("fuzzed", GRANTS.clone(), &limits);
    let answer = session.call(op, request, Instant::now() + PATIENCE);
    assert!(answer.bytes.len() <= MAX_MESSAGE as usize, "{answer:?}");
    assert!(answer.fuel >= request.len() as u64, "{answer:?}");
    assert!(answer.status == Status::Ok || std::str::from_utf8(&answer.bytes).is_ok(), "{answer:?}");
    answer
}

/// Decodes a request as a worker does, and asks the broker for what it stands for.
fn ask_in_json(text: &[u8]) {
    #[expect(clippy::disallowed_methods, reason = "what is fuzzed")]
    let decoded = json::decode(&mut text.to_vec());
    let (op, request) = match decoded {
        Ok(decoded) => decoded,
        Err(error) => {
            let reason = error.to_string();
            assert!(reason.len() <= MAX_REASON, "{} bytes of reason", reason.len());
            assert!(matches!(error.status(), Status::Invalid | Status::UnknownOp), "{error:?}");
            return;
        }
    };
    // A name that was left out is written as the number of its bytes, which is 0.
    assert!(request.len() <= text.len() + 16, "{op:?}: {} bytes of {}", request.len(), text.len());
    if matches!(op, Op::Reply | Op::Log) {
        return; // The worker does these itself.
    }
    let answer = ask(op.number(), &request);
    if answer.status == Status::Ok {
        let max = MAX_MESSAGE as usize;
        match json::encode_answer(op, &answer.bytes, max) {
            Ok(text) => assert!(text.len() <= max && text.starts_with(b"{"), "{op:?}: {text:?}"),
            Err(error) => assert!(matches!(error, AnswerError::TooLarge { .. }), "{op:?}: {error}"),
        }
    }
}
