//! The TOML of `trusted_keys.toml` and `revoked_keys.toml`.

use std::path::Path;

use conductor_abi::Risk;
use serde::{Deserialize, Serialize};
use toml::Spanned;

use super::source::{MAX_TEXT_BYTES, Source, VERSION, encode};
use super::{NamePattern, TrustError, TrustedKey};
use crate::{Revocation, Revoked, UtcTime, escape};

/// Says to a person who opens the file what it is.
const HEADER: &str =
    "# Keys whose plugins are trusted. Written by `conductor-sign trust`, which keeps no comments.\n\n";

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct TrustedFile {
    version: Spanned<i64>,
    #[serde(default)]
    keys: Vec<KeyEntry>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct KeyEntry {
    name: Spanned<String>,
    public_key: Spanned<String>,
    added_at: Spanned<String>,
    email: Option<Spanned<String>>,
    expires_at: Option<Spanned<String>>,
    plugins: Option<Vec<Spanned<String>>>,
    max_risk: Option<Spanned<String>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RevokedFile {
    version: Spanned<i64>,
    #[serde(default)]
    revoked: Vec<Spanned<RevokedEntry>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RevokedEntry {
    public_key: Option<Spanned<String>>,
    digest: Option<Spanned<String>>,
    revoked_at: Spanned<String>,
    reason: Spanned<String>,
}

/// Reads `trusted_keys.toml`.
pub(super) fn parse_trusted(path: &Path, text: &str) -> Result<Vec<TrustedKey>, TrustError> {
    let source = Source { path, text };
    let file: TrustedFile = source.parse()?;
    source.check_version(&file.version)?;
    let mut keys: Vec<TrustedKey> = Vec::with_capacity(file.keys.len());
    for entry in &file.keys {
        let key = source.trusted_key(entry)?;
        if keys.iter().any(|earlier| earlier.public_key == key.public_key) {
            let line = source.line_of(&entry.public_key);
            return Err(TrustError::Repeated { path: path.into(), line, key: key.public_key });
        }
        keys.push(key);
    }
    Ok(keys)
}

/// Reads `revoked_keys.toml`.
pub(super) fn parse_revoked(path: &Path, text: &str) -> Result<Vec<Revocation>, TrustError> {
    let source = Source { path, text };
    let file: RevokedFile = source.parse()?;
    source.check_version(&file.version)?;
    file.revoked.iter().map(|entry| source.revocation(entry)).collect()
}

/// Checks a name that is about to be given to a key.
pub(super) fn check_name(name: &str) -> Result<(), TrustError> {
    let visible = escape::terminal(name).to_string() == name && !name.trim().is_empty();
    if visible && name.len() <= MAX_TEXT_BYTES { Ok(()) } else { Err(TrustError::Name) }
}

/// Writes `trusted_keys.toml`.
pub(super) fn write_trusted(keys: &[TrustedKey]) -> Result<String, TrustError> {
    #[derive(Serialize)]
    struct File<'a> {
        version: i64,
        #[serde(skip_serializing_if = "Vec::is_empty")]
        keys: Vec<Entry<'a>>,
    }
    #[derive(Serialize)]
    struct Entry<'a> {
        name: &'a str,
        public_key: String,
        added_at: String,
        email: Option<&'a str>,
        expires_at: Option<String>,
        plugins: Option<Vec<&'a str>>,
        max_risk: Option<&'static str>,
    }
    impl<'a> Entry<'a> {
        fn of(key: &'a TrustedKey) -> Self {
            Self {
                name: &key.name,
                public_key: key.public_key.to_string(),
                added_at: key.added_at.to_string(),
                email: key.email.as_deref(),
                expires_at: key.expires_at.as_ref().map(UtcTime::to_string),
                plugins: key.plugins(),
                max_risk: key.max_risk.map(Risk::name),
            }
        }
    }
    let file = File { version: VERSION, keys: keys.iter().map(Entry::of).collect() };
    encode(HEADER, &file)
}

impl Source<'_> {
    fn trusted_key(self, entry: &KeyEntry) -> Result<TrustedKey, TrustError> {
        let patterns = |list: &Vec<Spanned<String>>| {
            let pattern = |text| {
                let no_pattern = "a pattern holds letters, digits, `-`, `_`, `.` and `*`";
                self.value("plugins", text, |text| NamePattern::new(text).ok_or(no_pattern))
            };
            list.iter().map(pattern).collect::<Result<Vec<_>, _>>()
        };
        Ok(TrustedKey {
            name: self.text("name", &entry.name)?,
            public_key: self.value("public_key", &entry.public_key, str::parse)?,
            added_at: self.value("added_at", &entry.added_at, str::parse)?,
            email: entry.email.as_ref().map(|email| self.text("email", email)).transpose()?,
            expires_at: self.optional("expires_at", entry.expires_at.as_ref(), str::parse)?,
            max_risk: self.optional("max_risk", entry.max_risk.as_ref(), str::parse)?,
            plugins: entry.plugins.as_ref().map(patterns).transpose()?,
        })
    }

    fn revocation(self, entry: &Spanned<RevokedEntry>) -> Result<Revocation, TrustError> {
        let line = self.line_of(entry);
        let entry = entry.get_ref();
        let revoked = match (&entry.public_key, &entry.digest) {
            (Some(key), None) => Revoked::Key(self.value("public_key", key, str::parse)?),
            (None, Some(digest)) => Revoked::Digest(self.value("digest", digest, str::parse)?),
            (Some(_), Some(_)) | (None, None) => {
                return Err(TrustError::Value {
                    path: self.path.into(),
                    line,
                    field: "revoked",
                    cause: "an entry has either `public_key` or `digest`".to_owned(),
                });
            }
        };
        let revoked_at = self.value("revoked_at", &entry.revoked_at, str::parse)?;
        Ok(Revocation { revoked, revoked_at, reason: self.text("reason", &entry.reason)? })
    }
}
