//! Hostile peers: servers that do each thing wrong, against a plugin that may talk to them while another plugin is served.
//!
//! The servers are a process of their own, so that what the host takes is the host's alone; this program is that process with
//! the argument `serve`. With `seconds` and a number each peer has so long, otherwise it has a moment, and every peer is a test.

#![expect(
    clippy::expect_used,
    reason = "a test that cannot be set up fails, and its functions do not carry the attribute of the usual harness"
)]

mod plugin;
mod serve;
mod wrongs;

use std::process::ExitCode;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use libtest_mimic::{Arguments, Trial};

use plugin::Peers;

/// How long a peer has in an ordinary test.
const MOMENT: Duration = Duration::from_millis(700);

fn main() -> ExitCode {
    let mut arguments = std::env::args().skip(1);
    match arguments.next().as_deref() {
        Some("serve") => serve::run(),
        Some("seconds") => {
            let seconds = arguments.next().and_then(|number| number.parse().ok()).expect("seconds N");
            run(&Arguments { test_threads: Some(1), ..Arguments::default() }, Duration::from_secs(seconds))
        }
        _ => run(&Arguments::from_args(), MOMENT),
    }
}

fn run(arguments: &Arguments, each: Duration) -> ExitCode {
    // One after the other, because each is held against what the whole process takes.
    let peers = Arc::new(Mutex::new(None));
    let trials = wrongs::ALL.iter().map(|wrong| {
        let peers = Arc::clone(&peers);
        Trial::test(wrong.name, move || {
            let mut peers = peers.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
            peers.get_or_insert_with(Peers::start).suffer(wrong, each);
            Ok(())
        })
    });
    libtest_mimic::run(arguments, trials.collect()).exit_code()
}
