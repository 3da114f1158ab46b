//! What a program gives up that runs confined: files beyond the system's and its own directory, sockets, and whatever would
//! lead around either.
//!
//! Landlock holds what is opened. It says nothing about sockets but those of TCP, nor about modes, owners, times and
//! attributes of files, be they named by their path or by a descriptor that was opened only to be read: a filter of system
//! calls refuses those with `EPERM`. The filter is a list of what is refused, because a program of the user's may need any
//! other call.

use std::collections::BTreeMap;
use std::io;

use conductor_confine::calls;
use conductor_confine::system_calls::Call;
use landlock::{
    ABI, Access as _, AccessFs, AccessNet, CompatLevel, Compatible as _, PathBeneath, PathFd, Ruleset,
    RulesetAttr as _, RulesetCreatedAttr as _, RulesetStatus, Scope,
};
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

/// System calls that are refused whatever their arguments.
const REFUSED: &[Call] = calls! {
    SYS_socket: "leads to every other program of the user, and to the daemon",
    SYS_io_uring_setup: "makes sockets without a system call",
    SYS_io_uring_enter: "the same",
    SYS_io_uring_register: "the same",
    SYS_add_key: "the kernel's keys belong to the user, not to a process",
    SYS_request_key: "the same",
    SYS_keyctl: "the same",
    SYS_ptrace: "other processes",
    SYS_process_vm_readv: "memory of other processes",
    SYS_process_vm_writev: "the same",
    SYS_process_madvise: "the same",
    SYS_pidfd_getfd: "descriptors of other processes",
    SYS_kcmp: "the same",
    SYS_fchmodat: "changes a file by its path without opening it, which landlock does not hold",
    SYS_fchmodat2: "the same",
    SYS_fchownat: "the same",
    SYS_setxattr: "the same",
    SYS_lsetxattr: "the same",
    SYS_removexattr: "the same",
    SYS_lremovexattr: "the same",
    SYS_fchmod: "changes a file that was opened only to be read, which the kernel does not ask about",
    SYS_fchown: "the same",
    SYS_fsetxattr: "the same",
    SYS_fremovexattr: "the same",
    SYS_utimensat: "the same, and by a path",
    SYS_inotify_add_watch: "watches a file by its path without opening it",
    SYS_fanotify_mark: "the same",
};

/// As [`REFUSED`], where the machine has them beside the newer ones.
#[cfg(target_arch = "x86_64")]
const REFUSED_OLD: &[Call] = calls! {
    SYS_chmod: "as fchmodat",
    SYS_chown: "as fchownat",
    SYS_lchown: "as fchownat",
    SYS_utime: "as utimensat",
    SYS_utimes: "as utimensat",
    SYS_futimesat: "as utimensat",
};
#[cfg(not(target_arch = "x86_64"))]
const REFUSED_OLD: &[Call] = &[];

/// As [`REFUSED`]; newer than the names at hand, with the same number on every machine.
const REFUSED_NEW: &[Call] = &[
    Call::new(463, "setxattrat", "as setxattr", false),
    Call::new(466, "removexattrat", "as removexattr", false),
    Call::new(469, "file_setattr", "as setxattr", false),
];

/// System calls of which some arguments are refused.
const REFUSED_IN_PART: &[Call] = calls! {
    SYS_socketpair "checked": "all but a pair of streams, which is connected for good; another can send to a socket that it names",
    SYS_ioctl "checked": "attributes of a file that was opened only to be read",
    SYS_fcntl "checked": "watches directories, and holds up whoever opens a file that can be read",
};

/// Requests of `ioctl` that change attributes of a file: `FS_IOC_SETFLAGS` (of 64 and 32 bits), `FS_IOC_SETVERSION` (of both),
/// `FS_IOC_FSSETXATTR`, `FS_IOC_ENABLE_VERITY` and `FS_IOC_SET_ENCRYPTION_POLICY`.
const FILE_ATTRIBUTES: [u64; 7] =
    [0x4008_6602, 0x4004_6602, 0x4008_7602, 0x4004_7602, 0x401c_5820, 0x4080_6685, 0x800c_6613];

/// The kind of a socket without its flags (`SOCK_TYPE_MASK` of the kernel).
const SOCKET_KIND: u64 = 0xf;

/// What a confined program is refused.
pub(super) fn refused() -> impl Iterator<Item = &'static Call> {
    [REFUSED, REFUSED_OLD, REFUSED_NEW, REFUSED_IN_PART].into_iter().flatten()
}

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
    let wholly = refused().filter(|call| !call.is_checked);
    let mut rules: BTreeMap<i64, Vec<SeccompRule>> = wholly.map(|call| (call.number, Vec::new())).collect();
    let other_family = condition(0, SeccompCmpArgLen::Dword, SeccompCmpOp::Ne, libc::AF_UNIX as u64)?;
    let other_kinds = (0..=SOCKET_KIND)
        .filter(|kind| *kind != libc::SOCK_STREAM as u64)
        .map(|kind| condition(1, SeccompCmpArgLen::Dword, SeccompCmpOp::MaskedEq(SOCKET_KIND), kind));
    let pairs = std::iter::once(Ok(other_family)).chain(other_kinds);
    rules.insert(libc::SYS_socketpair, pairs.collect::<Result<_, _>>()?);
    let ioctls = FILE_ATTRIBUTES
        .iter()
        .map(|request| condition(1, SeccompCmpArgLen::Dword, SeccompCmpOp::Eq, *request));
    rules.insert(libc::SYS_ioctl, ioctls.collect::<Result<_, _>>()?);
    let commands = [libc::F_NOTIFY, libc::F_SETLEASE].map(i64::from).map(i64::cast_unsigned);
    let commands = commands.map(|command| condition(1, SeccompCmpArgLen::Dword, SeccompCmpOp::Eq, command));
    rules.insert(libc::SYS_fcntl, commands.into_iter().collect::<Result<_, _>>()?);
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

#[cfg(test)]
mod tests;
