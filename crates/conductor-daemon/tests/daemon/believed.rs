//! Which configuration files are accepted, and who may enter the directories that the programs make.

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};

use rustix::process::geteuid;

use super::scratch::{LENIENT, Scratch, plugin};
use crate::wasm;

fn mode(path: &Path, mode: u32) {
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).expect("mode set");
}

/// Runs the daemon to its end. Returns the error if it refused the configuration.
fn refused(scratch: &Scratch) -> Option<String> {
    let ended = scratch.conductor(&["run", "--exit-at-end"]);
    let is_refused = ended.stderr.contains("is not believed: ");
    assert_eq!(ended.code == 2, is_refused, "{ended:?}");
    is_refused.then_some(ended.stderr)
}

/// A home whose daemon has nothing to do, and ends by itself after saying so.
fn home() -> Scratch {
    let scratch = Scratch::new();
    scratch.config(LENIENT);
    scratch
}

#[test]
fn a_configuration_that_others_may_write_to_is_not_believed() {
    let scratch = home();
    let file = scratch.config_file();
    assert_eq!(refused(&scratch), None);
    for (path, bits, wanted, sound) in
        [(file.clone(), 0o666, "chmod 600", 0o644), (scratch.path("config"), 0o777, "chmod 700", 0o755)]
    {
        mode(&path, bits);
        let said = refused(&scratch).expect("anybody could have written it");
        assert!(said.contains(&format!("{wanted} {}", path.display())), "{said}");
        mode(&path, sound);
        assert_eq!(refused(&scratch), None);
    }
}

#[test]
fn a_configuration_that_is_linked_to_is_believed_if_its_target_is() {
    let scratch = home();
    let dotfiles = scratch.path("dotfiles");
    fs::create_dir(&dotfiles).expect("made");
    mode(&dotfiles, 0o755);
    let kept = dotfiles.join("conductor.toml");
    fs::rename(scratch.config_file(), &kept).expect("moved");
    symlink("../dotfiles/conductor.toml", scratch.config_file()).expect("linked");
    assert_eq!(refused(&scratch), None);
    mode(&kept, 0o662);
    assert!(refused(&scratch).is_some_and(|said| said.contains("chmod 600 ")));
    mode(&kept, 0o644);
    mode(&dotfiles, 0o777);
    assert!(refused(&scratch).is_some(), "anybody could put another file there");
    mode(&dotfiles, 0o755);
    fs::remove_file(&kept).expect("removed");
    let said = refused(&scratch).expect("what is gone is not taken for an empty one");
    assert!(said.contains("is a symbolic link"), "{said}");
}

/// Root can change every file anyway. A file of any other user could have been written by that user.
#[test]
fn whose_configuration_it_is_decides() {
    let scratch = home();
    if geteuid().is_root() {
        std::os::unix::fs::chown(scratch.config_file(), Some(65_534), None).expect("given away");
        let said = refused(&scratch).expect("it is somebody else's");
        assert!(said.contains("is owned by user 65534, not by user 0"), "{said}");
        assert!(said.contains("sudo chown 0 "), "{said}");
    } else {
        let ended = scratch.conductor(&["run", "--config", "/etc/passwd"]);
        assert_eq!(ended.code, 2);
        assert!(ended.stderr.contains("the configuration has"), "root's file is read: {}", ended.stderr);
    }
}

#[test]
fn directories_are_for_their_owner_alone_under_any_umask() {
    for umask in ["0", "077", "0777"] {
        let scratch = Scratch::new();
        let words = ["-c", "umask $1; shift; exec \"$@\"", "sh", umask, env!("CARGO_BIN_EXE_conductor-sign")];
        let key = "19c4475a142102081d1842c4f880898e76d8ea20c7e8ab16c54c1178758bcd05";
        let mut command = scratch.program("/bin/sh", &[&words[..], &["trust", "add", key, "Ada"]].concat());
        let output = command.env("CONDUCTOR_CONFIG_DIR", scratch.path("a/b/config")).output();
        let output = output.expect("starts");
        assert!(output.status.success(), "{umask}: {output:?}");
        for made in ["a", "a/b", "a/b/config"] {
            let found = fs::metadata(scratch.path(made)).expect("made").permissions().mode();
            assert_eq!(found & 0o777, 0o700, "{made} under umask {umask}");
        }
    }
    // Everything that a daemon creates, with an installed plugin that has its own directory.
    let scratch = Scratch::new();
    let granted = plugin("notes", &wasm::plugin("notes"), "granted_capabilities = [\"Filesystem\"]");
    scratch.config(&format!(
        "{LENIENT}{granted}[[inputs]]\nname = \"clock\"\ntype = \"interval\"\nevery = \"1h\"\n"
    ));
    let conductor = env!("CARGO_BIN_EXE_conductor");
    let words = ["-c", "umask 0; exec \"$@\"", "sh", conductor, "run", "--events", "--json"];
    let mut daemon = scratch.spawn(scratch.program("/bin/sh", &words));
    daemon.wait_for_log("ready");
    let install = ["plugin", "install", "fresh.wasm"];
    fs::copy(wasm::plugin("chord"), scratch.path("fresh.wasm")).expect("copied");
    let installed = scratch.program(env!("CARGO_BIN_EXE_conductorctl"), &install).output().expect("starts");
    assert!(installed.status.success(), "{installed:?}");
    daemon.stop();
    let by_the_test = ["config", "data", "state"].map(|directory| scratch.path(directory));
    let all = directories(&scratch.path(""));
    let made: Vec<&PathBuf> = all.iter().filter(|path| !by_the_test.contains(path)).collect();
    for path in &made {
        let found = fs::metadata(path).expect("there").permissions().mode();
        assert_eq!(found & 0o777, 0o700, "{}", path.display());
    }
    for name in ["code", "plugins", "notes"] {
        assert!(made.iter().any(|path| path.ends_with(name)), "{name} is among {made:?}");
    }
}

/// All directories below `path`.
fn directories(path: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(path).expect("listed").map(|entry| entry.expect("read").path());
    let below: Vec<PathBuf> = entries.filter(|path| path.is_dir() && !path.is_symlink()).collect();
    let deeper: Vec<PathBuf> = below.iter().flat_map(|path| directories(path)).collect();
    [below, deeper].concat()
}
