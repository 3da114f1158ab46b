//! The trusted keys, kept in `trusted_keys.toml`.

use std::path::Path;

use conductor_abi::Risk;
use conductor_store::UtcTime;
use conductor_store::keeper::Decisions;
use serde::{Deserialize, Serialize};
use toml::Spanned;

use super::entry::Line;
use super::toml_file::{Lines, Source, VERSION, encode};
use super::{
    FILES, KeyRole, LOCK_FILE, MAX_TRUST_FILE_BYTES, NamePattern, Part, RemovedKey, TRUSTED_FILE, TrustError,
    TrustStore, TrustedKey,
};
use crate::key::PublicKey;

/// Tells a person who opens the file what the file is.
const HEADER: &str =
    "# Keys whose plugins are trusted. Written by `conductor-sign trust`, which keeps no comments.\n\n";

/// All trusted keys, and the keys that were removed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Keys {
    pub(super) trusted: Vec<TrustedKey>,
    pub(super) removed: Vec<RemovedKey>,
}

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

impl Part for Keys {
    fn of(store: &TrustStore) -> &Self {
        &store.keys
    }
}

impl Decisions for Keys {
    const FILE: &'static str = TRUSTED_FILE;
    const LOCK: &'static str = LOCK_FILE;
    const UNDER_LOCK: &'static [&'static str] = &FILES;
    const MAX_BYTES: u64 = MAX_TRUST_FILE_BYTES;
    type Error = TrustError;

    fn parse(path: &Path, text: &str) -> Result<Self, TrustError> {
        let lines = Lines::of(text);
        let source = Source { path, lines: &lines };
        let file: TrustedFile = source.parse()?;
        source.check_version(&file.version)?;
        let mut trusted: Vec<TrustedKey> = Vec::with_capacity(file.keys.len());
        for spanned in &file.keys {
            let entry = spanned.get_ref();
            let key = source.trusted_key(entry, Line(Some(source.line_of(spanned))))?;
            if trusted.iter().any(|earlier| earlier.public_key == key.public_key) {
                let line = source.line_of(&entry.public_key);
                return Err(TrustError::Repeated { path: path.into(), line, key: key.public_key });
            }
            trusted.push(key);
        }
        let removed = file.removed.iter().map(|entry| source.removed_key(entry));
        Ok(Self { trusted, removed: removed.collect::<Result<_, _>>()? })
    }

    fn to_text(&self) -> Result<String, TrustError> {
        #[derive(Serialize)]
        struct File<'a> {
            version: i64,
            #[serde(skip_serializing_if = "Vec::is_empty")]
            keys: Vec<Entry<'a>>,
            #[serde(skip_serializing_if = "Vec::is_empty")]
            removed: Vec<Removed<'a>>,
        }
        let keys = self.trusted.iter().map(Entry::of).collect();
        let removed = self.removed.iter().map(Removed::of).collect();
        encode(HEADER, &File { version: VERSION, keys, removed })
    }
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

#[derive(Serialize)]
struct Removed<'a> {
    name: &'a str,
    public_key: String,
    removed_at: String,
}

impl<'a> Removed<'a> {
    fn of(key: &'a RemovedKey) -> Self {
        let (public_key, removed_at) = (key.public_key.to_string(), key.removed_at.to_string());
        Self { name: &key.name, public_key, removed_at }
    }
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
