//! Hostile peers: servers that each break one rule, against a plugin that may talk to them, while another plugin is
//! served.
//!
//! The servers run in a separate process, so that measurements of this process concern only the host; this program is
//! that process if its argument is `serve`. With the argument `seconds` and a number, each peer gets that much time;
//! otherwise it gets a moment. Every peer is one test.

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

/// Time for each peer in an ordinary run.
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
    // The tests run one after the other, because each measures the whole process.
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
