//! No system call is allowed without a need: each call that a worker may make while it loads and runs is taken away
//! from it, and then something must fail that did not fail before.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::os::fd::AsRawFd as _;
use std::time::Duration;

use conductor_core::worker::{Ends, Stage, WorkerProgram};
use conductor_core::{Limits, Outcome, PluginOptions, WasmConfig, stages};
use seccompiler::{BpfProgram, SeccompAction, SeccompFilter, TargetArch, apply_filter_all_threads};

use crate::crash::quick;
use crate::hosts;
use crate::support::{REQUEST, load};

/// Calls that a worker needs although no scene fails without them, each with the reason.
const UNSEEN: &[(&str, &str)] = &[
    ("brk", "memory is mapped instead, which is slower"),
    ("exit", "a thread that cannot end computes until the process is gone"),
    ("exit_group", "the same of a process, until its supervisor ends it"),
    ("futex", "waits only where two threads want something at once"),
    ("openat2", "path_open makes do with openat, in several steps"),
    ("restart_syscall", "only where a sleep was interrupted by a stop"),
];

/// Calls that are needed only sometimes, by a thread that is starting while the filter is installed.
const NOW_AND_THEN: [&str; 2] = ["rseq", "set_robust_list"];

/// Scenes that are played without a system call.
const SCENES: [&str; 4] = ["everything", "trap", "abort", "fault"];

/// Calls that a compiling worker needs although no scene fails without them, each with the reason.
const UNSEEN_COMPILING: &[(&str, &str)] = &[
    ("clock_gettime", "only where the kernel's own page does not tell the time"),
    ("mmap", "a small module gets by with brk"),
    ("munmap", "the same; what is not given back counts towards its memory"),
];

/// Scenes of a compiling worker that are played without a system call.
const COMPILING_SCENES: [&str; 5] =
    ["compiling", "compiling-wrong", "compiling-abort", "compiling-fault", "compiling-full"];

pub(crate) fn every_call_is_needed() {
    let with_all = SCENES.map(|scene| ended(None, scene));
    assert_eq!(with_all[0], "ok");
    assert!(with_all[1].contains("unreachable") && with_all[2].contains("SIGABRT"), "{with_all:?}");
    assert!(with_all[3].contains("SIGSEGV"), "{with_all:?}");
    assert_eq!(unseen(&["load", "run"], &SCENES, &with_all), of(UNSEEN), "nothing fails without these");
}

pub(crate) fn every_call_of_a_compiler_is_needed() {
    let with_all = COMPILING_SCENES.map(|scene| ended(None, scene));
    assert_eq!(with_all[0], "ok");
    // A compiler that aborts counts as one that got no memory.
    assert!(with_all[1].contains("type mismatch") && with_all[2].contains("memory"), "{with_all:?}");
    assert!(with_all[3].contains("SIGSEGV") && with_all[4] == "ok", "{with_all:?}");
    let unseen = unseen(&["compile"], &COMPILING_SCENES, &with_all);
    assert_eq!(unseen, of(UNSEEN_COMPILING), "nothing fails without these");
}

fn of(unseen: &[(&str, &str)]) -> Vec<String> {
    unseen.iter().map(|(call, _)| (*call).to_owned()).collect()
}

/// Calls of these stages without which every scene ends in the same way as with all calls.
fn unseen(in_stages: &[&str], scenes: &[&str], with_all: &[String]) -> Vec<String> {
    let numbers = numbers();
    let stages = stages().into_iter().filter(|stage| in_stages.contains(&stage.stage.as_str()));
    let allowed: BTreeSet<String> = stages.flat_map(|stage| stage.calls.into_keys()).collect();
    let seen = |call: &str| {
        let number = numbers.get(call).unwrap_or_else(|| panic!("{call} has no number here"));
        scenes.iter().zip(with_all).any(|(scene, before)| ended(Some(*number), scene) != *before)
    };
    allowed.into_iter().filter(|call| !NOW_AND_THEN.contains(&call.as_str()) && !seen(call)).collect()
}

/// The outcome of a call of a plugin whose worker may not make this system call, or the error of its load.
fn ended(without: Option<libc::c_long>, scene: &str) -> String {
    let data = tempfile::tempdir().expect("directory");
    // A file for the walk through the directory.
    fs::create_dir(data.path().join("needy")).expect("made");
    fs::write(data.path().join("needy/z"), "z").expect("written");
    let config = WasmConfig { data_dir: Some(data.path().to_owned()), ..WasmConfig::default() };
    let number = without.unwrap_or(-1).to_string();
    let program = WorkerProgram::this(["misbehave", "without", &number, scene]);
    let host = match hosts::try_with(config, program) {
        Ok(host) => host,
        Err(error) => return error.to_string(),
    };
    let manifest = r#"{\"name\":\"needy\",\"version\":\"1\",\"capabilities\":[{\"name\":\"Filesystem\"}]}"#;
    let body = match scene {
        "trap" => "(unreachable)",
        // A value of the wrong type.
        "compiling-wrong" => "(i64.const 0)",
        _ => EVERYTHING,
    };
    let text = format!(
        r#"(module {IMPORTS}
            (func (export "execute") (param i32 i32) (result i32) (local $i i32) {body})
            (@custom "conductor:manifest" "{manifest}"))"#
    );
    let options = PluginOptions {
        // Enough time for a busy machine to do in a roundabout way what it usually does at once.
        limits: Some(Limits { max_execution_time: Duration::from_secs(5), max_fuel: 1 << 40, ..quick() }),
        granted: vec!["Filesystem".parse().expect("a grant")],
        accept_unsigned: true,
        ..PluginOptions::default()
    };
    match load(&host, "needy.wasm", wat::parse_str(text).expect("valid text"), &options) {
        Ok(mut plugin) => {
            let outcome = plugin.execute(REQUEST).outcome;
            if let Outcome::Trap { reason } = &outcome {
                reason.lines().last().unwrap_or_default().to_owned()
            } else {
                outcome.to_string()
            }
        }
        Err(error) => error.to_string(),
    }
}

/// A worker that may not make the system call with this number once it is locked in, and that aborts or faults in its
/// call if the scene says so.
pub(crate) fn without(mut arguments: impl Iterator<Item = String>) -> impl FnMut(Stage, Ends<'_>) {
    let number: libc::c_long = arguments.next().and_then(|text| text.parse().ok()).expect("a number");
    let scene = arguments.next().unwrap_or_default();
    move |stage, ends| {
        let (without, deed, scene) = match scene.strip_prefix("compiling") {
            Some(rest) => (Stage::Prepared, Stage::Compiling, rest.trim_start_matches('-')),
            None => (Stage::Locked, Stage::Called, scene.as_str()),
        };
        if stage == without {
            take_away(number);
        }
        if stage == deed && scene == "fault" {
            let here = 0u8;
            crate::raw::call!(SYS_mprotect, (&raw const here) as usize & !4095, 4096, libc::PROT_NONE);
        }
        if stage == deed && scene == "full" {
            // Writes beyond the longest allowed file, which raises a signal; the compiler then starts at the beginning
            // of the file.
            let output = ends.answers.as_raw_fd();
            crate::raw::call!(SYS_lseek, output, isize::MAX / 2, libc::SEEK_SET);
            let error = crate::raw::call!(SYS_write, output, std::ptr::from_ref(&number), 1);
            assert_eq!(error, libc::EFBIG);
            crate::raw::call!(SYS_lseek, output, 0, libc::SEEK_SET);
        }
        if stage == deed && scene == "abort" {
            #[expect(clippy::disallowed_methods, reason = "a worker that has no memory ends so")]
            std::process::abort();
        }
    }
}

/// Refuses this process a system call; no call if the number is negative.
pub(crate) fn take_away(number: libc::c_long) {
    if number < 0 {
        return;
    }
    let rules: BTreeMap<i64, Vec<_>> = BTreeMap::from([(number, Vec::new())]);
    let arch = TargetArch::try_from(std::env::consts::ARCH).expect("a known machine");
    let refused = SeccompAction::Errno(libc::EPERM.unsigned_abs());
    let filter = SeccompFilter::new(rules, SeccompAction::Allow, refused, arch).expect("filter");
    apply_filter_all_threads(&BpfProgram::try_from(filter).expect("program")).expect("applied");
}

/// Numbers of system calls by their names.
pub(crate) fn numbers() -> BTreeMap<&'static str, libc::c_long> {
    macro_rules! numbers {
        ($($name:ident)*) => {
            BTreeMap::from([$((stringify!($name).trim_start_matches("SYS_"), libc::$name),)*])
        };
    }
    numbers! {
        SYS_brk SYS_clock_gettime SYS_clock_nanosleep SYS_close SYS_exit SYS_exit_group SYS_fadvise64 SYS_fcntl
        SYS_fdatasync SYS_fstat SYS_fsync SYS_ftruncate SYS_futex SYS_getdents64 SYS_getpid SYS_getrandom SYS_gettid
        SYS_linkat SYS_lseek SYS_mkdirat SYS_mmap SYS_mprotect SYS_munmap SYS_newfstatat SYS_openat
        SYS_openat2 SYS_prctl SYS_pread64 SYS_pwrite64 SYS_pwritev2 SYS_read SYS_readlinkat SYS_renameat
        SYS_restart_syscall SYS_rseq SYS_rt_sigaction SYS_rt_sigreturn SYS_seccomp
        SYS_sendmsg SYS_set_robust_list SYS_sigaltstack SYS_statx SYS_symlinkat SYS_tgkill SYS_unlinkat SYS_utimensat SYS_wait4 SYS_write
    }
}

/// WASI functions that ask the kernel for something, each under its own name.
const IMPORTS: &str = r#"
    (import "wasi_snapshot_preview1" "path_open"
        (func $path_open (param i32 i32 i32 i32 i32 i64 i64 i32 i32) (result i32)))
    (import "wasi_snapshot_preview1" "fd_write" (func $fd_write (param i32 i32 i32 i32) (result i32)))
    (import "wasi_snapshot_preview1" "fd_pread" (func $fd_pread (param i32 i32 i32 i64 i32) (result i32)))
    (import "wasi_snapshot_preview1" "fd_close" (func $fd_close (param i32) (result i32)))
    (import "wasi_snapshot_preview1" "fd_advise" (func $fd_advise (param i32 i64 i64 i32) (result i32)))
    (import "wasi_snapshot_preview1" "fd_sync" (func $fd_sync (param i32) (result i32)))
    (import "wasi_snapshot_preview1" "fd_datasync" (func $fd_datasync (param i32) (result i32)))
    (import "wasi_snapshot_preview1" "fd_filestat_get" (func $fd_stat (param i32 i32) (result i32)))
    (import "wasi_snapshot_preview1" "fd_filestat_set_size" (func $set_size (param i32 i64) (result i32)))
    (import "wasi_snapshot_preview1" "fd_filestat_set_times" (func $set_times (param i32 i64 i64 i32) (result i32)))
    (import "wasi_snapshot_preview1" "fd_fdstat_set_flags" (func $set_flags (param i32 i32) (result i32)))
    (import "wasi_snapshot_preview1" "fd_readdir" (func $readdir (param i32 i32 i32 i64 i32) (result i32)))
    (import "wasi_snapshot_preview1" "path_filestat_get" (func $path_stat (param i32 i32 i32 i32 i32) (result i32)))
    (import "wasi_snapshot_preview1" "path_filestat_set_times"
        (func $set_times_at (param i32 i32 i32 i32 i64 i64 i32) (result i32)))
    (import "wasi_snapshot_preview1" "path_create_directory" (func $mkdir (param i32 i32 i32) (result i32)))
    (import "wasi_snapshot_preview1" "path_remove_directory" (func $rmdir (param i32 i32 i32) (result i32)))
    (import "wasi_snapshot_preview1" "path_unlink_file" (func $unlink (param i32 i32 i32) (result i32)))
    (import "wasi_snapshot_preview1" "path_symlink" (func $symlink (param i32 i32 i32 i32 i32) (result i32)))
    (import "wasi_snapshot_preview1" "path_readlink" (func $readlink (param i32 i32 i32 i32 i32 i32) (result i32)))
    (import "wasi_snapshot_preview1" "path_link" (func $link (param i32 i32 i32 i32 i32 i32 i32) (result i32)))
    (import "wasi_snapshot_preview1" "path_rename" (func $rename (param i32 i32 i32 i32 i32 i32) (result i32)))
    (import "wasi_snapshot_preview1" "poll_oneoff" (func $poll (param i32 i32 i32 i32) (result i32)))
    (import "wasi_snapshot_preview1" "random_get" (func $random (param i32 i32) (result i32)))
    (memory (export "memory") 2)
    (data (i32.const 100) "abcdefgh")
    (func (export "alloc") (param i32) (result i32) (i32.const 1024))
    (func $must (param $error i32) (if (local.get $error) (then (unreachable))))
    (func $write
        (i32.store (i32.const 16) (i32.const 100))
        (i32.store (i32.const 20) (i32.const 8))
        (call $must (call $fd_write (i32.const 4) (i32.const 16) (i32.const 1) (i32.const 24))))
"#;

/// One call of each function.
const EVERYTHING: &str = r"
    (call $must (call $path_open (i32.const 3) (i32.const 0) (i32.const 100) (i32.const 1) (i32.const 1)
        (i64.const 0x200042) (i64.const 0) (i32.const 0) (i32.const 8)))
    (call $write)
    (call $must (call $set_flags (i32.const 4) (i32.const 1)))
    (call $write)
    (call $must (call $fd_pread (i32.const 4) (i32.const 16) (i32.const 1) (i64.const 0) (i32.const 24)))
    (call $must (call $fd_advise (i32.const 4) (i64.const 0) (i64.const 8) (i32.const 0)))
    (call $must (call $fd_sync (i32.const 4)))
    (call $must (call $fd_datasync (i32.const 4)))
    (call $must (call $fd_stat (i32.const 4) (i32.const 200)))
    (call $must (call $set_size (i32.const 4) (i64.const 4)))
    (call $must (call $set_times (i32.const 4) (i64.const 1000000000) (i64.const 1000000000) (i32.const 5)))
    (call $must (call $mkdir (i32.const 3) (i32.const 101) (i32.const 1)))
    (call $must (call $symlink (i32.const 100) (i32.const 1) (i32.const 3) (i32.const 102) (i32.const 1)))
    (call $must (call $readlink (i32.const 3) (i32.const 102) (i32.const 1) (i32.const 300) (i32.const 8) (i32.const 24)))
    (call $must (call $path_stat (i32.const 3) (i32.const 1) (i32.const 102) (i32.const 1) (i32.const 200)))
    ;; Through the link, and of the directory.
    (call $must (call $set_times_at (i32.const 3) (i32.const 1) (i32.const 102) (i32.const 1)
        (i64.const 2000000000) (i64.const 2000000000) (i32.const 5)))
    (call $must (call $path_stat (i32.const 3) (i32.const 0) (i32.const 100) (i32.const 1) (i32.const 200)))
    (if (i64.ne (i64.load (i32.const 248)) (i64.const 2000000000)) (then (unreachable)))
    (call $must (call $set_times_at (i32.const 3) (i32.const 0) (i32.const 101) (i32.const 1)
        (i64.const 1000000000) (i64.const 1000000000) (i32.const 5)))
    (call $must (call $link (i32.const 3) (i32.const 0) (i32.const 100) (i32.const 1)
        (i32.const 3) (i32.const 103) (i32.const 1)))
    (call $must (call $rename (i32.const 3) (i32.const 103) (i32.const 1) (i32.const 3) (i32.const 104) (i32.const 1)))
    (call $must (call $readdir (i32.const 3) (i32.const 512) (i32.const 512) (i64.const 0) (i32.const 24)))
    ;; The directory itself, its parent, and four names.
    (if (i32.lt_u (i32.load (i32.const 24)) (i32.const 150)) (then (unreachable)))
    (call $must (call $unlink (i32.const 3) (i32.const 104) (i32.const 1)))
    (call $must (call $rmdir (i32.const 3) (i32.const 101) (i32.const 1)))
    (call $must (call $fd_close (i32.const 4)))
    ;; More often than there are descriptors.
    (local.set $i (i32.const 200))
    (loop $more
        (call $must (call $path_open (i32.const 3) (i32.const 0) (i32.const 100) (i32.const 1) (i32.const 0)
            (i64.const 0x200042) (i64.const 0) (i32.const 0) (i32.const 8)))
        (call $must (call $fd_close (i32.load (i32.const 8))))
        (local.set $i (i32.sub (local.get $i) (i32.const 1)))
        (br_if $more (local.get $i)))
    (call $must (call $random (i32.const 300) (i32.const 8)))
    ;; A millisecond by the monotonic clock.
    (i32.store (i32.const 416) (i32.const 1))
    (i64.store (i32.const 424) (i64.const 1000000))
    (call $must (call $poll (i32.const 400) (i32.const 512) (i32.const 1) (i32.const 24)))
    (if (i32.eq (memory.grow (i32.const 16)) (i32.const -1)) (then (unreachable)))
    (i32.const 0)";
