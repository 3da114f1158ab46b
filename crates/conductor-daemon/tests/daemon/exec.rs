//! `conductor exec`: every exit status, the report, and what reaches the plugin.

use std::path::Path;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value as Json;

use super::scratch::{Ended, PATIENCE, Scratch};
use crate::wasm;

fn exec(scratch: &Scratch, module: &Path, arguments: &[&str]) -> Ended {
    let module = module.to_str().expect("path");
    scratch.conductor(&[&["exec", module, "--unsigned-ok"], arguments].concat())
}

fn report(scratch: &Scratch, module: &Path, arguments: &[&str]) -> (i32, Json) {
    let ended = exec(scratch, module, &[&["--json"], arguments].concat());
    let report = serde_json::from_str(&ended.stdout).unwrap_or_else(|error| panic!("{error}: {ended:?}"));
    (ended.code, report)
}

#[test]
fn zero_when_the_plugin_returned_zero() {
    let scratch = Scratch::new();
    let (code, report) = report(&scratch, &wasm::fixture("hostile"), &["--action", "count"]);
    assert_eq!(code, 0, "{report}");
    assert_eq!(report["outcome"], "ok");
    assert_eq!((&report["limit"], &report["error"]), (&Json::Null, &Json::Null));
    assert!(report["fuel_used"].as_u64() > Some(0), "{report}");
    assert!(report["peak_memory_bytes"].as_u64() >= Some(65_536), "{report}");
    assert!(report["micros"].as_u64().is_some(), "{report}");
    assert_ne!(report["reply"], Json::Null, "{report}");
    for number in ["-1", "-1.5"] {
        let arguments = ["--action", "count", "--params", number];
        let (_, report) = self::report(&scratch, &wasm::fixture("hostile"), &arguments);
        let error = report["error"].as_str().expect("the plugin takes no number");
        assert!(error.contains(&format!("`{number}`")), "it is a value: {report}");
    }
}

#[test]
fn one_when_the_plugin_failed() {
    let scratch = Scratch::new();
    let arguments = ["--action", "fetch", "--params", r#"{"url": "http://127.0.0.1:1/"}"#];
    let (code, report) = report(&scratch, &wasm::fixture("hostile"), &arguments);
    assert_eq!((code, &report["outcome"]), (1, &Json::from("failed")), "{report}");
    let error = report["error"].as_str().expect("error");
    assert!(error.starts_with("failed with code 1: Network: GET ") && error.contains("grant"), "{error}");
}

#[test]
fn two_for_usage() {
    let scratch = Scratch::new();
    let module = wasm::fixture("hostile");
    for (arguments, words) in [
        (&["--action", "nothing"][..], "its actions are loop, "),
        (&[], "needs an action"),
        (&["--action", "count", "--params", "{"], "--params"),
        (&["--action", "count", "--context", "{\"note\": 1000}"], "--context"),
        (&["--params", "{}"], "--action"),
        (&["--action", "count", "--grant", "Net"], "unknown capability"),
        (&["--action", "count", "--deny", "Net"], "unknown capability"),
        (&["--action", "count", "--env", "X"], "NAME=VALUE"),
        (&["--action", "count", "--dir", "/tmp"], "HOST::GUEST"),
        (&["--action", "count", "--config", "missing.toml"], "cannot read missing.toml"),
        (&["--frobnicate"], "--frobnicate"),
    ] {
        let ended = exec(&scratch, &module, arguments);
        assert_eq!((ended.code, ended.stdout.as_str()), (2, ""), "{arguments:?}: {ended:?}");
        assert!(ended.stderr.contains(words), "{arguments:?}: {ended:?}");
    }
}

#[test]
fn three_for_a_limit_or_a_trap() {
    let scratch = Scratch::new();
    let module = wasm::fixture("hostile");
    for (action, outcome, limit, error) in [
        ("loop", "limit", Some("max_fuel"), "fuel exhausted"),
        ("sleep", "limit", Some("max_fuel"), "fuel exhausted"),
        ("allocate", "limit", Some("max_memory_bytes"), "memory"),
        ("panic", "trap", None, "trapped"),
    ] {
        let (code, report) = report(&scratch, &module, &["--action", action]);
        assert_eq!(code, 3, "{action}: {report}");
        assert_eq!(
            (&report["outcome"], &report["limit"]),
            (&Json::from(outcome), &Json::from(limit)),
            "{action}"
        );
        assert!(report["error"].as_str().is_some_and(|found| found.contains(error)), "{action}: {report}");
    }
    let ended = exec(&scratch, &module, &["--action", "loop"]);
    assert_eq!((ended.code, ended.stdout.as_str()), (3, ""), "{ended:?}");
    assert!(ended.stderr.contains("error: fuel exhausted"), "{ended:?}");
}

#[test]
fn what_limits_refused_is_in_the_report() {
    let scratch = Scratch::new();
    scratch.config("[wasm]\nmax_open_files = 3\n");
    let module = wasm::fixture("hostile");
    let arguments = ["--action", "files", "--grant", "Filesystem"];
    let (code, refused) = report(&scratch, &module, &arguments);
    assert_eq!((code, &refused["limit"]), (0, &Json::Null), "{refused}");
    assert_eq!(refused["limits_refused"], serde_json::json!(["max_open_files"]));
    let ended = exec(&scratch, &module, &arguments);
    assert!(ended.stderr.contains("\nok\nnote: too many open files (max_open_files)\n"), "{ended:?}");

    let (_, nothing) = report(&scratch, &module, &["--action", "count"]);
    assert_eq!(nothing["limits_refused"], serde_json::json!([]));
    let (_, gave_up) = report(&scratch, &module, &["--action", "allocate"]);
    assert_eq!(gave_up["limit"], "max_memory_bytes", "{gave_up}");
    assert_eq!(gave_up["limits_refused"], serde_json::json!(["max_memory_bytes"]));
    let ended = exec(&scratch, &module, &["--action", "allocate"]);
    assert!(ended.stderr.contains("error: memory limit exceeded (max_memory_bytes)\n"), "{ended:?}");
    assert!(!ended.stderr.contains("note: memory"), "said twice: {ended:?}");
}

#[test]
fn a_module_that_is_too_large_names_its_limit() {
    let scratch = Scratch::new();
    scratch.config("[wasm]\nmax_module_bytes = 100\n");
    let module = wasm::fixture("hostile");
    let (code, report) = report(&scratch, &module, &["--action", "count"]);
    assert_eq!((code, &report["outcome"]), (4, &Json::from("refused")), "{report}");
    assert_eq!(
        (&report["limit"], &report["limits_refused"]),
        (&Json::from("max_module_bytes"), &serde_json::json!([]))
    );
    assert_eq!(report["error"], format!("{} is larger than 100 bytes", module.display()));
}

#[test]
fn four_when_refused_before_running() {
    let scratch = Scratch::new();
    let module = wasm::fixture("hostile");
    let module = module.to_str().expect("path");
    let ended = scratch.conductor(&["exec", module, "--action", "count", "--json"]);
    assert_eq!(ended.code, 4, "{ended:?}");
    let report: Json = serde_json::from_str(&ended.stdout).expect("JSON");
    assert_eq!((&report["outcome"], &report["limit"]), (&Json::from("refused"), &Json::Null));
    assert!(report["error"].as_str().is_some_and(|error| error.contains("signature")), "{report}");
    assert_eq!((&report["reply"], &report["fuel_used"]), (&Json::Null, &Json::from(0)));

    let ended = scratch.conductor(&["exec", module, "--action", "count"]);
    assert_eq!((ended.code, ended.stdout.as_str()), (4, ""), "{ended:?}");
    assert!(ended.stderr.starts_with("error: "), "{ended:?}");
    std::fs::write(scratch.path("not.wasm"), "(module)").expect("written");
    assert_eq!(exec(&scratch, Path::new("not.wasm"), &["--action", "x"]).code, 4);
    assert_eq!(exec(&scratch, Path::new("missing.wasm"), &["--action", "x"]).code, 4);
}

#[test]
fn accepting_an_unsigned_plugin_is_said_in_words() {
    let scratch = Scratch::new();
    let ended = exec(&scratch, &wasm::fixture("hostile"), &["--action", "count"]);
    assert!(ended.stderr.contains("--unsigned-ok") && ended.stderr.contains("nobody vouches"), "{ended:?}");
}

#[test]
fn a_program_in_c_gets_a_request_or_the_callers_input() {
    let scratch = Scratch::new();
    let module = wasm::c_fixture("command");
    let (code, report) = report(&scratch, &module, &["--action", "shout", "--params", "[1]"]);
    assert_eq!((code, &report["reply"]["language"]), (0, &Json::from("C")), "{report}");
    assert_eq!(report["reply"]["request"]["action"], "shout");
    assert_eq!(report["reply"]["request"]["parameters"], serde_json::json!([1]));

    let module = module.to_str().expect("path");
    let arguments = ["exec", module, "--unsigned-ok", "--", "first", "second"];
    let ended = scratch.conductor_with_input(&arguments, "hello\n");
    assert_eq!((ended.code, ended.stdout.as_str()), (0, "first\nsecond\nHELLO\n"), "{ended:?}");
    let arguments = ["exec", module, "--unsigned-ok", "--action", "x", "--params", r#"{"exit":7}"#];
    assert_eq!(scratch.conductor(&arguments).code, 1);
}

#[test]
fn a_context_reaches_the_plugin_and_what_it_sends_the_output() {
    let scratch = Scratch::new();
    scratch.config("[midi.outputs.synth]\nto = \"file:../synth.raw\"\n");
    let arguments = [
        "--action",
        "chord",
        "--params",
        r#"{"port": "synth"}"#,
        "--context",
        r#"{"note": 60, "velocity": 9}"#,
    ];
    let (code, report) = report(&scratch, &wasm::plugin("chord"), &arguments);
    assert_eq!(code, 0, "{report}");
    let sent = std::fs::metadata(scratch.path("synth.raw")).expect("file");
    assert_eq!(sent.len(), 18, "three notes, and their ends");
}

#[test]
fn capabilities_are_granted_and_denied_for_one_call() {
    let scratch = Scratch::new();
    let write = ["--action", "write", "--params", r#"{"path": "/mine.txt", "text": "hello"}"#];
    let (code, refused) = report(&scratch, &wasm::fixture("hostile"), &write);
    assert_eq!(code, 1, "{refused}");
    assert!(refused["withheld"].to_string().contains("Filesystem is not granted"), "{refused}");
    let ended = exec(&scratch, &wasm::fixture("hostile"), &write);
    let lines: Vec<&str> = ended.stderr.lines().collect();
    let error = lines.iter().position(|line| line.starts_with("error: ")).expect("error");
    assert_eq!(lines.iter().filter(|line| line.starts_with("error: ")).count(), 1, "{ended:?}");
    assert!(
        lines[error + 1..].iter().any(|line| line.starts_with("note: Filesystem is not granted")),
        "{ended:?}"
    );
    let granted = [&write[..], &["--grant", "Filesystem"]].concat();
    let (code, report_granted) = report(&scratch, &wasm::fixture("hostile"), &granted);
    assert_eq!(code, 0, "{report_granted}");
    let denied = [&granted[..], &["--deny", "Filesystem"]].concat();
    let (code, report_denied) = report(&scratch, &wasm::fixture("hostile"), &denied);
    assert_eq!(code, 1, "{report_denied}");
    assert!(report_denied["withheld"].to_string().contains("denied by the user"), "{report_denied}");
}

#[test]
fn development_options_reach_the_plugin() {
    let scratch = Scratch::new();
    std::fs::create_dir(scratch.path("shared")).expect("directory");
    let directory = format!("{}::/shared", scratch.path("shared").display());
    let arguments = [
        "--action",
        "write",
        "--params",
        r#"{"path": "/shared/a.txt", "text": "hello"}"#,
        "--dir",
        &directory,
    ];
    let (code, written) = report(&scratch, &wasm::fixture("hostile"), &arguments);
    assert_eq!(code, 0, "{written}");
    assert_eq!(std::fs::read_to_string(scratch.path("shared/a.txt")).expect("file"), "hello");
    let (code, seen) =
        report(&scratch, &wasm::fixture("hostile"), &["--action", "stdio", "--env", "GREETING=hello"]);
    assert_eq!(code, 0, "{seen}");
    assert!(seen["reply"].to_string().contains("GREETING"), "{seen}");
}

#[test]
fn escape_sequences_of_a_plugin_do_not_reach_standard_error() {
    let scratch = Scratch::new();
    let ended = exec(&scratch, &wasm::fixture("hostile"), &["--action", "stdio"]);
    assert!(!ended.stderr.contains('\u{1b}'), "{}", ended.stderr.escape_debug());
    assert!(ended.stderr.contains("\\u{1b}"), "{}", ended.stderr);
}

#[test]
fn a_data_directory_that_cannot_be_made_is_told_with_its_cause() {
    let scratch = Scratch::new();
    let parent = scratch.paths().plugin_data_dir();
    std::fs::create_dir_all(parent.parent().expect("parent")).expect("directory");
    std::fs::write(&parent, "in the way").expect("written");
    let ended = exec(&scratch, &wasm::fixture("hostile"), &["--action", "count", "--grant", "Filesystem"]);
    assert_eq!(ended.code, 4, "{ended:?}");
    let error = ended.stderr.lines().find(|line| line.starts_with("error: ")).expect("error");
    assert!(error.contains("for the plugin: ") && error.contains("os error"), "{ended:?}");
    assert!(ended.stderr.contains("hint: see that the directory"), "{ended:?}");
}

#[test]
fn five_when_standard_output_does_not_take_the_report() {
    let scratch = Scratch::new();
    let module = wasm::fixture("hostile");
    let module = module.to_str().expect("path");
    for more in [&["--json"][..], &[]] {
        let arguments = [&["exec", module, "--unsigned-ok", "--action", "count"], more].concat();
        let full = std::fs::OpenOptions::new().write(true).open("/dev/full").expect("a device");
        let output = scratch.command(&arguments).stdout(full).output().expect("conductor starts");
        assert_eq!(output.status.code(), Some(5), "{output:?}");
        let words = String::from_utf8(output.stderr).expect("text");
        assert!(words.contains("the report cannot be written to standard output: No space left"), "{words}");

        let mut child = scratch.command(&arguments).spawn().expect("conductor starts");
        drop(child.stdout.take());
        assert_eq!(child.wait().expect("ends").code(), Some(5));
    }
}

#[test]
fn six_when_a_signal_ends_the_call_with_its_report() {
    let scratch = Scratch::new();
    scratch.config("[wasm]\nmax_fuel = 1_000_000_000_000_000\nmax_execution_time = \"1h\"\n");
    let module = wasm::fixture("hostile");
    let arguments = ["exec", module.to_str().expect("path"), "--unsigned-ok", "--json", "--action", "sleep"];
    let arguments = [&arguments[..], &["--params", r#"{"once_ns": 1000000000000}"#]].concat();
    let child = scratch.command(&arguments).spawn().expect("conductor starts");
    let deadline = Instant::now() + PATIENCE;
    // The worker of `exec` is a child of one of its threads.
    let worker = loop {
        let threads = std::fs::read_dir(format!("/proc/{}/task", child.id())).expect("threads");
        let of_thread =
            |thread: std::fs::DirEntry| std::fs::read_to_string(thread.path().join("children")).ok();
        let mut workers = threads.flatten().filter_map(of_thread).filter(|list| !list.trim().is_empty());
        match workers.next() {
            Some(list) => break list,
            None => assert!(Instant::now() < deadline, "it starts no worker"),
        }
        std::thread::sleep(Duration::from_millis(5));
    };
    let pid = Pid::from_raw(child.id().try_into().expect("process id")).expect("process id");
    kill_process(pid, Signal::TERM).expect("signal sent");
    let output = child.wait_with_output().expect("ends");
    assert_eq!(output.status.code(), Some(6), "{output:?}");
    let report: Json = serde_json::from_slice(&output.stdout).expect("a report");
    assert_eq!(report["outcome"], "interrupted", "{report}");
    assert_eq!(report["error"], "ended by a signal before the call was over");
    for worker in worker.split_whitespace() {
        while Path::new(&format!("/proc/{worker}/exe")).exists() {
            assert!(Instant::now() < deadline, "the worker {worker} goes on");
            std::thread::sleep(Duration::from_millis(5));
        }
    }
}
