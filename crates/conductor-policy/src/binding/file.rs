//! The format of `bindings.toml`.

use std::collections::BTreeMap;
use std::fmt::Display;
use std::path::Path;

use conductor_signing::escape::terminal;
use conductor_signing::keeper::Decisions;
use serde::{Deserialize, Serialize};
use toml::Spanned;

use super::store::{BINDINGS_FILE, VERSION};
use super::{Alias, BindingError, Bindings, Bound};

/// Name of the lock that its writers take.
const LOCK_FILE: &str = "bindings.lock";

/// Largest file; stops one that somebody else wrote from filling the host's memory. It has room for
/// [`MAX_BINDINGS`](super::MAX_BINDINGS).
const MAX_FILE_BYTES: u64 = 1024 * 1024;

/// Longest version of a plugin in bytes, as in manifests and statements.
const MAX_VERSION_BYTES: usize = 64;

/// Tells a person who opens the file what it is.
const HEADER: &str = "# Which plugin each name in the configuration stands for. Written by Conductor, which keeps no comments.\n\
                      # A name without its entry is bound to what is loaded next.\n\n";

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct File<B> {
    version: i64,
    #[serde(default = "Vec::new", skip_serializing_if = "Vec::is_empty")]
    bindings: Vec<B>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    alias: String,
    plugin: String,
    publisher: Option<String>,
    version: Option<String>,
}

impl Decisions for Bindings {
    const FILE: &'static str = BINDINGS_FILE;
    const LOCK: &'static str = LOCK_FILE;
    const MAX_BYTES: u64 = MAX_FILE_BYTES;
    type Error = BindingError;

    fn parse(path: &Path, text: &str) -> Result<Self, BindingError> {
        parse(path, text)
    }

    fn to_text(&self) -> Result<String, BindingError> {
        to_toml(self)
    }
}

/// Reads the file; every fault names its line.
fn parse(path: &Path, text: &str) -> Result<Bindings, BindingError> {
    let ends: Vec<usize> = text.match_indices('\n').map(|(place, _)| place).collect();
    let line = |offset: usize| 1 + ends.partition_point(|end| *end < offset);
    let file: File<Spanned<Entry>> = toml::from_str(text).map_err(|error| BindingError::Syntax {
        path: path.into(),
        line: error.span().map_or(1, |span| line(span.start)),
        cause: error.message().to_owned(),
    })?;
    if file.version != VERSION {
        return Err(BindingError::Version { path: path.into(), found: file.version });
    }
    let mut bindings = BTreeMap::new();
    for spanned in file.bindings {
        let line = line(spanned.span().start);
        let fault = |field, cause: &dyn Display| BindingError::Value {
            path: path.into(),
            line,
            field,
            cause: cause.to_string(),
        };
        let Entry { alias, plugin, publisher, version } = spanned.into_inner();
        let alias: Alias = alias.parse().map_err(|error| fault("alias", &error))?;
        let publisher = publisher.map(|key| key.parse().map_err(|error| fault("publisher", &error)));
        if let Some(version) = version.as_ref().filter(|version| version.len() > MAX_VERSION_BYTES) {
            let cause = format!("`{}` is longer than {MAX_VERSION_BYTES} bytes", terminal(version));
            return Err(fault("version", &cause));
        }
        let bound = Bound {
            name: plugin.parse().map_err(|error| fault("plugin", &error))?,
            publisher: publisher.transpose()?,
            version,
        };
        if bindings.contains_key(&alias) {
            return Err(fault("alias", &format!("`{alias}` is bound twice")));
        }
        bindings.insert(alias, bound);
    }
    Ok(Bindings(bindings))
}

/// Writes the file.
fn to_toml(bindings: &Bindings) -> Result<String, BindingError> {
    let entries = bindings.0.iter().map(|(alias, Bound { name, publisher, version })| Entry {
        alias: alias.to_string(),
        plugin: name.to_string(),
        publisher: publisher.map(|key| key.to_string()),
        version: version.clone(),
    });
    let file = File { version: VERSION, bindings: entries.collect() };
    let text = toml::to_string(&file).map_err(|source| BindingError::Encode { source })?;
    Ok(format!("{HEADER}{text}"))
}
