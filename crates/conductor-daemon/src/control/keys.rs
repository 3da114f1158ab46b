//! Whom the user trusts, in the words of the control protocol. The trust store itself makes the changes; the daemon's
//! watch over its files then acts on them.

use std::path::Path;

use conductor_core::audit::AuditRecord;
use conductor_core::{AuditLog, AuditSink as _, FileState};
use conductor_signing::escape::terminal;
use conductor_signing::{
    NewKey, PublicKey, Revocation, RevocationKind, Revoked, TrustError, TrustStore, TrustedKey, UtcTime,
};

use super::excerpt::excerpt;
use super::message::{
    KeyRevoked, KeyState, KeyStatus, KeyTrusted, Refusal, RefusalCause, RevocationStatus, RevokeAs,
};
use crate::dispatch::Roster;
use crate::trust_watch::withdraw;

/// Reason of a revocation for which the user gave no reason.
const NO_REASON: &str = "revoked in the Plugin Manager";

/// A key to trust, as the request describes it.
pub(super) struct New {
    pub(super) name: String,
    pub(super) public_key: String,
    pub(super) fingerprint: String,
    pub(super) expires_at: Option<String>,
}

/// Trusted keys, and keys that were revoked and are not trusted.
pub(super) fn list(directory: &Path) -> Result<Vec<KeyStatus>, Refusal> {
    let trust = TrustStore::load(directory).map_err(refused)?;
    let trusted = trust.keys().iter().map(|key| trusted(key, trust.revoked_key(&key.public_key)));
    let revoked = trust.revocations().filter_map(|entry| {
        let key = entry.key().filter(|key| trust.get(key).is_none())?;
        Some(KeyStatus {
            name: entry.name.as_deref().map(excerpt),
            state: KeyState::Revoked,
            revoked: Some(revocation(entry)),
            ..key_status(key)
        })
    });
    Ok(trusted.chain(revoked).collect())
}

/// Trusts a key whose fingerprint the user has confirmed.
pub(super) fn add(directory: &Path, new: New, audit: &AuditLog) -> Result<KeyTrusted, Refusal> {
    let New { name, public_key, fingerprint, expires_at } = new;
    let key = parse_key(&public_key)?;
    if !is_fingerprint_of(&key, &fingerprint) {
        let message = "this is not the fingerprint of the key".to_owned();
        let hint =
            "have the publisher read the fingerprint to you: if it differs, the key is not theirs".to_owned();
        return Err(Refusal { hint: Some(hint), ..not_trusted(message) });
    }
    let expires_at = expires_at
        .map(|text| {
            let until: UtcTime = text
                .parse()
                .map_err(|error| not_trusted(format!("`{}` is no date: {error}", excerpt(&text))))?;
            if until.is_past(UtcTime::now().timestamp()) {
                return Err(not_trusted(format!("{until} is past")));
            }
            Ok(until)
        })
        .transpose()?;
    if audit.is_failing() {
        return Err(not_trusted("no key is trusted while the audit log cannot be written".to_owned()));
    }
    let trusted =
        TrustStore::add(directory, NewKey { expires_at, ..NewKey::new(&name, key) }).map_err(refused)?;
    // A record that cannot be written now is counted and reported later.
    let _ = audit.record(&AuditRecord::key_trusted(&trusted.public_key, &trusted.name));
    tracing::info!(key = %trusted.public_key, "trusted: {}", terminal(&trusted.name));
    Ok(KeyTrusted { name: trusted.name, public_key: trusted.public_key.to_string() })
}

/// Revokes a key. Running plugins that depend on it are stopped.
pub(super) fn revoke(
    directory: &Path,
    public_key: &str,
    reason: Option<&str>,
    kind: RevokeAs,
    audit: &AuditLog,
    roster: &Roster,
) -> Result<KeyRevoked, Refusal> {
    let key = parse_key(public_key)?;
    let kind = match kind {
        RevokeAs::Compromised => RevocationKind::Compromised,
        RevokeAs::Superseded => RevocationKind::Superseded,
    };
    let reason = reason.map(str::trim).filter(|reason| !reason.is_empty()).unwrap_or(NO_REASON);
    // Plugins are stopped before the revocation is written, because a slow disk may hold up the writing. If writing
    // fails, the plugins stay stopped; the user is told, and lets them back in or revokes again.
    if let Ok(trust) = TrustStore::load(directory) {
        withdraw(&trust.supposing_revoked_as(Revoked::Key(key), kind, reason), &roster.everyone());
    }
    let entry = TrustStore::revoke(directory, Revoked::Key(key), kind, reason).map_err(refused)?;
    let _ = audit.record(&AuditRecord::key_revoked(&key, entry.kind, &entry.reason));
    tracing::info!(%key, "revoked: {}", terminal(&entry.reason));
    Ok(KeyRevoked { public_key: key.to_string(), name: entry.name, kind: entry.kind.to_string() })
}

/// The states of the files, which change when a file changes.
pub(super) fn state(directory: &Path) -> Vec<Option<FileState>> {
    TrustStore::files(directory).iter().map(|path| FileState::of(path)).collect()
}

/// Whether a text is the fingerprint of a key, in digits or in words, with any spacing.
fn is_fingerprint_of(key: &PublicKey, text: &str) -> bool {
    let fingerprint = key.fingerprint();
    let lower = text.to_lowercase();
    let digits: String = lower.chars().filter(|c| !c.is_whitespace()).collect();
    digits == fingerprint.to_string() || lower.split_whitespace().eq(fingerprint.words())
}

fn trusted(key: &TrustedKey, entry: Option<&Revocation>) -> KeyStatus {
    let is_over = key.expires_at.as_ref().is_some_and(|at| at.is_past(UtcTime::now().timestamp()));
    KeyStatus {
        name: Some(excerpt(&key.name)),
        email: key.email.as_deref().map(excerpt),
        added_at: Some(key.added_at.to_string()),
        expires_at: key.expires_at.as_ref().map(UtcTime::to_string),
        plugins: key.plugins().map(|plugins| plugins.into_iter().map(str::to_owned).collect()),
        role: Some(key.role.to_string()),
        max_risk: key.max_risk.map(|risk| risk.to_string()),
        state: match (entry, is_over) {
            (Some(_), _) => KeyState::Revoked,
            (None, true) => KeyState::Expired,
            (None, false) => KeyState::Trusted,
        },
        revoked: entry.map(revocation),
        ..key_status(&key.public_key)
    }
}

/// The status of a key of which nothing else is known.
fn key_status(key: &PublicKey) -> KeyStatus {
    let fingerprint = key.fingerprint();
    KeyStatus {
        name: None,
        public_key: key.to_string(),
        fingerprint: fingerprint.to_string(),
        words: fingerprint.words().join(" "),
        email: None,
        added_at: None,
        expires_at: None,
        plugins: None,
        role: None,
        max_risk: None,
        state: KeyState::Trusted,
        revoked: None,
    }
}

fn revocation(entry: &Revocation) -> RevocationStatus {
    RevocationStatus {
        at: entry.revoked_at.to_string(),
        reason: excerpt(&entry.reason),
        kind: entry.kind.to_string(),
    }
}

fn parse_key(text: &str) -> Result<PublicKey, Refusal> {
    text.parse().map_err(|error| not_trusted(format!("`{}` is no key: {error}", excerpt(text))))
}

fn refused(error: TrustError) -> Refusal {
    Refusal { hint: error.hint(), ..not_trusted(error.to_string()) }
}

fn not_trusted(message: String) -> Refusal {
    Refusal::new(RefusalCause::NotTrusted, message)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fingerprint_is_confirmed_in_digits_or_in_words() {
        let key: PublicKey =
            "3dab8dbfaeb804085e879791d395d6afabe268535a2bc98ea70afa1edd291cca".parse().expect("a key");
        let fingerprint = key.fingerprint();
        for same in [
            fingerprint.to_string(),
            fingerprint.to_string().to_uppercase(),
            fingerprint.hex_lines().join("\n"),
            fingerprint.words().join(" "),
            fingerprint.word_lines().join("\n").to_uppercase(),
        ] {
            assert!(is_fingerprint_of(&key, &same), "{same}");
        }
        let digits = fingerprint.to_string();
        for other in ["", &digits[..60], &digits[1..], &format!("{digits}0"), &key.to_string()] {
            assert!(!is_fingerprint_of(&key, other), "{other}");
        }
        assert!(!is_fingerprint_of(&key, &fingerprint.words()[..11].join(" ")));
    }
}
