//! The audit log of a daemon: what plugins were refused and what became of their calls.

use std::fs;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};

use conductor_core::health::FAILURES_BEFORE_QUARANTINE;
use serde_json::Value as Json;

use super::ctl::{SILENT, ctl, json, shown};
use crate::scratch::{LENIENT, Scratch, plugin};
use crate::wasm;

/// The records so far. Each line must be a record, and free of control characters.
fn records(scratch: &Scratch) -> Vec<Json> {
    let text = fs::read_to_string(scratch.path("state/audit.jsonl")).expect("log");
    assert!(text.ends_with('\n'), "{text}");
    assert!(text.chars().all(|c| c == '\n' || c == ' ' || c.is_ascii_graphic()), "{text}");
    let record = |line: &str| {
        let record: Json = serde_json::from_str(line).expect("a record");
        assert_eq!(record["version"], 1, "{record}");
        let time = record["time"].as_str().expect("a time");
        time.parse::<jiff::Timestamp>().expect("RFC 3339");
        assert!(time.ends_with('Z'), "{time}");
        record
    };
    text.lines().map(record).collect()
}

fn events<'r>(records: &'r [Json], event: &str) -> Vec<&'r Json> {
    records.iter().filter(|record| record["event"] == event).collect()
}

fn ticks(action: &str, count: u32) -> String {
    format!(
        "[[inputs]]\nname = \"ticks\"\ntype = \"interval\"\nevery = \"10ms\"\ncount = {count}\n\
         [[mappings]]\ntrigger = {{ input = \"ticks\" }}\nplugin = \"hostile\"\n{action}\n"
    )
}

#[test]
fn a_denied_capability_an_ended_call_and_a_refused_plugin_are_recorded() {
    let scratch = Scratch::new();
    fs::write(scratch.path("broken\u{202e}.wasm"), "not a module").expect("written");
    let hostile = plugin("hostile", &wasm::fixture("hostile"), "denied_capabilities = [\"Network\"]");
    let broken = plugin("broken", &scratch.path("broken\u{202e}.wasm"), "");
    let fetch = "action = \"fetch\"\nparameters = { url = \"http://192.0.2.1/\\u001b[31m\" }\n\
                 [[mappings]]\ntrigger = { input = \"ticks\" }\nplugin = \"hostile\"\naction = \"loop\"";
    scratch.config(&format!("{LENIENT}{hostile}{broken}{}", ticks(fetch, 1)));
    let daemon = scratch.start(&["--exit-at-end"]);
    let pid = daemon.pid();
    let (code, rows, log) = daemon.wait();
    assert_eq!((code, rows.len()), (0, 2), "{log}");
    let log = scratch.path("state/audit.jsonl");
    assert_eq!(fs::metadata(&log).expect("metadata").mode() & 0o7777, 0o600);

    let records = records(&scratch);
    assert_eq!(records[0]["event"], "log-begun");
    let first = &records[1];
    assert_eq!((&first["event"], &first["pid"]), (&"host-started".into(), &pid.into()));
    assert_eq!(first["walls"][0], "webassembly");
    let last = records.last().expect("a record");
    assert_eq!((&last["event"], &last["pid"]), (&"host-stopped".into(), &pid.into()));

    let [loaded] = events(&records, "plugin-loaded")[..] else { panic!("{records:?}") };
    assert_eq!((&loaded["plugin"], &loaded["trust"]), (&"hostile".into(), &"unsigned".into()));
    assert_eq!(loaded["capabilities"][0], "Network is denied by the user");
    // On a busy machine the daemon tries the plugin again before it ends.
    let refusals = events(&records, "plugin-refused");
    let [refused, ..] = refusals[..] else { panic!("{records:?}") };
    assert!(refused["file"].as_str().is_some_and(|file| file.ends_with("broken\u{202e}.wasm")), "{refused}");
    assert!(refused["cause"].as_str().is_some_and(|cause| cause.contains("module")), "{refused}");

    let [denied] = events(&records, "capability-denied")[..] else { panic!("{records:?}") };
    assert_eq!((&denied["plugin"], &denied["capability"]), (&"hostile".into(), &"Network".into()));
    assert_eq!(
        (&denied["operation"], &denied["reason"]),
        (&"http-request".into(), &"Network is denied by the user".into())
    );
    let [ended] = events(&records, "call-ended")[..] else { panic!("{records:?}") };
    assert_eq!((&ended["plugin"], &ended["outcome"]), (&"hostile".into(), &"limit".into()));
    assert_eq!((&ended["limit"], &ended["error"]), (&"max_fuel".into(), &"fuel exhausted".into()));
    assert_eq!(records.len(), 6 + refusals.len(), "{records:?}");
}

#[test]
fn quarantine_and_the_way_out_of_it_are_recorded() {
    let scratch = Scratch::new();
    let hostile = plugin("hostile", &wasm::fixture("hostile"), "");
    scratch.config(&format!("{LENIENT}{hostile}{SILENT}{}", ticks("action = \"panic\"", 100_000)));
    let mut daemon = scratch.start(&[]);
    daemon.wait_for_log("conductorctl plugin resume hostile");
    shown(&scratch, &["plugin", "resume", "hostile"]);
    daemon.wait_for_log("started again");
    let records = records(&scratch);
    let [quarantined] = events(&records, "plugin-quarantined")[..] else { panic!("{records:?}") };
    assert_eq!(quarantined["failures"], FAILURES_BEFORE_QUARANTINE);
    assert!(quarantined["last"].as_str().is_some_and(|last| last.starts_with("trapped: ")), "{quarantined}");
    assert_eq!(events(&records, "plugin-resumed").len(), 1, "{records:?}");
    assert!(events(&records, "call-ended").iter().all(|ended| ended["outcome"] == "trap"), "{records:?}");
    daemon.stop();
}

#[test]
fn a_plugin_that_is_denied_all_the_time_does_not_fill_the_log() {
    let scratch = Scratch::new();
    let hostile = plugin("hostile", &wasm::fixture("hostile"), "denied_capabilities = [\"Network\"]");
    let fetch = "action = \"fetch\"\nparameters = { url = \"http://192.0.2.1/\" }";
    let input = ticks(fetch, 300).replace("10ms", "1ms");
    scratch.config(&format!("{LENIENT}{hostile}{input}"));
    let (code, rows, log) = scratch.start(&["--exit-at-end"]).wait();
    assert_eq!((code, rows.len()), (0, 300), "{log}");
    let records = records(&scratch);
    let denied = events(&records, "capability-denied");
    let most = usize::try_from(conductor_core::audit::MAX_RECORDS_AT_ONCE).expect("fits");
    assert!((most..300).contains(&denied.len()), "{} records", denied.len());
    let left_out = records.iter().filter_map(|record| record["left_out"].as_u64()).sum::<u64>();
    assert_eq!(denied.len() as u64 + left_out, 300, "what is left out is counted");
}

#[test]
fn a_log_that_cannot_be_written_stops_the_daemon() {
    let scratch = Scratch::new();
    scratch.config("");
    let log = scratch.path("state/audit.jsonl");
    fs::write(&log, "").expect("written");
    fs::set_permissions(&log, fs::Permissions::from_mode(0o644)).expect("mode");
    let (code, _, said) = scratch.start(&[]).wait();
    assert_eq!(code, 1, "{said}");
    assert!(said.contains("the audit log is not safe") && said.contains("hint: chmod 600 "), "{said}");
    fs::remove_file(&log).expect("removed");
    fs::create_dir(&log).expect("directory");
    let (code, _, said) = scratch.start(&[]).wait();
    assert_eq!(code, 1, "{said}");
    assert!(said.contains("error: the audit log cannot be written: "), "{said}");
    // Nothing that the failed starts left behind prevents a start that works.
    fs::remove_dir(&log).expect("removed");
    scratch.config(SILENT);
    let mut daemon = scratch.start(&[]);
    daemon.wait_for_log("nothing will happen");
    while json(&scratch, &["status"])["audit"]["records"] == 0 {}
    daemon.stop();
}

#[test]
fn the_log_is_shown_verified_and_missed_where_it_was_cut() {
    let scratch = Scratch::new();
    let hostile = plugin("hostile", &wasm::fixture("hostile"), "denied_capabilities = [\"Network\"]");
    let fetch = "action = \"fetch\"\nparameters = { url = \"http://192.0.2.1/\\u001b[31m\" }";
    scratch.config(&format!("{LENIENT}{hostile}{}", ticks(fetch, 3)));
    let mut daemon = scratch.start(&[]);
    (0..3).for_each(|_| {
        daemon.next_call();
    });
    let denied = shown(&scratch, &["audit", "show", "--plugin", "hostile", "--event", "capability-denied"]);
    assert_eq!(denied.lines().count(), 3, "{denied}");
    assert!(denied.contains("capability=Network  operation=http-request"), "{denied}");
    let last = shown(&scratch, &["audit", "show", "-n", "1", "--capability", "network", "--json"]);
    let last: Json = serde_json::from_str(&last).expect("one record");
    assert!(last["seq"].as_u64().is_some_and(|number| number > 3), "{last}");
    assert_eq!(shown(&scratch, &["audit", "show", "--since", "2999-01-01"]), "");
    let whole = shown(&scratch, &["audit", "verify"]);
    assert!(whole.contains("is whole: records 1 to ") && whole.contains("confirms its end"), "{whole}");

    // While the log is being written, the last record counts; afterwards, the last record that was signed.
    let log = scratch.path("state/audit.jsonl");
    let text = fs::read_to_string(&log).expect("read");
    let end = text.trim_end().rfind('\n').expect("lines") + 1;
    fs::write(&log, &text[..end]).expect("written");
    let cut = ctl(&scratch, &["audit", "verify"]);
    assert!(cut.code == 1 && cut.stdout.contains("its end is missing"), "{cut:?}");
    fs::write(&log, &text).expect("written");
    daemon.stop();
    assert!(shown(&scratch, &["audit", "verify"]).contains("No daemon runs"));
    let text = fs::read_to_string(&log).expect("read");
    fs::write(&log, text.replacen("capability-denied", "capability-used", 1)).expect("written");
    let changed = ctl(&scratch, &["audit", "verify"]);
    assert!(
        changed.code == 1 && changed.stdout.contains("does not follow from the one before"),
        "{changed:?}"
    );
    assert!(changed.stderr.contains("hint: somebody or a damaged disk changed it"), "{changed:?}");
}

#[test]
fn records_are_followed_as_they_are_written() {
    let scratch = Scratch::new();
    let hostile = plugin("hostile", &wasm::fixture("hostile"), "");
    scratch.config(&format!("{LENIENT}{hostile}{SILENT}"));
    let mut daemon = scratch.start(&[]);
    daemon.wait_for_log("plugin loaded");
    let arguments = ["audit", "follow", "--event", "capability-revoked"];
    let mut follow = scratch.program(env!("CARGO_BIN_EXE_conductorctl"), &arguments);
    let mut follow = follow.stdout(std::process::Stdio::piped()).spawn().expect("starts");
    let output = std::io::BufReader::new(follow.stdout.take().expect("a pipe"));
    let lines = std::sync::mpsc::channel();
    let reader = std::thread::spawn(move || {
        use std::io::BufRead as _;
        output.lines().map_while(Result::ok).for_each(|line| lines.0.send(line).expect("read"));
    });
    // `follow` begins at the end of the log, whenever it gets there.
    let start = std::time::Instant::now();
    let line = loop {
        shown(&scratch, &["plugin", "revoke", "hostile", "Network"]);
        if let Ok(line) = lines.1.recv_timeout(std::time::Duration::from_millis(300)) {
            break line;
        }
        assert!(start.elapsed() < crate::scratch::PATIENCE, "nothing is printed");
    };
    assert!(line.contains("hostile") && line.ends_with("capability-revoked    capability=Network"), "{line}");
    follow.kill().expect("ended");
    follow.wait().expect("ended");
    reader.join().expect("no panic");
    daemon.stop();
}
