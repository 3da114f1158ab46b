//! Programs end: with their time, with the process that started them, at any moment of their start. The tests look for
//! the processes themselves.

use std::fs;
use std::os::unix::process::CommandExt as _;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use conductor_abi::{Op, ProgramEnd, ProgramOutput, ProgramRun, Status};
use conductor_core::broker::{Answer, Session};

use super::{
    PATIENCE, SHELL, ask, launcher, printed, processes, refused, run, session, session_with, wait_until_gone,
};
use crate::wasm;

/// How many deadlines fall into the start of a program, one after the other.
const STARTS: u64 = 120;

/// How often the process that runs a program is killed while the program starts.
const KILLS: u64 = 12;

/// The process identifiers of running processes, and their command lines.
fn commands() -> Vec<(u32, String)> {
    let processes = fs::read_dir("/proc").expect("processes").filter_map(Result::ok);
    let command = |path: PathBuf| fs::read_to_string(path.join("cmdline")).unwrap_or_default();
    let number = |entry: &fs::DirEntry| entry.file_name().to_str()?.parse().ok();
    processes.filter_map(|entry| Some((number(&entry)?, command(entry.path()).replace('\0', " ")))).collect()
}

/// Whether a process has a launcher as its child.
fn launches(pid: u32) -> bool {
    let processes = fs::read_dir("/proc").expect("processes").filter_map(Result::ok);
    // Only processes that were started later, with a higher identifier, can be children.
    let mut later =
        processes.filter_map(|entry| entry.file_name().to_str()?.parse().ok()).filter(|found| *found > pid);
    later.any(|found: u32| {
        let command = fs::read_to_string(format!("/proc/{found}/cmdline")).unwrap_or_default();
        command.starts_with("conductor-launcher") && parent(found) == Some(pid)
    })
}

/// Waits for a process with this command line.
pub(super) fn wait_for(text: &str) -> u32 {
    let start = Instant::now();
    loop {
        if let Some((pid, _)) = commands().into_iter().find(|(_, command)| command.trim_end() == text) {
            return pid;
        }
        assert!(start.elapsed() < PATIENCE, "{text} does not start");
        thread::sleep(Duration::from_millis(2));
    }
}

/// The parent of a process, if there is one.
fn parent(pid: u32) -> Option<u32> {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    status.lines().find_map(|line| line.strip_prefix("PPid:"))?.trim().parse().ok()
}

fn ask_within(session: &Session, program: &str, arguments: &[&str], time: Duration) -> Answer {
    let request = ProgramRun { program, arguments: arguments.to_vec(), input: b"" };
    let request = postcard::to_allocvec(&request).expect("encodes");
    session.call(Op::ProgramRun.number(), &request, Instant::now() + time)
}

#[test]
fn a_deadline_that_falls_into_the_start_of_a_program_ends_it() {
    let session = session("/bin/sleep;args=*");
    let mark = format!("5{}", std::process::id());
    for number in 0..STARTS {
        let seconds = format!("{mark}{number:03}");
        let time = Duration::from_micros(number * 200);
        let start = Instant::now();
        let mut answer = ask_within(&session, "/bin/sleep", &[&seconds], time);
        // On a busy machine, earlier programs are still ending.
        while answer.status == Status::RateLimited && start.elapsed() < PATIENCE {
            answer = ask_within(&session, "/bin/sleep", &[&seconds], time);
        }
        let reason = String::from_utf8_lossy(&answer.bytes);
        assert_eq!(answer.status, Status::TimedOut, "{reason}");
        if reason.contains("has not ended yet") {
            // On a busy machine the program may still be ending; it is not reported as ended.
            wait_until_gone(&format!("sleep {seconds}"));
        } else {
            assert!(reason.contains("was ended") || reason.contains("was not started"), "{reason}");
            assert_eq!(processes(&format!("sleep {seconds}")), 0, "it is said to have ended: {reason}");
        }
    }
    // Programs that were started too late for their deadline would be running by now.
    thread::sleep(Duration::from_millis(300));
    assert_eq!(processes(&format!("sleep {mark}")), 0);
}

#[test]
fn killing_whoever_runs_a_program_ends_it_at_any_moment_of_its_start() {
    let home = tempfile::tempdir().expect("a directory");
    let mark = format!("6{}", std::process::id());
    for number in 0..KILLS {
        let seconds = format!("{mark}{number:03}");
        let mut host = exec(home.path(), &seconds);
        let start = Instant::now();
        while !launches(host.id()) {
            assert!(start.elapsed() < PATIENCE, "no launcher starts");
            thread::sleep(Duration::from_micros(200));
        }
        thread::sleep(Duration::from_micros(number * 400));
        host.kill().expect("killed");
        host.wait().expect("ended");
        wait_until_gone(&format!("sleep {seconds}"));
    }
    thread::sleep(Duration::from_millis(300));
    assert_eq!(processes(&format!("sleep {mark}")), 0);
}

/// `conductor exec` with a plugin that runs `sleep`.
fn exec(home: &std::path::Path, seconds: &str) -> Child {
    let parameters = format!("{{\"program\":\"/bin/sleep\",\"arguments\":[\"{seconds}\"]}}");
    let mut command = Command::new(env!("CARGO_BIN_EXE_conductor"));
    command.arg("exec").arg(wasm::plugin("script"));
    command.args(["--unsigned-ok", "--grant", "Subprocess=/bin/sleep;args=*", "--action", "run", "--params"]);
    command.arg(parameters).env_clear().env("HOME", home);
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).process_group(0);
    command.spawn().expect("conductor starts")
}

#[test]
fn a_program_cannot_look_into_its_keeper_or_end_it() {
    let session = session("/bin/sh;args=*");
    // The shell itself reads its parent's identifier in the machine's own numbering.
    let keeper =
        "while read key value; do if [ $key = PPid: ]; then keeper=$value; fi; done < /proc/self/status";
    let output = printed(&session, &format!("{keeper}; tr '\\0' ' ' < /proc/$keeper/cmdline; echo; id -u"));
    let owner = rustix::process::geteuid().as_raw().to_string();
    assert_eq!(output, format!("conductor-keeper launch \n{owner}\n"));
    for attempt in
        ["cat /proc/$keeper/maps", "cat /proc/$keeper/environ", "readlink /proc/$keeper/fd/0", "kill -9 1"]
    {
        let script = format!("{keeper}; {attempt} >/dev/null 2>&1 && echo reached || echo kept out");
        let reached = printed(&session, &script);
        // The kernel accepts a signal, but does not deliver it to the first process of a namespace.
        let expected = if attempt.starts_with("kill") { "reached\n" } else { "kept out\n" };
        assert_eq!(reached, expected, "{attempt}");
    }
}

#[test]
fn the_end_of_a_program_is_that_of_its_processes_and_not_of_its_output() {
    let session = session("/bin/sh;args=*");
    let seconds = format!("7{}", std::process::id());
    let script = format!("sleep {seconds} & sleep 1; echo done");
    let running = thread::spawn(move || run(&session, SHELL, &["-c", &script]));
    let pid = wait_for(&format!("sleep {seconds}"));
    // Another process was given the output, and keeps it open.
    let kept = fs::File::options().write(true).open(format!("/proc/{pid}/fd/1")).expect("its output");
    let output: ProgramOutput = running.join().expect("it ends in time");
    assert_eq!((output.end, output.stdout.as_slice()), (ProgramEnd::Exited { code: 0 }, &b"done\n"[..]));
    assert_eq!(processes(&format!("sleep {seconds}")), 0);
    drop(kept);
}

/// A process in a program's namespace whose parent is outside and does not wait for it, so that the namespace cannot
/// end.
struct Intruder(Child);

impl Intruder {
    fn enter(keeper: u32, seconds: &str) -> Self {
        let mut command = Command::new("nsenter");
        command.args([
            "--target",
            &keeper.to_string(),
            "--user",
            "--preserve-credentials",
            "--pid",
            "sleep",
            seconds,
        ]);
        let child = command.stdin(Stdio::null()).spawn().expect("apt-get install -y util-linux");
        let sleeping = wait_for(&format!("sleep {seconds}"));
        assert_eq!(parent(sleeping), Some(child.id()));
        let pid = rustix::process::Pid::from_child(&child);
        rustix::process::kill_process(pid, rustix::process::Signal::STOP).expect("stopped");
        Self(child)
    }
}

impl Drop for Intruder {
    fn drop(&mut self) {
        // The process must exist until this point.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn nobody_waits_for_a_program_that_cannot_end_and_there_are_few_of_them() {
    let declared = "/bin/sleep,/bin/echo;args=*";
    let session: Arc<Session> = session_with(declared, declared, launcher());
    let mark = format!("8{}", std::process::id());
    let mut intruders = Vec::new();
    for number in 0..4 {
        let seconds = format!("{mark}{number}0");
        let running = thread::spawn({
            let (session, seconds) = (Arc::clone(&session), seconds.clone());
            move || {
                let answer = ask_within(&session, "/bin/sleep", &[&seconds], Duration::from_secs(3));
                (answer, Instant::now())
            }
        });
        let started = Instant::now();
        let keeper = parent(wait_for(&format!("/bin/sleep {seconds}"))).expect("a keeper");
        intruders.push(Intruder::enter(keeper, &format!("{mark}{number}1")));
        let (answer, at) = running.join().expect("no panic");
        refused(&answer, Status::TimedOut, "was told to end, and has not ended yet");
        assert!(at.duration_since(started) < PATIENCE);
        wait_until_gone(&format!("sleep {seconds}"));
    }
    refused(&ask(&session, "/bin/echo", &[], b""), Status::RateLimited, "an earlier program");
    drop(intruders);
    let start = Instant::now();
    while ask(&session, "/bin/echo", &[], b"").status != Status::Ok {
        assert!(start.elapsed() < PATIENCE, "the places are not given back");
        thread::sleep(Duration::from_millis(10));
    }
}
