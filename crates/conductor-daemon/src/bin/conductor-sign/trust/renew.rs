//! `trust renew`: goes on trusting a key.

use std::path::Path;

use conductor_signing::{KeySelector, TrustStore, UtcTime, escape};

use crate::dates;
use crate::error::CliError;
use crate::output::Output;

#[derive(clap::Args)]
#[group(required = true, multiple = false)]
pub(crate) struct Until {
    /// Last day of the trust, as in 2027-01-31, or its end, as in 2027-01-31T12:00:00Z
    #[arg(long, value_name = "DATE", value_parser = dates::end_of_day)]
    expires: Option<UtcTime>,

    /// Trust the key without an end
    #[arg(long)]
    never: bool,
}

#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// The public key, or at least its first 8 hex digits
    key: KeySelector,

    #[command(flatten)]
    until: Until,
}

pub(super) fn run(arguments: Arguments, config: &Path, output: &mut Output) -> Result<(), CliError> {
    let key = TrustStore::renew(config, &arguments.key, arguments.until.expires)?;
    output.line("✓ Trust renewed");
    output.line("");
    output.line(format!("Name:       {}", escape::terminal(&key.name)));
    output.line(format!("Public key: {}", key.public_key));
    match &key.expires_at {
        Some(at) => output.line(format!("Expires at: {at}")),
        None => output.line("Expires at: never"),
    }
    output.json(|| super::key_json(&key));
    Ok(())
}
