//! Programs that plugins run cannot control the daemon, whichever way they ask. The audit log records who asked for a
//! decision.

use std::fs;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::{Value as Json, json as value};

use super::ctl::{SILENT, ctl, json, shown, socket};
use crate::scratch::{Daemon, PATIENCE, Scratch, plugin, run};
use crate::wasm;

/// The words with which the daemon refuses a program of a plugin.
const REFUSED: &str = "is a program that a plugin runs, or was started by one";

const CTL: &str = env!("CARGO_BIN_EXE_conductorctl");

/// Configures a plugin that may run a shell.
fn configure(scratch: &Scratch) {
    let shell = shell(scratch);
    let grants = format!(
        "granted_capabilities = [\"Subprocess={shell};args=*;seconds=60\"]\nmax_execution_time = \"60s\""
    );
    let script = plugin("script", &wasm::plugin("script"), &grants);
    let policy = "[wasm]\nrequire_signature = false\nunsigned_max_risk = \"high\"\n[ui]\nport = 0\n";
    scratch.config(&format!("{policy}{script}{SILENT}"));
}

/// A copy of the shell that the test's user owns. In a user namespace that an ordinary user made, the system's shell
/// has no owner.
fn shell(scratch: &Scratch) -> String {
    let shell = scratch.path("bash");
    if !shell.exists() {
        fs::copy("/bin/bash", &shell).expect("copied");
    }
    shell.to_str().expect("text").to_owned()
}

/// A daemon whose plugin may run a shell.
fn daemon(scratch: &Scratch) -> Daemon {
    configure(scratch);
    let mut daemon = scratch.start(&[]);
    daemon.wait_for_log("ready");
    daemon
}

/// The output of a script that the plugin runs in the shell.
fn printed(scratch: &Scratch, script: &str) -> String {
    let parameters = value!({ "program": shell(scratch), "arguments": ["-c", script] }).to_string();
    let reply = json(scratch, &["trigger", "script", "run", "--params", &parameters]);
    reply["reply"]["stdout"].as_str().unwrap_or_else(|| panic!("{reply}")).to_owned()
}

/// Lets the plugin's program ask for a grant. Returns the program's output with the exit status.
fn grants_itself(scratch: &Scratch) -> String {
    let socket = socket(scratch);
    let grant = "'Subprocess=/usr/bin/id,/bin/bash;args=*' --confirm script";
    format!("{CTL} --socket {} plugin grant script {grant} 2>&1; echo status $?", socket.display())
}

fn records(scratch: &Scratch, event: &str) -> Vec<Json> {
    let text = fs::read_to_string(scratch.path("state/audit.jsonl")).expect("an audit log");
    let records = text.lines().map(|line| serde_json::from_str::<Json>(line).expect("JSON"));
    records.filter(|record| record["event"] == event).collect()
}

#[test]
fn a_plugins_program_is_refused_whoever_its_parents_are() {
    let scratch = Scratch::new();
    let daemon = daemon(&scratch);
    let attempt = grants_itself(&scratch);
    let later = scratch.path("later");
    let quoted = attempt.replace('\'', "'\\''");
    for (way, script) in [
        ("by itself", attempt.clone()),
        ("after it lost its parents", {
            let later = later.display();
            let orphan = format!("sleep 0.3; ( {quoted} ) > {later}.part; mv {later}.part {later}");
            format!(
                "( setsid sh -c '{orphan}' >/dev/null 2>&1 & ); until [ -e {later} ]; do sleep 0.1; done; cat {later}"
            )
        }),
        ("from a namespace of its own", format!("unshare --user --pid --fork bash -c '{quoted}' 2>&1")),
        ("from a namespace of its own, after it lost its parents", {
            let deep = scratch.path("deep");
            let deep = deep.display();
            let status = format!("{CTL} --socket {} status", socket(&scratch).display());
            let orphan =
                format!("{status} > {deep}.part 2>&1; echo status $? >> {deep}.part; mv {deep}.part {deep}");
            let script = format!(
                "( setsid sh -c \"sleep 0.3; {}\" & ); until [ -e {deep} ]; do sleep 0.1; done; cat {deep}",
                orphan.replace('$', "\\$")
            );
            format!("unshare --user --pid --fork bash -c '{script}' 2>&1")
        }),
    ] {
        let output = printed(&scratch, &script);
        assert!(output.contains(REFUSED) && output.ends_with("status 4"), "{way}: {output}");
    }
    let shown = json(&scratch, &["plugin", "show", "script"]);
    assert_eq!(shown["grants"], value!([]), "{shown}");
    assert_eq!(
        records(&scratch, "decision-asked"),
        Vec::<Json>::new(),
        "nobody who may asked for a decision"
    );
    let (_, log) = daemon.stop();
    assert!(log.contains("somebody may not control this daemon") && log.contains(REFUSED), "{log}");
}

#[test]
fn a_program_of_a_plugin_that_runs_elsewhere_is_refused_too() {
    let scratch = Scratch::new();
    let daemon = daemon(&scratch);
    let script = format!("{CTL} --socket {} status 2>&1; echo status $?", socket(&scratch).display());
    let parameters = value!({ "program": "/bin/bash", "arguments": ["-c", script] }).to_string();
    let module = wasm::plugin("script");
    let elsewhere = Scratch::new();
    let ended = elsewhere.conductor(&[
        "exec",
        module.to_str().expect("text"),
        "--unsigned-ok",
        "--grant",
        "Subprocess=/bin/bash;args=*",
        "--action",
        "run",
        "--params",
        &parameters,
    ]);
    assert!(ended.stdout.contains(REFUSED) && ended.stdout.contains("status 4"), "{ended:?}");
    daemon.stop();
}

#[test]
fn whoever_else_has_a_namespace_of_its_own_is_served() {
    let scratch = Scratch::new();
    let daemon = daemon(&scratch);
    let namespaces = ["--user", "--map-current-user", "--pid", "--fork"];
    let socket = socket(&scratch);
    let ask = [CTL, "--socket", socket.to_str().expect("text"), "status"];
    let output = scratch.program("unshare", &[&namespaces[..], &ask].concat()).output();
    let output = output.expect("apt-get install -y util-linux");
    assert!(output.status.success(), "{output:?}");
    daemon.stop();
}

#[test]
fn a_daemon_in_a_namespace_of_its_own_serves_those_outside_and_refuses_its_plugins_programs() {
    let scratch = Scratch::new();
    configure(&scratch);
    let mut command = scratch.program(
        "unshare",
        &["--user", "--map-current-user", "--pid", "--fork", "--kill-child", "--mount-proc"],
    );
    let log = fs::File::create(scratch.path("log")).expect("a log");
    command.args([env!("CARGO_BIN_EXE_conductor"), "run"]).stderr(log).stdout(Stdio::null());
    let mut daemon = command.spawn().expect("apt-get install -y util-linux");
    let start = Instant::now();
    let log = || fs::read_to_string(scratch.path("log")).expect("a log");
    while !log().contains("ready") {
        assert!(start.elapsed() < PATIENCE, "{}", log());
        thread::sleep(Duration::from_millis(20));
    }
    let output = printed(&scratch, &grants_itself(&scratch));
    assert!(output.contains(REFUSED) && output.ends_with("status 4"), "{output}");
    shown(&scratch, &["plugin", "revoke", "script", "Subprocess"]);
    let asked = records(&scratch, "decision-asked");
    assert_eq!((&asked[0]["pid"], &asked[0]["asker"]), (&Json::Null, &"process".into()), "{asked:?}");
    daemon.kill().expect("killed");
    daemon.wait().expect("ended");
}

#[test]
fn who_asked_for_a_decision_is_on_record() {
    let scratch = Scratch::new();
    let daemon = daemon(&scratch);
    shown(&scratch, &["status"]);
    assert_eq!(records(&scratch, "decision-asked"), Vec::<Json>::new(), "looking is no decision");

    // A file name that would drive a terminal.
    let program = scratch.path("conductor\u{1b}[2J\u{202e}ctl");
    run("cp", &[CTL, program.to_str().expect("text")], "coreutils");
    let mut asking =
        scratch.program(program.to_str().expect("text"), &["plugin", "revoke", "script", "Subprocess"]);
    let asking = asking.spawn().expect("it starts");
    let pid = asking.id();
    let output = asking.wait_with_output().expect("it ends");
    assert!(output.status.success(), "{output:?}");
    let asked = records(&scratch, "decision-asked");
    let [record] = asked.as_slice() else { panic!("{asked:?}") };
    assert_eq!((&record["decision"], &record["about"]), (&"plugin-revoke".into(), &"script".into()));
    assert_eq!((&record["asker"], &record["pid"]), (&"process".into(), &pid.into()));
    assert_eq!(record["program"], program.to_str().expect("text"));
    let revoked = records(&scratch, "capability-revoked");
    assert!(revoked[0]["seq"].as_u64() > record["seq"].as_u64(), "it is on record before it is made");
    let text = fs::read_to_string(scratch.path("state/audit.jsonl")).expect("an audit log");
    assert!(
        text.bytes().all(|byte| byte.is_ascii_graphic() || b" \n".contains(&byte)),
        "it drives no terminal"
    );

    assert_eq!(ctl(&scratch, &["plugin", "resume", "nobody"]).code, 4);
    shown(&scratch, &["reload"]);
    shown(&scratch, &["ui", "--print"]);
    let asked = records(&scratch, "decision-asked");
    let decisions: Vec<_> = asked.iter().map(|record| record["decision"].as_str().expect("a word")).collect();
    assert_eq!(decisions, ["plugin-revoke", "plugin-resume", "reload", "ui"]);
    daemon.stop();
}

#[test]
fn a_plugins_program_opens_no_page() {
    let scratch = Scratch::new();
    let daemon = daemon(&scratch);
    let url = shown(&scratch, &["ui", "--print"]);
    let (page, token) = url.trim().split_once("/#token=").expect("a token");
    let host = page.strip_prefix("http://").expect("an address");
    let port = host.strip_prefix("127.0.0.1:").expect("a port");
    let body = value!({ "token": token }).to_string();
    let request = format!(
        "POST /api/session HTTP/1.1\\r\\nhost: {host}\\r\\ncontent-type: application/json\\r\\n\
         content-length: {}\\r\\n\\r\\n{}",
        body.len(),
        body.replace('"', "\\\"")
    );
    let script = format!("exec 3<>/dev/tcp/127.0.0.1/{port}; printf \"{request}\" >&3; cat <&3");
    let refused = printed(&scratch, &script);
    assert!(refused.starts_with("HTTP/1.1 403") && refused.contains("\"plugin-program\""), "{refused}");
    // The same request by the user's own process opens the page with the same token, also while another host runs a
    // program.
    let other_home = Scratch::new();
    let mut elsewhere = program_of_another_host(&other_home);
    // A test beside this one may run a program of another host that no process can look into. While it runs, the daemon
    // cannot tell whose the connection is.
    let started = Instant::now();
    loop {
        let opened = Command::new("bash").args(["-c", &script]).output().expect("bash starts");
        let opened = String::from_utf8(opened.stdout).expect("text");
        if opened.starts_with("HTTP/1.1 200") {
            break;
        }
        assert!(opened.contains("\"plugin-program\"") && started.elapsed() < PATIENCE, "{opened}");
        thread::sleep(Duration::from_millis(50));
    }
    assert!(elsewhere.try_wait().expect("looked at").is_none(), "the other host's program has ended before");
    elsewhere.kill().expect("killed");
    elsewhere.wait().expect("ended");
    daemon.stop();
}

/// `conductor exec` with a plugin whose program sleeps for longer than a test takes.
fn program_of_another_host(scratch: &Scratch) -> Child {
    let begun = scratch.path("begun");
    let script = format!(": > {}; exec sleep 50", begun.display());
    let parameters = value!({ "program": shell(scratch), "arguments": ["-c", script] }).to_string();
    let grant = format!("Subprocess={};args=*;seconds=60", shell(scratch));
    let module = wasm::plugin("script");
    let module = module.to_str().expect("text");
    scratch.config("[wasm]\nmax_execution_time = \"60s\"\n");
    let exec = ["exec", module, "--unsigned-ok", "--grant", &grant];
    let exec = [&exec[..], &["--action", "run", "--params", &parameters]].concat();
    let mut command = scratch.program(env!("CARGO_BIN_EXE_conductor"), &exec);
    let mut host = command.stdout(Stdio::null()).spawn().expect("starts");
    let started = Instant::now();
    while !begun.exists() {
        assert!(host.try_wait().expect("looked at").is_none(), "it has ended");
        assert!(started.elapsed() < PATIENCE, "the program does not start");
        thread::sleep(Duration::from_millis(5));
    }
    host
}

#[test]
fn grants_from_before_are_told_of_once() {
    let scratch = Scratch::new();
    let told = "which keeps programs from every socket now";
    let (_, log) = daemon(&scratch).stop();
    assert!(!log.contains(told), "nothing is confined: {log}");
    let confined = daemon(&scratch);
    let grant = "Subprocess=/bin/bash;args=*;confined=yes";
    shown(&scratch, &["plugin", "grant", "script", grant, "--confirm", "script"]);
    confined.stop();
    // An earlier version that did not tell the user left no note of having told.
    fs::remove_file(scratch.path("state/notices.json")).expect("it was told");
    let (_, log) = daemon(&scratch).stop();
    let lines: Vec<&str> = log.lines().filter(|line| line.contains(told)).collect();
    assert!(matches!(lines.as_slice(), [line] if line.contains("script")), "{log}");
    let (_, log) = daemon(&scratch).stop();
    assert!(!log.contains(told), "it was told: {log}");
}

#[test]
fn taking_the_files_away_ends_a_program_that_works_on_them() {
    let scratch = Scratch::new();
    let module = scratch.path("script.wasm");
    fs::copy(wasm::plugin("script"), &module).expect("copied");
    let manifest = "name = \"script\"\nversion = \"1.0.0\"\n[[capabilities]]\nname = \"Subprocess\"\n\
                    [[capabilities]]\nname = \"Filesystem\"\n";
    fs::write(scratch.path("script.toml"), manifest).expect("written");
    scratch.conductor_sign(&["manifest", "add", "script.wasm", "script.toml", "--replace"]);
    let grants = "granted_capabilities = [\"Subprocess=/bin/bash;args=*;seconds=600\", \"Filesystem\"]\n\
                  max_execution_time = \"600s\"";
    let policy = "[wasm]\nrequire_signature = false\nunsigned_max_risk = \"high\"\n";
    scratch.config(&format!("{policy}{}{SILENT}", plugin("script", &module, grants)));
    let mut daemon = scratch.start(&[]);
    daemon.wait_for_log("ready");

    let mark = scratch.path("data/plugin-data/script/works");
    let script = "trap '' TERM; : > works; while [ -e works ]; do echo x >> works; sleep 0.05; done";
    let parameters = value!({ "program": "/bin/bash", "arguments": ["-c", script] }).to_string();
    let mut asking = scratch.program(CTL, &["trigger", "script", "run", "--params", &parameters]);
    let mut asking = asking.spawn().expect("it starts");
    let start = Instant::now();
    while !mark.exists() {
        assert!(start.elapsed() < PATIENCE, "the program does not start");
        thread::sleep(Duration::from_millis(5));
    }
    shown(&scratch, &["plugin", "revoke", "script", "Filesystem"]);
    let size = || fs::metadata(&mark).expect("what it wrote").len();
    let start = Instant::now();
    let mut before = None;
    while before != Some(size()) {
        assert!(start.elapsed() < PATIENCE, "the program goes on");
        before = Some(size());
        thread::sleep(Duration::from_millis(1_000));
    }
    assert!(!asking.wait().expect("it ends").success(), "the call was ended");
    daemon.stop();
}
