//! A session of a plugin that asks for Midi, with ports that remember the bytes sent to them.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use conductor_abi::{Capability, CapabilityRequest, MidiSend, Op, Risk};
use conductor_broker::devices::{Devices, MidiError, MidiOutputs};
use conductor_broker::{Broker, Session};
use conductor_call::Answer;
use conductor_call::Limits;
use conductor_policy::grant::{Ceilings, Choices, Grants};
use conductor_signing::TrustLevel;

pub(crate) const MAX_MESSAGE: u32 = 128 * 1024;

pub(crate) fn limits() -> Limits {
    Limits { max_message_bytes: MAX_MESSAGE, ..Limits::default() }
}

/// Two working ports and a broken one, which remember the bytes sent to them.
#[derive(Default)]
pub(crate) struct Ports {
    pub(crate) sent: Mutex<Vec<(String, Vec<u8>)>>,
}

impl MidiOutputs for Ports {
    fn ports(&self) -> Vec<String> {
        ["synth", "drums", "broken"].map(str::to_owned).to_vec()
    }

    fn send(&self, port: &str, message: &[u8]) -> Result<(), MidiError> {
        let port = port.to_owned();
        match port.as_str() {
            "synth" | "drums" => {
                self.sent.lock().expect("sent").push((port, message.to_vec()));
                Ok(())
            }
            "broken" => Err(MidiError::Failed { port, reason: "cable fell out".to_owned() }),
            _ => Err(MidiError::UnknownPort { port }),
        }
    }
}

pub(crate) fn session(
    declared: &[Option<&str>],
    granted: &[&str],
    denied: &[Capability],
) -> (Arc<Session>, Arc<Ports>) {
    session_within(&limits(), declared, granted, denied)
}

pub(crate) fn session_within(
    limits: &Limits,
    declared: &[Option<&str>],
    granted: &[&str],
    denied: &[Capability],
) -> (Arc<Session>, Arc<Ports>) {
    let requests: Vec<_> = declared
        .iter()
        .map(|scope| CapabilityRequest { name: "midi".into(), scope: scope.map(Into::into), reason: None })
        .collect();
    let granted: Vec<_> = granted.iter().map(|text| text.parse().expect("a grant")).collect();
    let choices = Choices { configured: granted, denied: denied.to_vec(), ..Choices::default() };
    let ceilings = Ceilings { unsigned: Risk::Low, self_signed: Risk::Medium, trusted: None };
    let trust = TrustLevel::Trusted { key_name: "k".into() };
    let grants = Grants::resolve(&requests, &choices, &trust, ceilings).expect("grants");
    let ports = Arc::new(Ports::default());
    let midi: Arc<dyn MidiOutputs> = Arc::clone(&ports) as Arc<dyn MidiOutputs>;
    let broker = Broker::new(Devices { midi, ..Devices::default() });
    (broker.session("test", grants, limits), ports)
}

pub(crate) fn later() -> Instant {
    Instant::now() + Duration::from_secs(10)
}

pub(crate) fn send(session: &Session, port: &str, bytes: &[u8]) -> Answer {
    let wire = postcard::to_allocvec(&MidiSend { port, bytes }).expect("encodes");
    session.call(Op::MidiSend.number(), &wire, later())
}

/// A MIDI message for a note.
pub(crate) const NOTE: [u8; 3] = [0x90, 60, 100];
