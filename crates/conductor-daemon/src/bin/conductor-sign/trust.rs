//! `trust`: whom the user trusts, what was revoked, which rotations were accepted, what is known about each plugin.

mod add;
mod allow_downgrade;
mod export_revocations;
mod import;
mod list;
mod pin;
mod pins;
mod remove;
mod renew;
mod revoke;
mod revoked;
mod rotations;
mod show;
mod unpin;
mod unrevoke;

use std::path::Path;

use conductor_signing::{
    KeySelector, PublicKey, Revocation, Revoked, TrustError, TrustStore, TrustedKey, UtcTime, escape,
};
use serde_json::{Value, json};

use crate::error::CliError;
use crate::output::Output;

#[derive(clap::Subcommand)]
pub(crate) enum Command {
    /// Trust a key
    Add(add::Arguments),
    /// List trusted keys
    List,
    /// Show everything that is known about a key
    Show(show::Arguments),
    /// Go on trusting a key
    Renew(renew::Arguments),
    /// Cease to trust a key
    Remove(remove::Arguments),
    /// Refuse everything that a key signed, or one plugin file
    Revoke(revoke::Arguments),
    /// List what was revoked
    Revoked,
    /// Take a revocation back
    Unrevoke(unrevoke::Arguments),
    /// Sign a list of your revocations for others
    ExportRevocations(export_revocations::Arguments),
    /// Take over a revocation list or a chain of rotations from a file
    Import(import::Arguments),
    /// List the key rotations that were accepted
    Rotations,
    /// List what is known of plugins: publisher, version, cosigners
    Pins(pins::Arguments),
    /// Pin a plugin's name to a publisher's key
    Pin(pin::Arguments),
    /// Forget what is known of a plugin's name
    Unpin(unpin::Arguments),
    /// Let a plugin be loaded in an older version than before
    AllowDowngrade(allow_downgrade::Arguments),
}

pub(crate) fn run(command: Command, config: &Path, output: &mut Output) -> Result<(), CliError> {
    match command {
        Command::Add(arguments) => add::run(arguments, config, output),
        Command::List => list::run(config, output),
        Command::Show(arguments) => show::run(&arguments, config, output),
        Command::Renew(arguments) => renew::run(arguments, config, output),
        Command::Remove(arguments) => remove::run(&arguments, config, output),
        Command::Revoke(arguments) => revoke::run(&arguments, config, output),
        Command::Revoked => revoked::run(config, output),
        Command::Unrevoke(arguments) => unrevoke::run(&arguments, config, output),
        Command::ExportRevocations(arguments) => export_revocations::run(&arguments, config, output),
        Command::Import(arguments) => import::run(&arguments, config, output),
        Command::Rotations => rotations::run(config, output),
        Command::Pins(arguments) => pins::run(&arguments, config, output),
        Command::Pin(arguments) => pin::run(&arguments, config, output),
        Command::Unpin(arguments) => unpin::run(&arguments, config, output),
        Command::AllowDowngrade(arguments) => allow_downgrade::run(arguments, config, output),
    }
}

/// The key that the text names: by name among the trusted keys, by digits among all known keys.
pub(crate) fn known_key(trust: &TrustStore, text: &str) -> Result<PublicKey, CliError> {
    let mut named = trust.keys().iter().filter(|key| key.name == text);
    match (named.next(), named.next()) {
        (Some(TrustedKey { public_key, .. }), None) => return Ok(*public_key),
        (Some(_), Some(_)) => return Err(TrustError::Ambiguous { selector: text.to_owned() }.into()),
        (None, _) => {}
    }
    if let Ok(key) = text.parse() {
        return Ok(key);
    }
    let selector: KeySelector = text.parse()?;
    let trusted = trust.keys().iter().map(|key| key.public_key);
    let removed = trust.removed_keys().iter().map(|key| key.public_key);
    let revoked = trust.revocations().filter_map(|entry| entry.key().copied());
    let rotated = trust.rotations().flat_map(|(link, _)| [link.old, link.new]);
    let mut known: Vec<PublicKey> =
        trusted.chain(removed).chain(revoked).chain(rotated).filter(|key| selector.matches(key)).collect();
    known.sort_by_key(|key| *key.as_bytes());
    known.dedup();
    match known.as_slice() {
        [key] => Ok(*key),
        [] => Err(TrustError::NotTrusted { selector: text.to_owned() }.into()),
        _ => Err(TrustError::Ambiguous { selector: text.to_owned() }.into()),
    }
}

/// An entry as JSON.
fn key_json(key: &TrustedKey) -> Value {
    json!({
        "name": key.name,
        "public_key": key.public_key.to_string(),
        "added_at": key.added_at.to_string(),
        "email": key.email,
        "role": key.role.name(),
        "expires_at": key.expires_at.as_ref().map(UtcTime::to_string),
        "plugins": key.plugins(),
        "max_risk": key.max_risk,
    })
}

/// What the key is trusted to do, and the limits of that trust, line by line.
fn limits(key: &TrustedKey, output: &mut Output) {
    if let Some(email) = &key.email {
        output.line(format!("  Email:       {}", escape::terminal(email)));
    }
    output.line(format!("  Role:        {}", key.role));
    if let Some(at) = &key.expires_at {
        let ended = if at.is_past(UtcTime::now().timestamp()) { " (ended)" } else { "" };
        output.line(format!("  Expires at:  {at}{ended}"));
    }
    if let Some(plugins) = key.plugins() {
        output.line(format!("  Plugins:     {}", plugins.join(", ")));
    }
    if let Some(risk) = key.max_risk {
        output.line(format!("  Max risk:    {risk}"));
    }
}

/// The fingerprint of a key, for two people to compare: in hex groups and in words.
fn fingerprint(key: &PublicKey, output: &mut Output) {
    let fingerprint = key.fingerprint();
    for (place, line) in fingerprint.hex_lines().iter().enumerate() {
        output.line(format!("{}{line}", if place == 0 { "  Fingerprint: " } else { "               " }));
    }
    for (place, line) in fingerprint.word_lines().iter().enumerate() {
        output.line(format!("{}{line}", if place == 0 { "  In words:    " } else { "               " }));
    }
}

/// A revocation, line by line.
fn revocation(entry: &Revocation, output: &mut Output) {
    match &entry.revoked {
        Revoked::Key(key) => {
            let name = entry.name.as_deref().map(|name| format!(" ({})", escape::terminal(name)));
            output.line(format!("Key {key}{}", name.unwrap_or_default()));
            output.line(format!("  Kind:        {}", entry.kind));
        }
        Revoked::Digest(digest) => output.line(format!("Plugin {digest}")),
    }
    output.line(format!("  Revoked at:  {}", entry.revoked_at));
    output.line(format!("  Reason:      {}", escape::terminal(&entry.reason)));
    if let Some(issuer) = &entry.issuer {
        output.line(format!("  From list of {issuer}"));
    }
}

/// A revocation as JSON.
fn revocation_json(entry: &Revocation) -> Value {
    json!({
        "public_key": entry.key().map(ToString::to_string),
        "digest": match &entry.revoked {
            Revoked::Key(_) => None,
            Revoked::Digest(digest) => Some(digest.to_string()),
        },
        "kind": entry.key().map(|_| entry.kind.name()),
        "name": entry.name,
        "revoked_at": entry.revoked_at.to_string(),
        "reason": entry.reason,
        "issuer": entry.issuer.map(|key| key.to_string()),
    })
}
