//! Programs that run confined reach only the system's files and the plugin's own files.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::thread;

use conductor_abi::{ProgramEnd, Status};
use conductor_core::broker::Session;
use seccompiler::{
    BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter, SeccompRule,
    apply_filter,
};

use super::{ask, refused, run, session};

/// An interpreter that can make any system call. Every Debian has it (`perl-base`).
const PERL: &str = "/usr/bin/perl";

fn perl(confined: &str) -> std::sync::Arc<Session> {
    session(&format!("{PERL};args=*{confined}"))
}

/// The error number of each system call, 0 for none, in the order of the calls.
fn errors(session: &Session, calls: &[String]) -> Vec<i32> {
    // An argument has room for 20 calls.
    calls.chunks(20).flat_map(|calls| errors_of_few(session, calls)).collect()
}

fn errors_of_few(session: &Session, calls: &[String]) -> Vec<i32> {
    let script: String = calls
        .iter()
        .map(|call| format!("$! = 0; my $r = syscall({call}); print $r == -1 ? $! + 0 : 0, \"\\n\";"))
        .collect();
    let output =
        run(session, PERL, &["-e", &format!("my $b = \"\\0\" x 256; my $p = \"/etc/hostname\"; {script}")]);
    assert_eq!(output.end, ProgramEnd::Exited { code: 0 }, "{}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout).expect("text");
    text.lines().map(|line| line.parse().expect("a number")).collect()
}

/// The events that `F_NOTIFY` is to report: changes of files in the directory.
const DN_MODIFY: i32 = 2;

/// System calls that a confined program may not make. `$b` is memory, and `$p` is a path to point to.
fn refused_calls() -> Vec<String> {
    let stream = libc::SOCK_STREAM;
    let mut calls = vec![
        format!("{}, {}, {stream}, 0", libc::SYS_socket, libc::AF_UNIX),
        format!("{}, {}, {}, 0", libc::SYS_socket, libc::AF_INET, libc::SOCK_DGRAM),
        format!("{}, {}, {}, 0", libc::SYS_socket, libc::AF_NETLINK, libc::SOCK_RAW),
        format!("{}, {}, {}, 0", libc::SYS_socket, libc::AF_VSOCK, libc::SOCK_STREAM),
        format!("{}, {}, {}, 0, $b", libc::SYS_socketpair, libc::AF_UNIX, libc::SOCK_DGRAM),
        format!(
            "{}, {}, {}, 0, $b",
            libc::SYS_socketpair,
            libc::AF_UNIX,
            libc::SOCK_DGRAM | libc::SOCK_CLOEXEC
        ),
        format!("{}, {}, {}, 0, $b", libc::SYS_socketpair, libc::AF_UNIX, libc::SOCK_SEQPACKET),
        format!("{}, {}, {stream}, 0, $b", libc::SYS_socketpair, libc::AF_TIPC),
        format!("{}, -100, $p, $b, 0", libc::SYS_utimensat),
        format!("{}, 1, 0, 0, 0", libc::SYS_utimensat),
        format!("{}, 0, {}, {}", libc::SYS_fcntl, libc::F_NOTIFY, DN_MODIFY),
        format!("{}, 0, {}, {}", libc::SYS_fcntl, libc::F_SETLEASE, libc::F_RDLCK),
    ];
    // Requests for flags, versions, projects, verity and encryption of files.
    let requests =
        [0x4008_6602u64, 0x4004_6602, 0x4008_7602, 0x4004_7602, 0x401c_5820, 0x4080_6685, 0x800c_6613];
    calls.extend(requests.map(|request| format!("{}, 0, {request}, $b", libc::SYS_ioctl)));
    calls.extend(
        [
            libc::SYS_io_uring_setup,
            libc::SYS_io_uring_enter,
            libc::SYS_io_uring_register,
            libc::SYS_add_key,
            libc::SYS_request_key,
            libc::SYS_keyctl,
            libc::SYS_ptrace,
            libc::SYS_process_vm_readv,
            libc::SYS_process_vm_writev,
            libc::SYS_process_madvise,
            libc::SYS_pidfd_getfd,
            libc::SYS_kcmp,
            libc::SYS_fchmod,
            libc::SYS_fchown,
            libc::SYS_fsetxattr,
            libc::SYS_fremovexattr,
            libc::SYS_fchmodat,
            libc::SYS_fchmodat2,
            libc::SYS_fchownat,
            libc::SYS_setxattr,
            libc::SYS_lsetxattr,
            libc::SYS_removexattr,
            libc::SYS_lremovexattr,
            libc::SYS_inotify_add_watch,
            libc::SYS_fanotify_mark,
            463,
            466,
            469,
        ]
        .map(|number| format!("{number}, 0, 0, 0, 0, 0, 0")),
    );
    #[cfg(target_arch = "x86_64")]
    calls.extend(
        [
            libc::SYS_chmod,
            libc::SYS_chown,
            libc::SYS_lchown,
            libc::SYS_utime,
            libc::SYS_utimes,
            libc::SYS_futimesat,
            // The numbers that another mode of the same machine uses for `socket`, `getpid` and `ptrace`.
            0x4000_0000 | libc::SYS_socket,
            0x4000_0000 | libc::SYS_getpid,
            0x4000_0000 | 521,
        ]
        .map(|number| format!("{number}, 1, 1, 0")),
    );
    calls
}

#[test]
fn a_confined_program_makes_no_call_that_leads_around_its_confinement() {
    let calls = refused_calls();
    let confined = errors(&perl(";confined=yes"), &calls);
    for (call, error) in calls.iter().zip(confined) {
        assert_eq!(error, libc::EPERM, "syscall({call})");
    }
    // The refusals come from the confinement: without it, none of these calls is refused. Those marked `false` are
    // permitted to confined programs too.
    let free = [
        (format!("{}, {}, {}, 0", libc::SYS_socket, libc::AF_UNIX, libc::SOCK_STREAM), true),
        (format!("{}, {}, {}, 0, $b", libc::SYS_socketpair, libc::AF_UNIX, libc::SOCK_DGRAM), true),
        (format!("{}, {}, {}, 0, $b", libc::SYS_socketpair, libc::AF_UNIX, libc::SOCK_STREAM), false),
        (
            format!(
                "{}, {}, {}, 0, $b",
                libc::SYS_socketpair,
                libc::AF_UNIX,
                libc::SOCK_STREAM | libc::SOCK_CLOEXEC
            ),
            false,
        ),
        (format!("{}, 0, {}, 0", libc::SYS_fcntl, libc::F_GETFL), false),
        (format!("{}, 0, {}, $b", libc::SYS_ioctl, libc::FIONREAD), false),
    ];
    let (calls, restricted): (Vec<String>, Vec<bool>) = free.into_iter().unzip();
    let (inside, outside) = (errors(&perl(";confined=yes"), &calls), errors(&perl(""), &calls));
    for (((call, restricted), inside), outside) in calls.iter().zip(restricted).zip(inside).zip(outside) {
        assert_eq!(inside == libc::EPERM, restricted, "syscall({call}): {inside}");
        assert_ne!(outside, libc::EPERM, "syscall({call}) unconfined");
    }
}

/// A confined program cannot change what it may only read, by any descriptor. Here that is the program itself, whose
/// owner is the program's user.
#[test]
fn a_confined_program_changes_nothing_that_it_may_only_read() {
    let script = format!(
        r#"#!/usr/bin/perl
            open(my $file, "<", $0) or die;
            my $number = fileno($file);
            my $times = pack("q4", 0, 0, 0, 0);
            syscall({fchmod}, $number, 0777);
            syscall({utimensat}, $number, 0, $times, 0);
            my ($name, $value) = ("user.mark", "x");
            syscall({fsetxattr}, $number, $name, $value, 1, 0);
            print -s $file;
        "#,
        fchmod = libc::SYS_fchmod,
        utimensat = libc::SYS_utimensat,
        fsetxattr = libc::SYS_fsetxattr,
    );
    let state = |path: &str| {
        let metadata = fs::metadata(path).expect("there");
        (metadata.permissions().mode() & 0o7777, metadata.modified().expect("a time"))
    };
    for (scope, is_kept) in [(";confined=yes", true), ("", false)] {
        let (_directory, path) = super::script(&script, 0o700);
        let before = state(&path);
        let output = run(&session(&format!("{path}{scope}")), &path, &[]);
        assert_eq!(output.stdout, script.len().to_string().as_bytes(), "it was read: {output:?}");
        assert_eq!(state(&path) == before, is_kept, "{scope}");
    }
}

/// A program that asks for its process identifier as 32-bit programs do, and then ends with success.
#[cfg(target_arch = "x86_64")]
fn program_of_32_bits() -> Vec<u8> {
    let code: [u8; 18] = [
        0xb8, 20, 0, 0, 0, // mov eax, 20 (getpid)
        0xcd, 0x80, // int 0x80
        0x31, 0xff, // xor edi, edi
        0xb8, 60, 0, 0, 0, // mov eax, 60 (exit)
        0x0f, 0x05, // syscall
        0x0f, 0x0b, // ud2
    ];
    let (base, headers) = (0x40_0000_u64, 64 + 56_u64);
    let mut file = vec![0x7f, b'E', b'L', b'F', 2, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0];
    file.extend([2, 0, 62, 0, 1, 0, 0, 0]);
    for word in [base + headers, 64, 0] {
        file.extend(word.to_le_bytes());
    }
    file.extend([0, 0, 0, 0, 64, 0, 56, 0, 1, 0, 64, 0, 0, 0, 0, 0]);
    file.extend([1, 0, 0, 0, 5, 0, 0, 0]);
    let size = headers + code.len() as u64;
    for word in [0, base, base, size, size, 0x1000] {
        file.extend(word.to_le_bytes());
    }
    file.extend(code);
    file
}

#[cfg(target_arch = "x86_64")]
#[test]
fn a_confined_program_makes_no_calls_of_another_machine() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("program");
    fs::write(&path, program_of_32_bits()).expect("written");
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).expect("mode");
    let path = path.to_str().expect("text");
    assert_ne!(run(&session(path), path, &[]).end, ProgramEnd::Signalled { signal: libc::SIGSYS });
    let confined = run(&session(&format!("{path};confined=yes")), path, &[]);
    assert_eq!(confined.end, ProgramEnd::Signalled { signal: libc::SIGSYS });
}

#[test]
fn a_confined_program_changes_no_file_of_the_users_by_its_name() {
    let directory = tempfile::tempdir().expect("a directory");
    let file = directory.path().join("file");
    fs::write(&file, "text").expect("written");
    fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).expect("mode");
    let state = || {
        let metadata = fs::metadata(&file).expect("a file");
        (
            metadata.mode() & 0o7777,
            metadata.mtime(),
            metadata.uid(),
            fs::read_to_string(&file).expect("reads"),
        )
    };
    let before = state();
    let name = file.to_str().expect("text");
    let script = format!(
        "chmod(0777, '{name}'); utime(1, 1, '{name}'); chown(-1, -1, '{name}'); truncate('{name}', 0);"
    );
    run(&perl(";confined=yes"), PERL, &["-e", &script]);
    assert_eq!(state(), before);
    run(&perl(""), PERL, &["-e", &script]);
    assert_eq!(
        (state().0, state().1, state().3.len()),
        (0o777, before.1.max(state().1), 0),
        "the attempt is one"
    );
}

#[test]
fn a_confined_program_has_a_network_of_its_own() {
    let seconds = format!("9{}", std::process::id());
    let own = fs::read_link("/proc/self/ns/net").expect("a namespace");
    for (confined, same) in [("", true), (";confined=yes", false)] {
        let session = session(&format!("/bin/sleep;args=*;seconds=60{confined}"));
        let running = thread::spawn({
            let (session, seconds) = (std::sync::Arc::clone(&session), seconds.clone());
            move || ask(&session, "/bin/sleep", &[&seconds], b"")
        });
        let pid = super::ends::wait_for(&format!("/bin/sleep {seconds}"));
        let network = fs::read_link(format!("/proc/{pid}/ns/net")).expect("a namespace");
        assert_eq!(network == own, same, "{confined}");
        session.revoke(conductor_abi::Capability::Subprocess);
        running.join().expect("no panic");
        super::wait_until_gone(&format!("sleep {seconds}"));
    }
}

#[test]
fn a_program_that_fails_confined_is_told_about_with_why_it_may_have() {
    let script =
        "use Socket; socket(S, AF_UNIX, SOCK_STREAM, 0) or die \"no socket: $!\\n\"; print \"yes\\n\";";
    let output = run(&perl(";confined=yes"), PERL, &["-e", script]);
    assert_ne!(output.end, ProgramEnd::Exited { code: 0 });
    let stderr = String::from_utf8(output.stderr).expect("text");
    let (own, note) = stderr.split_once('\n').expect("two lines");
    assert_eq!(own, "no socket: Operation not permitted");
    assert!(
        note.starts_with("conductor: this program ran confined") && note.contains("confined=no"),
        "{note}"
    );
    let output = run(&perl(""), PERL, &["-e", script]);
    assert_eq!((output.stdout.as_slice(), output.stderr.as_slice()), (&b"yes\n"[..], &b""[..]));
    // The standard error of a program that succeeds has no note added.
    let output = run(&perl(";confined=yes"), PERL, &["-e", "print STDERR 'x'"]);
    assert_eq!(output.stderr, b"x");
    // The note counts against the bytes that the scope allows, and is not what is cut off.
    let output = run(&perl(";confined=yes;bytes=1KiB"), PERL, &["-e", "print STDERR 'x' x 5000; exit 3"]);
    assert!(output.cut && output.stderr.len() <= 1024, "{}", output.stderr.len());
    assert!(String::from_utf8(output.stderr).expect("text").contains("confined=no"));
}

#[test]
fn a_program_that_cannot_be_confined_is_not_run() {
    let every = |call| BTreeMap::from([(call, Vec::new())]);
    let new_network = SeccompCondition::new(
        0,
        SeccompCmpArgLen::Dword,
        SeccompCmpOp::MaskedEq(libc::CLONE_NEWNET as u64),
        libc::CLONE_NEWNET as u64,
    );
    let new_network = SeccompRule::new(vec![new_network.expect("a condition")]).expect("a rule");
    for (rules, reason, unconfined) in [
        (
            every(libc::SYS_landlock_create_ruleset),
            "cannot be confined: landlock 3, or newer, is not to be had",
            Status::Ok,
        ),
        // The process that watches over a program has a filter, whether or not the program has one.
        (every(libc::SYS_seccomp), "cannot be confined: ", Status::Unavailable),
        (
            BTreeMap::from([(libc::SYS_unshare, vec![new_network])]),
            "cannot be confined, because it gets no network namespace of its own",
            Status::Ok,
        ),
    ] {
        // On this thread the kernel refuses a part of the confinement, as old kernels do; programs inherit the refusal.
        let ask = move || {
            let arch = std::env::consts::ARCH.try_into().expect("an architecture");
            let refusal = SeccompAction::Errno(libc::ENOSYS as u32);
            let filter = SeccompFilter::new(rules, SeccompAction::Allow, refusal, arch).expect("a filter");
            let filter: BpfProgram = filter.try_into().expect("a program");
            apply_filter(&filter).expect("refused from now on");
            let confined = ask(&session("/bin/echo;confined=yes"), "/bin/echo", &[], b"");
            refused(&confined, Status::Unavailable, reason);
            assert_eq!(ask(&session("/bin/echo"), "/bin/echo", &[], b"").status, unconfined);
        };
        thread::spawn(ask).join().expect("it was run, or refused for another reason");
    }
}
