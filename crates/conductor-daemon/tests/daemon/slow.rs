//! One slow plugin and one broken plugin beside one that works.

use std::time::{Duration, Instant};

use serde_json::Value as Json;

use super::scratch::{LENIENT, Scratch, interval, plugin};
use crate::wasm;

#[test]
fn a_slow_and_a_broken_plugin_delay_nobody() {
    let scratch = Scratch::new();
    let notes = plugin("notes", &wasm::plugin("notes"), "granted_capabilities = [\"Filesystem\"]");
    // Sleeping costs fuel, so a plugin that is to sleep for long needs much of it.
    let slow =
        plugin("slow", &wasm::fixture("hostile"), "max_fuel = 1_000_000_000_000\nmax_queued_events = 4");
    let broken = plugin("broken", &wasm::fixture("hostile"), "");
    let clock = interval("clock", "10ms", "count = 50");
    scratch.config(&format!(
        "{LENIENT}{notes}{slow}{broken}{clock}
        [[mappings]]
        trigger = {{ event = \"interval\" }}
        plugin = \"slow\"
        action = \"sleep\"
        parameters = {{ once_ns = 150_000_000 }}
        [[mappings]]
        trigger = {{ event = \"interval\" }}
        plugin = \"broken\"
        action = \"panic\"
        [[mappings]]
        trigger = {{ event = \"interval\" }}
        plugin = \"notes\"
        action = \"append\""
    ));
    let mut daemon = scratch.start(&[]);
    let (first, row) = daemon.next_call();
    let (mut last, mut rows) = (first, vec![row]);
    let count = |rows: &[Json], key: &str, value: &str| rows.iter().filter(|row| row[key] == value).count();
    // On a busy machine the broken plugin, whose worker is started anew for each call, is the last.
    while count(&rows, "plugin", "notes") < 50 || count(&rows, "outcome", "trap") < 3 {
        let (at, row) = daemon.next_call();
        if count(&rows, "plugin", "notes") < 50 {
            last = at;
        }
        rows.push(row);
    }
    let slow: Vec<_> = rows.iter().filter(|row| row["plugin"] == "slow").collect();
    // Ticks of half a second. Behind the slow plugin they would have taken more than seven seconds.
    assert!(last - first < Duration::from_secs(6), "took {:?}", last - first);
    assert!(slow.len() < 45, "{} slow calls in {:?}", slow.len(), last - first);
    assert!(slow.iter().all(|row| row["outcome"] == "ok"), "{slow:?}");
    let broken = rows.iter().filter(|row| row["plugin"] == "broken");
    let (tried, spared): (Vec<_>, Vec<_>) = broken.partition(|row| row["outcome"] == "trap");
    assert!(tried.len() >= 3, "{tried:?}");
    assert!(spared.iter().all(|row| row["outcome"] == "suspended"), "{spared:?}");
    assert!(rows.iter().filter(|row| row["plugin"] == "notes").all(|row| row["outcome"] == "ok"));

    let asked = Instant::now();
    let (_, log) = daemon.stop();
    assert!(asked.elapsed() < Duration::from_secs(20), "stopping took {:?}", asked.elapsed());
    let full = "plugin=\"slow\" limit=\"max_queued_events\" refused=";
    assert!(log.contains(full), "{log}");
    assert!(log.contains("failures_in_a_row=2 ") || log.contains("failures_in_a_row=2\n"), "{log}");
    assert!(!log.contains("failures_in_a_row=3"), "the third failure is no doubling: {log}");
}
