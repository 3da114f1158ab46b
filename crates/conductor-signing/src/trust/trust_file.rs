//! The TOML of `trusted_keys.toml`.

use std::path::Path;

use conductor_abi::Risk;
use serde::{Deserialize, Serialize};
use toml::Spanned;

use super::source::{Line, Lines, Source, VERSION, encode};
use super::{KeyRole, NamePattern, RemovedKey, TrustError, TrustedKey};
use crate::{PublicKey, UtcTime};

/// Says to a person who opens the file what it is.
const HEADER: &str =
    "# Keys whose plugins are trusted. Written by `conductor-sign trust`, which keeps no comments.\n\n";

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct TrustedFile {
    version: Spanned<i64>,
    #[serde(default)]
    keys: Vec<Spanned<KeyEntry>>,
    #[serde(default)]
    removed: Vec<RemovedEntry>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct KeyEntry {
    name: Spanned<String>,
    public_key: Spanned<String>,
    added_at: Spanned<String>,
    email: Option<Spanned<String>>,
    expires_at: Option<Spanned<String>>,
    role: Option<Spanned<String>>,
    plugins: Option<Vec<Spanned<String>>>,
    max_risk: Option<Spanned<String>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RemovedEntry {
    name: Spanned<String>,
    public_key: Spanned<String>,
    removed_at: Spanned<String>,
}

/// Reads the file: trusted keys and removed ones.
pub(super) fn parse(path: &Path, text: &str) -> Result<(Vec<TrustedKey>, Vec<RemovedKey>), TrustError> {
    let lines = Lines::of(text);
    let source = Source { path, lines: &lines };
    let file: TrustedFile = source.parse()?;
    source.check_version(&file.version)?;
    let mut keys: Vec<TrustedKey> = Vec::with_capacity(file.keys.len());
    for spanned in &file.keys {
        let entry = spanned.get_ref();
        let key = source.trusted_key(entry, Line(Some(source.line_of(spanned))))?;
        if keys.iter().any(|earlier| earlier.public_key == key.public_key) {
            let line = source.line_of(&entry.public_key);
            return Err(TrustError::Repeated { path: path.into(), line, key: key.public_key });
        }
        keys.push(key);
    }
    let removed = file.removed.iter().map(|entry| source.removed_key(entry));
    Ok((keys, removed.collect::<Result<_, _>>()?))
}

/// Writes the file.
pub(super) fn to_toml(keys: &[TrustedKey], removed: &[RemovedKey]) -> Result<String, TrustError> {
    #[derive(Serialize)]
    struct File<'a> {
        version: i64,
        #[serde(skip_serializing_if = "Vec::is_empty")]
        keys: Vec<Entry<'a>>,
        #[serde(skip_serializing_if = "Vec::is_empty")]
        removed: Vec<Removed<'a>>,
    }
    #[derive(Serialize)]
    struct Entry<'a> {
        name: &'a str,
        public_key: String,
        added_at: String,
        email: Option<&'a str>,
        expires_at: Option<String>,
        #[serde(skip_serializing_if = "Option::is_none")]
        role: Option<&'static str>,
        plugins: Option<Vec<&'a str>>,
        max_risk: Option<&'static str>,
    }
    #[derive(Serialize)]
    struct Removed<'a> {
        name: &'a str,
        public_key: String,
        removed_at: String,
    }
    impl<'a> Entry<'a> {
        fn of(key: &'a TrustedKey) -> Self {
            Self {
                name: &key.name,
                public_key: key.public_key.to_string(),
                added_at: key.added_at.to_string(),
                email: key.email.as_deref(),
                expires_at: key.expires_at.as_ref().map(UtcTime::to_string),
                role: Some(key.role).filter(|role| *role != KeyRole::default()).map(KeyRole::name),
                plugins: key.plugins(),
                max_risk: key.max_risk.map(Risk::name),
            }
        }
    }
    let removed = removed.iter().map(|key| Removed {
        name: &key.name,
        public_key: key.public_key.to_string(),
        removed_at: key.removed_at.to_string(),
    });
    let keys = keys.iter().map(Entry::of).collect();
    encode(HEADER, &File { version: VERSION, keys, removed: removed.collect() })
}

impl Source<'_> {
    fn trusted_key(self, entry: &KeyEntry, line: Line) -> Result<TrustedKey, TrustError> {
        let patterns = |list: &Vec<Spanned<String>>| {
            let pattern = |text| self.value("plugins", text, str::parse::<NamePattern>);
            list.iter().map(pattern).collect::<Result<Vec<_>, _>>()
        };
        Ok(TrustedKey {
            name: self.text("name", &entry.name)?,
            public_key: self.value("public_key", &entry.public_key, str::parse)?,
            added_at: self.value("added_at", &entry.added_at, str::parse)?,
            email: entry.email.as_ref().map(|email| self.text("email", email)).transpose()?,
            expires_at: self.optional("expires_at", entry.expires_at.as_ref(), str::parse)?,
            role: self.optional("role", entry.role.as_ref(), str::parse)?.unwrap_or_default(),
            max_risk: self.optional("max_risk", entry.max_risk.as_ref(), str::parse)?,
            plugins: entry.plugins.as_ref().map(patterns).transpose()?,
            line,
        })
    }

    fn removed_key(self, entry: &RemovedEntry) -> Result<RemovedKey, TrustError> {
        Ok(RemovedKey {
            name: self.text("name", &entry.name)?,
            public_key: self.value("public_key", &entry.public_key, PublicKey::for_comparison)?,
            removed_at: self.value("removed_at", &entry.removed_at, str::parse)?,
        })
    }
}
