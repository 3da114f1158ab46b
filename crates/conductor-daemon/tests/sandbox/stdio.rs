//! Row stdio: the guest cannot read the host's standard streams, arguments and environment. What the guest prints is
//! kept as it was written, within a bound.

use conductor_core::{Limits, LogSource};
use serde_json::json;

use super::guest::{Guests, call, in_both_modes, reply};

in_both_modes! {
    nothing_of_the_hosts_is_readable
    output_is_captured_and_bounded
}

fn nothing_of_the_hosts_is_readable(guests: &Guests) {
    let mut plugin = guests.hostile(&[], Limits::default());
    let report = call(plugin.as_mut(), "stdio", json!({"bytes": 1024}));
    let seen = reply(&report).to_string();
    #[expect(clippy::disallowed_methods, reason = "the whole environment is what must not be readable")]
    let variables = std::env::vars();
    for (name, value) in variables {
        assert!(value.len() < 4 || !seen.contains(&value), "{name} was readable: {seen}");
    }
    for argument in std::env::args() {
        assert!(!seen.contains(&argument), "an argument was readable: {seen}");
    }
}

fn output_is_captured_and_bounded(guests: &Guests) {
    let mut plugin = guests.hostile(&[], Limits::default());
    let report = call(plugin.as_mut(), "stdio", json!({"bytes": 1_048_576}));
    let printed: usize =
        report.log.iter().filter(|line| line.source == LogSource::Stdout).map(|line| line.text.len()).sum();
    assert!(printed > 0 && printed <= 64 * 1024, "{printed} bytes were kept");
    assert!(report.dropped_log_bytes > 900_000, "{} bytes were dropped", report.dropped_log_bytes);
}
