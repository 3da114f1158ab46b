//! Uses of high risk cannot hide: programs are recorded before they begin, told apart by everything that they are
//! given, and run once if they are granted for once.

#![cfg(target_os = "linux")]
#![expect(clippy::expect_used, reason = "a test that cannot be set up fails, outside its test function too")]

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use conductor_abi::{CapabilityRequest, Op, ProgramRun, Risk, Status};
use conductor_core::broker::{Answer, Broker, Session};
use conductor_core::grant::{Ceilings, Choices, Grants, Once};
use conductor_core::launcher::Launcher;
use conductor_core::{AuditLog, Devices, Limits};
use conductor_signing::TrustLevel;
use serde_json::Value as Json;
use tempfile::TempDir;

/// Longest wait for things that take milliseconds.
const PATIENCE: Duration = Duration::from_secs(20);

/// A plugin that may run programs, and the audit log of its uses.
struct Place {
    directory: TempDir,
    session: Arc<Session>,
}

impl Place {
    fn new(choices: impl FnOnce(&str) -> Choices) -> Self {
        const SCOPE: &str = "/bin/echo,/bin/cat,/bin/sh;args=*;seconds=8";
        let directory = tempfile::tempdir().expect("a directory");
        let request =
            CapabilityRequest { name: "Subprocess".into(), scope: Some(SCOPE.into()), reason: None };
        let ceilings = Ceilings { unsigned: Risk::High, self_signed: Risk::High, trusted: None };
        let grants = Grants::resolve(&[request], &choices(SCOPE), &TrustLevel::Unsigned, ceilings);
        let launcher = Some(Launcher::new(env!("CARGO_BIN_EXE_conductor"), ["launch"]));
        let mut broker = Broker::new(Devices { launcher, ..Devices::default() });
        let log = AuditLog::open(&directory.path().join("state/audit.jsonl")).expect("a log");
        broker.record_in(Arc::new(log));
        let session = broker.session("test", grants.expect("grants"), &Limits::default());
        Self { directory, session }
    }

    fn always() -> Self {
        Self::new(|scope| Choices {
            configured: vec![format!("Subprocess={scope}").parse().expect("a grant")],
            ..Choices::default()
        })
    }

    fn once() -> Self {
        Self::new(|scope| {
            let granted: conductor_core::GrantSpec = format!("Subprocess={scope}").parse().expect("a grant");
            let scope = granted.scope().cloned().expect("a scope");
            Choices { once: vec![(scope, Once::default())], ..Choices::default() }
        })
    }

    fn log(&self) -> PathBuf {
        self.directory.path().join("state/audit.jsonl")
    }

    fn run(&self, program: &str, arguments: &[&str], input: &[u8]) -> Answer {
        let request = ProgramRun { program, arguments: arguments.to_vec(), input };
        let request = postcard::to_allocvec(&request).expect("encodes");
        self.session.call(Op::ProgramRun.number(), &request, Instant::now() + PATIENCE)
    }
}

fn records(log: &Path, event: &str) -> Vec<Json> {
    let text = fs::read_to_string(log).expect("the log");
    let records = text.lines().map(|line| serde_json::from_str::<Json>(line).expect("a record"));
    records.filter(|record| record["event"] == event).collect()
}

#[test]
fn programs_are_told_apart_by_every_argument_and_their_input() {
    let place = Place::always();
    let long = |end: char| format!("{}{end}", "x".repeat(400));
    let many = |end: char| vec!["x".repeat(100), "y".repeat(100), "z".repeat(200), format!("{end}")];
    for end in ['a', 'b'] {
        let answers = [
            place.run("/bin/echo", &[&long(end)], b""),
            place.run("/bin/echo", &many(end).iter().map(String::as_str).collect::<Vec<_>>(), b""),
            place.run("/bin/cat", &[], format!("input {end}").as_bytes()),
        ];
        for answer in answers {
            assert_eq!(answer.status, Status::Ok, "{}", String::from_utf8_lossy(&answer.bytes));
        }
    }
    for event in ["capability-begun", "capability-used"] {
        let records = records(&place.log(), event);
        let codes: BTreeSet<&str> = records.iter().filter_map(|one| one["request_hmac"].as_str()).collect();
        assert_eq!((records.len(), codes.len()), (6, 6), "{event}: {records:#?}");
        let shown = records[2]["request"].as_str().expect("a text");
        assert!(shown.ends_with("with 7 bytes of input"), "{shown}");
    }
    assert!(records(&place.log(), "capability-used-again").is_empty());
}

#[test]
fn a_program_is_recorded_before_it_begins() {
    let place = Place::always();
    let copy = place.directory.path().join("copy");
    let script = format!("cat {} > {}", place.log().display(), copy.display());
    let answer = place.run("/bin/sh", &["-c", &script], b"");
    assert_eq!(answer.status, Status::Ok, "{}", String::from_utf8_lossy(&answer.bytes));
    let begun = records(&copy, "capability-begun");
    assert!(begun.len() == 1 && begun[0]["operation"] == "run", "{begun:?}");
    assert_eq!(records(&copy, "capability-used").len(), 0, "what the program saw");
    assert_eq!(records(&place.log(), "capability-used").len(), 1);
}

#[test]
fn a_program_is_run_once_whatever_becomes_of_it() {
    let endings = [
        ("sleep 60", Status::TimedOut),
        ("exit 7", Status::Ok),
        ("kill -9 $$", Status::Ok),
        ("head -c 3000000 /dev/zero", Status::Ok),
    ];
    for (ending, status) in endings {
        let place = Place::once();
        let mark = place.directory.path().join("mark");
        let script = format!("echo began >> {}; {ending}", mark.display());
        let first = place.run("/bin/sh", &["-c", &script], b"");
        assert_eq!(first.status, status, "{ending}: {}", String::from_utf8_lossy(&first.bytes));
        for _ in 0..3 {
            let again = place.run("/bin/sh", &["-c", &script], b"");
            assert_eq!(again.status, Status::Denied, "{ending}");
        }
        assert_eq!(fs::read_to_string(&mark).expect("it began"), "began\n", "{ending}");
    }
}
