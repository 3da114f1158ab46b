//! A plugin's own settings and the secrets that it uses and never gets, from the outside.

mod removed;
mod unloaded;

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, channel};
use std::thread;

use serde_json::{Value as Json, json as value};

use super::ctl::{SILENT, ctl, json, shown};
use crate::scratch::{Daemon, LENIENT, PATIENCE, Scratch, plugin};
use crate::typist::Typist;
use crate::wasm;

/// A secret that stands nowhere else.
const SECRET: &str = "hush-5b1c-must-not-be-seen";

const CTL: &str = env!("CARGO_BIN_EXE_conductorctl");

/// A web server that hands on each request; it answers all of them.
fn serve() -> (SocketAddr, Receiver<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("loopback");
    let address = listener.local_addr().expect("an address");
    let (arrived, requests) = channel();
    thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.expect("a connection");
            stream.set_read_timeout(Some(PATIENCE)).expect("a time limit");
            let (mut request, mut part) = (String::new(), [0; 4096]);
            while let Ok(count @ 1..) = stream.read(&mut part) {
                request.push_str(&String::from_utf8_lossy(&part[..count]));
                let Some((head, body)) = request.split_once("\r\n\r\n") else { continue };
                let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
                if body.len() >= length.map_or(0, |length| length.parse().expect("a length")) {
                    break;
                }
            }
            let _ = stream.write_all(b"HTTP/1.1 204 No Content\r\nconnection: close\r\n\r\n");
            // A connection may be made for a request that is then refused.
            if !request.is_empty() && arrived.send(request).is_err() {
                return;
            }
        }
    });
    (address, requests)
}

/// The module of `webhook`, which sends its context to where it is told, with another manifest.
fn module(scratch: &Scratch, name: &str, port: u16, more: &str) -> PathBuf {
    let path = scratch.path(name);
    fs::copy(wasm::plugin("webhook"), &path).expect("copied");
    let manifest = scratch.path("plugin.toml");
    let text = format!(
        "name = \"webhook\"\nversion = \"1.0.0\"\n[[actions]]\nname = \"post\"\n[[capabilities]]\n\
         name = \"Network\"\nscope = \"localhost:{port}\"\n{more}"
    );
    fs::write(&manifest, text).expect("written");
    let (path_text, manifest) = (path.to_str().expect("text"), manifest.to_str().expect("text"));
    scratch.conductor_sign(&["manifest", "add", "--replace", path_text, manifest]);
    path
}

const SETTINGS: &str = r#"
[[settings]]
name = "gain"
type = "number"
min = 0
max = 1
default = 0.5
description = "How \u001b[2Jloud"
[[settings]]
name = "mode"
type = "choice"
choices = ["major", "minor"]
[[settings]]
name = "word"
type = "text"
max_length = 40
secret = true
"#;

fn secrets(hosts: &[String]) -> String {
    let hosts: Vec<String> = hosts.iter().map(|host| format!("\"{host}\"")).collect();
    format!(
        "[[secrets]]\nname = \"token\"\nreason = \"to \\u001b[2Jcall home\"\nhosts = [{}]\n",
        hosts.join(", ")
    )
}

/// Calls the plugin. Returns whether it went well, and the report.
fn post(scratch: &Scratch, address: SocketAddr, headers: &Json) -> (bool, String) {
    let parameters = value!({ "url": format!("http://localhost:{}/", address.port()), "headers": headers });
    let ended = ctl(scratch, &["trigger", "hook", "post", "--params", &parameters.to_string()]);
    (ended.code == 0, ended.stdout + &ended.stderr)
}

/// The settings in the context that the plugin got, which it sends.
fn sent(requests: &Receiver<String>) -> Json {
    let request = requests.recv_timeout(PATIENCE).expect("a request");
    let (_, body) = request.split_once("\r\n\r\n").expect("a body");
    serde_json::from_str::<Json>(body).expect("the context")["settings"].clone()
}

fn start(scratch: &Scratch, module: &Path, port: u16, more: &str) -> Daemon {
    let granted = format!("granted_capabilities = [\"Network=localhost:{port}\"]\n{more}");
    scratch.config(&format!("# mine\n{LENIENT}{}{SILENT}", plugin("hook", module, &granted)));
    let mut daemon = scratch.start(&[]);
    daemon.wait_for_log("ready");
    daemon
}

#[test]
fn settings_reach_a_plugin_that_declares_them_without_a_reload() {
    let (address, requests) = serve();
    let scratch = Scratch::new();
    let module = module(&scratch, "hook.wasm", address.port(), SETTINGS);
    let daemon =
        start(&scratch, &module, address.port(), "[plugins.hook.settings]\nmode = \"minor\" # sad\n");
    let call = || {
        let (is_well, report) = post(&scratch, address, &value!({}));
        assert!(is_well, "{report}");
        sent(&requests)
    };
    assert_eq!(call(), value!({ "gain": 0.5, "mode": "minor" }));
    let pid = json(&scratch, &["plugin", "show", "hook"])["worker_pid"].clone();

    shown(&scratch, &["plugin", "settings", "hook", "gain", "0.25"]);
    assert_eq!(call(), value!({ "gain": 0.25, "mode": "minor" }));
    shown(&scratch, &["plugin", "settings", "hook", "word", SECRET]);
    assert_eq!(call(), value!({ "gain": 0.25, "mode": "minor", "word": SECRET }));
    let config = fs::read_to_string(scratch.config_file()).expect("read");
    assert!(
        config.starts_with("# mine\n") && config.contains("mode = \"minor\" # sad\ngain = 0.25\n"),
        "{config}"
    );

    let listed = shown(&scratch, &["plugin", "settings", "hook"]);
    assert!(listed.contains("gain = 0.25") && listed.contains("from 0 to 1; default 0.5"), "{listed}");
    assert!(listed.contains("word = (set, and not shown)") && !listed.contains(SECRET), "{listed}");
    assert!(
        listed.contains("How \\u{1b}[2Jloud") || listed.contains("\\x1b[2Jloud"),
        "it is escaped: {listed:?}"
    );
    assert!(!shown(&scratch, &["plugin", "show", "hook"]).contains(SECRET));
    let inspected = scratch.conductor(&["inspect", "hook.wasm"]).stdout;
    assert!(inspected.contains("gain (number, from 0 to 1; default 0.5): How"), "{inspected}");
    assert!(!inspected.contains('\u{1b}'), "{inspected:?}");

    shown(&scratch, &["plugin", "settings", "hook", "gain", "--reset"]);
    assert_eq!(call()["gain"], 0.5);
    for (key, text, expected) in [
        ("gain", "2", "must be at most 1"),
        ("gain", "loud", "expected a number"),
        ("mode", "Minor", "must be one of: major, minor"),
        ("word", &*"x".repeat(41), "at most 40 characters"),
        ("gan", "1", "did you mean `gain`?"),
    ] {
        let refused = ctl(&scratch, &["plugin", "settings", "hook", key, text]);
        assert!(refused.code == 4 && refused.stderr.contains(expected), "{key} {text}: {refused:?}");
    }
    let pid_now = json(&scratch, &["plugin", "show", "hook"])["worker_pid"].clone();
    assert_eq!(pid, pid_now, "it was not loaded anew");

    // An edit of the file takes effect with a reload, and the plugin goes on.
    let config = fs::read_to_string(scratch.config_file()).expect("read");
    scratch.config(&config.replace("mode = \"minor\"", "mode = \"major\""));
    let reloaded = json(&scratch, &["reload"]);
    assert_eq!(
        (&reloaded["untouched"], &reloaded["started"]),
        (&value!(["hook"]), &value!([])),
        "{reloaded}"
    );
    assert_eq!(call()["mode"], "major");
    scratch.config(&config.replace("mode = \"minor\"", "mod = \"minor\""));
    let refused = ctl(&scratch, &["reload"]);
    assert!(
        refused.stderr.contains("config.toml:") && refused.stderr.contains("plugins.hook.settings.mod:"),
        "{refused:?}"
    );
    assert!(refused.stderr.contains("did you mean `mode`?"), "{refused:?}");
    assert_eq!(call()["mode"], "major", "everything goes on as it was");
    let (_, log) = daemon.stop();
    assert!(!log.contains(SECRET), "{log}");
}

#[test]
fn the_sdk_reads_settings_as_their_types() {
    let scratch = Scratch::new();
    let path = scratch.path("hostile.wasm");
    fs::copy(wasm::fixture("hostile"), &path).expect("copied");
    let text =
        format!("name = \"hostile\"\nversion = \"1.0.0\"\n[[actions]]\nname = \"settings\"\n{SETTINGS}");
    fs::write(scratch.path("plugin.toml"), text).expect("written");
    scratch.conductor_sign(&["manifest", "add", "--replace", "hostile.wasm", "plugin.toml"]);
    scratch.config(&format!("{LENIENT}{}{SILENT}", plugin("hook", &path, "")));
    let mut daemon = scratch.start(&[]);
    daemon.wait_for_log("ready");
    let reply = || json(&scratch, &["trigger", "hook", "settings"])["reply"].clone();
    assert_eq!(reply(), value!([0.5, null]));
    shown(&scratch, &["plugin", "settings", "hook", "gain", "1"]);
    shown(&scratch, &["plugin", "settings", "hook", "mode", "minor"]);
    assert_eq!(reply(), value!([1.0, "minor"]));
    daemon.stop();
}

#[test]
fn settings_that_do_not_fit_keep_a_plugin_from_being_loaded() {
    let (address, requests) = serve();
    let scratch = Scratch::new();
    let with = module(&scratch, "hook.wasm", address.port(), SETTINGS);
    let config = |more: &str, module: &Path| {
        let grant = format!("granted_capabilities = [\"Network=localhost:{}\"]\n", address.port());
        scratch.config(&format!("{LENIENT}{}{SILENT}", plugin("hook", module, &format!("{grant}{more}"))));
    };
    config("[plugins.hook.settings]\ngain = 7\n", &with);
    let mut daemon = scratch.start(&[]);
    daemon.wait_for_log("ready");
    let status = &json(&scratch, &["plugin", "list"])["plugins"][0];
    assert_eq!(status["state"], "refused", "{status}");
    let why = status["why"].as_str().expect("a reason");
    assert!(
        why.contains("plugins.hook.settings.gain: must be at most 1") && why.contains("config.toml:"),
        "{why}"
    );

    // A plugin without settings gets none, and says so where the configuration has some.
    let without = module(&scratch, "other.wasm", address.port(), "");
    config("[plugins.hook.settings]\ngain = 1\n", &without);
    let refused = ctl(&scratch, &["reload"]);
    assert!(
        refused.stderr.contains("plugins.hook.settings.gain: the plugin has no such setting"),
        "{refused:?}"
    );
    assert!(refused.stderr.contains("it has no settings"), "{refused:?}");
    config("", &without);
    shown(&scratch, &["reload"]);
    assert!(post(&scratch, address, &value!({})).0);
    assert_eq!(sent(&requests), Json::Null);
    daemon.stop();
}

#[test]
fn a_secret_is_entered_used_and_taken_away() {
    let (address, requests) = serve();
    let host = format!("localhost:{}", address.port());
    let scratch = Scratch::new();
    let module =
        module(&scratch, "hook.wasm", address.port(), &secrets(&[host.clone(), "api.example".to_owned()]));
    let daemon = start(&scratch, &module, address.port(), "");
    let bearer = value!({ "authorization": "Bearer {secret:token}" });
    let (is_well, report) = post(&scratch, address, &bearer);
    assert!(!is_well && report.contains("has not entered the secret `token`"), "{report}");

    let asked = ctl(&scratch, &["plugin", "secret", "set", "hook", "token"]);
    assert!(asked.code == 1 && asked.stderr.contains("add --yes"), "{asked:?}");
    assert!(asked.stderr.contains(&format!("Goes to:    {host}, api.example")), "{asked:?}");
    assert!(!asked.stderr.contains('\u{1b}'), "{asked:?}");
    let mut typist =
        Typist::start(scratch.program("script", &[]), CTL, &["plugin", "secret", "set", "hook", "token"]);
    typist.answer("May it go to these hosts? [y/N] ", "y");
    typist.answer_unseen("Secret token for hook: ", SECRET);
    let (code, terminal) = typist.end();
    assert!(
        code == 0 && terminal.contains("token is kept in: file") && !terminal.contains(SECRET),
        "{terminal}"
    );

    let (is_well, report) = post(&scratch, address, &bearer);
    assert!(is_well, "{report}");
    let request = requests.recv_timeout(PATIENCE).expect("a request");
    assert!(request.contains(&format!("authorization: Bearer {SECRET}\r\n")), "{request}");

    let file = scratch.path("state/secrets");
    assert_eq!(fs::metadata(&file).expect("a file").permissions().mode() & 0o7777, 0o600);
    let status = json(&scratch, &["status"]);
    assert_eq!(status["secrets"]["file"], file.to_str().expect("text"), "{status}");
    assert!(shown(&scratch, &["status"]).contains(&format!("1 in {}", file.display())));
    let listed = shown(&scratch, &["plugin", "secret", "list", "hook"]);
    assert!(
        listed.contains("kept in: file") && listed.contains(&host) && !listed.contains('\u{1b}'),
        "{listed}"
    );

    let removed = shown(&scratch, &["plugin", "secret", "remove", "hook", "token"]);
    assert_eq!(removed, "hook no longer has the secret token\n");
    let (is_well, report) = post(&scratch, address, &bearer);
    assert!(!is_well && report.contains("has not entered the secret `token`"), "{report}");
    let again = ctl(&scratch, &["plugin", "secret", "remove", "hook", "token"]);
    assert!(again.code == 4 && again.stderr.contains("was not entered"), "{again:?}");

    let (_, log) = daemon.stop();
    let audit = fs::read_to_string(scratch.path("state/audit.jsonl")).expect("an audit log");
    for (place, text) in [("log", &log), ("audit", &audit)] {
        assert!(!text.contains(SECRET), "the secret is in the {place}: {text}");
    }
    assert!(!fs::read_to_string(&file).expect("read").contains("hush"), "it is deleted");
    for expected in [
        r#""decision":"plugin-secret-set""#,
        r#""event":"secret-entered""#,
        r#""event":"secret-removed""#,
        "with the secret `token`",
    ] {
        assert!(audit.contains(expected), "{expected}: {audit}");
    }
}

#[test]
fn a_secret_comes_from_a_file_or_standard_input_and_is_checked() {
    let (address, requests) = serve();
    let host = format!("localhost:{}", address.port());
    let scratch = Scratch::new();
    let module = module(&scratch, "hook.wasm", address.port(), &secrets(&[host]));
    let daemon = start(&scratch, &module, address.port(), "");
    let from = |content: &[u8]| {
        fs::write(scratch.path("secret.txt"), content).expect("written");
        ctl(&scratch, &["plugin", "secret", "set", "hook", "token", "--yes", "--from-file", "secret.txt"])
    };
    for (content, expected) in [
        (&b"a\r\nx: y"[..], "a character that header fields cannot have"),
        (b"a\0b", "a character that header fields cannot have"),
        (b"\n", "the secret is empty"),
        (b" a", "begins or ends with a space"),
        (b"\xff", "it is no text"),
        (&[b'x'; 5000], "longer than 4096 bytes"),
    ] {
        let refused = from(content);
        assert!(refused.code != 0 && refused.stderr.contains(expected), "{refused:?}");
    }
    assert_eq!(from(b"one\r\n").code, 0);
    let bearer = value!({ "authorization": "{secret:token}" });
    let arrives = |field: &str| {
        let request = requests.recv_timeout(PATIENCE).expect("a request");
        assert!(request.contains(field), "{request}");
    };
    assert!(post(&scratch, address, &bearer).0);
    arrives("authorization: one\r\n");
    let mut command =
        scratch.program(CTL, &["plugin", "secret", "set", "hook", "token", "--yes", "--from-file", "-"]);
    let mut child = command.stdin(std::process::Stdio::piped()).spawn().expect("started");
    child.stdin.take().expect("input").write_all(b"two").expect("written");
    assert!(child.wait().expect("ended").success());
    assert!(post(&scratch, address, &bearer).0);
    arrives("authorization: two\r\n");
    let unknown = ctl(&scratch, &["plugin", "secret", "set", "hook", "tokan", "--yes"]);
    assert!(unknown.code == 1 && unknown.stderr.contains("did you mean `token`?"), "{unknown:?}");

    // A file of secrets that others can read, or that is damaged, is an error; nothing is sent and nothing is lost.
    let file = scratch.path("state/secrets");
    fs::set_permissions(&file, fs::Permissions::from_mode(0o644)).expect("changed");
    let (is_well, report) = post(&scratch, address, &bearer);
    assert!(!is_well && report.contains("the secret `token` cannot be used"), "{report}");
    let refused = from(b"three");
    assert!(refused.code == 4 && refused.stderr.contains("chmod"), "{refused:?}");
    fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).expect("changed");
    assert!(post(&scratch, address, &bearer).0);
    arrives("authorization: two\r\n");
    daemon.stop();
}

#[test]
fn further_hosts_wait_and_another_publisher_gets_nothing() {
    let (address, requests) = serve();
    let (elsewhere, _) = serve();
    let host = format!("localhost:{}", address.port());
    let other = format!("localhost:{}", elsewhere.port());
    let scratch = Scratch::new();
    for (key, name) in [("ada", "Ada"), ("eve", "Eve")] {
        scratch.conductor_sign(&["generate-key", key]);
        let public = fs::read_to_string(scratch.path(&format!("{key}.public"))).expect("a key");
        scratch.conductor_sign(&["trust", "add", public.trim(), name]);
    }
    let release = |key: &str, hosts: &[String]| {
        let path = module(&scratch, "hook.wasm", address.port(), &secrets(hosts));
        let path_text = path.to_str().expect("text");
        scratch.conductor_sign(&["sign", path_text, key, "--name", key, "--email", "a@example.org"]);
        path
    };
    let path = release("ada", std::slice::from_ref(&host));
    let grants = format!("granted_capabilities = [\"Network={host},{other}\"]\n");
    scratch.config(&format!("{}{SILENT}", plugin("hook", &path, &grants)));
    let mut daemon = scratch.start(&[]);
    daemon.wait_for_log("ready");
    fs::write(scratch.path("secret.txt"), SECRET).expect("written");
    let set = ["plugin", "secret", "set", "hook", "token", "--yes", "--from-file", "secret.txt"];
    assert_eq!(ctl(&scratch, &set).code, 0);
    let bearer = value!({ "authorization": "{secret:token}" });
    assert!(post(&scratch, address, &bearer).0);
    assert!(requests.recv_timeout(PATIENCE).expect("a request").contains(SECRET));

    // An update that names a further host: the old one goes on, the new one waits.
    release("ada", &[host.clone(), "later.example".to_owned()]);
    shown(&scratch, &["reload"]);
    daemon.wait_for_log("would send a secret to further hosts");
    let secret = json(&scratch, &["plugin", "secret", "list", "hook"])[0].clone();
    assert_eq!(secret["confirmed"], value!([host]), "{secret}");
    assert_eq!(secret["waiting"], value!(["later.example"]), "{secret}");
    assert!(post(&scratch, address, &bearer).0);
    assert!(requests.recv_timeout(PATIENCE).expect("a request").contains(SECRET));
    assert_eq!(ctl(&scratch, &["plugin", "secret", "confirm", "hook", "token", "--yes"]).code, 0);
    let secret = json(&scratch, &["plugin", "secret", "list", "hook"])[0].clone();
    assert_eq!(secret["waiting"], value!([]), "{secret}");

    // Another publisher's plugin under the same name, accepted by the user, has none of it.
    release("eve", std::slice::from_ref(&host));
    shown(&scratch, &["reload"]);
    let accepted = ctl(&scratch, &["plugin", "accept", "hook", "--yes"]);
    assert_eq!(accepted.code, 0, "{accepted:?}");
    let secret = json(&scratch, &["plugin", "secret", "list", "hook"])[0].clone();
    assert_eq!(secret["kept_in"], Json::Null, "{secret}");
    let (is_well, report) = post(&scratch, address, &bearer);
    assert!(!is_well, "{report}");
    assert!(requests.try_recv().is_err_and(|_| true));
    daemon.stop();
}
