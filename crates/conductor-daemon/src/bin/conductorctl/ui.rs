//! `conductorctl ui`: opens the Plugin Manager.

use std::process::{Command, Stdio};

use conductor_daemon::control::{Request, Response};
use conductor_daemon::paths::has_display;

use crate::error::CliError;
use crate::{Ask, output};

/// The program that opens an address in the user's browser (xdg-utils).
const OPENER: &str = if cfg!(target_os = "macos") { "open" } else { "xdg-open" };

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
        eprintln!("note: there is no display here; open the address within a minute, it works once");
        return Ok(());
    }
    let mut opener = Command::new(OPENER);
    opener.arg(&address.url).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    let status = opener.status();
    if !status.as_ref().is_ok_and(std::process::ExitStatus::success) {
        eprintln!("note: {OPENER} did not open it; open the address within a minute, it works once");
    }
    Ok(())
}
