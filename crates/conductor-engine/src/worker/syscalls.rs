//! The filters of system calls: which calls a worker may make at each stage.
//!
//! A call that is not listed fails with `EPERM`, in every thread. Sockets, processes, tracing, devices, mounts, keys
//! and the limits of the process itself are not listed, and neither is a second call for something that a listed call
//! does.

use std::collections::BTreeMap;
use std::os::fd::RawFd;

use conductor_confine::calls;
use conductor_confine::system_calls::{Call, StageCalls};
use libc::c_long;
use seccompiler::{
    BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter, SeccompRule,
    TargetArch,
};

/// The task of a worker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stage {
    /// Compiles a module.
    Compile,
    /// Maps compiled code and then runs it.
    Run {
        /// Descriptor of the code's file, the only file that may be mapped.
        code: RawFd,
    },
}

/// System calls that every worker needs.
const ALWAYS: &[Call] = calls! {
    SYS_brk: "memory of the program's own, which could also be mapped, more slowly",
    SYS_mmap "checked": "the same, and memories of plugins; see `mapping`",
    SYS_munmap: "gives memory back",
    SYS_mprotect "checked": "memory that was reserved becomes memory that is used; see `protection`",
    SYS_write: "code, frames, files of plugins",
    SYS_pread64: "the module, files of plugins",
    SYS_rt_sigaction: "a worker that faults: its handler gives way, so that the fault ends it",
    SYS_rt_sigreturn: "a trap, or a file that is full",
    SYS_getpid: "a worker that aborts",
    SYS_gettid: "a worker that aborts",
    SYS_tgkill "checked": "a worker that aborts; itself only",
    SYS_exit_group: "the end of a worker that nobody ends",
    SYS_clock_gettime: "time, where the kernel's own page does not tell it",
};

/// Further system calls that a worker needs to compile.
const COMPILING: &[Call] = calls! {
    SYS_ftruncate: "says why there is no code, in place of half of it",
    SYS_lseek: "the same",
};

/// Further system calls that a worker needs to run a plugin.
const RUNNING: &[Call] = calls! {
    SYS_read: "frames",
    SYS_futex: "locks that two threads want at once",
    SYS_getrandom: "hash tables; random numbers of plugins",
    SYS_close: "descriptors of its own",
    SYS_fcntl "checked": "copies of descriptors, and what is known of them; see `descriptor`",
    SYS_sigaltstack: "a thread that starts or ends",
    SYS_exit: "the end of a thread",
    SYS_set_robust_list: "a thread that is just starting",
    SYS_rseq: "a thread that is just starting",
    SYS_clock_nanosleep: "plugins that sleep; the engine's ticker",
    SYS_restart_syscall: "a sleep that was interrupted",
    // Files below the data directory, where landlock restricts access.
    SYS_pwrite64: "fd_write, fd_pwrite",
    SYS_pwritev2: "fd_write to the end of a file",
    SYS_openat: "path_open; the data directory; a walk through it",
    SYS_openat2: "path_open, which makes do with openat where the kernel lacks it",
    SYS_fstat: "the size of a file; a walk through the data directory",
    SYS_newfstatat: "path_filestat_get; a walk through the data directory",
    SYS_statx: "fd_filestat_get",
    SYS_getdents64: "fd_readdir; a walk through the data directory",
    SYS_readlinkat: "path_readlink; links on the way to a file",
    SYS_mkdirat: "path_create_directory",
    SYS_unlinkat: "path_unlink_file, path_remove_directory",
    SYS_renameat: "path_rename",
    SYS_linkat: "path_link",
    SYS_symlinkat: "path_symlink",
    SYS_ftruncate: "fd_filestat_set_size",
    SYS_fadvise64: "fd_advise",
    SYS_fsync: "fd_sync",
    SYS_fdatasync: "fd_datasync",
    SYS_utimensat "checked": "fd_filestat_set_times; by descriptor, as landlock has no say over the times of files",
};

/// System calls that are needed once, to forbid that further memory becomes executable.
const FORBIDDING: &[Call] = calls! {
    SYS_seccomp: "the second filter",
    SYS_prctl "checked": "the second filter",
};

/// Commands on an open descriptor: get its flags, copy it, get its seals. Setting who gets a signal when data arrives
/// is not listed, because the kernel would send the signal in the worker's name to any process of the same user;
/// neither are locks and leases.
const DESCRIPTOR_COMMANDS: &[i32] = &[
    libc::F_DUPFD,
    libc::F_DUPFD_CLOEXEC,
    libc::F_GETFD,
    libc::F_SETFD,
    libc::F_GETFL,
    libc::F_SETFL,
    libc::F_GET_SEALS,
];

/// Flags of mappings that the limit on a process's data does not count: shared mappings, and mappings that grow like a
/// stack. Also large pages, of which the system has few. For the same reason no mapping may be moved or resized in
/// place, because that would also work for the stack, and files in memory are not allowed.
const UNCOUNTED: i32 = libc::MAP_SHARED | libc::MAP_GROWSDOWN | libc::MAP_HUGETLB;

/// The descriptor argument of a mapping without a file.
const NO_FILE: RawFd = -1;

/// The system calls that workers may make, stage by stage.
#[must_use]
pub fn stages() -> [StageCalls; 3] {
    [
        StageCalls::new("compile", &[ALWAYS, COMPILING]),
        StageCalls::new("load", &[ALWAYS, RUNNING, FORBIDDING]),
        StageCalls::new("run", &[ALWAYS, RUNNING]),
    ]
}

/// Restricts all threads of the process to the system calls of the stage.
pub(super) fn confine(stage: Stage) -> Result<(), seccompiler::Error> {
    seccompiler::apply_filter_all_threads(&needed(stage)?)
}

/// From now on, no memory can become executable, and no filter can be changed.
pub(super) fn forbid_new_code() -> Result<(), seccompiler::Error> {
    seccompiler::apply_filter_all_threads(&no_new_code()?)
}

/// The filter that lets through what a stage needs.
fn needed(stage: Stage) -> Result<BpfProgram, seccompiler::Error> {
    let lists: &[&[Call]] = match stage {
        Stage::Compile => &[ALWAYS, COMPILING],
        Stage::Run { .. } => &[ALWAYS, RUNNING, FORBIDDING],
    };
    let mut rules = BTreeMap::new();
    for call in lists.iter().flat_map(|list| list.iter()) {
        let conditions = if call.is_checked { conditions(call.number, stage)? } else { Vec::new() };
        rules.insert(call.number, conditions);
    }
    if let Stage::Run { code } = stage {
        // The descriptor of the code's file may not be closed, so that its number stays the file's.
        rules.insert(libc::SYS_close, vec![rule(0, SeccompCmpOp::Ne, code as u64)?]);
    }
    program(rules, SeccompAction::Errno(libc::EPERM as u32), SeccompAction::Allow)
}

/// The filter that refuses executable memory and further filters.
fn no_new_code() -> Result<BpfProgram, seccompiler::Error> {
    let exec = libc::PROT_EXEC as u64;
    let executable = || rule(2, SeccompCmpOp::MaskedEq(exec), exec);
    let mut rules =
        BTreeMap::from([(libc::SYS_mmap, vec![executable()?]), (libc::SYS_mprotect, vec![executable()?])]);
    for call in FORBIDDING {
        rules.insert(call.number, Vec::new());
    }
    program(rules, SeccompAction::Allow, SeccompAction::Errno(libc::EPERM as u32))
}

/// The rules for the arguments of a call; one of them must be met.
fn conditions(call: c_long, stage: Stage) -> Result<Vec<SeccompRule>, seccompiler::Error> {
    match call {
        libc::SYS_mmap => mapping(stage),
        libc::SYS_mprotect => protection(stage),
        libc::SYS_fcntl => {
            DESCRIPTOR_COMMANDS.iter().map(|command| rule(1, SeccompCmpOp::Eq, *command as u64)).collect()
        }
        libc::SYS_tgkill => Ok(vec![rule(0, SeccompCmpOp::Eq, u64::from(std::process::id()))?]),
        libc::SYS_prctl => Ok(vec![rule(0, SeccompCmpOp::Eq, libc::PR_SET_NO_NEW_PRIVS as u64)?]),
        libc::SYS_utimensat => Ok(vec![null(1)?]),
        // No other call is listed as checked; a rule that can never be met refuses the call.
        _ => Ok(vec![SeccompRule::new(vec![word(0, SeccompCmpOp::Eq, 0)?, word(0, SeccompCmpOp::Eq, 1)?])?]),
    }
}

/// Memory is never mapped executable, and no file but the code is mapped: a file that a worker which was taken over
/// keeps mapped would take disk space, past every limit of open files.
fn mapping(stage: Stage) -> Result<Vec<SeccompRule>, seccompiler::Error> {
    let of = |file: RawFd| -> Result<SeccompRule, seccompiler::Error> {
        Ok(SeccompRule::new(vec![
            word(2, SeccompCmpOp::MaskedEq(libc::PROT_EXEC as u64), 0)?,
            word(3, SeccompCmpOp::MaskedEq(UNCOUNTED as u64), 0)?,
            word(4, SeccompCmpOp::Eq, u64::from(file.cast_unsigned()))?,
        ])?)
    };
    match stage {
        Stage::Compile => Ok(vec![of(NO_FILE)?]),
        Stage::Run { code } => Ok(vec![of(NO_FILE)?, of(code)?]),
    }
}

/// Memory becomes executable only by changing the protection of a mapping, until [`forbid_new_code`]. In a worker that
/// compiles, no memory becomes executable.
fn protection(stage: Stage) -> Result<Vec<SeccompRule>, seccompiler::Error> {
    match stage {
        Stage::Compile => Ok(vec![rule(2, SeccompCmpOp::MaskedEq(libc::PROT_EXEC as u64), 0)?]),
        Stage::Run { .. } => Ok(Vec::new()),
    }
}

/// Compares the lower half of an argument, because the kernel uses no more of it.
fn word(argument: u8, op: SeccompCmpOp, value: u64) -> Result<SeccompCondition, seccompiler::Error> {
    Ok(SeccompCondition::new(argument, SeccompCmpArgLen::Dword, op, value)?)
}

fn rule(argument: u8, op: SeccompCmpOp, value: u64) -> Result<SeccompRule, seccompiler::Error> {
    Ok(SeccompRule::new(vec![word(argument, op, value)?])?)
}

/// A rule for a pointer argument that must be null.
fn null(argument: u8) -> Result<SeccompRule, seccompiler::Error> {
    let condition = SeccompCondition::new(argument, SeccompCmpArgLen::Qword, SeccompCmpOp::Eq, 0)?;
    Ok(SeccompRule::new(vec![condition])?)
}

fn program(
    rules: BTreeMap<i64, Vec<SeccompRule>>,
    otherwise: SeccompAction,
    matched: SeccompAction,
) -> Result<BpfProgram, seccompiler::Error> {
    let arch = TargetArch::try_from(std::env::consts::ARCH)?;
    Ok(SeccompFilter::new(rules, otherwise, matched, arch)?.try_into()?)
}

#[cfg(test)]
mod tests;
