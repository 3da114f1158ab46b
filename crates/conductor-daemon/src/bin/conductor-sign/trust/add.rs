//! `trust add`: begins to trust a key.

use std::io::{self, IsTerminal as _};
use std::path::Path;

use conductor_abi::Risk;
use conductor_daemon::say;
use conductor_signing::{
    KeyRole, NamePattern, NewKey, PublicKey, TrustError, TrustStore, TrustedKey, UtcTime, escape,
};

use crate::dates;
use crate::error::CliError;
use crate::output::Output;

#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// The public key, 64 lower-case hex digits
    #[arg(value_name = "KEY")]
    public_key: PublicKey,

    /// What to call the key
    name: String,

    /// Address of the key's holder
    #[arg(long)]
    email: Option<String>,

    /// What the key may do: publish plugins, cosign what others publish, or both
    #[arg(long, value_name = "ROLE", default_value_t)]
    role: KeyRole,

    /// Plugin names that the key may sign, such as `acme-*`; may be given more than once [default: any]
    #[arg(long, value_name = "PATTERN")]
    plugins: Vec<NamePattern>,

    /// Highest risk of a capability that its plugins may be granted: low, medium or high [default: any]
    #[arg(long, value_name = "LEVEL")]
    max_risk: Option<Risk>,

    /// Last day of the trust, as in 2027-01-31, or its end, as in 2027-01-31T12:00:00Z [default: none]
    #[arg(long, value_name = "DATE", value_parser = dates::end_of_day)]
    expires: Option<UtcTime>,

    /// Trust the key although it could be taken for another, or its name mixes alphabets
    #[arg(long)]
    force: bool,
}

pub(super) fn run(arguments: Arguments, config: &Path, output: &mut Output) -> Result<(), CliError> {
    let Arguments { public_key, name, email, role, plugins, max_risk, expires, force } = arguments;
    let plugins = (!plugins.is_empty()).then_some(plugins);
    let new = NewKey { name, public_key, email, role, plugins, max_risk, expires_at: expires };
    let key = add(config, &new, force)?;
    output.line("✓ Key added to trusted keys");
    output.line("");
    output.line(format!("Name:         {}", escape::terminal(&key.name)));
    output.line(format!("Public key:   {public_key}"));
    output.line(format!("Trusted keys: {}", escape::path(&TrustStore::trusted_keys_path(config))));
    super::limits(&key, output);
    output.line("");
    output.line("Compare this with what the publisher reads out to you:");
    super::fingerprint(&public_key, output);
    output.json(|| {
        let mut entry = super::key_json(&key);
        if let serde_json::Value::Object(members) = &mut entry {
            members.insert("fingerprint".to_owned(), key.public_key.fingerprint().to_string().into());
            members.insert("words".to_owned(), key.public_key.fingerprint().words().into());
        }
        entry
    });
    Ok(())
}

/// Adds the key, if there is no doubt about it or the user accepts the doubt. The user's answer holds for the doubt
/// that was shown: if another doubt has come up meanwhile, the user is asked again.
fn add(config: &Path, new: &NewKey, force: bool) -> Result<TrustedKey, TrustError> {
    let mut accepted = None;
    loop {
        let doubt = match TrustStore::add(config, new.clone()) {
            Err(doubt @ (TrustError::Resembles { .. } | TrustError::MixedScripts { .. })) => doubt,
            other => return other,
        };
        let text = doubt.to_string();
        if force || accepted.as_ref() == Some(&text) {
            return TrustStore::add_despite_resemblance(config, new.clone());
        }
        if !asked(&text) {
            return Err(doubt);
        }
        accepted = Some(text);
    }
}

/// Asks a person at a terminal. Scripts are not asked; they use `--force`.
fn asked(doubt: &str) -> bool {
    if !io::stdin().is_terminal() || !io::stderr().is_terminal() {
        return false;
    }
    conductor_keys::drop_typed_ahead();
    say::words(format_args!("warning: {}\nTrust it all the same? [y/N] ", escape::terminal(doubt)));
    let mut answer = String::new();
    let read = io::stdin().read_line(&mut answer);
    read.is_ok() && matches!(answer.trim(), "y" | "Y" | "yes" | "Yes")
}
