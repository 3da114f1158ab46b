//! Row escape: with `openat2` and without it, on links that the guest makes and links that the host plants.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::symlink;

use conductor_core::{Limits, Outcome};
use seccompiler::{BpfProgram, SeccompAction, SeccompFilter, apply_filter};
use serde_json::json;

use super::guest::{Guests, call, in_both_modes, reply};

in_both_modes! {
    no_attempt_leaves_the_data_directory
    what_the_manual_allows_works
    without_the_grant_there_is_no_directory
    read_only_means_read_only
    a_pipe_or_a_device_in_the_directory_is_not_opened
    a_planted_data_directory_is_refused
}

/// Least number of attempts that the guest must make; fewer would mean that it gave up early.
const LEAST_ATTEMPTS: usize = 100;

#[test]
fn no_attempt_leaves_the_data_directory_without_openat2() {
    for guests in [Guests::in_process, Guests::in_workers] {
        // On this thread the kernel refuses `openat2`, as old kernels and some containers do. A call in this process
        // runs on this thread, and a worker inherits the refusal from the thread that starts it.
        std::thread::spawn(move || {
            refuse_openat2();
            no_attempt_leaves_the_data_directory(&guests());
        })
        .join()
        .expect("the attempts without openat2 were refused too");
    }
}

fn no_attempt_leaves_the_data_directory(guests: &Guests) {
    let data = guests.data("hostile");
    fs::create_dir_all(&data).expect("data directory");
    fs::write(guests.home().join("secret"), "secret").expect("a file beside the data");
    symlink("/etc", data.join("planted")).expect("planted");
    symlink(guests.home().join("secret"), data.join("planted-file")).expect("planted");
    symlink("../../secret", data.join("planted-relative")).expect("planted");
    let before = snapshot(guests.home());

    let mut plugin = guests.hostile(&["Filesystem"], Limits::default());
    let report = call(plugin.as_mut(), "escape", json!({}));
    let attempts = reply(&report);
    assert_eq!(report.outcome, Outcome::Ok, "{attempts:#}");
    assert!(attempts.as_array().expect("a list").len() >= LEAST_ATTEMPTS);

    for path in ["/planted/hostname", "/planted-file", "/planted-relative", "planted/../secret"] {
        let report = call(plugin.as_mut(), "read", json!({"path": path}));
        assert!(matches!(report.outcome, Outcome::Failed { .. }), "{path}: {report:?}");
    }
    for path in ["/planted-file", "/planted-relative", "/planted/new"] {
        let report = call(plugin.as_mut(), "write", json!({"path": path, "text": "overwritten"}));
        assert!(matches!(report.outcome, Outcome::Failed { .. }), "{path}: {report:?}");
    }
    // Everything outside the data directory is unchanged.
    let outside = |path: &str| !path.starts_with("plugin-data/hostile/");
    let after: BTreeMap<_, _> =
        snapshot(guests.home()).into_iter().filter(|(path, _)| outside(path)).collect();
    let before: BTreeMap<_, _> = before.into_iter().filter(|(path, _)| outside(path)).collect();
    assert_eq!(after, before);
}

fn what_the_manual_allows_works(guests: &Guests) {
    let mut plugin = guests.hostile(&["Filesystem"], Limits::default());
    let report = call(plugin.as_mut(), "write", json!({"path": "/my-data.json", "text": "{}"}));
    assert_eq!(report.outcome, Outcome::Ok, "{report:?}");
    assert_eq!(fs::read_to_string(guests.data("hostile").join("my-data.json")).expect("written"), "{}");
}

fn without_the_grant_there_is_no_directory(guests: &Guests) {
    let mut plugin = guests.hostile(&[], Limits::default());
    let report = call(plugin.as_mut(), "write", json!({"path": "/my-data.json", "text": "{}"}));
    assert!(matches!(report.outcome, Outcome::Failed { .. }), "{report:?}");
    assert!(!guests.data("hostile").exists());
}

fn read_only_means_read_only(guests: &Guests) {
    fs::create_dir_all(guests.data("hostile")).expect("data directory");
    fs::write(guests.data("hostile").join("kept.txt"), "kept").expect("written");
    let mut plugin = guests.hostile(&["Filesystem=read-only"], Limits::default());
    let report = call(plugin.as_mut(), "read", json!({"path": "/kept.txt"}));
    assert_eq!((&report.outcome, reply(&report)), (&Outcome::Ok, json!("kept")));
    for path in ["/kept.txt", "/new.txt"] {
        let report = call(plugin.as_mut(), "write", json!({"path": path, "text": "changed"}));
        assert!(matches!(report.outcome, Outcome::Failed { .. }), "{path}: {report:?}");
    }
    assert_eq!(fs::read_to_string(guests.data("hostile").join("kept.txt")).expect("there"), "kept");
}

fn a_pipe_or_a_device_in_the_directory_is_not_opened(guests: &Guests) {
    let data = guests.data("hostile");
    fs::create_dir_all(&data).expect("data directory");
    let made =
        std::process::Command::new("mkfifo").arg(data.join("pipe")).status().expect("mkfifo is installed");
    assert!(made.success());
    symlink("pipe", data.join("to-pipe")).expect("planted");
    let mut plugin = guests.hostile(&["Filesystem"], Limits::default());
    for path in ["/pipe", "/to-pipe"] {
        let read = call(plugin.as_mut(), "read", json!({"path": path}));
        assert!(matches!(read.outcome, Outcome::Failed { .. }), "{path}: {read:?}");
        let write = call(plugin.as_mut(), "write", json!({"path": path, "text": "x"}));
        assert!(matches!(write.outcome, Outcome::Failed { .. }), "{path}: {write:?}");
    }
}

fn a_planted_data_directory_is_refused(guests: &Guests) {
    fs::create_dir_all(guests.home().join("plugin-data")).expect("parent");
    symlink("/etc", guests.data("hostile")).expect("planted");
    let Err(error) = guests.try_hostile(&["Filesystem"], Limits::default()) else {
        panic!("a link in place of the data directory was followed")
    };
    assert!(error.to_string().contains("is not a directory; remove it"), "{error}");
}

fn refuse_openat2() {
    const ENOSYS: u32 = 38;
    let rules = BTreeMap::from([(OPENAT2, Vec::new())]);
    let architecture = std::env::consts::ARCH.try_into().expect("a known architecture");
    let refuse = SeccompAction::Errno(ENOSYS);
    let filter = SeccompFilter::new(rules, SeccompAction::Allow, refuse, architecture).expect("a filter");
    apply_filter(&BpfProgram::try_from(filter).expect("a program")).expect("the kernel takes the filter");
}

/// Number of the system call, the same on all architectures that have it.
const OPENAT2: i64 = 437;

/// Every path below `root` with its kind and contents.
fn snapshot(root: &std::path::Path) -> BTreeMap<String, String> {
    let mut found = BTreeMap::new();
    let mut directories = vec![root.to_owned()];
    while let Some(directory) = directories.pop() {
        for entry in fs::read_dir(&directory).expect("readable") {
            let path = entry.expect("readable").path();
            let kind = fs::symlink_metadata(&path).expect("there").file_type();
            let shown = if kind.is_dir() {
                directories.push(path.clone());
                "directory".to_owned()
            } else if kind.is_symlink() {
                format!("link to {}", fs::read_link(&path).expect("there").display())
            } else {
                fs::read_to_string(&path).unwrap_or_else(|_| "bytes".to_owned())
            };
            let path = path.strip_prefix(root).expect("below the root");
            found.insert(path.to_string_lossy().into_owned(), shown);
        }
    }
    found
}
