//! The strict policy, which holds if the configuration says nothing: only plugins that a trusted key signed run.

use super::scratch::{Scratch, interval, plugin};
use crate::wasm;

#[test]
fn a_plugin_runs_once_its_signer_is_trusted_and_no_longer_when_it_was_changed() {
    let scratch = Scratch::new();
    let module = scratch.path("hostile.wasm");
    std::fs::copy(wasm::fixture("hostile"), &module).expect("copied");
    let clock = interval("clock", "5ms", "count = 2");
    scratch.config(&format!(
        "{}{clock}
        [[mappings]]
        trigger = {{ input = \"clock\" }}
        plugin = \"hostile\"
        action = \"count\"",
        plugin("hostile", &module, "")
    ));
    let run = || {
        let (code, rows, log) = scratch.start(&["--exit-at-end"]).wait();
        assert!(rows.iter().all(|row| row["outcome"] == "ok"), "{rows:?}");
        (code, rows.len(), log)
    };
    scratch.conductor_sign(&["generate-key", "key"]);
    scratch.conductor_sign(&["sign", "hostile.wasm", "key", "--name", "Ada", "--email", "ada@example.org"]);
    let (code, calls, log) = run();
    assert_eq!((code, calls), (1, 0), "{log}");
    assert!(log.contains("refused: ") && log.contains("is not trusted"), "{log}");

    let key = std::fs::read_to_string(scratch.path("key.public")).expect("key");
    scratch.conductor_sign(&["trust", "add", key.trim(), "Official"]);
    let (code, calls, log) = run();
    assert_eq!((code, calls), (0, 2), "{log}");

    let mut file = std::fs::OpenOptions::new().append(true).open(&module).expect("module");
    std::io::Write::write_all(&mut file, b"\0\x05\x04more").expect("changed");
    let (code, calls, log) = run();
    assert_eq!((code, calls), (1, 0), "{log}");
    assert!(log.contains("refused: ") && log.contains("digest"), "{log}");
}

/// From the first release to the next key: `exec` loads what the daemon would load, and remembers the same.
#[test]
fn a_plugin_of_the_next_key_runs_and_is_remembered() {
    let scratch = Scratch::new();
    std::fs::copy(wasm::fixture("hostile"), scratch.path("hostile.wasm")).expect("copied");
    let exec = || scratch.conductor(&["exec", "hostile.wasm", "--action", "count"]);
    let sign = |key: &str| {
        let who = ["--name", "Ada", "--email", "ada@example.org"];
        scratch.conductor_sign(&[&["sign", "hostile.wasm", key][..], &who].concat());
    };
    for name in ["first", "next", "thief"] {
        scratch.conductor_sign(&["generate-key", name]);
    }
    let key = std::fs::read_to_string(scratch.path("first.public")).expect("key");
    scratch.conductor_sign(&["trust", "add", key.trim(), "Official"]);
    sign("first");
    assert_eq!(exec().code, 0);

    scratch.conductor_sign(&["rotate", "first", "next"]);
    sign("next");
    let refused = exec();
    assert!(refused.code == 4 && refused.stderr.contains("is not trusted"), "{refused:?}");
    std::fs::copy(scratch.path("next.rotation.json"), scratch.path("hostile.wasm.rotation.json"))
        .expect("shipped");
    let ran = exec();
    assert_eq!(ran.code, 0, "{ran:?}");
    std::fs::remove_file(scratch.path("hostile.wasm.rotation.json")).expect("removed");
    assert_eq!(exec().code, 0, "the rotation was remembered");

    scratch.conductor_sign(&["rotate", "first", "thief"]);
    sign("thief");
    std::fs::copy(scratch.path("thief.rotation.json"), scratch.path("hostile.wasm.rotation.json"))
        .expect("shipped");
    let refused = exec();
    assert!(refused.code == 4 && refused.stderr.contains("fork: key"), "{refused:?}");
    // Even if the thief's key is trusted, the name is pinned to another publisher.
    std::fs::remove_file(scratch.path("hostile.wasm.rotation.json")).expect("removed");
    let thief = std::fs::read_to_string(scratch.path("thief.public")).expect("key");
    scratch.conductor_sign(&["trust", "add", thief.trim(), "Somebody"]);
    let refused = exec();
    assert!(refused.code == 4 && refused.stderr.contains("comes from another publisher"), "{refused:?}");
    scratch.conductor_sign(&["trust", "pin", "hostile", thief.trim()]);
    assert_eq!(exec().code, 0, "the user decided");

    scratch.config("[[policy.rules]]\ncapabilities = [\"Network\"]\nsigners = 2\n");
    let refused = exec();
    assert!(refused.code == 4 && refused.stderr.contains("1 of 2 trusted signers"), "{refused:?}");
    let who = ["--name", "Bob", "--email", "bob@example.org"];
    scratch.conductor_sign(&[&["cosign", "hostile.wasm", "next"][..], &who].concat());
    assert_eq!(exec().code, 0, "the key that follows from a trusted one counts");
}
