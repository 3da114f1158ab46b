//! Trusting and revoking keys, and the records of both.

use conductor_signing::PublicKey;
use serde_json::{Value as Json, json};

use super::browser::{Page, SILENT};
use crate::scratch::{PATIENCE, Scratch, plugin};
use crate::wasm;

fn key(scratch: &Scratch, name: &str) -> PublicKey {
    scratch.conductor_sign(&["generate-key", name]);
    let key = std::fs::read_to_string(scratch.path(&format!("{name}.public"))).expect("key");
    key.trim().parse().expect("a key")
}

fn keys(page: &Page) -> Vec<Json> {
    page.get("/api/keys").response()["trust-list"]["keys"].as_array().expect("keys").clone()
}

#[test]
fn a_key_is_trusted_once_its_fingerprint_is_confirmed() {
    let scratch = Scratch::new();
    let ada = key(&scratch, "ada");
    let page = Page::open(&scratch, SILENT);
    let add = |key: &str, fingerprint: &str, expires_at: Json| {
        page.ask(&json!({ "trust-add": {
            "name": "Ada", "public_key": key, "fingerprint": fingerprint, "expires_at": expires_at,
        }}))
    };
    let digits = ada.fingerprint().to_string();
    for (key, fingerprint, expires_at) in [
        (ada.to_string(), String::new(), Json::Null),
        (ada.to_string(), digits[..32].to_owned(), Json::Null),
        (ada.to_string(), ada.to_string(), Json::Null),
        ("xyz".to_owned(), digits.clone(), Json::Null),
        (ada.to_string(), digits.clone(), json!("2001-01-01T00:00:00Z")),
        (ada.to_string(), digits.clone(), json!("soon")),
    ] {
        let refused = add(&key, &fingerprint, expires_at);
        assert_eq!((refused.status, refused.cause().as_str()), (409, "not-trusted"), "{refused:?}");
    }
    assert!(keys(&page).is_empty());
    let added = add(&ada.to_string(), &ada.fingerprint().words().join(" "), json!("2100-01-01T00:00:00Z"));
    assert_eq!(added.response()["trust-add"], json!({ "name": "Ada", "public_key": ada.to_string() }));
    let known = keys(&page);
    assert_eq!(known.len(), 1);
    assert_eq!((&known[0]["name"], &known[0]["state"]), (&json!("Ada"), &json!("trusted")));
    assert_eq!(
        (&known[0]["fingerprint"], &known[0]["expires_at"]),
        (&json!(digits), &json!("2100-01-01T00:00:00Z"))
    );
    let again = add(&ada.to_string(), &digits, Json::Null);
    assert_eq!((again.status, again.cause().as_str()), (409, "not-trusted"), "{again:?}");

    // A name that could be mistaken for another one must be compared where both are shown.
    let other = key(&scratch, "other");
    let like = page.ask(&json!({ "trust-add": {
        "name": "Ada", "public_key": other.to_string(), "fingerprint": other.fingerprint().to_string(),
    }}));
    assert_eq!(like.status, 409, "{like:?}");
    assert_eq!(keys(&page).len(), 1);
    page.daemon.stop();
}

#[test]
fn revoking_a_key_ends_what_it_signed_and_is_on_record() {
    let scratch = Scratch::new();
    let ada = key(&scratch, "ada");
    scratch.conductor_sign(&["trust", "add", &ada.to_string(), "Ada"]);
    std::fs::copy(wasm::fixture("hostile"), scratch.path("one.wasm")).expect("copied");
    scratch.conductor_sign(&["sign", "one.wasm", "ada", "--name", "Ada", "--email", "ada@example.org"]);
    let page = Page::open(&scratch, &format!("{}{SILENT}", plugin("one", &scratch.path("one.wasm"), "")));
    let one = || page.get("/api/plugins/one").response()["plugin-show"].clone();
    let running = one();
    assert_eq!(
        (&running["state"], &running["trust_level"]),
        (&json!("running"), &json!("trusted")),
        "{running}"
    );
    let publisher = &running["publisher"];
    assert_eq!((&publisher["name"], &publisher["public_key"]), (&json!("Ada"), &json!(ada.to_string())));
    assert_eq!(publisher["authenticated"], true);

    let revoke = || {
        let request =
            json!({ "public_key": ada.to_string(), "reason": "laptop stolen", "kind": "compromised" });
        page.ask(&json!({ "trust-revoke": request }))
    };
    assert_eq!(revoke().response()["trust-revoke"]["name"], "Ada");
    assert_eq!(revoke().status, 409, "once is enough");
    let deadline = std::time::Instant::now() + PATIENCE;
    while one()["state"] != "withdrawn" {
        assert!(std::time::Instant::now() < deadline, "{}", one());
        std::thread::sleep(std::time::Duration::from_millis(50));
    }
    assert_eq!(one()["trust_level"], "revoked");
    assert_eq!(one()["safety"]["score"], 0, "{}", one());
    let known = keys(&page);
    assert_eq!(
        (&known[0]["state"], &known[0]["revoked"]["reason"]),
        (&json!("revoked"), &json!("laptop stolen"))
    );

    let records = page.get("/api/audit?last=50").response()["audit"]["records"].clone();
    let revoked = records.as_array().expect("records").iter().find(|record| record["event"] == "key-revoked");
    let revoked = revoked.unwrap_or_else(|| panic!("{records}"));
    assert_eq!((&revoked["key"], &revoked["kind"]), (&json!(ada.to_string()), &json!("compromised")));
    let last = page.get("/api/audit?last=1").response()["audit"]["records"].clone();
    assert_eq!(last.as_array().map(Vec::len), Some(1));
    for wrong in ["last=", "last=x", "last=-1", "first=1"] {
        assert_eq!(page.get(&format!("/api/audit?{wrong}")).status, 400, "{wrong}");
    }
    page.daemon.stop();
}

#[test]
fn a_refused_plugin_says_what_is_wrong_with_its_signature() {
    let scratch = Scratch::new();
    let ada = key(&scratch, "ada");
    let module = |name: &str| scratch.path(&format!("{name}.wasm"));
    let mut config = String::new();
    for name in ["unsigned", "untrusted", "revoked", "changed", "fine"] {
        std::fs::copy(wasm::fixture("hostile"), module(name)).expect("copied");
        config += &plugin(name, &module(name), "");
    }
    key(&scratch, "other");
    let fine = key(&scratch, "fine");
    let sign = |name: &str, key: &str| {
        let file = format!("{name}.wasm");
        scratch.conductor_sign(&["sign", &file, key, "--name", "Ada", "--email", "ada@example.org"]);
    };
    sign("untrusted", "other");
    sign("revoked", "ada");
    sign("changed", "fine");
    sign("fine", "fine");
    let mut changed = std::fs::OpenOptions::new().append(true).open(module("changed")).expect("module");
    std::io::Write::write_all(&mut changed, b"\0\x05\x04more").expect("changed");
    scratch.conductor_sign(&["trust", "add", &ada.to_string(), "Ada"]);
    scratch.conductor_sign(&["trust", "add", &fine.to_string(), "Somebody Else"]);
    scratch.conductor_sign(&["trust", "revoke", &ada.to_string(), "--reason", "laptop stolen"]);
    let page = Page::open(&scratch, &format!("{config}{SILENT}"));
    for (name, state, word) in [
        ("unsigned", "refused", "unsigned"),
        ("untrusted", "refused", "self-signed"),
        ("revoked", "refused", "revoked"),
        ("changed", "refused", "invalid"),
        ("fine", "running", "trusted"),
    ] {
        // A refused plugin is tried again soon after the start, and loads then.
        let show = || page.get(&format!("/api/plugins/{name}")).response()["plugin-show"].clone();
        let shown = std::iter::repeat_with(show).find(|shown| shown["state"] != "loading").expect("it ends");
        assert_eq!((&shown["state"], &shown["trust_level"]), (&json!(state), &json!(word)), "{shown}");
        assert_eq!(shown["safety"].is_null(), state == "refused", "{shown}");
    }
    page.daemon.stop();
}
