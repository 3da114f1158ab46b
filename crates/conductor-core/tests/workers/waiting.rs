//! The system calls that launchers and keepers may make while they wait: each call is taken away, and then something
//! must fail that did not fail before; and no other call is allowed.

use std::collections::BTreeMap;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant};

use conductor_abi::{CapabilityRequest, Op, ProgramEnd, ProgramOutput, ProgramRun, Risk, Status};
use conductor_core::broker::Broker;
use conductor_core::grant::{Ceilings, Choices, Grants};
use conductor_core::launcher::{Launcher, Waiting, run_with};
use conductor_core::{Devices, Limits, stages};
use conductor_signing::TrustLevel;

use crate::needs::{numbers, take_away};

/// Longest wait for a program that usually takes milliseconds; a program that nobody waits for has ended by then.
const PATIENCE: Duration = Duration::from_secs(20);

/// Argument in place of a number: no call is taken away, and the process attempts what must be refused.
const TRY: &str = "try";

pub(crate) fn every_call_is_needed() {
    let numbers = numbers();
    for (stage, calls) in [("launcher", 2), ("keeper", 3)] {
        let stages = stages();
        let allowed = stages.iter().find(|other| other.stage == stage).expect("a stage");
        assert_eq!(allowed.calls.len(), calls, "{allowed:?}");
        let with_all = ended(stage, None);
        assert_eq!(with_all, "Exited { code: 7 }");
        for call in allowed.calls.keys() {
            let number = numbers.get(call.as_str()).unwrap_or_else(|| panic!("{call} has no number here"));
            assert_ne!(ended(stage, Some(*number)), with_all, "nothing fails without {call} in the {stage}");
        }
    }
}

/// Files, sockets, processes, executable memory: everything that a program could make its keeper do would fail.
pub(crate) fn nothing_else_is_allowed() {
    for stage in ["launcher", "keeper"] {
        assert_eq!(run(&[stage, TRY]), "Exited { code: 7 }", "{stage}");
    }
}

/// How a program ends whose launcher or keeper waits without this system call.
fn ended(stage: &str, without: Option<libc::c_long>) -> String {
    run(&[stage, &without.unwrap_or(-1).to_string()])
}

/// How a program ends that exits with 7 after a while, or why its end is not known.
fn run(arguments: &[&str]) -> String {
    let declared = CapabilityRequest {
        name: "Subprocess".into(),
        scope: Some("/bin/sh;args=*;confined=no".into()),
        reason: None,
    };
    let choices = Choices {
        configured: vec!["Subprocess=/bin/sh;args=*;confined=no".parse().expect("a grant")],
        ..Choices::default()
    };
    let ceilings = Ceilings { unsigned: Risk::High, self_signed: Risk::High, trusted: None };
    let grants = Grants::resolve(&[declared], &choices, &TrustLevel::Unsigned, ceilings).expect("grants");
    let launcher = Some(Launcher::this(["launch-waiting"].iter().chain(arguments)));
    let session = Broker::new(Devices { launcher, ..Devices::default() });
    let session: Arc<_> = session.session("test", grants, &Limits::default());
    let request = ProgramRun { program: "/bin/sh", arguments: vec!["-c", "sleep 0.3; exit 7"], input: b"" };
    let request = postcard::to_allocvec(&request).expect("encodes");
    let answer = session.call(Op::ProgramRun.number(), &request, Instant::now() + PATIENCE);
    if answer.status == Status::Ok {
        let output: ProgramOutput = postcard::from_bytes(&answer.bytes).expect("an output");
        let end: ProgramEnd = output.end;
        format!("{end:?}")
    } else {
        String::from_utf8_lossy(&answer.bytes).into_owned()
    }
}

/// A launcher or keeper that follows the arguments of [`run`] while it waits.
pub(crate) fn launch(mut arguments: impl Iterator<Item = String>) -> ExitCode {
    let stage = arguments.next().unwrap_or_default();
    let what = arguments.next().unwrap_or_default();
    let launched = run_with(|waiting| {
        let here = match waiting {
            Waiting::Launcher => "launcher",
            Waiting::Keeper => "keeper",
        };
        if here != stage {
            return;
        }
        if what == TRY {
            try_everything_else();
        } else {
            take_away(what.parse().expect("a number"));
        }
    });
    if launched.is_ok() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Ends the process with a status of its own if one of these attempts is not refused.
fn try_everything_else() {
    let path = c"/proc/self/status".as_ptr() as usize;
    let attempts: BTreeMap<&str, i32> = BTreeMap::from([
        ("open", crate::raw::call!(SYS_openat, libc::AT_FDCWD, path, libc::O_RDONLY)),
        ("socket", crate::raw::call!(SYS_socket, libc::AF_UNIX, libc::SOCK_STREAM, 0)),
        ("fork", crate::raw::call!(SYS_fork)),
        ("kill", crate::raw::call!(SYS_kill, usize::MAX, 0)),
        ("execve", crate::raw::call!(SYS_execve, path, 0, 0)),
        ("ptrace", crate::raw::call!(SYS_ptrace, libc::PTRACE_TRACEME, 0, 0)),
        ("write", crate::raw::call!(SYS_write, 1, path, 1)),
        ("prctl", crate::raw::call!(SYS_prctl, libc::PR_SET_DUMPABLE, 1)),
        (
            "mmap",
            crate::raw::call!(
                SYS_mmap,
                0,
                4096,
                libc::PROT_EXEC,
                libc::MAP_PRIVATE | libc::MAP_ANONYMOUS,
                usize::MAX,
                0
            ),
        ),
    ]);
    if attempts.values().any(|result| *result != libc::EPERM) {
        crate::raw::call!(SYS_exit_group, 99);
    }
}
