//! Workers that were taken over: this program, started in place of a worker with the name of what it does.

use std::ffi::{CStr, CString};
use std::fmt::Write as _;
use std::os::fd::AsRawFd;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use conductor_core::worker::{Ends, Stage, run_with};

use crate::attempts::{self, Targets, Verdict, c_path};
use crate::deeds;
use crate::hosts::as_exit_code;

/// File in a worker's own directory that says that it is to misbehave; with [`ONCE`] in it, no more than once.
pub(crate) const FLAG: &str = "misbehave";

/// See [`FLAG`].
pub(crate) const ONCE: &str = "once";

/// File that a worker makes in its own directory when it has misbehaved and goes on.
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
        _ => panic!("no worker misbehaves by the name of {name:?}"),
    }
}

/// Makes all attempts before anything of the plugin was touched and again once it has started, and writes down how they
/// ended.
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

/// Makes all attempts in place of a compilation, of which almost nothing may succeed, and says how that went in place of why there
/// is no code.
fn trying_to_compile(mut arguments: impl Iterator<Item = String>) -> impl FnMut(Stage, Ends<'_>) {
    /// First bytes of what a worker writes that made no code, and the numbers of what it says: that the compiler gave up.
    const NO_CODE: &[u8] = b"\0NO-CODE\x01\x00";
    let mut number = || arguments.next().and_then(|text| text.parse().ok()).expect("a process");
    let (supervisor, other) = (number(), number());
    let outside: Vec<CString> = arguments.map(c_path).collect();
    move |stage, channel| {
        if stage != Stage::Compiling {
            return;
        }
        let channel = channel.answers.as_raw_fd();
        let targets =
            Targets { supervisor, other, outside: outside.clone(), own: c"/nowhere".into(), channel };
        let tried = attempts::all(&targets, true);
        // Memory is of the process's own, a descriptor that could not be had is none, and it cannot even ask what one is of.
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
        let length = [0x80 | (text.len() & 0x7f) as u8, (text.len() >> 7) as u8];
        let answer = [NO_CODE, &length, text.as_bytes()].concat();
        crate::raw::call!(SYS_write, channel, answer.as_ptr(), answer.len());
        crate::raw::call!(SYS_exit_group, 0);
    }
}

/// Fails its supervisor in a given way at a given stage, while a file in the worker's directory says so.
fn doing(mut arguments: impl Iterator<Item = String>) -> impl FnMut(Stage, Ends<'_>) {
    let mut argument = || arguments.next().expect("an argument");
    let (at, deed, own) = (argument(), argument(), PathBuf::from(argument()));
    move |stage, channel| {
        if format!("{stage:?}") != at {
            return;
        }
        if stage == Stage::Compiling {
            // It has no directory that could tell it not to; its name says for which plugin it works.
            if std::env::args().next().is_some_and(|name| name.contains(" faulty ")) {
                deeds::do_it(&deed, channel, &own);
            }
            return;
        }
        // Where the directory is the root, it has no other path.
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

/// As the filter allows it: by descriptor of a directory.
fn remove(path: &Path) {
    rustix::fs::unlinkat(rustix::fs::CWD, path, rustix::fs::AtFlags::empty()).expect("removed");
}

fn write_down(own: &CStr, stage: Stage, targets: &Targets) {
    let path = format!("{}/tried-{stage:?}", own.to_str().expect("UTF-8").trim_end_matches('/'));
    // The host's first worker, which only tells what the kernel can do, has no directory to write to.
    if std::fs::File::create(&path).is_err() {
        return;
    }
    let mut text = String::new();
    for tried in attempts::all(targets, stage != Stage::Locked) {
        let _ = writeln!(text, "{:?}\t{}\t{}", tried.verdict, tried.errno, tried.name);
    }
    std::fs::write(path, text).expect("written");
}

/// Makes this process one of a system that permits no namespaces.
fn forbid_namespaces() {
    use seccompiler::{BpfProgram, SeccompAction, SeccompFilter, TargetArch, apply_filter};
    let rules = [(libc::SYS_unshare, Vec::new())].into_iter().collect();
    let arch = TargetArch::try_from(std::env::consts::ARCH).expect("a known machine");
    let refused = SeccompAction::Errno(libc::EPERM.unsigned_abs());
    let filter = SeccompFilter::new(rules, SeccompAction::Allow, refused, arch).expect("filter");
    apply_filter(&BpfProgram::try_from(filter).expect("program")).expect("applied");
}
