//! Row subprocess: plugins run real programs through the daemon's launcher.

#![cfg(target_os = "linux")]
#![expect(clippy::expect_used, reason = "a test that cannot be set up fails, outside its test function too")]

#[cfg(test)]
#[path = "support/wasm.rs"]
#[allow(dead_code, reason = "each test program uses the guests that it needs")]
mod wasm;

#[cfg(test)]
#[path = "subprocess/confined.rs"]
mod confined;
#[cfg(test)]
#[path = "subprocess/ends.rs"]
mod ends;
#[cfg(test)]
#[path = "subprocess/forbidden.rs"]
mod forbidden;

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use conductor_abi::{Capability, CapabilityRequest, Op, ProgramEnd, ProgramOutput, ProgramRun, Risk, Status};
use conductor_core::broker::{Answer, Broker, Session};
use conductor_core::grant::{Ceilings, Choices, Grants};
use conductor_core::launcher::Launcher;
use conductor_core::{Devices, Limits, Sounding};
use conductor_signing::TrustLevel;
use tempfile::TempDir;

/// Longest wait for things that take milliseconds.
const PATIENCE: Duration = Duration::from_secs(60);

/// A shell, which is a program like any other; its argument is a script.
const SHELL: &str = "/bin/sh";

fn session_with(declared: &str, granted: &str, launcher: Option<Launcher>) -> Arc<Session> {
    session_within(declared, granted, launcher, &Limits::default())
}

fn session_within(
    declared: &str,
    granted: &str,
    launcher: Option<Launcher>,
    limits: &Limits,
) -> Arc<Session> {
    session_on(Devices { launcher, ..Devices::default() }, declared, granted, limits)
}

fn session_on(devices: Devices, declared: &str, granted: &str, limits: &Limits) -> Arc<Session> {
    let request = CapabilityRequest { name: "Subprocess".into(), scope: Some(declared.into()), reason: None };
    let choices = Choices {
        configured: vec![format!("Subprocess={granted}").parse().expect("a grant")],
        ..Choices::default()
    };
    let ceilings = Ceilings { unsigned: Risk::High, self_signed: Risk::High, trusted: None };
    let grants = Grants::resolve(&[request], &choices, &TrustLevel::Unsigned, ceilings).expect("grants");
    Broker::new(devices).session("test", grants, limits)
}

fn launcher() -> Option<Launcher> {
    Some(Launcher::new(env!("CARGO_BIN_EXE_conductor"), ["launch"]))
}

fn session(scope: &str) -> Arc<Session> {
    session_with(scope, scope, launcher())
}

fn ask(session: &Session, program: &str, arguments: &[&str], input: &[u8]) -> Answer {
    let request = ProgramRun { program, arguments: arguments.to_vec(), input };
    let request = postcard::to_allocvec(&request).expect("encodes");
    session.call(Op::ProgramRun.number(), &request, Instant::now() + PATIENCE)
}

fn run(session: &Session, program: &str, arguments: &[&str]) -> ProgramOutput {
    let answer = ask(session, program, arguments, b"");
    assert_eq!(answer.status, Status::Ok, "{}", String::from_utf8_lossy(&answer.bytes));
    postcard::from_bytes(&answer.bytes).expect("an output")
}

/// The output of a script.
fn printed(session: &Session, script: &str) -> String {
    let output = run(session, SHELL, &["-c", script]);
    assert_eq!(output.end, ProgramEnd::Exited { code: 0 }, "{output:?}");
    String::from_utf8(output.stdout).expect("text")
}

fn refused(answer: &Answer, status: Status, reason: &str) {
    let text = String::from_utf8_lossy(&answer.bytes);
    assert!(answer.status == status && text.contains(reason), "{:?}: {text}", answer.status);
}

/// The number of processes whose command line contains this text.
fn processes(text: &str) -> usize {
    let processes = fs::read_dir("/proc").expect("processes").filter_map(Result::ok);
    let command = |path: PathBuf| fs::read_to_string(path.join("cmdline")).unwrap_or_default();
    processes.filter(|process| command(process.path()).replace('\0', " ").contains(text)).count()
}

fn wait_until_gone(text: &str) {
    let start = Instant::now();
    while processes(text) > 0 {
        assert!(start.elapsed() < PATIENCE, "{text} goes on");
        thread::sleep(Duration::from_millis(5));
    }
}

/// Writes a program with this text and mode.
fn script(text: &str, mode: u32) -> (TempDir, String) {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("program");
    fs::write(&path, text).expect("written");
    fs::set_permissions(&path, fs::Permissions::from_mode(mode)).expect("mode");
    let path = path.to_str().expect("text").to_owned();
    (directory, path)
}

#[test]
fn a_program_is_run_with_its_arguments_and_input_and_nothing_else() {
    let session = session("/bin/echo,/bin/cat,/bin/sh;args=*");
    let output = run(&session, "/bin/echo", &["$(id)", ";ls", "|cat", "`id`", "a b", "*"]);
    assert_eq!(output.stdout, b"$(id) ;ls |cat `id` a b *\n", "no shell is in between");
    let answer = ask(&session, "/bin/cat", &[], &[7; 100_000]);
    let output: ProgramOutput = postcard::from_bytes(&answer.bytes).expect("an output");
    assert!(output.cut && output.stdout == vec![7; 64 * 1024], "as much as the scope allows");

    let output = run(&session, SHELL, &["-c", "echo no >&2; exit 7"]);
    assert_eq!((output.end, output.stderr.as_slice()), (ProgramEnd::Exited { code: 7 }, &b"no\n"[..]));
    let output = run(&session, SHELL, &["-c", "kill -TERM $$"]);
    assert_eq!(output.end, ProgramEnd::Signalled { signal: 15 });

    assert_eq!(printed(&session, "env | grep -v -e ^PWD= -e ^SHLVL= -e ^_= -e ^OLDPWD= || true"), "");
    assert_eq!(printed(&session, "pwd"), "/\n");
    assert_eq!(printed(&session, "ls /proc/self/fd | tr '\\n' ' '"), "0 1 2 3 ", "and the list itself");
    assert_eq!(printed(&session, "grep NoNewPrivs /proc/self/status"), "NoNewPrivs:\t1\n");
    assert_eq!(printed(&session, "ps -o tty= -p $$ 2>/dev/null || echo '?'").trim(), "?", "no terminal");
}

#[test]
fn only_what_declaration_and_grant_name_is_run() {
    let session = session_with("/bin/echo,/bin/cat;args=*", "/bin/echo;args=scene*,--fast", launcher());
    assert_eq!(run(&session, "/bin/echo", &["scene 1", "--fast"]).stdout, b"scene 1 --fast\n");
    let granted = "outside the scope that was granted";
    for arguments in [&["--slow"][..], &["scene 1", "x"], &["--fast2"], &[""]] {
        refused(&ask(&session, "/bin/echo", arguments, b""), Status::Denied, granted);
    }
    refused(&ask(&session, "/bin/cat", &[], b""), Status::Denied, granted);
    let declared = "outside the scope that the plugin declares";
    for program in ["/bin/sh", "echo", "./echo", "/bin/../bin/echo", "/bin//echo", "/bin/echo ", "", "ECHO"] {
        refused(&ask(&session, program, &[], b""), Status::Denied, declared);
    }
    refused(&ask(&session, "/bin/echo\0", &[], b""), Status::Invalid, "no NUL");
    refused(&ask(&session, "/bin/echo", &["a\0b"], b""), Status::Invalid, "no NUL");
    let long = "x".repeat(5000);
    refused(&ask(&session, "/bin/echo", &[&long], b""), Status::TooLarge, "4096 bytes");
    refused(&ask(&session, "/bin/echo", &["a"; 65], b""), Status::TooLarge, "64 arguments");
}

#[test]
fn programs_that_others_can_change_or_that_change_rights_are_refused() {
    let cases =
        [(0o777, "changed by other users"), (0o775, "changed by other users"), (0o4755, "the rights of")];
    for (mode, reason) in cases {
        let (_directory, path) = script("#!/bin/sh\necho yes\n", mode);
        refused(&ask(&session(&path), &path, &[], b""), Status::Denied, reason);
    }
    let (directory, path) = script("#!/bin/sh\necho yes\n", 0o755);
    assert_eq!(run(&session(&path), &path, &[]).stdout, b"yes\n");
    let link = directory.path().join("link");
    symlink(&path, &link).expect("linked");
    let link = link.to_str().expect("text");
    assert_eq!(run(&session(link), link, &[]).stdout, b"yes\n", "the user named the link");
    let folder = directory.path().to_str().expect("text");
    refused(&ask(&session(folder), folder, &[], b""), Status::Denied, "no regular file");
    let missing = format!("{path}.gone");
    refused(&ask(&session(&missing), &missing, &[], b""), Status::Unavailable, "there is no program");
    let (_directory, path) = script("no program", 0o644);
    refused(&ask(&session(&path), &path, &[], b""), Status::Unavailable, "Permission denied");
}

#[test]
fn without_a_launcher_the_plugin_is_told_so() {
    let session = session_with("/bin/echo", "/bin/echo", None);
    refused(
        &ask(&session, "/bin/echo", &[], b""),
        Status::Unavailable,
        "unavailable here, because this host",
    );
}

#[test]
fn the_environment_is_what_the_grant_names() {
    let session = session_with(
        "/bin/sh;args=*;env=SECRET%3Dwanted",
        "/bin/sh;args=*;env=LANG%3DC.UTF-8,DISPLAY%3D:0",
        launcher(),
    );
    assert_eq!(printed(&session, "echo $LANG $DISPLAY $SECRET $HOME $PATH_X"), "C.UTF-8 :0\n");
}

#[test]
fn what_never_ends_is_ended_with_all_that_it_started() {
    let mark = format!("{}", std::process::id());
    let session = session("/bin/sh;args=*;seconds=3");
    for (number, script) in [
        "sleep MARK",
        "trap '' TERM INT HUP; sleep MARK & sleep MARK; wait",
        "setsid sleep MARK & setsid sh -c 'sleep MARK & sleep MARK' & sleep MARK",
        "(setsid sleep MARK >/dev/null 2>&1 </dev/null &) ; sleep MARK",
    ]
    .iter()
    .enumerate()
    {
        let seconds = format!("1{mark}{number}");
        let script = script.replace("MARK", &seconds);
        let started = Instant::now();
        refused(&ask(&session, SHELL, &["-c", &script], b""), Status::TimedOut, "was ended");
        assert!(started.elapsed() < PATIENCE);
        wait_until_gone(&format!("sleep {seconds}"));
    }
    // Processes that a program leaves behind end with it, even if they hold its output open.
    let seconds = format!("2{mark}");
    assert_eq!(printed(&session, &format!("setsid sleep {seconds} & echo done")), "done\n");
    wait_until_gone(&format!("sleep {seconds}"));
}

#[test]
fn processes_files_and_output_are_bounded() {
    let patient = session("/bin/sh;args=*;seconds=60;bytes=1KiB");
    let output = run(&patient, SHELL, &["-c", "head -c 1073741824 /dev/zero"]);
    assert!(output.cut && output.stdout.len() == 1024, "{:?}", output.end);
    let limits = printed(&patient, "cat /proc/self/limits");
    for (limit, value) in [("Max processes", "64"), ("Max open files", "256"), ("Max core file size", "0")] {
        let line = limits.lines().find(|line| line.starts_with(limit)).expect("a limit");
        assert_eq!(
            line.split_whitespace().rev().nth(if limit.contains("core") { 2 } else { 1 }),
            Some(value)
        );
    }
    // A fork bomb, which doubles until it is refused, ends with the call, whichever user runs this test.
    let mark = format!("3{}", std::process::id());
    let bomb =
        format!("for i in 1 2 3 4 5 6 7; do (sleep {mark} & sleep {mark} &) & done; wait; sleep {mark}");
    let started = Instant::now();
    let session = session("/bin/sh;args=*;seconds=5");
    refused(&ask(&session, SHELL, &["-c", &bomb], b""), Status::TimedOut, "in time");
    assert!(started.elapsed() < PATIENCE);
    wait_until_gone(&format!("sleep {mark}"));
}

#[test]
fn a_confined_program_reads_the_system_and_nothing_of_the_users() {
    let directory = tempfile::tempdir().expect("a directory");
    let secret = directory.path().join("secret");
    fs::write(&secret, "secret").expect("written");
    let read = format!("cat {}", secret.display());
    assert_eq!(printed(&session("/bin/sh;args=*"), &read), "secret");
    let confined = session("/bin/sh;args=*;confined=yes");
    assert_eq!(printed(&confined, "cat /etc/hostname >/dev/null; echo ok"), "ok\n");
    for attempt in [&read, &format!("echo x > {}", secret.display()), "echo x > /tmp/conductor-escaped"] {
        let output = run(&confined, SHELL, &["-c", attempt]);
        assert_ne!(output.end, ProgramEnd::Exited { code: 0 }, "{attempt}");
    }
    assert!(!Path::new("/tmp/conductor-escaped").exists());
    let by_grant = session_with("/bin/sh;args=*", "/bin/sh;args=*;confined=yes", launcher());
    assert_ne!(run(&by_grant, SHELL, &["-c", &read]).end, ProgramEnd::Exited { code: 0 });
}

#[test]
fn whatever_a_message_may_hold_the_answer_fits_into_it() {
    for max_message_bytes in [64, 1_000, 1_024, 8_191, 8_192, Limits::LEAST.max_message_bytes, u32::MAX] {
        let limits = Limits { max_message_bytes, ..Limits::default() };
        let session = session_within("/bin/sh;args=*", "/bin/sh;args=*", launcher(), &limits);
        let output = run(&session, SHELL, &["-c", "head -c 60000 /dev/zero; echo no >&2"]);
        assert_eq!(output.end, ProgramEnd::Exited { code: 0 });
        let room = usize::try_from(max_message_bytes / 2).expect("a size").saturating_sub(512).min(60_000);
        assert_eq!((output.stdout.len(), output.cut), (room, room < 60_000), "{max_message_bytes}");
    }
}

#[test]
fn a_program_is_ended_when_its_grant_is_taken_away() {
    let session = session("/bin/sh;args=*;seconds=60");
    let seconds = format!("4{}", std::process::id());
    let script = format!("setsid sleep {seconds} & sleep {seconds}");
    let running = thread::spawn({
        let session = Arc::clone(&session);
        move || ask(&session, SHELL, &["-c", &script], b"")
    });
    let start = Instant::now();
    while processes(&format!("sleep {seconds}")) < 2 {
        assert!(start.elapsed() < PATIENCE, "it does not start");
        thread::sleep(Duration::from_millis(5));
    }
    let revoked = Instant::now();
    session.revoke(Capability::Subprocess);
    let answer = running.join().expect("no panic");
    refused(&answer, Status::Denied, "denied by the user");
    wait_until_gone(&format!("sleep {seconds}"));
    println!("ended {} ms after it was revoked", revoked.elapsed().as_millis());
    assert!(revoked.elapsed() < PATIENCE);
}

#[test]
fn a_pause_of_everything_ends_a_program_and_starts_none() {
    let midi = Devices::default().midi;
    let sounding = Sounding::new(&midi);
    let devices = Devices { launcher: launcher(), sounding: Some(sounding.clone()), ..Devices::default() };
    let session = session_on(devices, "/bin/sleep;args=*", "/bin/sleep;args=*", &Limits::default());
    let seconds = format!("4{}", std::process::id());
    let running = thread::spawn({
        let (session, seconds) = (Arc::clone(&session), seconds.clone());
        move || ask(&session, "/bin/sleep", &[&seconds], b"")
    });
    let start = Instant::now();
    while processes(&format!("sleep {seconds}")) == 0 {
        assert!(start.elapsed() < PATIENCE, "it does not start");
        thread::sleep(Duration::from_millis(5));
    }
    sounding.pause();
    let answer = running.join().expect("no panic");
    refused(&answer, Status::Unavailable, "everything was silenced by panic");
    wait_until_gone(&format!("sleep {seconds}"));
    refused(&ask(&session, "/bin/sleep", &["0"], b""), Status::Unavailable, "everything was silenced");
    assert!(session.take_denied().is_empty(), "nothing has to be granted");
    sounding.resume();
    assert_eq!(run(&session, "/bin/sleep", &["0"]).end, ProgramEnd::Exited { code: 0 });
}
