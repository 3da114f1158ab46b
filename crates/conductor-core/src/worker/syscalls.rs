//! The filters of system calls: what a worker may ask the kernel for, and later no more.
//!
//! What is not listed fails with `EPERM`, in every thread. Sockets, processes, tracing, devices, mounts, keys and the
//! limits of the process itself are not listed.

use std::collections::BTreeMap;

use libc::c_long;
use seccompiler::{
    BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter, SeccompRule,
    TargetArch,
};

/// System calls that are allowed whatever their arguments.
const ALLOWED: &[c_long] = &[
    // The channel, and files that are open or opened below the data directory, where landlock has the say.
    libc::SYS_read,
    libc::SYS_readv,
    libc::SYS_write,
    libc::SYS_writev,
    libc::SYS_pread64,
    libc::SYS_preadv,
    libc::SYS_preadv2,
    libc::SYS_pwrite64,
    libc::SYS_pwritev,
    libc::SYS_pwritev2,
    libc::SYS_recvfrom,
    libc::SYS_ppoll,
    libc::SYS_close,
    libc::SYS_dup,
    libc::SYS_dup3,
    libc::SYS_lseek,
    libc::SYS_openat,
    libc::SYS_openat2,
    libc::SYS_fstat,
    libc::SYS_newfstatat,
    libc::SYS_statx,
    libc::SYS_fstatfs,
    libc::SYS_getdents64,
    libc::SYS_readlinkat,
    libc::SYS_mkdirat,
    libc::SYS_unlinkat,
    libc::SYS_renameat,
    libc::SYS_renameat2,
    libc::SYS_linkat,
    libc::SYS_symlinkat,
    libc::SYS_ftruncate,
    libc::SYS_fadvise64,
    libc::SYS_fsync,
    libc::SYS_fdatasync,
    libc::SYS_getcwd,
    // Memory; executable memory has rules of its own.
    libc::SYS_brk,
    libc::SYS_munmap,
    libc::SYS_madvise,
    libc::SYS_membarrier,
    // Threads that exist, time, randomness, the signals of the process itself.
    libc::SYS_futex,
    libc::SYS_set_robust_list,
    libc::SYS_rseq,
    libc::SYS_sched_yield,
    libc::SYS_sched_getaffinity,
    libc::SYS_gettid,
    libc::SYS_getpid,
    libc::SYS_clock_gettime,
    libc::SYS_clock_getres,
    libc::SYS_clock_nanosleep,
    libc::SYS_nanosleep,
    libc::SYS_gettimeofday,
    libc::SYS_restart_syscall,
    libc::SYS_getrandom,
    libc::SYS_rt_sigaction,
    libc::SYS_rt_sigprocmask,
    libc::SYS_rt_sigreturn,
    libc::SYS_sigaltstack,
    libc::SYS_exit,
    libc::SYS_exit_group,
];

/// As [`ALLOWED`], where the machine has them beside the newer ones.
#[cfg(target_arch = "x86_64")]
const ALLOWED_OLD: &[c_long] =
    &[libc::SYS_poll, libc::SYS_stat, libc::SYS_lstat, libc::SYS_readlink, libc::SYS_dup2];
#[cfg(not(target_arch = "x86_64"))]
const ALLOWED_OLD: &[c_long] = &[];

/// What may be asked of an open descriptor: its flags, a copy of it, and which seals it has. Not who is sent a signal when
/// something arrives, which the kernel would send in the worker's name to any process of the same user; nor locks and leases.
const DESCRIPTOR_COMMANDS: &[i32] = &[
    libc::F_DUPFD,
    libc::F_DUPFD_CLOEXEC,
    libc::F_GETFD,
    libc::F_SETFD,
    libc::F_GETFL,
    libc::F_SETFL,
    libc::F_GET_SEALS,
];

/// Mappings that the limit on a process's data does not count: shared ones, and those that grow as a stack does; and large
/// pages, of which the system has few. For the same reason nothing is moved or resized in place, as the stack itself could
/// be, and there are no files in memory.
const UNCOUNTED: i32 = libc::MAP_SHARED | libc::MAP_GROWSDOWN | libc::MAP_HUGETLB;

/// Lets all threads of the process make no other system calls than a plugin's compilation and calls need.
pub(super) fn restrict() -> Result<(), seccompiler::Error> {
    let mut rules: BTreeMap<i64, Vec<SeccompRule>> =
        ALLOWED.iter().chain(ALLOWED_OLD).map(|call| (*call, Vec::new())).collect();
    // Memory becomes executable in one way only: by changing the protection of what was written; never a file.
    let not_executable = word(2, SeccompCmpOp::MaskedEq(libc::PROT_EXEC as u64), 0)?;
    let counted = word(3, SeccompCmpOp::MaskedEq(UNCOUNTED as u64), 0)?;
    rules.insert(libc::SYS_mmap, vec![SeccompRule::new(vec![not_executable, counted])?]);
    rules.insert(libc::SYS_mprotect, Vec::new());
    let commands = DESCRIPTOR_COMMANDS.iter().map(|command| rule(1, SeccompCmpOp::Eq, *command as u64));
    rules.insert(libc::SYS_fcntl, commands.collect::<Result<_, _>>()?);
    // The channel is connected, and nothing is sent anywhere else.
    rules.insert(libc::SYS_sendto, vec![null(4)?]);
    // Landlock has no say over the times of files, so they are set by descriptor, never by path.
    rules.insert(libc::SYS_utimensat, vec![null(1)?]);
    // A process may end itself by a signal, which is how it aborts.
    rules.insert(libc::SYS_tgkill, vec![rule(0, SeccompCmpOp::Eq, u64::from(std::process::id()))?]);
    // To install the second filter.
    rules.insert(libc::SYS_seccomp, Vec::new());
    rules.insert(libc::SYS_prctl, vec![rule(0, SeccompCmpOp::Eq, libc::PR_SET_NO_NEW_PRIVS as u64)?]);
    apply(rules, SeccompAction::Errno(libc::EPERM as u32), SeccompAction::Allow)
}

/// From now on no memory becomes executable any more, and no filter is changed.
pub(super) fn forbid_new_code() -> Result<(), seccompiler::Error> {
    let exec = libc::PROT_EXEC as u64;
    let executable = || rule(2, SeccompCmpOp::MaskedEq(exec), exec);
    let rules = BTreeMap::from([
        (libc::SYS_mmap, vec![executable()?]),
        (libc::SYS_mprotect, vec![executable()?]),
        (libc::SYS_seccomp, Vec::new()),
        (libc::SYS_prctl, Vec::new()),
    ]);
    apply(rules, SeccompAction::Allow, SeccompAction::Errno(libc::EPERM as u32))
}

/// Compares the lower half of an argument, which is all that the kernel takes of it.
fn word(argument: u8, op: SeccompCmpOp, value: u64) -> Result<SeccompCondition, seccompiler::Error> {
    Ok(SeccompCondition::new(argument, SeccompCmpArgLen::Dword, op, value)?)
}

fn rule(argument: u8, op: SeccompCmpOp, value: u64) -> Result<SeccompRule, seccompiler::Error> {
    Ok(SeccompRule::new(vec![word(argument, op, value)?])?)
}

/// An argument that is no pointer.
fn null(argument: u8) -> Result<SeccompRule, seccompiler::Error> {
    let condition = SeccompCondition::new(argument, SeccompCmpArgLen::Qword, SeccompCmpOp::Eq, 0)?;
    Ok(SeccompRule::new(vec![condition])?)
}

fn apply(
    rules: BTreeMap<i64, Vec<SeccompRule>>,
    otherwise: SeccompAction,
    matched: SeccompAction,
) -> Result<(), seccompiler::Error> {
    let arch = TargetArch::try_from(std::env::consts::ARCH)?;
    let program: BpfProgram = SeccompFilter::new(rules, otherwise, matched, arch)?.try_into()?;
    seccompiler::apply_filter_all_threads(&program)
}
