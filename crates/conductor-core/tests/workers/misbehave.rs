//! Workers that were taken over: this program, started as a worker with the name of its deed.

use std::ffi::{CStr, CString};
use std::fmt::Write as _;
use std::os::fd::AsRawFd;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use conductor_core::worker::{Ends, Stage, run_with};

use crate::attempts::{self, Targets, Verdict, c_path};
use crate::deeds;
use crate::hosts::as_exit_code;

/// File in a worker's own directory that tells the worker to misbehave; if its content is [`ONCE`], only once.
pub(crate) const FLAG: &str = "misbehave";

/// Content of [`FLAG`] for misbehaving once.
pub(crate) const ONCE: &str = "once";

/// File that a worker makes in its own directory once it has misbehaved, if it goes on.
pub(crate) const DONE: &str = "done";

/// Runs as the worker that the arguments name.
pub(crate) fn run(mut arguments: impl Iterator<Item = String>) -> ExitCode {
    let name = arguments.next().unwrap_or_default();
    match name.as_str() {
        "try-all" => as_exit_code(run_with(trying(arguments))),
        "try-all-without-namespaces" => {
            forbid_namespaces();
            as_exit_code(run_with(trying(arguments)))
        }
        "try-all-compiling" => as_exit_code(run_with(trying_to_compile(arguments))),
        "without" => as_exit_code(run_with(crate::needs::without(arguments))),
        "at" => as_exit_code(run_with(doing(arguments))),
        "random-calls" => as_exit_code(run_with(crate::random_calls::making(arguments))),
        _ => panic!("no worker misbehaves by the name of {name:?}"),
    }
}

/// Makes all attempts before the worker touches anything of the plugin, and again once the plugin has started, and
/// writes down the results.
fn trying(mut arguments: impl Iterator<Item = String>) -> impl FnMut(Stage, Ends<'_>) {
    let mut number = || arguments.next().and_then(|text| text.parse().ok()).expect("a process");
    let (supervisor, other) = (number(), number());
    let own = c_path(arguments.next().expect("a directory"));
    let outside: Vec<CString> = arguments.map(c_path).collect();
    move |stage, channel| {
        if !matches!(stage, Stage::Locked | Stage::Started) {
            return;
        }
        let targets = Targets {
            supervisor,
            other,
            outside: outside.clone(),
            own: own.clone(),
            channel: channel.answers.as_raw_fd(),
        };
        write_down(&targets.own, stage, &targets);
    }
}

/// Makes all attempts in place of compiling, where almost nothing may succeed, and reports the results as the reason
/// for which there is no code.
fn trying_to_compile(mut arguments: impl Iterator<Item = String>) -> impl FnMut(Stage, Ends<'_>) {
    let mut number = || arguments.next().and_then(|text| text.parse().ok()).expect("a process");
    let (supervisor, other) = (number(), number());
    let outside: Vec<CString> = arguments.map(c_path).collect();
    move |stage, channel| {
        if stage != Stage::Compiling {
            return;
        }
        let targets = Targets {
            supervisor,
            other,
            outside: outside.clone(),
            own: c"/nowhere".into(),
            channel: channel.answers.as_raw_fd(),
        };
        let tried = attempts::all(&targets, true);
        // Mapping memory is permitted; a descriptor that could not be opened gives EBADF; and the worker may not even
        // ask what a descriptor refers to.
        let is_own = |name: &str| {
            matches!(name, "map" | "unmap" | "close the code") || name.starts_with("descriptor ")
        };
        let is_refused = |tried: &attempts::Tried| match tried.errno {
            libc::EPERM => true,
            libc::EBADF => tried.verdict == Verdict::Works || tried.name == "map a file",
            0 => is_own(&tried.name),
            _ => false,
        };
        let wrong = tried.iter().filter(|tried| !is_refused(tried));
        let wrong: Vec<String> =
            wrong.map(|tried| format!("{}: errno {}", tried.name, tried.errno)).collect();
        let mut text = format!("{} attempts; wrong: {wrong:?}", tried.len());
        text.truncate(1_000);
        no_code(&text, channel);
    }
}

/// Tells the supervisor this text as the reason for which there is no code, and ends.
pub(crate) fn no_code(text: &str, channel: Ends<'_>) {
    /// First bytes of a worker's file without code, then the numbers that say that the compiler refused the module.
    const NO_CODE: &[u8] = b"\0NO-CODE\x01\x00";
    let length = [0x80 | (text.len() & 0x7f) as u8, (text.len() >> 7) as u8];
    let answer = [NO_CODE, &length, text.as_bytes()].concat();
    crate::raw::call!(SYS_write, channel.answers.as_raw_fd(), answer.as_ptr(), answer.len());
    crate::raw::call!(SYS_exit_group, 0);
}

/// Fails the supervisor in a given way at a given stage, if a file in the worker's directory says so.
fn doing(mut arguments: impl Iterator<Item = String>) -> impl FnMut(Stage, Ends<'_>) {
    let mut argument = || arguments.next().expect("an argument");
    let (at, deed, own) = (argument(), argument(), PathBuf::from(argument()));
    move |stage, channel| {
        if format!("{stage:?}") != at {
            return;
        }
        if stage == Stage::Compiling {
            // A worker that compiles has no directory with such a file; its name says which plugin it works for.
            if std::env::args().next().is_some_and(|name| name.contains(" faulty ")) {
                deeds::do_it(&deed, channel, &own);
            }
            return;
        }
        // If the directory is the worker's root, its outside path does not exist.
        let own = if own.exists() { own.as_path() } else { Path::new("/") };
        let flag = own.join(FLAG);
        match std::fs::read_to_string(&flag).as_deref() {
            Ok(ONCE) => remove(&flag),
            Ok(_) => {}
            Err(_) => return,
        }
        deeds::do_it(&deed, channel, own);
        std::fs::write(own.join(DONE), "").expect("written");
    }
}

/// Removes a file in the way that the filter allows, by the descriptor of a directory.
fn remove(path: &Path) {
    rustix::fs::unlinkat(rustix::fs::CWD, path, rustix::fs::AtFlags::empty()).expect("removed");
}

fn write_down(own: &CStr, stage: Stage, targets: &Targets) {
    let path = format!("{}/tried-{stage:?}", own.to_str().expect("UTF-8").trim_end_matches('/'));
    // The first worker of a host, which only reports what the kernel can do, has no directory to write to.
    if std::fs::File::create(&path).is_err() {
        return;
    }
    let mut text = String::new();
    for tried in attempts::all(targets, stage != Stage::Locked) {
        let _ = writeln!(text, "{:?}\t{}\t{}", tried.verdict, tried.errno, tried.name);
    }
    std::fs::write(path, text).expect("written");
}

/// Makes this process behave as on a system that permits no namespaces.
fn forbid_namespaces() {
    use seccompiler::{BpfProgram, SeccompAction, SeccompFilter, TargetArch, apply_filter};
    let rules = [(libc::SYS_unshare, Vec::new())].into_iter().collect();
    let arch = TargetArch::try_from(std::env::consts::ARCH).expect("a known machine");
    let refused = SeccompAction::Errno(libc::EPERM.unsigned_abs());
    let filter = SeccompFilter::new(rules, SeccompAction::Allow, refused, arch).expect("filter");
    apply_filter(&BpfProgram::try_from(filter).expect("program")).expect("applied");
}
