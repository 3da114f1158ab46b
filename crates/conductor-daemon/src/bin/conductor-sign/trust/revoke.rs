//! `trust revoke`: refuses everything that a key signed, or one plugin file.

use std::path::Path;

use conductor_daemon::say;
use conductor_signing::{Digest, KeySelector, PublicKey, RevocationKind, Revoked, TrustStore};
use serde_json::json;

use crate::error::CliError;
use crate::output::Output;

#[derive(clap::Args)]
#[group(multiple = false)]
pub(crate) struct Kind {
    /// A thief may have the key: what it passed on to needs your approval (the default)
    #[arg(long)]
    compromised: bool,

    /// The key is not used any more: what it passed on to stays good
    #[arg(long)]
    superseded: bool,
}

/// What 64 digits are.
#[derive(clap::Args)]
#[group(multiple = false)]
pub(crate) struct Digits {
    /// Take the 64 digits for a key
    #[arg(long)]
    key: bool,

    /// Take the 64 digits for the digest of a plugin file
    #[arg(long)]
    digest: bool,
}

#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// The public key, at least the first 8 hex digits of one that is trusted, or the SHA-256 digest of a plugin file, as
    /// 64 hex digits or sha256:DIGEST
    #[arg(value_name = "KEY|DIGEST")]
    what: String,

    /// Why
    #[arg(long)]
    reason: String,

    #[command(flatten)]
    kind: Kind,

    #[command(flatten)]
    digits: Digits,
}

pub(super) fn run(arguments: &Arguments, config: &Path, output: &mut Output) -> Result<(), CliError> {
    let trust = TrustStore::load(config)?;
    let meant = meant(&trust, &arguments.what, &arguments.digits)?;
    let kind =
        if arguments.kind.superseded { RevocationKind::Superseded } else { RevocationKind::Compromised };
    if let ([Revoked::Digest(_)], RevocationKind::Superseded) = (meant.as_slice(), kind) {
        return Err(CliError::SupersededFile);
    }
    let revoke = |revoked| TrustStore::revoke(config, revoked, kind, &arguments.reason);
    let entries = meant.into_iter().map(revoke).collect::<Result<Vec<_>, _>>()?;
    if entries.len() > 1 {
        say::line(format_args!(
            "note: these digits could be a key or a digest, so both are revoked; to choose: --key, --digest"
        ));
    }
    output.line("✓ Revoked");
    for entry in &entries {
        output.line("");
        super::revocation(entry, output);
    }
    output.json(|| json!({ "revoked": entries.iter().map(super::revocation_json).collect::<Vec<_>>() }));
    Ok(())
}

/// What 64 digits, or the beginning of a key, stand for. Digits that could be a key or a digest, and are known as
/// neither, are revoked as both: nothing else has these digits, and the wrong choice would revoke nothing.
fn meant(trust: &TrustStore, text: &str, digits: &Digits) -> Result<Vec<Revoked>, CliError> {
    if let Some(digest) = text.strip_prefix("sha256:") {
        return Ok(vec![Revoked::Digest(digest.parse()?)]);
    }
    if digits.digest {
        return Ok(vec![Revoked::Digest(text.parse()?)]);
    }
    match (text.parse::<PublicKey>(), text.parse::<Digest>()) {
        (Ok(key), Ok(digest)) if !digits.key && !is_known(trust, &key) => {
            Ok(vec![Revoked::Key(key), Revoked::Digest(digest)])
        }
        (Ok(key), _) => Ok(vec![Revoked::Key(key)]),
        // Most digests are not points of prime order on the curve, and so cannot be keys.
        (Err(_), Ok(digest)) if !digits.key => Ok(vec![Revoked::Digest(digest)]),
        (Err(_), _) => {
            let selector: KeySelector = text.parse()?;
            Ok(vec![Revoked::Key(trust.find(&selector)?.public_key)])
        }
    }
}

/// Whether the trust store knows the key.
fn is_known(trust: &TrustStore, key: &PublicKey) -> bool {
    trust.get(key).is_some()
        || trust.revoked_key(key).is_some()
        || trust.removed_keys().iter().any(|removed| removed.public_key == *key)
        || trust.rotations().any(|(link, _)| link.old == *key || link.new == *key)
        || trust.pins().any(|(_, pin)| pin.signers().contains(key))
}
