//! `conductorctl ui`: opens the Plugin Manager.

use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use conductor_daemon::control::{Request, Response};
use conductor_daemon::paths::has_display;
use conductor_daemon::say;

use crate::error::CliError;
use crate::{Ask, output};

/// The program that opens an address in the user's browser (xdg-utils).
const OPENER: &str = if cfg!(target_os = "macos") { "open" } else { "xdg-open" };

/// Longest wait for the opener to report that it failed.
const OPENER_WAIT: Duration = Duration::from_secs(3);

/// Time between two looks whether the opener has ended.
const LOOK_EVERY: Duration = Duration::from_millis(20);

#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// Print the address, and open nothing
    #[arg(long)]
    print: bool,
}

pub(crate) fn run(arguments: &Arguments, ask: Ask<'_>, as_json: bool) -> Result<(), CliError> {
    let Response::Ui(address) = ask(&Request::Ui)? else { return Err(CliError::OtherAnswer) };
    if as_json {
        return output::json(&address);
    }
    output::text(&format!("{}\n", address.url))?;
    if arguments.print {
        return Ok(());
    }
    if !has_display() {
        say::line(format_args!(
            "note: there is no display here; open the address within a minute, it works once"
        ));
        return Ok(());
    }
    if !opens(&address.url) {
        say::line(format_args!(
            "note: {OPENER} did not open it; open the address within a minute, it works once"
        ));
    }
    Ok(())
}

/// Opens an address. The opener may itself be a browser that goes on running; that counts as success.
fn opens(url: &str) -> bool {
    let mut opener = Command::new(OPENER);
    opener.arg(url).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    let Ok(mut opener) = opener.spawn() else { return false };
    let deadline = Instant::now() + OPENER_WAIT;
    while Instant::now() < deadline {
        match opener.try_wait() {
            Ok(Some(status)) => return status.success(),
            Ok(None) => std::thread::sleep(LOOK_EVERY),
            Err(_) => return false,
        }
    }
    true
}
