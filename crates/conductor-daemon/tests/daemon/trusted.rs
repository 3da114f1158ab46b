//! The strict policy, which holds where the configuration says nothing: only what a trusted key signed runs.

use super::scratch::{Scratch, plugin};
use crate::wasm;

#[test]
fn a_plugin_runs_once_its_signer_is_trusted_and_no_longer_when_it_was_changed() {
    let scratch = Scratch::new();
    let module = scratch.path("hostile.wasm");
    std::fs::copy(wasm::fixture("hostile"), &module).expect("copied");
    scratch.config(&format!(
        "{}
        [[inputs]]
        name = \"clock\"
        type = \"interval\"
        every = \"5ms\"
        count = 2
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
