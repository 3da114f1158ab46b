//! What a program gives up that runs confined: files beyond the system's and its own directory, sockets, and whatever would
//! lead around either.
//!
//! Landlock holds what is opened. It says nothing about sockets but those of TCP, nor about modes, owners, times and
//! attributes of files that are named by their path: a filter of system calls refuses those with `EPERM`. The filter is a
//! list of what is refused, because a program of the user's may need any other call.

use std::collections::BTreeMap;
use std::io;

use landlock::{
    ABI, Access as _, AccessFs, AccessNet, CompatLevel, Compatible as _, PathBeneath, PathFd, Ruleset,
    RulesetAttr as _, RulesetCreatedAttr as _, RulesetStatus, Scope,
};
use libc::c_long;
use seccompiler::{
    BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter, SeccompRule,
    TargetArch, sock_filter,
};

use super::order::Order;

/// What a confined program may read and run: the system, nothing of the user's.
const SYSTEM: [&str; 10] =
    ["/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/etc", "/opt", "/dev/null", "/dev/urandom"];

/// Oldest landlock interface that confines: before it, a file that may not be opened could still be emptied.
const LEAST_LANDLOCK: ABI = ABI::V3;

/// Newest landlock interface whose rights this file names; an older kernel enforces those that it knows.
const LANDLOCK: ABI = ABI::V7;

/// `setxattrat`, `removexattrat` and `file_setattr`, which have the same number on every machine.
const NEW_ATTRIBUTE_CALLS: [c_long; 3] = [463, 466, 469];

/// System calls that are refused whatever their arguments.
const REFUSED: &[c_long] = &[
    // Sockets lead to every other program of the user, and to the daemon. `io_uring` makes them without a system call.
    libc::SYS_socket,
    libc::SYS_io_uring_setup,
    libc::SYS_io_uring_enter,
    libc::SYS_io_uring_register,
    // The kernel's keys belong to the user, not to a process.
    libc::SYS_add_key,
    libc::SYS_request_key,
    libc::SYS_keyctl,
    // Other processes, and descriptors of theirs.
    libc::SYS_ptrace,
    libc::SYS_process_vm_readv,
    libc::SYS_process_vm_writev,
    libc::SYS_process_madvise,
    libc::SYS_pidfd_getfd,
    libc::SYS_kcmp,
    // Landlock does not hold what changes or watches a file by its path without opening it.
    libc::SYS_fchmodat,
    libc::SYS_fchmodat2,
    libc::SYS_fchownat,
    libc::SYS_setxattr,
    libc::SYS_lsetxattr,
    libc::SYS_removexattr,
    libc::SYS_lremovexattr,
    libc::SYS_inotify_add_watch,
    libc::SYS_fanotify_mark,
];

/// As [`REFUSED`], where the machine has them beside the newer ones.
#[cfg(target_arch = "x86_64")]
const REFUSED_OLD: &[c_long] = &[
    libc::SYS_chmod,
    libc::SYS_chown,
    libc::SYS_lchown,
    libc::SYS_utime,
    libc::SYS_utimes,
    libc::SYS_futimesat,
];
#[cfg(not(target_arch = "x86_64"))]
const REFUSED_OLD: &[c_long] = &[];

/// The kind of a socket without its flags (`SOCK_TYPE_MASK` of the kernel).
const SOCKET_KIND: u64 = 0xf;

/// Confines the calling thread, and what it starts.
pub(super) fn confine(order: &Order) -> io::Result<()> {
    restrict_files(order)?;
    let filter = filter().map_err(io::Error::other)?;
    seccompiler::apply_filter(&filter).map_err(io::Error::other)
}

/// Keeps it to reading the system and writing in its directory.
fn restrict_files(order: &Order) -> io::Result<()> {
    let read = AccessFs::from_read(LANDLOCK);
    let enforce = || {
        let mut ruleset = Ruleset::default()
            .set_compatibility(CompatLevel::HardRequirement)
            .handle_access(AccessFs::from_all(LEAST_LANDLOCK))?
            .set_compatibility(CompatLevel::BestEffort)
            .handle_access(AccessFs::from_all(LANDLOCK))?
            .handle_access(AccessNet::from_all(LANDLOCK))?
            .scope(Scope::from_all(LANDLOCK))?
            .create()?;
        for path in SYSTEM {
            if let Ok(opened) = PathFd::new(path) {
                let access = if path.starts_with("/dev/") { AccessFs::from_file(LANDLOCK) } else { read };
                ruleset = ruleset.add_rule(PathBeneath::new(opened, access))?;
            }
        }
        if let Ok(program) = PathFd::new(&order.program) {
            ruleset = ruleset.add_rule(PathBeneath::new(program, AccessFs::ReadFile | AccessFs::Execute))?;
        }
        if order.directory.parent().is_some()
            && let Ok(directory) = PathFd::new(&order.directory)
        {
            ruleset = ruleset.add_rule(PathBeneath::new(directory, AccessFs::from_all(LANDLOCK)))?;
        }
        ruleset.restrict_self()
    };
    let status = enforce().map_err(|error: landlock::RulesetError| {
        io::Error::other(format!("landlock {}, or newer, is not to be had: {error}", LEAST_LANDLOCK as u32))
    })?;
    match status.ruleset {
        RulesetStatus::FullyEnforced | RulesetStatus::PartiallyEnforced => Ok(()),
        RulesetStatus::NotEnforced => Err(io::Error::other("this kernel has no landlock")),
    }
}

/// The filter of system calls. A call by the conventions of another machine (32 bits) ends the process.
fn filter() -> Result<BpfProgram, seccompiler::Error> {
    let refused = REFUSED.iter().chain(REFUSED_OLD).chain(&NEW_ATTRIBUTE_CALLS);
    let mut rules: BTreeMap<i64, Vec<SeccompRule>> = refused.map(|call| (*call, Vec::new())).collect();
    // A pair of streams is connected for good; a pair of any other kind can send to a socket that it names.
    let other_family = condition(0, SeccompCmpArgLen::Dword, SeccompCmpOp::Ne, libc::AF_UNIX as u64)?;
    let other_kinds = (0..=SOCKET_KIND)
        .filter(|kind| *kind != libc::SOCK_STREAM as u64)
        .map(|kind| condition(1, SeccompCmpArgLen::Dword, SeccompCmpOp::MaskedEq(SOCKET_KIND), kind));
    let pairs = std::iter::once(Ok(other_family)).chain(other_kinds);
    rules.insert(libc::SYS_socketpair, pairs.collect::<Result<_, _>>()?);
    // The times of an open file are set without a path.
    rules.insert(libc::SYS_utimensat, vec![condition(1, SeccompCmpArgLen::Qword, SeccompCmpOp::Ne, 0)?]);
    let arch = TargetArch::try_from(std::env::consts::ARCH)?;
    let refusal = SeccompAction::Errno(libc::EPERM as u32);
    let filter: BpfProgram = SeccompFilter::new(rules, SeccompAction::Allow, refusal, arch)?.try_into()?;
    Ok(first().into_iter().chain(filter).collect())
}

fn condition(
    argument: u8,
    length: SeccompCmpArgLen,
    op: SeccompCmpOp,
    value: u64,
) -> Result<SeccompRule, seccompiler::Error> {
    Ok(SeccompRule::new(vec![SeccompCondition::new(argument, length, op, value)?])?)
}

/// Refuses numbers of x32, which stand for the same calls on the same machine, before any number is compared.
#[cfg(target_arch = "x86_64")]
fn first() -> Vec<sock_filter> {
    /// Set in every number of x32 (`__X32_SYSCALL_BIT` of the kernel).
    const X32: u32 = 0x4000_0000;
    let code = |code: u32| u16::try_from(code).unwrap_or_default();
    let operation = |operation: u32, jt: u8, jf: u8, k: u32| sock_filter { code: code(operation), jt, jf, k };
    vec![
        // The number of the call stands first in what a filter is shown.
        operation(libc::BPF_LD | libc::BPF_W | libc::BPF_ABS, 0, 0, 0),
        operation(libc::BPF_JMP | libc::BPF_JGE | libc::BPF_K, 0, 1, X32),
        operation(libc::BPF_RET | libc::BPF_K, 0, 0, libc::SECCOMP_RET_ERRNO | libc::EPERM as u32),
    ]
}

#[cfg(not(target_arch = "x86_64"))]
const fn first() -> Vec<sock_filter> {
    Vec::new()
}
