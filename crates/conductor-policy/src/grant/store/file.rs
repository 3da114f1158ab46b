//! The format of `grants.toml`.

use std::fmt::Display;
use std::path::Path;

use conductor_signing::{PluginName, UtcTime};
use serde::{Deserialize, Serialize};
use toml::Spanned;

use super::{FirstDeclared, GrantStore, GrantStoreError, Holder, StoredDenial, StoredGrant};
use crate::grant::{self, GrantSpec};
use crate::scope::Scope;

/// The version that is written. In version 1, each grant was a separate entry that repeated what was declared.
pub(super) const VERSION: i64 = 2;

/// The oldest version that is read.
const OLDEST_VERSION: i64 = 1;

/// Tells a person who opens the file what it is.
const HEADER: &str = "# What plugins may do and what they may not. Written by `conductorctl plugin grant` and `revoke`, \
                      which keep no comments.\n\n";

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct File<G, D, F> {
    version: i64,
    #[serde(default = "Vec::new", skip_serializing_if = "Vec::is_empty")]
    grants: Vec<G>,
    #[serde(default = "Vec::new", skip_serializing_if = "Vec::is_empty")]
    denials: Vec<D>,
    #[serde(default = "Vec::new", skip_serializing_if = "Vec::is_empty")]
    first_declared: Vec<F>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct GrantEntry {
    plugin: String,
    publisher: Option<String>,
    file: Option<String>,
    grant: OneOrMany,
    #[serde(default)]
    declared: Vec<String>,
    version: Option<String>,
    granted_at: String,
    until: Option<String>,
}

/// The grants of one entry: grants that were made together are one entry.
#[derive(Serialize, Deserialize)]
#[serde(untagged)]
enum OneOrMany {
    One(String),
    Many(Vec<String>),
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct DenialEntry {
    plugin: String,
    capability: String,
    denied_at: String,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct FirstEntry {
    plugin: String,
    publisher: Option<String>,
    file: Option<String>,
    capability: String,
    declared: Vec<String>,
    seen_at: String,
}

/// Reads the file. Every fault names its line.
pub(super) fn parse(path: &Path, text: &str) -> Result<GrantStore, GrantStoreError> {
    let ends: Vec<usize> = text.match_indices('\n').map(|(place, _)| place).collect();
    let line = |offset: usize| 1 + ends.partition_point(|end| *end < offset);
    let file: File<Spanned<GrantEntry>, Spanned<DenialEntry>, Spanned<FirstEntry>> = toml::from_str(text)
        .map_err(|error| GrantStoreError::Syntax {
            path: path.into(),
            line: error.span().map_or(1, |span| line(span.start)),
            cause: error.message().to_owned(),
        })?;
    if !(OLDEST_VERSION..=VERSION).contains(&file.version) {
        return Err(GrantStoreError::Version { path: path.into(), found: file.version });
    }
    let entry = |start: usize| Entry { path, line: line(start) };
    let grants = file.grants.into_iter().map(|spanned| {
        let at = entry(spanned.span().start);
        let GrantEntry { plugin, publisher, file, grant, declared, version, granted_at, until } =
            spanned.into_inner();
        let texts = match &grant {
            OneOrMany::One(text) => std::slice::from_ref(text),
            OneOrMany::Many(texts) => texts,
        };
        let plugin: PluginName = at.read("plugin", &plugin, str::parse)?;
        let holder = at.holder(publisher.as_deref(), file.as_deref())?;
        let declared = at.list("declared", &declared)?;
        let granted_at: UtcTime = at.read("granted_at", &granted_at, str::parse)?;
        let until: Option<UtcTime> = until.map(|until| at.read("until", &until, str::parse)).transpose()?;
        let stored = |grant| StoredGrant {
            plugin: plugin.clone(),
            holder: holder.clone(),
            grant,
            declared: declared.clone(),
            version: version.clone(),
            granted_at: granted_at.clone(),
            until: until.clone(),
        };
        Ok(at.list("grant", texts)?.into_iter().map(stored).collect::<Vec<_>>())
    });
    let denials = file.denials.into_iter().map(|spanned| {
        let at = entry(spanned.span().start);
        let DenialEntry { plugin, capability, denied_at } = spanned.into_inner();
        Ok(StoredDenial {
            plugin: at.read("plugin", &plugin, str::parse)?,
            capability: at.read("capability", &capability, grant::capability)?,
            denied_at: at.read("denied_at", &denied_at, str::parse)?,
        })
    });
    let first_declared = file.first_declared.into_iter().map(|spanned| {
        let at = entry(spanned.span().start);
        let FirstEntry { plugin, publisher, file, capability, declared, seen_at } = spanned.into_inner();
        Ok(FirstDeclared {
            plugin: at.read("plugin", &plugin, str::parse)?,
            holder: at.holder(publisher.as_deref(), file.as_deref())?,
            capability: at.read("capability", &capability, grant::capability)?,
            declared: at.list("declared", &declared)?,
            seen_at: at.read("seen_at", &seen_at, str::parse)?,
        })
    });
    Ok(GrantStore {
        grants: grants.collect::<Result<Vec<_>, GrantStoreError>>()?.concat(),
        denials: denials.collect::<Result<_, GrantStoreError>>()?,
        first_declared: first_declared.collect::<Result<_, GrantStoreError>>()?,
    })
}

/// Writes the file.
pub(super) fn to_toml(store: &GrantStore) -> Result<String, GrantStoreError> {
    let texts = |specs: &[GrantSpec]| specs.iter().map(GrantSpec::to_string).collect();
    let grants = store.grants.chunk_by(is_of_one_decision).filter_map(|together| {
        let stored = together.first()?;
        let (publisher, file) = written(&stored.holder);
        Some(GrantEntry {
            plugin: stored.plugin.to_string(),
            publisher,
            file,
            grant: match together {
                [one] => OneOrMany::One(one.grant.to_string()),
                many => OneOrMany::Many(many.iter().map(|stored| stored.grant.to_string()).collect()),
            },
            declared: texts(&stored.declared),
            version: stored.version.clone(),
            granted_at: stored.granted_at.to_string(),
            until: stored.until.as_ref().map(ToString::to_string),
        })
    });
    let denials = store.denials.iter().map(|stored| DenialEntry {
        plugin: stored.plugin.to_string(),
        capability: stored.capability.to_string(),
        denied_at: stored.denied_at.to_string(),
    });
    let first_declared = store.first_declared.iter().map(|stored| {
        let (publisher, file) = written(&stored.holder);
        FirstEntry {
            plugin: stored.plugin.to_string(),
            publisher,
            file,
            capability: stored.capability.to_string(),
            declared: texts(&stored.declared),
            seen_at: stored.seen_at.to_string(),
        }
    });
    let file = File {
        version: VERSION,
        grants: grants.collect(),
        denials: denials.collect(),
        first_declared: first_declared.collect(),
    };
    let text = toml::to_string(&file).map_err(|source| GrantStoreError::Encode { source })?;
    Ok(format!("{HEADER}{text}"))
}

/// Whether two grants differ only in their scopes.
fn is_of_one_decision(one: &StoredGrant, other: &StoredGrant) -> bool {
    let StoredGrant { plugin, holder, grant, declared, version, granted_at, until } = other;
    (&one.plugin, &one.holder, &one.declared) == (plugin, holder, declared)
        && (&one.version, &one.granted_at, &one.until) == (version, granted_at, until)
        && one.grant.capability() == grant.capability()
}

/// The two fields of the file for a holder.
fn written(holder: &Holder) -> (Option<String>, Option<String>) {
    match holder {
        Holder::Publisher(key) => (Some(key.to_string()), None),
        Holder::File(digest) => (None, Some(digest.to_string())),
    }
}

/// Reads a grant. In the file every grant has a scope; a bare name stands for what a bare name declares.
fn with_scope(text: &str) -> Result<GrantSpec, grant::GrantError> {
    let spec: GrantSpec = text.parse()?;
    Ok(match spec.scope() {
        Some(_) => spec,
        None => GrantSpec::of(Scope::unnamed(spec.capability())),
    })
}

/// One entry of the file, for faults in it.
#[derive(Clone, Copy)]
struct Entry<'p> {
    path: &'p Path,
    line: usize,
}

impl Entry<'_> {
    fn read<T, E: Display>(
        self,
        field: &'static str,
        text: &str,
        parse: impl FnOnce(&str) -> Result<T, E>,
    ) -> Result<T, GrantStoreError> {
        parse(text).map_err(|error| self.fault(field, error.to_string()))
    }

    fn list(self, field: &'static str, texts: &[String]) -> Result<Vec<GrantSpec>, GrantStoreError> {
        texts.iter().map(|text| self.read(field, text, with_scope)).collect()
    }

    fn holder(self, publisher: Option<&str>, file: Option<&str>) -> Result<Holder, GrantStoreError> {
        match (publisher, file) {
            (Some(key), None) => self.read("publisher", key, str::parse).map(Holder::Publisher),
            (None, Some(digest)) => self.read("file", digest, str::parse).map(Holder::File),
            (Some(_), Some(_)) | (None, None) => {
                Err(self.fault("publisher", "one of `publisher` and `file` is needed".to_owned()))
            }
        }
    }

    fn fault(self, field: &'static str, cause: String) -> GrantStoreError {
        GrantStoreError::Value { path: self.path.into(), line: self.line, field, cause }
    }
}
