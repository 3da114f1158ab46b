//! A plugin that prints more than anybody reads.

use super::scratch::{LENIENT, Scratch, interval, plugin};
use crate::wasm;

#[test]
fn a_plugin_fills_the_log_only_so_far() {
    let scratch = Scratch::new();
    let chatty = plugin("chatty", &wasm::fixture("hostile"), "");
    let clock = interval("clock", "5ms", "count = 40");
    scratch.config(&format!(
        "{LENIENT}{chatty}{clock}
        [[mappings]]
        trigger = {{ event = \"interval\" }}
        plugin = \"chatty\"
        action = \"stdio\"
        parameters = {{ bytes = 60_000 }}"
    ));
    let (code, rows, log) = scratch.start(&["--exit-at-end"]).wait();
    assert_eq!((code, rows.len()), (0, 40), "{} bytes of log", log.len());
    assert!(rows.iter().all(|row| row["outcome"] == "ok"), "{rows:?}");
    assert!((800_000..1_200_000).contains(&log.len()), "{} bytes of log", log.len());
    assert_eq!(log.matches("logs too much").count(), 1);
    assert!(log.contains("limit=\"max_log_bytes_per_minute\""));
    assert_eq!(log.matches("bytes of the plugin's log were dropped").count(), 1);
}
