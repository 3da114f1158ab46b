//! The network, and the machine itself.

use super::{Log, Targets};
use crate::raw::{call, raw};

/// Bit that marks a system call of the x32 interface.
#[cfg(target_arch = "x86_64")]
const X32: libc::c_long = 0x4000_0000;

pub(super) fn attempt(targets: &Targets, code_is_done: bool, log: &mut Log) {
    network(targets, log);
    machine(log);
    privileges(code_is_done, log);
    #[cfg(target_arch = "x86_64")]
    for (name, number) in [
        ("getpid", libc::SYS_getpid),
        ("openat", libc::SYS_openat),
        ("execve of its own", 520),
        ("socket", libc::SYS_socket),
        ("mprotect", libc::SYS_mprotect),
    ] {
        log.filtered(format!("x32 {name}"), raw(number | X32, &[]));
    }
    log.filtered("a number that no call has", raw(100_000, &[]));
}

fn network(targets: &Targets, log: &mut Log) {
    for (name, family) in [
        ("inet", libc::AF_INET),
        ("inet6", libc::AF_INET6),
        ("unix", libc::AF_UNIX),
        ("netlink", libc::AF_NETLINK),
        ("packet", libc::AF_PACKET),
        ("vsock", libc::AF_VSOCK),
        ("alg", libc::AF_ALG),
    ] {
        for (sort, number) in
            [("stream", libc::SOCK_STREAM), ("datagram", libc::SOCK_DGRAM), ("raw", libc::SOCK_RAW)]
        {
            log.filtered(format!("socket {name} {sort}"), call!(SYS_socket, family, number, 0));
        }
    }
    let mut pair = [0i32; 2];
    log.filtered("socketpair", call!(SYS_socketpair, libc::AF_UNIX, libc::SOCK_STREAM, 0, pair.as_mut_ptr()));
    // Port 9 of 127.0.0.1.
    let address = [2u8, 0, 0, 9, 127, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0];
    let (channel, length) = (targets.channel, address.len());
    log.filtered("connect", call!(SYS_connect, channel, address.as_ptr(), length));
    log.filtered("bind", call!(SYS_bind, channel, address.as_ptr(), length));
    log.filtered("listen", call!(SYS_listen, channel, 1));
    log.filtered("accept4", call!(SYS_accept4, channel, 0, 0, 0));
    log.filtered(
        "sendto an address",
        call!(SYS_sendto, channel, address.as_ptr(), 0, 0, address.as_ptr(), length),
    );
    log.filtered("sendmsg", call!(SYS_sendmsg, channel, 0, 0));
    log.filtered("recvmsg", call!(SYS_recvmsg, channel, 0, 0));
    log.filtered("sendmmsg", call!(SYS_sendmmsg, channel, 0, 0, 0));
    log.filtered("setsockopt", call!(SYS_setsockopt, channel, 0, 0, 0, 0));
    log.filtered("getsockopt", call!(SYS_getsockopt, channel, 0, 0, 0, 0));
    log.filtered("shutdown", call!(SYS_shutdown, channel, -1isize));
    log.filtered("ioctl", call!(SYS_ioctl, channel, libc::TIOCSTI, 0));
    log.filtered("ioctl for signals", call!(SYS_ioctl, channel, libc::FIOASYNC, 0));
}

fn machine(log: &mut Log) {
    log.filtered("mount", call!(SYS_mount, 0, c"/nowhere".as_ptr(), c"tmpfs".as_ptr(), 0, 0));
    log.filtered("umount2", call!(SYS_umount2, c"/nowhere".as_ptr(), 0));
    log.filtered("fsopen", call!(SYS_fsopen, c"tmpfs".as_ptr(), 0));
    log.filtered("open_tree", call!(SYS_open_tree, libc::AT_FDCWD, c"/".as_ptr(), 0));
    log.filtered("move_mount", call!(SYS_move_mount, 0, 0, 0, 0, 0));
    log.filtered("pivot_root", call!(SYS_pivot_root, c"/".as_ptr(), c"/".as_ptr()));
    log.filtered("chroot", call!(SYS_chroot, c"/".as_ptr()));
    log.filtered("chdir", call!(SYS_chdir, c"/".as_ptr()));
    log.filtered("fchdir", call!(SYS_fchdir, 0));
    log.filtered("unshare", call!(SYS_unshare, libc::CLONE_NEWUSER));
    log.filtered("setns", call!(SYS_setns, 0, 0));
    log.filtered("init_module", call!(SYS_init_module, 0, 0, c"".as_ptr()));
    log.filtered("finit_module", call!(SYS_finit_module, 0, c"".as_ptr(), 0));
    log.filtered("delete_module", call!(SYS_delete_module, c"none".as_ptr(), 0));
    log.filtered("kexec_load", call!(SYS_kexec_load, 0, 0, 0, 0));
    log.filtered("bpf", call!(SYS_bpf, 0, 0, 0));
    log.filtered("perf_event_open", call!(SYS_perf_event_open, 0, 0, -1isize, -1isize, 0));
    log.filtered("io_uring_setup", call!(SYS_io_uring_setup, 1, 0));
    log.filtered("io_uring_enter", call!(SYS_io_uring_enter, 0, 0, 0, 0, 0));
    log.filtered("io_setup", call!(SYS_io_setup, 1, 0));
    log.filtered("add_key", call!(SYS_add_key, c"user".as_ptr(), c"x".as_ptr(), c"x".as_ptr(), 1, -3isize));
    log.filtered("request_key", call!(SYS_request_key, c"user".as_ptr(), c"x".as_ptr(), 0, -3isize));
    log.filtered("keyctl", call!(SYS_keyctl, 0, -3isize, 0));
    log.filtered("inotify_init1", call!(SYS_inotify_init1, 0));
    log.filtered("fanotify_init", call!(SYS_fanotify_init, 0, 0));
    log.filtered("signalfd4", call!(SYS_signalfd4, -1isize, 0, 8, 0));
    log.filtered("eventfd2", call!(SYS_eventfd2, 0, 0));
    log.filtered("epoll_create1", call!(SYS_epoll_create1, 0));
    log.filtered("timer_create", call!(SYS_timer_create, libc::CLOCK_REALTIME, 0, 0));
    log.filtered("setitimer", call!(SYS_setitimer, 0, 0, 0));
    log.filtered("mq_open", call!(SYS_mq_open, c"x".as_ptr(), 0, 0, 0));
    log.filtered("semget", call!(SYS_semget, libc::IPC_PRIVATE, 1, 0));
    log.filtered("swapon", call!(SYS_swapon, c"/nowhere".as_ptr(), 0));
    log.filtered("reboot", call!(SYS_reboot, 0, 0, 0, 0));
    log.filtered("sethostname", call!(SYS_sethostname, c"".as_ptr(), -1isize));
    log.filtered("settimeofday", call!(SYS_settimeofday, 0, 0));
    log.filtered("clock_settime", call!(SYS_clock_settime, 99, 0));
    log.filtered("syslog", call!(SYS_syslog, 3, 0, 0));
    log.filtered("acct", call!(SYS_acct, c"/nowhere".as_ptr()));
    log.filtered("quotactl", call!(SYS_quotactl, 0, 0, 0, 0));
}

fn privileges(code_is_done: bool, log: &mut Log) {
    log.filtered("setuid", call!(SYS_setuid, 0));
    log.filtered("setgid", call!(SYS_setgid, 0));
    log.filtered("setresuid", call!(SYS_setresuid, 0, 0, 0));
    log.filtered("setgroups", call!(SYS_setgroups, 0, 0));
    log.filtered("setfsuid", call!(SYS_setfsuid, 0));
    log.filtered("capset", call!(SYS_capset, 0, 0));
    log.filtered("setsid", call!(SYS_setsid));
    log.filtered("personality", call!(SYS_personality, libc::ADDR_NO_RANDOMIZE));
    #[cfg(target_arch = "x86_64")]
    log.filtered("arch_prctl", call!(SYS_arch_prctl, 0x1002, 0));
    log.filtered("landlock_create_ruleset", call!(SYS_landlock_create_ruleset, 0, 0, 1));
    log.filtered("landlock_restrict_self", call!(SYS_landlock_restrict_self, -1isize, 0));
    for (name, option, argument) in [
        ("PR_SET_DUMPABLE", libc::PR_SET_DUMPABLE, 1),
        ("PR_SET_SECCOMP", libc::PR_SET_SECCOMP, 0),
        ("PR_SET_NAME", libc::PR_SET_NAME, 0),
        ("PR_SET_PDEATHSIG", libc::PR_SET_PDEATHSIG, 0),
        ("PR_SET_PTRACER", libc::PR_SET_PTRACER, -1isize),
        ("PR_CAPBSET_DROP", libc::PR_CAPBSET_DROP, 0),
        ("PR_SET_KEEPCAPS", libc::PR_SET_KEEPCAPS, 1),
        ("PR_SET_CHILD_SUBREAPER", libc::PR_SET_CHILD_SUBREAPER, 1),
        ("PR_SET_MM", libc::PR_SET_MM, 0),
    ] {
        log.filtered(name, call!(SYS_prctl, option, argument, 0, 0, 0));
    }
    if code_is_done {
        log.filtered("PR_SET_NO_NEW_PRIVS", call!(SYS_prctl, libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0));
        log.filtered("seccomp", call!(SYS_seccomp, libc::SECCOMP_SET_MODE_FILTER, 0, 0));
        log.filtered("seccomp strict", call!(SYS_seccomp, libc::SECCOMP_SET_MODE_STRICT, 1, 0));
    }
}
