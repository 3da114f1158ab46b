//! Row host-work and the manual's own examples: work that the guest causes in the host is charged and bounded.

use std::time::{Duration, Instant};

use conductor_core::{Limit, Limits, Outcome};
use serde_json::json;

use super::guest::{Guests, call, in_both_modes};

in_both_modes! {
    a_large_directory_costs_fuel
    open_files_are_bounded
    the_manuals_sleeping_loop_ends_on_fuel
    the_manuals_allocation_is_stopped_at_the_second_vector
    random_bytes_and_log_lines_are_charged
    waiting_for_a_server_ends_with_the_calls_time
}

/// Longest that a test may take: ten times the promise.
const WATCHDOG: Duration = Duration::from_secs(50);

fn a_large_directory_costs_fuel(guests: &Guests) {
    let directory = guests.data("hostile").join("many");
    std::fs::create_dir_all(&directory).expect("data directory");
    for number in 0..9_900 {
        std::fs::File::create(directory.join(format!("f{number}"))).expect("created");
    }
    let mut plugin = guests.hostile(&["Filesystem"], Limits::default());
    let started = Instant::now();
    // The number of files is just below the quota. No file is made; only the existing ones are listed, again and again
    // in pieces.
    let report = call(plugin.as_mut(), "list", json!({"count": 0}));
    assert_eq!(report.outcome, Outcome::Limit { limit: Limit::Fuel }, "{report:?}");
    assert!(started.elapsed() < WATCHDOG, "{:?}", started.elapsed());
}

fn open_files_are_bounded(guests: &Guests) {
    let limits = Limits { max_fuel: 10_000_000_000, ..Limits::default() };
    let mut plugin = guests.hostile(&["Filesystem"], limits);
    let report = call(plugin.as_mut(), "files", json!({}));
    let reply = super::guest::reply(&report).to_string();
    assert!(reply.contains("64") || reply.contains("63"), "{reply}");
    assert_eq!(report.limits_refused, [Limit::OpenFiles]);
    let descriptors = std::fs::read_dir("/proc/self/fd").expect("readable").count();
    assert!(descriptors < 200, "{descriptors} descriptors are open in the host");
}

fn the_manuals_sleeping_loop_ends_on_fuel(guests: &Guests) {
    let mut plugin = guests.hostile(&[], Limits::default());
    let report = call(plugin.as_mut(), "sleep", json!({}));
    assert_eq!(report.outcome.to_string(), "fuel exhausted");
    assert!(report.elapsed >= Duration::from_millis(20), "slept for only {:?}", report.elapsed);
    assert!(report.elapsed < WATCHDOG);
}

fn the_manuals_allocation_is_stopped_at_the_second_vector(guests: &Guests) {
    let mut plugin = guests.hostile(&[], Limits::default());
    let report = call(plugin.as_mut(), "allocate", json!({}));
    assert_eq!(report.outcome.to_string(), "memory limit exceeded");
    let after = call(plugin.as_mut(), "count", json!({}));
    assert_eq!(after.outcome, Outcome::Ok, "the next call gets a fresh instance");
}

fn random_bytes_and_log_lines_are_charged(guests: &Guests) {
    let mut plugin = guests.hostile(&[], Limits::default());
    let random = call(plugin.as_mut(), "random", json!({}));
    assert!(
        matches!(random.outcome, Outcome::Limit { limit: Limit::Fuel | Limit::Memory }),
        "{:?}",
        random.outcome
    );
    let log = call(plugin.as_mut(), "log", json!({}));
    assert_eq!(log.limits_refused, [Limit::LogBytes]);
    let kept: usize = log.log.iter().map(|line| line.text.len()).sum();
    assert!(kept <= 64 * 1024 && log.dropped_log_bytes > 0, "{kept} kept, {} dropped", log.dropped_log_bytes);
}

fn waiting_for_a_server_ends_with_the_calls_time(guests: &Guests) {
    // A server that never sends anything. The operating system accepts its connections.
    let silent = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = silent.local_addr().expect("an address");
    let limits = Limits { max_execution_time: Duration::from_millis(300), ..Limits::default() };
    let mut plugin = guests.hostile(&[&format!("Network={address}")], limits);
    let started = Instant::now();
    let report = call(plugin.as_mut(), "fetch", json!({"url": format!("http://{address}/")}));
    assert_eq!(report.outcome, Outcome::Limit { limit: Limit::WallClock }, "{report:?}");
    assert!(started.elapsed() < WATCHDOG, "{:?}", started.elapsed());
}
