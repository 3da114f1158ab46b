//! Where the socket is, who gets there, and that it belongs to one daemon.

use std::fs;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::Path;

use rustix::process::Signal;

use super::ctl::{assert_served, ctl, quiet_daemon, quiet_daemon_with, socket};
use crate::scratch::Scratch;

fn mode(path: &Path) -> u32 {
    fs::symlink_metadata(path).expect("metadata").mode() & 0o7777
}

#[test]
fn the_socket_is_in_the_runtime_directory_for_its_owner_alone() {
    for (variable, directory) in [("XDG_RUNTIME_DIR", "run/conductor"), ("CONDUCTOR_RUNTIME_DIR", "run")] {
        let scratch = Scratch::new();
        if variable == "XDG_RUNTIME_DIR" {
            fs::create_dir(scratch.path("run")).expect("directory");
        }
        let run = scratch.path("run").to_str().expect("text").to_owned();
        let daemon = quiet_daemon_with(&scratch, &[(variable, &run)]);
        let directory = scratch.path(directory);
        let socket = directory.join("conductor.sock");
        assert_eq!((mode(&socket), mode(&directory)), (0o600, 0o700), "{variable}");
        let ended = ctl(&scratch, &["status", "--socket", socket.to_str().expect("text")]);
        assert_eq!(ended.code, 0, "{ended:?}");
        daemon.stop();
        assert!(!socket.exists());
    }
}

#[test]
fn a_second_daemon_is_refused_and_the_first_one_named() {
    let scratch = Scratch::new();
    let daemon = quiet_daemon(&scratch);
    let (code, rows, log) = scratch.start(&[]).wait();
    assert_eq!((code, rows.len()), (1, 0), "{log}");
    let words = format!("error: another daemon is running as process {}, on ", daemon.pid());
    assert!(log.contains(&words) && log.contains("hint: ask it with: conductorctl status"), "{log}");
    assert!(!log.contains("plugin loaded"), "nothing was started: {log}");
    assert_served(&scratch);
    daemon.stop();
    assert!(!socket(&scratch).exists());
}

#[test]
fn the_socket_of_a_dead_daemon_is_replaced() {
    let scratch = Scratch::new();
    let daemon = quiet_daemon(&scratch);
    daemon.signal(Signal::KILL);
    daemon.wait();
    assert!(socket(&scratch).exists());
    assert_eq!(ctl(&scratch, &["status"]).code, 3);
    let daemon = quiet_daemon(&scratch);
    assert_eq!(mode(&socket(&scratch)), 0o600);
    assert_served(&scratch);
    daemon.stop();
}

#[test]
fn a_place_that_is_not_safe_stops_the_daemon() {
    let scratch = Scratch::new();
    scratch.config("");
    let open = scratch.path("open");
    fs::create_dir(&open).expect("directory");
    fs::set_permissions(&open, fs::Permissions::from_mode(0o777)).expect("mode");
    let long = scratch.path(&"x".repeat(120));
    for (directory, words) in [
        (&open, format!("hint: chmod 700 {}", open.display())),
        (&long, "hint: choose a directory with a shorter name: CONDUCTOR_RUNTIME_DIR".to_owned()),
    ] {
        let directory = directory.to_str().expect("text");
        let (code, _, log) = scratch.start_with(&[], &[("CONDUCTOR_RUNTIME_DIR", directory)]).wait();
        assert_eq!(code, 1, "{log}");
        assert!(log.contains(&words), "{log}");
    }
}
