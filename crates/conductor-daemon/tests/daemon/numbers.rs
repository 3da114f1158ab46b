//! Numbers of a configuration at the edges of what the manual says they may be: each is read whole or is a fault with
//! its place, and none is cut, wraps, or ends the program.

use std::path::Path;
use std::time::Duration;

use conductor_core::Limits;
use conductor_daemon::config::{Config, ConfigError};
use conductor_surface::config::InputKind;

use super::scratch::Scratch;

/// A limit: its key, the least and the most that the manual allows, and where it is found.
type Number = (&'static str, u64, u64, fn(&Limits) -> u64);

const MOST_32: u64 = u32::MAX as u64;

const NUMBERS: [Number; 21] = [
    ("max_fuel", 1_000, u64::MAX, |limits| limits.max_fuel),
    ("max_memory_bytes", 64 << 10, u64::MAX, |limits| limits.max_memory_bytes),
    ("max_table_elements", 1, u64::MAX, |limits| limits.max_table_elements),
    ("max_stack_bytes", 16 << 10, 1 << 20, |limits| limits.max_stack_bytes.into()),
    ("max_open_files", 1, MOST_32, |limits| limits.max_open_files.into()),
    ("max_disk_bytes", 4 << 10, u64::MAX, |limits| limits.max_disk_bytes),
    ("max_disk_files", 1, MOST_32, |limits| limits.max_disk_files.into()),
    ("max_message_bytes", 16 << 10, MOST_32, |limits| limits.max_message_bytes.into()),
    ("max_calls_per_second", 1, MOST_32, |limits| limits.max_calls_per_second.into()),
    ("max_network_bytes_per_minute", 1 << 10, u64::MAX, |limits| limits.max_network_bytes_per_minute),
    ("max_network_connections", 1, MOST_32, |limits| limits.max_network_connections.into()),
    ("max_network_lookups", 1, MOST_32, |limits| limits.max_network_lookups.into()),
    ("max_network_buffered_bytes", 1, u64::MAX, |limits| limits.max_network_buffered_bytes),
    ("max_network_frames_per_second", 1, MOST_32, |limits| limits.max_network_frames_per_second.into()),
    ("max_reply_bytes", 256, MOST_32, |limits| limits.max_reply_bytes.into()),
    ("max_log_bytes", 256, MOST_32, |limits| limits.max_log_bytes.into()),
    ("max_log_bytes_per_minute", 1 << 10, u64::MAX, |limits| limits.max_log_bytes_per_minute),
    ("max_queued_events", 1, MOST_32, |limits| limits.max_queued_events.into()),
    ("max_queued_bytes", 128 << 10, u64::MAX, |limits| limits.max_queued_bytes),
    ("max_module_bytes", 64, u64::MAX, |limits| limits.max_module_bytes),
    ("max_compile_bytes", 32 << 20, u64::MAX, |limits| limits.max_compile_bytes),
];

/// A duration: its key, the least that the manual allows, and where it is found.
type Time = (&'static str, Duration, fn(&Limits) -> Duration);

const TIMES: [Time; 4] = [
    ("max_execution_time", Duration::from_millis(1), |limits| limits.max_execution_time),
    ("max_compile_time", Duration::from_secs(1), |limits| limits.max_compile_time),
    ("wall_clock_step", Duration::from_nanos(1), |limits| limits.wall_clock_step),
    ("monotonic_clock_step", Duration::from_nanos(1), |limits| limits.monotonic_clock_step),
];

/// Durations as they may be written; those that are none, or longer than a day, are `None`.
const WRITTEN: &[(&str, Option<Duration>)] = &[
    ("0", Some(Duration::ZERO)),
    ("0.0", Some(Duration::ZERO)),
    ("-0.0", Some(Duration::ZERO)),
    ("1e-12", Some(Duration::ZERO)),
    ("1e-9", Some(Duration::from_nanos(1))),
    ("\"1us\"", Some(Duration::from_micros(1))),
    ("\"999us\"", Some(Duration::from_micros(999))),
    ("0.001", Some(Duration::from_millis(1))),
    ("\"1ms\"", Some(Duration::from_millis(1))),
    ("\"999ms\"", Some(Duration::from_millis(999))),
    ("1", Some(Duration::from_secs(1))),
    ("\"1.5 s\"", Some(Duration::from_millis(1500))),
    ("86400", Some(Duration::from_secs(86_400))),
    ("\"1440m\"", Some(Duration::from_secs(86_400))),
    ("\"24h\"", Some(Duration::from_secs(86_400))),
    ("86400.001", None),
    ("86401", None),
    ("\"1441m\"", None),
    ("\"24.001h\"", None),
    ("\"86400001ms\"", None),
    ("4294967296", None),
    ("9223372036854775807", None),
    ("18446744073709551615", None),
    ("18446744073709551616", None),
    ("1e300", None),
    ("1e400", None),
    ("inf", None),
    ("-inf", None),
    ("nan", None),
    ("-1", None),
    ("-1e-3", None),
    ("\"-1s\"", None),
    ("\"99999999999999999999999999999999h\"", None),
    ("\"1.2.3s\"", None),
    ("\"s\"", None),
    ("\"5\"", None),
    ("\"\"", None),
    ("true", None),
    ("[1]", None),
];

/// The limits of a table with this line, if there is no fault in it; where it stands makes no difference.
fn limits(key: &str, value: &str) -> Option<Limits> {
    let scratch = Scratch::new();
    let parse = |text: &str| Config::parse(text, Path::new("/etc/conductor/config.toml"), &scratch.paths());
    let line = format!("{key} = {value}");
    let of_all = parse(&format!("[wasm]\n{line}\n"));
    let of_one = parse(&format!("[plugins.chord]\n{line}\n"));
    match (of_all, of_one) {
        (Ok(all), Ok(one)) => {
            let limits = all.wasm.limits();
            assert_eq!(one.plugins[0].limits.apply(Limits::default()), limits, "{line}");
            Some(limits)
        }
        (Err(all), Err(one)) => {
            for error in [all, one] {
                let ConfigError::Invalid { problems, .. } = error else { panic!("{line}: {error}") };
                assert!(problems.iter().all(|problem| problem.line == 2), "{line}: {problems:?}");
            }
            None
        }
        (all, one) => panic!("{line}: {all:?} for all plugins, {one:?} for one"),
    }
}

#[test]
fn numbers_are_read_whole_or_are_a_fault() {
    for (key, least, most, found) in NUMBERS {
        let usual = found(&Limits::default());
        let near = [0, 1, least - 1, least, usual - 1, usual, usual + 1, most - 1, most];
        let ends = [1 << 31, MOST_32, MOST_32 + 1, 1 << 63, i64::MAX as u64, u64::MAX - 1, u64::MAX];
        let mut edges: Vec<u128> = near.into_iter().chain(ends).map(u128::from).collect();
        edges.extend([
            u128::from(most) + 1,
            u128::from(u64::MAX) + 1,
            u128::from(u64::MAX) + 1 + u128::from(usual),
        ]);
        edges.sort_unstable();
        edges.dedup();
        for number in edges {
            let expected = u64::try_from(number).ok().filter(|number| (least..=most).contains(number));
            let read = limits(key, &number.to_string()).map(|limits| found(&limits));
            assert_eq!(read, expected, "{key} = {number}");
        }
        // Another spelling of the same, and what is no whole number.
        let spelled =
            [format!("{usual:#x}"), format!("{usual:#o}"), format!("{usual:#b}"), format!("+{usual}")];
        for same in spelled {
            assert_eq!(limits(key, &same).map(|limits| found(&limits)), Some(usual), "{key} = {same}");
        }
        for other in ["-1", "-9223372036854775808", "1.0", "1e6", "inf", "nan", "\"1000000\"", "true", "[1]"]
        {
            assert_eq!(limits(key, other).map(|limits| found(&limits)), None, "{key} = {other}");
        }
    }
}

#[test]
fn times_are_at_most_a_day() {
    for (key, least, found) in TIMES {
        for (written, meant) in WRITTEN {
            let expected = meant.filter(|meant| *meant >= least);
            let read = limits(key, written).map(|limits| found(&limits));
            assert_eq!(read, expected, "{key} = {written}");
        }
    }
}

#[test]
fn numbers_of_inputs_and_of_the_page_are_whole_as_well() {
    let scratch = Scratch::new();
    let parse =
        |text: &str| Config::parse(text, Path::new("/etc/conductor/config.toml"), &scratch.paths()).ok();
    let interval = |lines: &str| {
        let text = format!("[[inputs]]\nname = \"clock\"\ntype = \"interval\"\n{lines}\n");
        parse(&text).map(|config| {
            let InputKind::Interval { every, count } = &config.inputs[0].kind else { panic!("{text}") };
            (*every, *count)
        })
    };
    for (written, meant) in WRITTEN {
        let expected = meant.filter(|meant| *meant >= Duration::from_millis(1)).map(|every| (every, None));
        assert_eq!(interval(&format!("every = {written}")), expected, "every = {written}");
    }
    for count in [0, 1, MOST_32, MOST_32 + 1, i64::MAX as u64, u64::MAX] {
        let read = interval(&format!("every = 1\ncount = {count}"));
        assert_eq!(read, Some((Duration::from_secs(1), Some(count))), "count = {count}");
    }
    for count in ["-1", "18446744073709551616", "1.0"] {
        assert_eq!(interval(&format!("every = 1\ncount = {count}")), None, "count = {count}");
    }
    for port in [0_u64, 1, 4140, 65_535, 65_536, 65_536 + 4140, MOST_32 + 1 + 4140, u64::MAX] {
        let read = parse(&format!("[ui]\nport = {port}\n")).map(|config| config.ui.port);
        assert_eq!(read, u16::try_from(port).ok(), "port = {port}");
    }
}
