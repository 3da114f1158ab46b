//! `conductorctl status`: its output, and its errors when no daemon answers.

use std::io::{Read as _, Write as _};
use std::os::unix::net::UnixListener;
use std::thread;

use rustix::process::Signal;

use super::ctl::{SILENT, ctl, json, quiet_daemon, shown, socket};
use crate::scratch::{LENIENT, PATIENCE, Scratch, plugin};
use crate::wasm;

#[test]
fn status_says_how_the_daemon_is_and_which_walls_stand() {
    let scratch = Scratch::new();
    let daemon = quiet_daemon(&scratch);
    let status = json(&scratch, &["status"]);
    assert_eq!(status["version"], env!("CARGO_PKG_VERSION"));
    assert_eq!(status["pid"], daemon.pid());
    assert_eq!(status["config_file"], scratch.config_file().to_str().expect("text"));
    assert_eq!(status["socket"], socket(&scratch).to_str().expect("text"));
    assert!(status["uptime_seconds"].is_u64(), "{status}");
    let walls = status["walls"].as_array().expect("a list");
    assert_eq!(walls.first().expect("a wall"), "webassembly");
    let has_process_wall = walls.iter().any(|wall| wall == "process");
    let abi = status["landlock"]["abi"].as_u64().expect("a number");
    assert_eq!(has_process_wall, abi > 0 && status["seccomp"] == true, "{status}");
    for wall in ["seccomp", "user_namespace", "network_namespace"] {
        assert!(status[wall].is_boolean(), "{wall}: {status}");
    }
    let stages = status["stages"].as_object().expect("stages");
    assert_eq!(stages.keys().collect::<Vec<_>>(), ["compile", "keeper", "launcher", "load", "run"]);
    let may = |stage: &str, call: &str| stages[stage][call].as_str().is_some_and(|why| !why.is_empty());
    assert!(may("compile", "pread64") && may("run", "openat") && may("load", "seccomp"), "{status}");
    assert!(!may("compile", "openat") && !may("run", "seccomp") && !may("run", "execve"), "{status}");
    assert_eq!(status["plugins"]["total"], 1);
    assert_eq!(status["plugins"]["running"], 1);
    assert_eq!(status["events"]["dispatched"], 0);
    assert_eq!(status["audit"]["file"], scratch.path("state/audit.jsonl").to_str().expect("text"));
    // One record for the start of the host, and one for the plugin.
    assert_eq!((&status["audit"]["records"], &status["audit"]["failures"]), (&2.into(), &0.into()));

    let text = shown(&scratch, &["status"]);
    let lines: Vec<&str> = text.lines().collect();
    let walls: Vec<&str> = walls.iter().filter_map(|wall| wall.as_str()).collect();
    for line in [
        format!("Version:          {}", env!("CARGO_PKG_VERSION")),
        format!("Socket:           {}", socket(&scratch).display()),
        format!("Walls:            {}", walls.join(", ")),
        "Plugins:          1: 1 running".to_owned(),
        "Events:           0 dispatched, 0 refused, 0 coalesced".to_owned(),
    ] {
        assert!(lines.contains(&line.as_str()), "{line}\n{text}");
    }
    daemon.stop();
}

#[test]
fn events_and_plugins_are_counted_by_what_became_of_them() {
    let scratch = Scratch::new();
    std::fs::write(scratch.path("broken.wasm"), "not a module").expect("written");
    let hostile = plugin("hostile", &wasm::fixture("hostile"), "");
    let broken = plugin("broken", &scratch.path("broken.wasm"), "");
    let call = |plugin: &str, action: &str| {
        format!(
            "[[mappings]]\ntrigger = {{ input = \"ticks\" }}\nplugin = \"{plugin}\"\naction = \"{action}\"\n"
        )
    };
    let ticks = "[[inputs]]\nname = \"ticks\"\ntype = \"interval\"\nevery = \"5ms\"\ncount = 3\n";
    let calls = call("hostile", "count") + &call("hostile", "no-such-action") + &call("broken", "x");
    scratch.config(&format!("{LENIENT}{hostile}{broken}{SILENT}{ticks}{calls}"));
    let mut daemon = scratch.start(&[]);
    (0..3).for_each(|_| drop(daemon.next_call()));
    daemon.wait_for_log("input ended");
    let status = loop {
        let status = json(&scratch, &["status"]);
        // A refused plugin is tried again once the first load was written down, and is loading for a moment then.
        if status["events"]["refused"] == 6 && status["plugins"]["refused"] == 1 {
            break status;
        }
        thread::yield_now();
    };
    assert_eq!(status["events"]["dispatched"], 3);
    assert_eq!(status["plugins"]["running"], 1);
    assert_eq!(status["plugins"]["refused"], 1);
    daemon.signal(Signal::TERM);
}

#[test]
fn without_a_daemon_the_hint_says_how_to_start_one() {
    let scratch = Scratch::new();
    let missing = ctl(&scratch, &["status"]);
    assert_eq!((missing.code, missing.stdout.as_str()), (3, ""), "{missing:?}");
    let words = format!("error: no daemon is running on {}", socket(&scratch).display());
    assert_eq!(missing.stderr, format!("{words}\nhint: start one with: conductor run\n"));
    // A socket that was left behind by a dead daemon.
    drop(UnixListener::bind(socket(&scratch)).expect("a socket"));
    assert_eq!(ctl(&scratch, &["plugin", "list"]).code, 3);
    let long = scratch.path(&"x".repeat(200));
    let long = ctl(&scratch, &["status", "--socket", long.to_str().expect("text")]);
    assert_eq!(long.code, 1);
    assert!(long.stderr.contains("at most 107 are possible"), "{long:?}");
}

#[test]
fn a_daemon_that_does_not_answer_is_an_error_that_says_so() {
    let scratch = Scratch::new();
    let daemon = quiet_daemon(&scratch);
    daemon.signal(Signal::STOP);
    let ended = ctl(&scratch, &["status"]);
    daemon.signal(Signal::CONT);
    assert_eq!((ended.code, ended.stdout.as_str()), (5, ""), "{ended:?}");
    assert!(ended.stderr.contains("did not answer within 5 seconds"), "{ended:?}");
    shown(&scratch, &["status"]);
    daemon.stop();
}

#[test]
fn an_answer_that_is_none_is_an_error() {
    let scratch = Scratch::new();
    for (answer, words) in [
        (&b"HTTP/1.1 400 Bad Request\r\n\x1b[31m\n"[..], "is no response of a daemon"),
        (br#"{"version":2,"response":"later"}"#, "does not speak version 1 of the control protocol"),
        (br#"{"version":1,"response":{"plugin-list":{"plugins":[]}}}"#, "answered another question"),
    ] {
        let listener = UnixListener::bind(socket(&scratch)).expect("a socket");
        let server = thread::spawn(move || {
            let (mut stream, _) = listener.accept().expect("a client");
            let mut request = [0; 1024];
            assert!(stream.read(&mut request).expect("a request") > 0);
            stream.write_all(&[answer, b"\n"].concat()).expect("answered");
        });
        let ended = ctl(&scratch, &["status"]);
        server.join().expect("served");
        std::fs::remove_file(socket(&scratch)).expect("removed");
        assert_eq!((ended.code, ended.stdout.as_str()), (1, ""), "{ended:?}");
        assert!(ended.stderr.contains(words) && !ended.stderr.contains('\x1b'), "{ended:?}");
    }
}

/// With a limit of 0 user namespaces, as in a namespace that may have no further one.
#[test]
fn status_says_whether_programs_can_be_run_and_why_not() {
    let scratch = Scratch::new();
    scratch.config(SILENT);
    let told = |daemon: &mut crate::scratch::Daemon| {
        daemon.wait_for_log("ready");
        let deadline = std::time::Instant::now() + PATIENCE;
        loop {
            let status = json(&scratch, &["status"]);
            if !status["programs"].is_null() {
                return status["programs"].clone();
            }
            assert!(std::time::Instant::now() < deadline, "it was not tried: {status:#}");
        }
    };
    let mut daemon = scratch.start(&[]);
    assert_eq!(told(&mut daemon), serde_json::json!({ "available": true, "why": null }));
    assert!(!shown(&scratch, &["status"]).contains("Subprocess"));
    daemon.stop();

    let none = "echo 0 > /proc/sys/user/max_user_namespaces && exec \"$0\" run --events --json";
    let arguments = ["--user", "--map-root-user", "sh", "-c", none, env!("CARGO_BIN_EXE_conductor")];
    let mut daemon = scratch.spawn(scratch.program("/usr/bin/unshare", &arguments));
    let programs = told(&mut daemon);
    assert_eq!(programs["available"], false, "{programs}");
    assert!(
        programs["why"].as_str().is_some_and(|why| why.contains("user.max_user_namespaces")),
        "{programs}"
    );
    assert!(shown(&scratch, &["status"]).contains("Subprocess:       unavailable: "));
    daemon.stop();
}
