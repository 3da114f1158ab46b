//! `[plugins.NAME]`: which plugins run, and what each may do.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use conductor_abi::Capability;
use conductor_core::{GivenSettings, GrantSpec, Limits, PluginOptions};
use conductor_surface::config::reader::{Located, Table};
use conductor_surface::config::{Resolve, check_name};

use super::denial;
use super::limits::{self, LimitOverrides};
use super::plugin_settings;
use crate::paths::Paths;
use crate::plugin_store;

/// Most plugins. Each plugin costs a thread and an instance.
const MAX_PLUGINS: usize = 256;

/// A plugin.
#[derive(Clone, Debug, PartialEq)]
pub struct PluginConfig {
    /// The user's name for the plugin: mappings use it.
    pub alias: Arc<str>,
    /// Whether the plugin runs.
    pub enabled: bool,
    /// Whether safe mode keeps the plugin from running. No file says so.
    pub held_back: bool,
    /// Whether the daemon starts only if this plugin starts.
    pub required: bool,
    /// Where the module is: the current version in the plugin store, or a path that the user chose.
    pub path: PathBuf,
    /// What the plugin is granted in addition to automatic grants.
    pub granted: Vec<GrantSpec>,
    /// What the plugin is denied even though it would be granted automatically.
    pub denied: Vec<Capability>,
    /// Limits that differ from those of `[wasm]`.
    pub limits: LimitOverrides,
    /// What the user set of the plugin's own settings.
    pub settings: GivenSettings,
}

impl PluginConfig {
    /// Whether the two differ in nothing but the plugin's own settings, so that the plugin goes on.
    pub(crate) fn is_same_but_settings(&self, other: &Self) -> bool {
        Self { settings: GivenSettings::new(), ..self.clone() }
            == Self { settings: GivenSettings::new(), ..other.clone() }
    }
}

impl PluginConfig {
    /// How the plugin is loaded, with these limits.
    pub(crate) fn options(&self, limits: Limits) -> PluginOptions {
        PluginOptions {
            // The configuration accepts only valid names.
            alias: self.alias.parse().ok(),
            limits: Some(limits),
            granted: self.granted.clone(),
            denied: self.denied.clone(),
            standing_grants: true,
            settings: self.settings.clone(),
            ..PluginOptions::default()
        }
    }

    /// Whether the plugin is to run now.
    #[must_use]
    pub const fn runs(&self) -> bool {
        self.enabled && !self.held_back
    }
}

/// A plugin of the file, valid or not. Mappings to an invalid plugin are not reported as a second fault.
pub(super) struct ReadPlugin {
    pub(super) alias: String,
    pub(super) config: Option<PluginConfig>,
}

pub(super) fn read(
    root: &Table<'_, '_>,
    file: &Path,
    paths: &Paths,
    resolve: Resolve<'_>,
) -> Vec<ReadPlugin> {
    let tables = root.named_tables("plugins");
    if let Some((name, _)) = tables.get(MAX_PLUGINS) {
        root.fault(&name.place, format!("more than {MAX_PLUGINS} plugins"), None);
        return Vec::new();
    }
    let plugins = tables.into_iter().map(|(name, table)| {
        let alias = name.value.clone();
        ReadPlugin { alias, config: plugin(table, name, file, paths, resolve) }
    });
    plugins.collect()
}

fn plugin(
    table: Table<'_, '_>,
    name: Located<String>,
    file: &Path,
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
        // A name that is not valid names no directory of the store. The fault in the name refuses the configuration.
        None if !is_name => PathBuf::new(),
        None => plugin_store::module_path(&paths.plugins_dir(), &name.value),
    };
    let enabled = table.get::<bool>("enabled").is_none_or(|enabled| enabled.value);
    let required = table.get::<bool>("required").is_some_and(|required| required.value);
    let granted = list(&table, "granted_capabilities", str::parse::<GrantSpec>);
    let denied = list(&table, "denied_capabilities", denial::parse);
    let limits = limits::read(&table);
    let settings = plugin_settings::read(&table, &name.value, file);
    table.finish().then(|| PluginConfig {
        alias: name.value.into(),
        enabled,
        held_back: false,
        required,
        path,
        granted,
        denied,
        limits,
        settings,
    })
}

/// The strings at `key`, each parsed. Every string that cannot be read is a separate fault.
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
