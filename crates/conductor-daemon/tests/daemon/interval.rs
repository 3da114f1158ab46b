//! A clock with a number of ticks, and modes that mappings switch.

use super::scratch::{LENIENT, Scratch, interval, plugin};
use crate::wasm;

#[test]
fn a_counted_interval_ends() {
    let scratch = Scratch::new();
    let notes = plugin("notes", &wasm::plugin("notes"), "granted_capabilities = [\"Filesystem\"]");
    let clock = interval("clock", "20ms", "count = 4");
    scratch.config(&format!(
        "initial_mode = \"first\"
        {LENIENT}{notes}{clock}
        [[mappings]]
        trigger = {{ event = \"interval\" }}
        mode = \"first\"
        plugin = \"notes\"
        action = \"append\"
        parameters = {{ text = \"only once\" }}
        [[mappings]]
        trigger = {{ input = \"clock\" }}
        mode = \"first\"
        switch_mode = \"then\"
        [[mappings]]
        trigger = {{ input = \"clock\" }}
        mode = \"then\"
        plugin = \"notes\"
        action = \"append\""
    ));
    let (code, rows, log) = scratch.start(&["--exit-at-end"]).wait();
    assert_eq!(code, 0, "{log}");
    let events: Vec<&str> = rows.iter().filter_map(|row| row["event"].as_str()).collect();
    assert_eq!(events, ["clock: tick 0", "clock: tick 1", "clock: tick 2", "clock: tick 3"]);
    let notes = scratch.notes();
    let lines: Vec<&str> = notes.lines().collect();
    assert!(lines[0].ends_with(" only once"), "{notes}");
    assert!(lines[1].contains("current_mode=\"then\"") && lines[1].contains("count=1"), "{notes}");
}

#[test]
fn a_plugin_for_conductor_1_0_reads_what_it_was_built_for() {
    let scratch = Scratch::new();
    let legacy = plugin("legacy", &wasm::fixture("legacy"), "");
    let clock = interval("clock", "20ms", "count = 2");
    scratch.config(&format!(
        "initial_mode = \"first\"
        {LENIENT}{legacy}{clock}
        [[mappings]]
        trigger = {{ event = \"interval\" }}
        plugin = \"legacy\"
        action = \"typed\"
        [[mappings]]
        trigger = {{ input = \"clock\" }}
        mode = \"first\"
        switch_mode = \"then\"
        [[mappings]]
        trigger = {{ input = \"clock\" }}
        mode = \"then\"
        plugin = \"legacy\"
        action = \"typed\"
        parameters = [\"some\", \"words\"]"
    ));
    let (code, rows, log) = scratch.start(&["--exit-at-end"]).wait();
    assert_eq!(code, 0, "{log}");
    let outcomes: Vec<&str> = rows.iter().filter_map(|row| row["outcome"].as_str()).collect();
    assert_eq!(outcomes, ["ok", "ok", "ok"], "{log}");
    for expected in [
        "mode Some(0), velocity None, value None, parameters []",
        "mode Some(1), velocity None, value None, parameters []",
        "mode Some(1), velocity None, value None, parameters [\"some\", \"words\"]",
    ] {
        assert!(log.contains(expected), "{expected}: {log}");
    }
}
