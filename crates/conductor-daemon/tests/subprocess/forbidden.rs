//! Systems that permit no user namespaces: plugins cannot run programs there, and the reason says what to change.

use std::process::Command;
use std::thread;

use conductor_abi::Status;
use seccompiler::{BpfProgram, SeccompAction, SeccompFilter, apply_filter};

use super::{SHELL, ask, launcher, refused, session};

/// Runs `test` on a thread that gets this error for each new namespace, with everything that the thread starts.
/// AppArmor, a container or a limit can cause that.
fn where_namespaces_fail_with(errno: i32, test: impl FnOnce() + Send + 'static) {
    let thread = thread::spawn(move || {
        let rules = [(libc::SYS_unshare, Vec::new())].into_iter().collect();
        let refuse = SeccompAction::Errno(errno as u32);
        let arch = std::env::consts::ARCH.try_into().expect("a known processor");
        let filter = SeccompFilter::new(rules, SeccompAction::Allow, refuse, arch).expect("a filter");
        let filter: BpfProgram = filter.try_into().expect("a program");
        apply_filter(&filter).expect("filtered");
        test();
    });
    if let Err(panic) = thread.join() {
        std::panic::resume_unwind(panic);
    }
}

#[test]
fn programs_are_unavailable_with_the_cause() {
    for (errno, cause) in [
        (libc::EPERM, "Operation not permitted"),
        (libc::EACCES, "Permission denied"),
        (libc::ENOSPC, "No space left on device"),
        (libc::EUSERS, "Too many users"),
        (libc::EINVAL, "this kernel was built without them"),
    ] {
        where_namespaces_fail_with(errno, move || {
            let checked = launcher().expect("a launcher").check(super::PATIENCE).expect_err("forbidden");
            for scope in ["/bin/sh;args=*", "/bin/sh;args=*;confined=yes"] {
                let answer = ask(&session(scope), SHELL, &["-c", "true"], b"");
                refused(
                    &answer,
                    Status::Unavailable,
                    "Subprocess is unavailable here, because this system does not",
                );
                refused(&answer, Status::Unavailable, cause);
                refused(&answer, Status::Unavailable, &checked);
            }
            assert!(checked.contains("; "), "it says what stands behind it: {checked}");
        });
    }
    launcher().expect("a launcher").check(super::PATIENCE).expect("permitted here");
}

/// A user namespace that may not contain another one behaves like a system whose limit is 0.
#[test]
fn a_limit_of_nothing_is_named() {
    let none = "echo 0 > /proc/sys/user/max_user_namespaces && exec \"$0\" \"$@\"";
    let exec = [env!("CARGO_BIN_EXE_conductor"), "exec", "--unsigned-ok", "--json", "--action", "run"];
    let home = tempfile::tempdir().expect("a directory");
    // In that namespace the owner of root's files is unknown, unless root runs this test.
    let program = home.path().join("true");
    std::fs::copy("/bin/true", &program).expect("copied");
    let (params, grant) =
        (format!("{{\"program\":{program:?}}}"), format!("Subprocess={}", program.display()));
    let output = Command::new("unshare")
        .args(["--user", "--map-root-user", "sh", "-c", none])
        .args(exec)
        .args(["--params", &params, "--grant", &grant])
        .arg(super::wasm::plugin("script"))
        .env("HOME", home.path())
        .output()
        .expect("unshare is part of every Debian: apt-get install util-linux");
    let report = String::from_utf8_lossy(&output.stdout);
    assert!(
        report.contains("Subprocess is unavailable here") && report.contains("user.max_user_namespaces"),
        "{output:?}"
    );
}
