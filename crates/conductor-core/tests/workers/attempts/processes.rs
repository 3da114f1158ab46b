//! Other processes, new processes, and the limits of this process.

use super::{Log, Targets};
use crate::raw::call;

pub(super) fn attempt(targets: &Targets, log: &mut Log) {
    new_ones(log);
    for (who, pid) in [("supervisor", targets.supervisor), ("other", targets.other)] {
        others(who, pid, log);
        // Signals that the kernel sends when data arrives at a descriptor.
        let owner = [1i32, pid];
        let channel = targets.channel;
        log.filtered(format!("F_SETOWN {who}"), call!(SYS_fcntl, channel, libc::F_SETOWN, pid));
        log.filtered(format!("F_SETOWN_EX {who}"), call!(SYS_fcntl, channel, 15, owner.as_ptr()));
    }
    log.filtered("F_SETSIG", call!(SYS_fcntl, targets.channel, 10, libc::SIGKILL));
    limits(targets, log);
}

fn new_ones(log: &mut Log) {
    #[cfg(target_arch = "x86_64")]
    {
        log.filtered("fork", call!(SYS_fork));
        log.filtered("vfork", call!(SYS_vfork));
    }
    log.filtered("clone", call!(SYS_clone, libc::SIGCHLD, 0, 0, 0, 0));
    let thread =
        libc::CLONE_VM | libc::CLONE_FS | libc::CLONE_FILES | libc::CLONE_SIGHAND | libc::CLONE_THREAD;
    log.filtered("clone a thread", call!(SYS_clone, thread, 0, 0, 0, 0));
    let mut how = [0u64; 11];
    how[4] = libc::SIGCHLD as u64;
    log.filtered("clone3", call!(SYS_clone3, how.as_ptr(), size_of_val(&how)));
    log.filtered("execve", call!(SYS_execve, c"/bin/true".as_ptr(), 0, 0));
    log.filtered("execveat", call!(SYS_execveat, libc::AT_FDCWD, c"/bin/true".as_ptr(), 0, 0, 0));
    log.filtered("execveat a descriptor", call!(SYS_execveat, 0, c"".as_ptr(), 0, 0, libc::AT_EMPTY_PATH));
}

fn others(who: &str, pid: i32, log: &mut Log) {
    let mut word = 0u64;
    let part = [(&raw mut word) as usize, size_of_val(&word)];
    log.filtered(format!("kill {who}"), call!(SYS_kill, pid, 0));
    log.filtered(format!("kill group of {who}"), call!(SYS_kill, -pid, 0));
    log.filtered(format!("tkill {who}"), call!(SYS_tkill, pid, 0));
    log.filtered(format!("tgkill {who}"), call!(SYS_tgkill, pid, pid, 0));
    let information = [0u64; 16];
    log.filtered(format!("rt_sigqueueinfo {who}"), call!(SYS_rt_sigqueueinfo, pid, 0, information.as_ptr()));
    log.filtered(
        format!("rt_tgsigqueueinfo {who}"),
        call!(SYS_rt_tgsigqueueinfo, pid, pid, 0, information.as_ptr()),
    );
    log.filtered(format!("pidfd_open {who}"), call!(SYS_pidfd_open, pid, 0));
    log.filtered(format!("pidfd_send_signal {who}"), call!(SYS_pidfd_send_signal, 0, 0, 0, 0));
    log.filtered(format!("pidfd_getfd {who}"), call!(SYS_pidfd_getfd, 0, 0, 0));
    log.filtered(format!("ptrace attach {who}"), call!(SYS_ptrace, libc::PTRACE_ATTACH, pid, 0, 0));
    log.filtered(format!("ptrace seize {who}"), call!(SYS_ptrace, libc::PTRACE_SEIZE, pid, 0, 0));
    log.filtered(
        format!("process_vm_readv {who}"),
        call!(SYS_process_vm_readv, pid, part.as_ptr(), 1, part.as_ptr(), 1, 0),
    );
    log.filtered(format!("process_vm_writev {who}"), call!(SYS_process_vm_writev, pid, 0, 0, 0, 0, 0));
    log.filtered(format!("kcmp {who}"), call!(SYS_kcmp, pid, pid, 0, 0, 0));
    let mut mask = [u64::MAX; 16];
    log.filtered(
        format!("sched_setaffinity {who}"),
        call!(SYS_sched_setaffinity, pid, size_of_val(&mask), mask.as_mut_ptr()),
    );
    log.filtered(format!("setpriority {who}"), call!(SYS_setpriority, libc::PRIO_PROCESS, pid, 0));
    log.filtered(format!("move_pages {who}"), call!(SYS_move_pages, pid, 0, 0, 0, 0, 0));
    log.filtered(format!("setpgid {who}"), call!(SYS_setpgid, pid, pid));
}

fn limits(targets: &Targets, log: &mut Log) {
    let most = [u64::MAX; 2];
    for (name, resource) in [
        ("data", libc::RLIMIT_DATA),
        ("cpu", libc::RLIMIT_CPU),
        ("files", libc::RLIMIT_NOFILE),
        ("file size", libc::RLIMIT_FSIZE),
        ("core", libc::RLIMIT_CORE),
    ] {
        log.filtered(format!("setrlimit {name}"), call!(SYS_setrlimit, resource, most.as_ptr()));
        log.filtered(format!("prlimit64 {name}"), call!(SYS_prlimit64, 0, resource, most.as_ptr(), 0));
    }
    let mut found = [0u64; 2];
    for (who, pid) in [("supervisor", targets.supervisor), ("other", targets.other)] {
        log.filtered(
            format!("prlimit64 of {who}"),
            call!(SYS_prlimit64, pid, libc::RLIMIT_NOFILE, 0, found.as_mut_ptr()),
        );
    }
}
