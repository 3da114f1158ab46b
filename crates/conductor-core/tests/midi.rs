//! Midi through the broker: listing and sending stay within the scope, and only complete messages leave the host.

#![expect(clippy::expect_used, reason = "a test that cannot be set up fails, outside its test function too")]

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use conductor_abi::{Capability, CapabilityRequest, MidiPortList, MidiSend, Op, Risk, Status};
use conductor_core::broker::{Answer, Broker, Session};
use conductor_core::devices::{Devices, MidiError, MidiOutputs};
use conductor_core::grant::{Ceilings, Grants};
use conductor_core::{Limit, Limits};
use conductor_signing::TrustLevel;

const MAX_MESSAGE: u32 = 128 * 1024;

fn limits() -> Limits {
    Limits { max_message_bytes: MAX_MESSAGE, ..Limits::default() }
}

/// Two working ports and a broken one, which remember what they were sent.
#[derive(Default)]
struct Ports {
    sent: Mutex<Vec<(String, Vec<u8>)>>,
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

fn session(declared: &[Option<&str>], granted: &[&str], denied: &[Capability]) -> (Arc<Session>, Arc<Ports>) {
    session_within(&limits(), declared, granted, denied)
}

fn session_within(
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
    let ceilings = Ceilings { unsigned: Risk::Low, self_signed: Risk::Medium, trusted: None };
    let trust = TrustLevel::Trusted { key_name: "k".into() };
    let grants = Grants::resolve(&requests, &granted, denied, &trust, ceilings, false).expect("grants");
    let ports = Arc::new(Ports::default());
    let midi: Arc<dyn MidiOutputs> = Arc::clone(&ports) as Arc<dyn MidiOutputs>;
    let broker = Broker::new(Devices { midi, ..Devices::default() });
    (broker.session("test", grants, limits), ports)
}

fn later() -> Instant {
    Instant::now() + Duration::from_secs(10)
}

fn send(session: &Session, port: &str, bytes: &[u8]) -> Answer {
    let wire = postcard::to_allocvec(&MidiSend { port, bytes }).expect("encodes");
    session.call(Op::MidiSend.number(), &wire, later())
}

fn list(session: &Session) -> Vec<String> {
    let answer = session.call(Op::MidiPorts.number(), &[], later());
    assert_eq!(answer.status, Status::Ok);
    postcard::from_bytes::<MidiPortList>(&answer.bytes).expect("decodes").ports
}

fn text(answer: &Answer) -> String {
    String::from_utf8_lossy(&answer.bytes).into_owned()
}

#[track_caller]
fn assert_refused(answer: &Answer, status: Status, why: &str) {
    assert_eq!((answer.status, text(answer).contains(why)), (status, true), "{}", text(answer));
}

const NOTE: [u8; 3] = [0x90, 60, 100];
const SYSEX: [u8; 4] = [0xf0, 0x7d, 1, 0xf7];

#[test]
fn a_declared_port_is_granted_automatically() {
    let (session, ports) = session(&[Some("synth")], &[], &[]);
    assert_eq!(list(&session), ["synth"]);
    let answer = send(&session, "synth", &[0x90, 60, 100, 0x80, 60, 0]);
    assert_eq!((answer.status, answer.bytes.len()), (Status::Ok, 0));
    let sent = ports.sent.lock().expect("sent").clone();
    assert_eq!(sent, [("synth".to_owned(), vec![0x90, 60, 100]), ("synth".to_owned(), vec![0x80, 60, 0])]);
    assert_refused(
        &send(&session, "drums", &NOTE),
        Status::Denied,
        "port `drums` is outside the scope that the plugin declares",
    );
    assert_eq!(session.denials(), 1);
}

#[test]
fn a_grant_narrows_what_is_declared() {
    let (session, ports) = session(&[None], &["Midi=dru*"], &[]);
    assert_eq!(list(&session), ["drums"]);
    assert_eq!(send(&session, "drums", &NOTE).status, Status::Ok);
    assert_refused(&send(&session, "synth", &NOTE), Status::Denied, "outside the scope that was granted");
    assert_eq!(ports.sent.lock().expect("sent").len(), 1);
}

#[test]
fn sysex_needs_a_scope_that_says_so_on_both_sides() {
    let cases: [(Option<&str>, &[&str], Status); 6] = [
        (None, &[], Status::Denied),
        (Some("sysex=yes"), &[], Status::Denied),
        (None, &["Midi=synth;sysex=yes"], Status::Denied),
        (Some("sysex=yes"), &["Midi=synth"], Status::Denied),
        (Some("sysex=yes"), &["Midi"], Status::Ok),
        (Some("synth;sysex=yes"), &["Midi=synth;sysex=yes"], Status::Ok),
    ];
    for (declared, granted, expected) in cases {
        let (session, ports) = session(&[declared], granted, &[]);
        let answer = send(&session, "synth", &SYSEX);
        assert_eq!(answer.status, expected, "{declared:?} {granted:?}: {}", text(&answer));
        assert_eq!(ports.sent.lock().expect("sent").is_empty(), expected == Status::Denied);
    }
}

#[test]
fn what_is_not_granted_says_why() {
    let (undeclared, _) = session(&[], &["Midi"], &[]);
    assert_refused(&send(&undeclared, "synth", &NOTE), Status::Denied, "Midi is not declared by the plugin");
    let (denied, _) = session(&[None], &["Midi"], &[Capability::Midi]);
    assert_refused(&send(&denied, "synth", &NOTE), Status::Denied, "Midi is denied by the user");
    // Without the capability, not even the shape of a request is looked at.
    assert_refused(&send(&denied, "synth", &[]), Status::Denied, "Midi is denied by the user");

    let (revoked, ports) = session(&[None], &[], &[]);
    assert_eq!(send(&revoked, "synth", &NOTE).status, Status::Ok);
    revoked.revoke(Capability::Midi);
    assert_refused(&send(&revoked, "synth", &NOTE), Status::Denied, "Midi is denied by the user");
    assert_eq!(ports.sent.lock().expect("sent").len(), 1);
}

#[test]
fn devices_that_fail_or_are_missing_are_told_apart() {
    let (session, _) = session(&[None], &[], &[]);
    assert_refused(&send(&session, "broken", &NOTE), Status::Failed, "cable fell out");
    assert_refused(&send(&session, "other", &NOTE), Status::Unavailable, "no MIDI output named `other`");

    let request = CapabilityRequest { name: "Midi".into(), scope: None, reason: None };
    let ceilings = Ceilings { unsigned: Risk::Low, self_signed: Risk::Medium, trusted: None };
    let grants =
        Grants::resolve(&[request], &[], &[], &TrustLevel::Unsigned, ceilings, false).expect("grants");
    let bare = Broker::new(Devices::default()).session("test", grants, &limits());
    assert_eq!(list(&bare), Vec::<String>::new());
    assert_refused(&send(&bare, "synth", &NOTE), Status::Unavailable, "no MIDI outputs are configured");
}

#[test]
fn malformed_requests_never_reach_a_device() {
    let (session, ports) = session(&[None], &[], &[]);
    let raw = |op: u32, bytes: &[u8]| session.call(op, bytes, later()).status;
    let wire = postcard::to_allocvec(&MidiSend { port: "synth", bytes: &NOTE }).expect("encodes");
    for end in 0..wire.len() {
        assert_eq!(raw(Op::MidiSend.number(), &wire[..end]), Status::Invalid);
    }
    assert_eq!(raw(Op::MidiSend.number(), &[&wire[..], b"\0"].concat()), Status::Invalid);
    assert_eq!(raw(Op::MidiSend.number(), &[0xff; 20]), Status::Invalid);
    assert_eq!(raw(Op::MidiSend.number(), &vec![0; MAX_MESSAGE as usize + 1]), Status::TooLarge);
    assert_eq!(raw(Op::MidiPorts.number(), &[0]), Status::Invalid);
    assert_eq!(raw(3, &[]), Status::UnknownOp);
    assert_eq!(raw(u32::MAX, &[]), Status::UnknownOp);
    assert_eq!(send(&session, &"x".repeat(256), &NOTE).status, Status::Invalid);
    assert_eq!(send(&session, "synth", &[0x90, 60]).status, Status::Invalid);
    assert!(ports.sent.lock().expect("sent").is_empty());
}

#[test]
fn calls_are_counted_and_time_is_kept() {
    let limits = Limits { max_calls_per_second: 3, ..limits() };
    let (session, ports) = session_within(&limits, &[None], &[], &[]);
    let late = postcard::to_allocvec(&MidiSend { port: "synth", bytes: &NOTE }).expect("encodes");
    assert_eq!(session.call(Op::MidiSend.number(), &late, Instant::now()).status, Status::TimedOut);
    assert!(ports.sent.lock().expect("sent").is_empty());

    let answers: Vec<_> = (0..3).map(|_| send(&session, "synth", &NOTE)).collect();
    assert_eq!(
        answers.iter().map(|answer| answer.status).collect::<Vec<_>>(),
        [Status::Ok, Status::Ok, Status::RateLimited]
    );
    assert_eq!(
        answers.iter().map(|answer| answer.refused_by).collect::<Vec<_>>(),
        [None, None, Some(Limit::CallRate)]
    );
    assert_eq!(answers[2].bytes, b"more than 3 operations in a second");
    assert_eq!(ports.sent.lock().expect("sent").len(), 2);
}

/// Keeps the messages and fields of audit events.
#[derive(Default)]
struct Recorder(Mutex<Vec<String>>);

impl tracing::Subscriber for Recorder {
    fn enabled(&self, metadata: &tracing::Metadata<'_>) -> bool {
        metadata.target() == "conductor::audit"
    }

    fn event(&self, event: &tracing::Event<'_>) {
        struct Line(String);
        impl tracing::field::Visit for Line {
            fn record_debug(&mut self, field: &tracing::field::Field, value: &dyn std::fmt::Debug) {
                self.0.push_str(&format!(" {field}={value:?}"));
            }
        }
        let mut line = Line(event.metadata().level().to_string());
        event.record(&mut line);
        self.0.lock().expect("events").push(line.0);
    }

    fn new_span(&self, _: &tracing::span::Attributes<'_>) -> tracing::span::Id {
        tracing::span::Id::from_u64(1)
    }

    fn record(&self, _: &tracing::span::Id, _: &tracing::span::Record<'_>) {}
    fn record_follows_from(&self, _: &tracing::span::Id, _: &tracing::span::Id) {}
    fn enter(&self, _: &tracing::span::Id) {}
    fn exit(&self, _: &tracing::span::Id) {}
}

#[test]
fn every_use_and_every_denial_is_recorded() {
    let recorder = Arc::new(Recorder::default());
    tracing::subscriber::with_default(Arc::clone(&recorder), || {
        let (session, _) = session(&[None], &["Midi=synth"], &[]);
        send(&session, "synth", &NOTE);
        send(&session, "dr\u{1b}ums", &NOTE);
        session.revoke(Capability::Midi);
        send(&session, "synth", &NOTE);
        assert_eq!(session.denials(), 2);
    });
    let events = recorder.0.lock().expect("events").clone();
    let expected = [
        (
            "INFO message=used plugin=\"test\" capability=Midi operation=\"midi-send\"",
            "1 messages to `synth`",
        ),
        ("WARN message=denied plugin=\"test\" capability=Midi", "`dr\\u{1b}ums`"),
        ("WARN message=denied plugin=\"test\" capability=Midi", "Midi is denied by the user"),
    ];
    assert_eq!(events.len(), expected.len(), "{events:#?}");
    for (event, (start, part)) in events.iter().zip(expected) {
        assert!(event.starts_with(start) && event.contains(part), "{event}");
        assert!(!event.contains('\u{1b}'), "{event:?}");
    }
}
