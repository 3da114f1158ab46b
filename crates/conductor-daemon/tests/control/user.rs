//! Another user is not served, even if the modes of socket and directory would permit it.

use std::fs;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::Command;

use rustix::process::geteuid;

use super::ctl::quiet_daemon_with;
use crate::scratch::{Ended, Scratch};

/// The user `nobody` of most systems.
const OTHER_USER: u32 = 65_534;

fn set_mode(path: &Path, mode: u32) {
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).expect("mode");
}

#[test]
fn another_user_is_refused() {
    let scratch = Scratch::new();
    let run = scratch.path("run");
    let daemon = quiet_daemon_with(&scratch, &[("CONDUCTOR_RUNTIME_DIR", run.to_str().expect("text"))]);
    let socket = run.join("conductor.sock");
    let mode = |path: &Path| fs::metadata(path).expect("metadata").mode() & 0o7777;
    assert_eq!((mode(&socket), mode(&run)), (0o600, 0o700), "nobody else gets as far as connecting");
    // Only root can become another user for the test; other users can only look at the modes.
    if geteuid().is_root() {
        let program = scratch.path("conductorctl");
        fs::copy(env!("CARGO_BIN_EXE_conductorctl"), &program).expect("copied");
        let ask = || {
            let mut command = Command::new(&program);
            command.args(["status", "--socket"]).arg(&socket).env_clear().current_dir("/");
            let output = command.uid(OTHER_USER).gid(OTHER_USER).output().expect("conductorctl starts");
            Ended {
                code: output.status.code().expect("exit status"),
                stdout: String::from_utf8(output.stdout).expect("text"),
                stderr: String::from_utf8(output.stderr).expect("text"),
            }
        };
        let home = run.parent().expect("home");
        set_mode(home, 0o755);
        let kept_out = ask();
        assert_eq!((kept_out.code, kept_out.stdout.as_str()), (1, ""), "{kept_out:?}");
        assert!(kept_out.stderr.contains("Permission denied"), "{kept_out:?}");
        set_mode(&run, 0o755);
        set_mode(&socket, 0o666);
        let refused = ask();
        assert_eq!((refused.code, refused.stdout.as_str()), (4, ""), "{refused:?}");
        assert!(refused.stderr.contains("this daemon belongs to another user"), "{refused:?}");
    }
    let own = ["status", "--socket", socket.to_str().expect("text")];
    assert_eq!(super::ctl::ctl(&scratch, &own).code, 0);
    let (_, log) = daemon.stop();
    let warned = log.contains("another user tried to control this daemon");
    assert_eq!(warned, geteuid().is_root(), "{log}");
}
