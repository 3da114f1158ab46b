//! Midi through the broker: listing and sending stay within the scope, and only complete messages leave the host.

#![expect(clippy::expect_used, reason = "a test that cannot be set up fails, outside its test function too")]

#[path = "support/midi.rs"]
mod support;

use std::sync::Arc;
use std::time::Instant;

use conductor_abi::{Capability, CapabilityRequest, MidiPortList, MidiSend, Op, Risk, Status};
use conductor_broker::devices::{Devices, MidiOutputs, Sounding};
use conductor_broker::{Broker, Session};
use conductor_call::{Answer, HostSession as _, Limit, Limits};
use conductor_policy::grant::{Ceilings, Choices, Grants};
use conductor_signing::TrustLevel;
use support::{MAX_MESSAGE, NOTE, Ports, later, limits, send, session, session_within};

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
    // Without the capability, even the form of a request is not checked.
    assert_refused(&send(&denied, "synth", &[]), Status::Denied, "Midi is denied by the user");

    let (revoked, ports) = session(&[None], &[], &[]);
    assert_eq!(send(&revoked, "synth", &NOTE).status, Status::Ok);
    revoked.revoke(Capability::Midi);
    assert_refused(&send(&revoked, "synth", &NOTE), Status::Denied, "Midi is denied by the user");
    assert_eq!(take(&ports), [NOTE, ENDED], "the note that sounded was ended");
}

/// What ends [`NOTE`] where nobody ends it.
const ENDED: [u8; 3] = [0x80, 60, 64];

/// What was sent since this was last called.
fn take(ports: &Ports) -> Vec<Vec<u8>> {
    let sent = std::mem::take(&mut *ports.sent.lock().expect("sent"));
    sent.into_iter().map(|(_, message)| message).collect()
}

#[test]
fn whatever_ends_a_plugin_ends_what_it_left_sounding() {
    let (session, ports) = session(&[None], &[], &[]);
    let plays = |what: &str| {
        assert_eq!(send(&session, "synth", &NOTE).status, Status::Ok, "{what}");
        assert_eq!(take(&ports), [NOTE], "{what}");
    };
    plays("an instance that failed");
    session.end_handles();
    assert_eq!(take(&ports), [ENDED]);

    plays("an instance that ended as it should");
    session.end_abandoned_handles();
    assert_eq!(take(&ports), [ENDED]);

    plays("a worker that was killed between two calls");
    let worker = session.when_gone();
    worker();
    assert_eq!(take(&ports), [ENDED]);
    session.end_handles();
    plays("the next worker");
    worker();
    assert_eq!(take(&ports), Vec::<Vec<u8>>::new(), "the death of the earlier one is no news any more");

    let grants = Grants::clone(&session.grants());
    session.withdraw();
    assert_eq!(take(&ports), [ENDED], "a plugin that may not run any more");
    session.restore(grants);
    plays("a plugin that is unloaded");
    drop(session);
    assert_eq!(take(&ports), [ENDED]);
}

#[test]
fn a_narrower_grant_ends_what_sounds_outside_of_it() {
    let (session, ports) = session(&[None], &[], &[]);
    for port in ["synth", "drums"] {
        assert_eq!(send(&session, port, &NOTE).status, Status::Ok);
    }
    take(&ports);
    let (other, _) = self::session(&[None], &["Midi=drums"], &[]);
    session.set_grants(Grants::clone(&other.grants()));
    let sent = std::mem::take(&mut *ports.sent.lock().expect("sent"));
    assert_eq!(sent, [("synth".to_owned(), ENDED.to_vec())], "the other one is still granted");
    session.set_grants(Grants::none());
    assert_eq!(take(&ports), [ENDED]);
}

#[test]
fn while_everything_is_paused_nothing_is_done_and_nothing_sounds() {
    let ports = Arc::new(Ports::default());
    let midi: Arc<dyn MidiOutputs> = Arc::clone(&ports) as _;
    let sounding = Sounding::new(&midi);
    let (one, _) = session(&[None], &[], &[]);
    let grants = Grants::clone(&one.grants());
    // Plugins of two hosts that share the outputs, as while a configuration is changed.
    let host = || {
        Broker::new(Devices {
            midi: Arc::clone(&midi),
            sounding: Some(sounding.clone()),
            ..Devices::default()
        })
    };
    let (here, there) = (host(), host());
    let (here, there) = (here.session("a", grants.clone(), &limits()), there.session("b", grants, &limits()));
    for session in [&here, &there] {
        assert_eq!(send(session, "synth", &NOTE).status, Status::Ok);
    }
    take(&ports);
    sounding.pause();
    assert_eq!(take(&ports), [ENDED, ENDED], "two plugins held it");
    for session in [&here, &there] {
        let why = "everything was silenced by panic, and plugins do nothing until they are resumed";
        assert_refused(&send(session, "synth", &NOTE), Status::Unavailable, why);
        assert!(session.take_denied().is_empty(), "nothing has to be granted");
    }
    assert_eq!(take(&ports), Vec::<Vec<u8>>::new());
    sounding.resume();
    assert_eq!(send(&here, "synth", &NOTE).status, Status::Ok);
    drop(here);
    assert_eq!(take(&ports), [NOTE, ENDED]);
}

#[test]
fn devices_that_fail_or_are_missing_are_told_apart() {
    let (session, _) = session(&[None], &[], &[]);
    assert_refused(&send(&session, "broken", &NOTE), Status::Failed, "cable fell out");
    assert_refused(&send(&session, "other", &NOTE), Status::Unavailable, "no MIDI port named `other`");

    let request = CapabilityRequest { name: "Midi".into(), scope: None, reason: None };
    let ceilings = Ceilings { unsigned: Risk::Low, self_signed: Risk::Medium, trusted: None };
    let grants =
        Grants::resolve(&[request], &Choices::default(), &TrustLevel::Unsigned, ceilings).expect("grants");
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
