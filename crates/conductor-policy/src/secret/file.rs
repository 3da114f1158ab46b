//! The format of `secrets.toml`.

use std::fmt::Display;
use std::path::Path;

use conductor_signing::keeper::Decisions;
use serde::{Deserialize, Serialize};
use toml::Spanned;

use super::store::{SECRETS_FILE, VERSION};
use super::{SecretStore, SecretStoreError, StoredSecret};
use crate::grant::store::Holder;

/// Name of the lock that its writers take.
const LOCK_FILE: &str = "secrets.lock";

/// Largest file; stops one that somebody else wrote from filling the host's memory.
const MAX_FILE_BYTES: u64 = 8 * 1024 * 1024;

/// Longest name of a secret, as in manifests.
const MAX_NAME_BYTES: usize = 64;

/// Tells a person who opens the file what it is.
const HEADER: &str = "# Where the secrets are that you entered for plugins, and which hosts they may go to. The secrets \
                      are not in here.\n# Written by Conductor, which keeps no comments.\n\n";

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct File<S> {
    version: i64,
    #[serde(default = "Vec::new", skip_serializing_if = "Vec::is_empty")]
    secrets: Vec<S>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    plugin: String,
    publisher: Option<String>,
    file: Option<String>,
    name: String,
    hosts: Vec<String>,
    kept_in: String,
    id: String,
    set_at: String,
}

impl Decisions for SecretStore {
    const FILE: &'static str = SECRETS_FILE;
    const LOCK: &'static str = LOCK_FILE;
    const MAX_BYTES: u64 = MAX_FILE_BYTES;
    type Error = SecretStoreError;

    fn parse(path: &Path, text: &str) -> Result<Self, SecretStoreError> {
        parse(path, text)
    }

    fn to_text(&self) -> Result<String, SecretStoreError> {
        to_toml(self)
    }
}

/// Reads the file; every fault names its line.
fn parse(path: &Path, text: &str) -> Result<SecretStore, SecretStoreError> {
    let ends: Vec<usize> = text.match_indices('\n').map(|(place, _)| place).collect();
    let line = |offset: usize| 1 + ends.partition_point(|end| *end < offset);
    let file: File<Spanned<Entry>> = toml::from_str(text).map_err(|error| SecretStoreError::Syntax {
        path: path.into(),
        line: error.span().map_or(1, |span| line(span.start)),
        cause: error.message().to_owned(),
    })?;
    if file.version != VERSION {
        return Err(SecretStoreError::Version { path: path.into(), found: file.version });
    }
    let mut secrets: Vec<StoredSecret> = Vec::new();
    for spanned in file.secrets {
        let line = line(spanned.span().start);
        let fault = |field, cause: &dyn Display| SecretStoreError::Value {
            path: path.into(),
            line,
            field,
            cause: cause.to_string(),
        };
        let Entry { plugin, publisher, file, name, hosts, kept_in, id, set_at } = spanned.into_inner();
        let holder = match (publisher, file) {
            (Some(key), None) => Holder::Publisher(key.parse().map_err(|error| fault("publisher", &error))?),
            (None, Some(digest)) => Holder::File(digest.parse().map_err(|error| fault("file", &error))?),
            (Some(_), Some(_)) | (None, None) => {
                return Err(fault("publisher", &"either `publisher` or `file` says whose the secret is"));
            }
        };
        if name.is_empty() || name.len() > MAX_NAME_BYTES {
            return Err(fault("name", &format!("a name has 1 to {MAX_NAME_BYTES} bytes")));
        }
        let hosts = hosts.iter().map(|host| host.parse().map_err(|error| fault("hosts", &error)));
        let stored = StoredSecret {
            plugin: plugin.parse().map_err(|error| fault("plugin", &error))?,
            holder,
            name,
            hosts: hosts.collect::<Result<_, _>>()?,
            kept_in: kept_in.parse().map_err(|error| fault("kept_in", &error))?,
            id: id.parse().map_err(|error| fault("id", &error))?,
            set_at: set_at.parse().map_err(|error| fault("set_at", &error))?,
        };
        let is_same = |known: &StoredSecret| {
            (&known.plugin, &known.holder, &known.name) == (&stored.plugin, &stored.holder, &stored.name)
        };
        if secrets.iter().any(is_same) {
            return Err(fault("name", &format!("`{}` stands here twice", stored.name)));
        }
        secrets.push(stored);
    }
    Ok(SecretStore(secrets))
}

/// Writes the file.
fn to_toml(store: &SecretStore) -> Result<String, SecretStoreError> {
    let entries = store.0.iter().map(|stored| {
        let StoredSecret { plugin, holder, name, hosts, kept_in, id, set_at } = stored;
        let (publisher, file) = match holder {
            Holder::Publisher(key) => (Some(key.to_string()), None),
            Holder::File(digest) => (None, Some(digest.to_string())),
        };
        Entry {
            plugin: plugin.to_string(),
            publisher,
            file,
            name: name.clone(),
            hosts: hosts.iter().map(ToString::to_string).collect(),
            kept_in: kept_in.to_string(),
            id: id.to_string(),
            set_at: set_at.to_string(),
        }
    });
    let file = File { version: VERSION, secrets: entries.collect() };
    let text = toml::to_string(&file).map_err(|source| SecretStoreError::Encode { source })?;
    Ok(format!("{HEADER}{text}"))
}
