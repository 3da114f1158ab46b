//! `[plugins.NAME]`: which plugins run, and what each may do.

use std::path::PathBuf;
use std::sync::Arc;

use conductor_abi::Capability;
use conductor_core::GrantSpec;
use conductor_surface::config::reader::{Located, Table};
use conductor_surface::config::{Resolve, check_name};

use super::denial;
use super::limits::{self, LimitOverrides};
use crate::paths::Paths;
use crate::plugin_store;

/// Most plugins; each costs a thread and an instance.
const MAX_PLUGINS: usize = 256;

/// A plugin.
#[derive(Clone, Debug, PartialEq)]
pub struct PluginConfig {
    /// The user's name for the plugin: mappings use it.
    pub alias: Arc<str>,
    /// Whether it runs.
    pub enabled: bool,
    /// Whether the daemon does not start without it.
    pub required: bool,
    /// The module: the current version in the plugin store, or where the user keeps it.
    pub path: PathBuf,
    /// What it is granted beyond what is granted automatically.
    pub granted: Vec<GrantSpec>,
    /// What it is denied even though it would be granted automatically.
    pub denied: Vec<Capability>,
    /// Limits that differ from those of `[wasm]`.
    pub limits: LimitOverrides,
}

/// A plugin as written, valid or not, so that mappings to it are not reported as well.
pub(super) struct ReadPlugin {
    pub(super) alias: String,
    pub(super) config: Option<PluginConfig>,
}

pub(super) fn read(root: &Table<'_, '_>, paths: &Paths, resolve: Resolve<'_>) -> Vec<ReadPlugin> {
    let tables = root.named_tables("plugins");
    if let Some((name, _)) = tables.get(MAX_PLUGINS) {
        root.fault(&name.place, format!("more than {MAX_PLUGINS} plugins"), None);
        return Vec::new();
    }
    let plugins = tables.into_iter().map(|(name, table)| {
        let alias = name.value.clone();
        ReadPlugin { alias, config: plugin(table, name, paths, resolve) }
    });
    plugins.collect()
}

fn plugin(
    table: Table<'_, '_>,
    name: Located<String>,
    paths: &Paths,
    resolve: Resolve<'_>,
) -> Option<PluginConfig> {
    let is_name = match check_name(&name.value) {
        Ok(()) => true,
        Err(why) => {
            table.fault(&name.place, why, None);
            false
        }
    };
    let path = match table.get::<PathBuf>("path") {
        Some(path) => resolve(&path.value),
        // What is no name is no directory of the store, and the fault refuses the configuration.
        None if !is_name => PathBuf::new(),
        None => plugin_store::module_path(&paths.plugins_dir(), &name.value),
    };
    let enabled = table.get::<bool>("enabled").is_none_or(|enabled| enabled.value);
    let required = table.get::<bool>("required").is_some_and(|required| required.value);
    let granted = list(&table, "granted_capabilities", str::parse::<GrantSpec>);
    let denied = list(&table, "denied_capabilities", denial::parse);
    let limits = limits::read(&table);
    table.finish().then(|| PluginConfig {
        alias: name.value.into(),
        enabled,
        required,
        path,
        granted,
        denied,
        limits,
    })
}

/// The strings at `key`, each parsed; every one that cannot be read is a fault of its own.
pub(super) fn list<T, E: ToString>(
    table: &Table<'_, '_>,
    key: &'static str,
    parse: impl Fn(&str) -> Result<T, E>,
) -> Vec<T> {
    let Some(Located { value: entries, place: list }) = table.get::<Vec<Located<String>>>(key) else {
        return Vec::new();
    };
    let parsed = entries.iter().filter_map(|entry| match parse(&entry.value) {
        Ok(parsed) => Some(parsed),
        Err(error) => {
            table.fault(
                &entry.place.within(&list),
                format!("`{}`: {}", entry.value, error.to_string()),
                None,
            );
            None
        }
    });
    parsed.collect()
}
