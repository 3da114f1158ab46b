//! Secrets of plugins that are installed and not loaded.

use std::fs;

use serde_json::{Value as Json, json as value};

use super::{SECRET, module, post, secrets, serve, start};
use crate::control::ctl::{ctl, json, shown};
use crate::scratch::{Ended, PATIENCE, Scratch};

fn set(scratch: &Scratch) -> Ended {
    fs::write(scratch.path("secret.txt"), SECRET).expect("written");
    ctl(scratch, &["plugin", "secret", "set", "hook", "token", "--yes", "--from-file", "secret.txt"])
}

fn list(scratch: &Scratch) -> Json {
    let ended = ctl(scratch, &["--json", "plugin", "secret", "list", "hook"]);
    assert_eq!(ended.code, 0, "{ended:?}");
    serde_json::from_str(&ended.stdout).expect("JSON")
}

#[test]
fn a_secret_of_a_disabled_plugin_is_entered_listed_used_and_taken_away() {
    let (address, requests) = serve();
    let host = format!("localhost:{}", address.port());
    let scratch = Scratch::new();
    let module = module(&scratch, "hook.wasm", address.port(), &secrets(std::slice::from_ref(&host)));
    let daemon = start(&scratch, &module, address.port(), "");
    let loaded = list(&scratch);
    shown(&scratch, &["plugin", "disable", "hook"]);
    assert_eq!(list(&scratch), loaded, "the same is shown, under the same id");

    let entered = set(&scratch);
    assert_eq!((entered.code, entered.stdout.as_str()), (0, "token is kept in: file\n"), "{entered:?}");
    assert!(entered.stderr.contains(&format!("Goes to:    {host}")), "{entered:?}");
    assert!(entered.stderr.contains("Plugin:     webhook\nPublisher:  unsigned\n"), "{entered:?}");
    let one = list(&scratch)[0].clone();
    assert_eq!((&one["kept_in"], &one["confirmed"]), (&value!("file"), &value!([host])), "{one}");

    shown(&scratch, &["plugin", "enable", "hook"]);
    let bearer = value!({ "authorization": "{secret:token}" });
    let (is_well, report) = post(&scratch, address, &bearer);
    assert!(is_well, "{report}");
    assert!(requests.recv_timeout(PATIENCE).expect("a request").contains(SECRET));

    shown(&scratch, &["plugin", "disable", "hook"]);
    let removed = shown(&scratch, &["plugin", "secret", "remove", "hook", "token"]);
    assert_eq!(removed, "hook no longer has the secret token\n");
    assert!(!fs::read_to_string(scratch.path("state/secrets")).expect("read").contains(SECRET));
    let again = ctl(&scratch, &["plugin", "secret", "remove", "hook", "token"]);
    assert!(again.code == 4 && again.stderr.contains("the secret `token` was not entered"), "{again:?}");
    shown(&scratch, &["plugin", "enable", "hook"]);
    let (is_well, report) = post(&scratch, address, &bearer);
    assert!(!is_well && report.contains("has not entered the secret `token`"), "{report}");
    let (_, log) = daemon.stop();
    assert!(!log.contains(SECRET), "{log}");
    let audit = fs::read_to_string(scratch.path("state/audit.jsonl")).expect("an audit log");
    for event in ["secret-entered", "secret-removed"] {
        assert_eq!(audit.matches(&format!(r#""event":"{event}""#)).count(), 1, "{audit}");
    }
}

#[test]
fn a_plugin_that_is_refused_for_its_settings_can_get_its_secret_first() {
    let (address, _requests) = serve();
    let host = format!("localhost:{}", address.port());
    let scratch = Scratch::new();
    let module = module(&scratch, "hook.wasm", address.port(), &secrets(&[host]));
    let daemon = start(&scratch, &module, address.port(), "[plugins.hook.settings]\nunknown = 1\n");
    assert_eq!(json(&scratch, &["plugin", "show", "hook"])["state"], "refused");
    let entered = set(&scratch);
    assert_eq!(entered.code, 0, "{entered:?}");
    assert_eq!(list(&scratch)[0]["kept_in"], "file");
    daemon.stop();
}

#[test]
fn secrets_of_a_plugin_that_cannot_be_verified_are_listed_and_taken_away_and_none_is_entered() {
    let (address, _requests) = serve();
    let host = format!("localhost:{}", address.port());
    let scratch = Scratch::new();
    scratch.conductor_sign(&["generate-key", "ada"]);
    let public = fs::read_to_string(scratch.path("ada.public")).expect("a key");
    scratch.conductor_sign(&["trust", "add", public.trim(), "Ada"]);
    let path = module(&scratch, "hook.wasm", address.port(), &secrets(&[host]));
    scratch.conductor_sign(&["sign", "hook.wasm", "ada", "--name", "Ada", "--email", "ada@example.org"]);
    let daemon = start(&scratch, &path, address.port(), "");
    assert_eq!(set(&scratch).code, 0);
    shown(&scratch, &["plugin", "disable", "hook"]);
    fs::write(&path, "no module").expect("written");

    let listed = ctl(&scratch, &["plugin", "secret", "list", "hook"]);
    assert!(listed.code == 0 && listed.stdout.starts_with("token: entered on "), "{listed:?}");
    assert!(listed.stderr.starts_with("what hook asks for is not known: "), "{listed:?}");
    let refused = set(&scratch);
    assert!(
        refused.code == 1 && refused.stderr.contains("error: what `hook` asks for is not known: "),
        "{refused:?}"
    );
    let unasked = ctl(&scratch, &["plugin", "secret", "confirm", "hook", "token", "--yes"]);
    assert!(unasked.code == 1 && unasked.stderr.contains("is not known"), "{unasked:?}");
    let removed = shown(&scratch, &["plugin", "secret", "remove", "hook", "token"]);
    assert_eq!(removed, "hook no longer has the secret token\n");
    assert!(!fs::read_to_string(scratch.path("config/secrets.toml")).expect("read").contains("token"));

    // A plugin that nothing is known of: never loaded, and its file is no plugin.
    let broken = scratch.path("broken.wasm");
    fs::write(&broken, "no module").expect("written");
    let config = fs::read_to_string(scratch.config_file()).expect("read");
    scratch.config(&format!("{config}[plugins.broken]\npath = '{}'\nenabled = false\n", broken.display()));
    shown(&scratch, &["reload"]);
    for command in ["list", "set", "remove"] {
        let arguments = ["plugin", "secret", command, "broken", "token", "--yes"];
        let arguments = match command {
            "list" => &arguments[..4],
            "remove" => &arguments[..5],
            _ => &arguments[..],
        };
        let refused = ctl(&scratch, arguments);
        assert!(
            refused.code == 4 && refused.stderr.contains("which secrets `broken` has is not known: "),
            "{command}: {refused:?}"
        );
    }
    daemon.stop();
}

#[test]
fn secrets_that_a_removed_plugin_left_are_taken_away() {
    let (address, _requests) = serve();
    let host = format!("localhost:{}", address.port());
    let scratch = Scratch::new();
    let module = module(&scratch, "hook.wasm", address.port(), &secrets(&[host]));
    let daemon = start(&scratch, &module, address.port(), "");
    assert_eq!(set(&scratch).code, 0);
    shown(&scratch, &["plugin", "remove", "hook"]);
    let refused = set(&scratch);
    assert!(refused.code == 1 && refused.stderr.contains("there is no plugin `hook`"), "{refused:?}");
    assert_eq!(list(&scratch)[0]["name"], "token");
    shown(&scratch, &["plugin", "secret", "remove", "hook", "token"]);
    assert_eq!(list(&scratch), value!([]));
    let unknown = ctl(&scratch, &["plugin", "secret", "list", "never"]);
    assert!(unknown.code == 4 && unknown.stderr.contains("there is no plugin `never`"), "{unknown:?}");
    daemon.stop();
}
