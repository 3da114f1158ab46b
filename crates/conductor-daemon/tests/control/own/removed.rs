//! What becomes of a plugin's secrets when the plugin is removed.

use std::fs;

use serde_json::{Value as Json, json as value};

use super::{SECRET, module, post, secrets, serve, start};
use crate::control::ctl::{ctl, json, shown};
use crate::scratch::{PATIENCE, Scratch};

/// Enters the secret.
fn enter(scratch: &Scratch) {
    fs::write(scratch.path("secret.txt"), SECRET).expect("written");
    let set = ["plugin", "secret", "set", "hook", "token", "--yes", "--from-file", "secret.txt"];
    let entered = ctl(scratch, &set);
    assert_eq!(entered.code, 0, "{entered:?}");
}

#[test]
fn secrets_are_kept_or_deleted_with_a_plugin_and_the_user_is_told() {
    let (address, requests) = serve();
    let host = format!("localhost:{}", address.port());
    let scratch = Scratch::new();
    let module = module(&scratch, "hook.wasm", address.port(), &secrets(&[host]));
    let daemon = start(&scratch, &module, address.port(), "");
    let config = fs::read_to_string(scratch.config_file()).expect("read");
    enter(&scratch);

    let removed = shown(&scratch, &["plugin", "remove", "hook"]);
    assert_eq!(
        removed,
        "hook is removed; what it wrote is kept\nkept are its secrets: token\nstopped    hook\n"
    );
    let kept = |name: &str| fs::read_to_string(scratch.path(name)).expect("read");
    assert!(kept("config/secrets.toml").contains("token"));
    scratch.config(&config);
    shown(&scratch, &["reload"]);
    let bearer = value!({ "authorization": "{secret:token}" });
    let (is_well, report) = post(&scratch, address, &bearer);
    assert!(is_well, "it is there again: {report}");
    assert!(requests.recv_timeout(PATIENCE).expect("a request").contains(SECRET));

    let removed = json(&scratch, &["plugin", "remove", "hook", "--with-data"]);
    assert_eq!(removed["secrets_deleted"], value!(["token"]), "{removed}");
    assert_eq!(removed["secrets_kept"], value!([]), "{removed}");
    assert_eq!(removed["stopped"], value!(["hook"]), "{removed}");
    for name in ["state/secrets", "config/secrets.toml"] {
        let text = kept(name);
        assert!(!text.contains("token") && !text.contains(SECRET), "{name}: {text}");
    }
    let status = json(&scratch, &["status"]);
    assert_eq!(status["secrets"]["in_file"], 0, "{status}");
    scratch.config(&config);
    shown(&scratch, &["reload"]);
    let secret = json(&scratch, &["plugin", "secret", "list", "hook"])[0].clone();
    assert_eq!(secret["kept_in"], Json::Null, "{secret}");
    daemon.stop();
    let audit = fs::read_to_string(scratch.path("state/audit.jsonl")).expect("an audit log");
    assert_eq!(audit.matches(r#""event":"secret-removed""#).count(), 1, "{audit}");
}

#[test]
fn a_secret_that_a_later_version_does_not_declare_is_deleted_as_well() {
    let (address, _requests) = serve();
    let host = format!("localhost:{}", address.port());
    let scratch = Scratch::new();
    scratch.conductor_sign(&["generate-key", "ada"]);
    let public = fs::read_to_string(scratch.path("ada.public")).expect("a key");
    scratch.conductor_sign(&["trust", "add", public.trim(), "Ada"]);
    let release = |more: &str| {
        let path = module(&scratch, "hook.wasm", address.port(), more);
        let path_text = path.to_str().expect("text");
        scratch.conductor_sign(&["sign", path_text, "ada", "--name", "Ada", "--email", "ada@example.org"]);
        path
    };
    let path = release(&secrets(&[host]));
    let daemon = start(&scratch, &path, address.port(), "");
    enter(&scratch);
    release("");
    shown(&scratch, &["reload"]);
    let removed = shown(&scratch, &["plugin", "remove", "hook", "--with-data"]);
    assert!(
        removed
            .starts_with("hook is removed, and what it wrote is deleted\ndeleted are its secrets: token\n"),
        "{removed}"
    );
    assert!(!fs::read_to_string(scratch.path("config/secrets.toml")).expect("read").contains("token"));
    daemon.stop();
}
