//! The files of plugins that the daemon installs, moves and deletes.

use std::fs;
use std::path::{Path, PathBuf};

use conductor_signing::keeper::System;
use conductor_signing::{PluginFile, PluginFiles, PluginName};
use conductor_surface::config::check_name;

use crate::config::rewrite::Writer;
use crate::config::{self, Config, PluginConfig};
use crate::control::{Refusal, RefusalCause};
use crate::dispatch::{Phase, Roster};
use crate::paths::{Paths, Places};
use crate::plugin_store::{self, PluginStore, StoreError};

/// Reads a plugin that is to be installed, if its module has the expected digest.
pub(super) fn read(
    plugin: &str,
    source: &Path,
    digest: Option<&str>,
    max_module_bytes: u64,
) -> Result<PluginFiles, Refusal> {
    check_name(plugin).map_err(|why| refused(format!("`{plugin}` is no name: {why}")))?;
    let files = PluginFiles::read(source, max_module_bytes).map_err(|error| {
        let message = error.to_string();
        Refusal { hint: error.hint(), ..refused(message) }
    })?;
    if digest.is_some_and(|digest| files.module_digest().to_string() != digest) {
        return Err(refused(format!("{} is no longer the file that was looked at", source.display())));
    }
    Ok(files.named(&format!("{plugin}.wasm")))
}

/// Deletes what a plugin wrote.
pub(super) fn delete_data(paths: &Paths, name: &PluginName) -> Result<(), Refusal> {
    let directory = paths.plugin_data_dir().join(name.as_str());
    // Links in the directory are not followed.
    plugin_store::absent(fs::remove_dir_all(&directory)).map_err(|error| {
        refused(format!("the plugin is removed, but {} cannot be deleted: {error}", directory.display()))
    })
}

/// Refuses if another plugin of the configuration has its files among the files of this plugin.
pub(super) fn check_files_unshared(config: &Config, paths: &Paths, plugin: &str) -> Result<(), Refusal> {
    let root = paths.plugins_dir();
    let own = [root.join(plugin), root.join(format!("{plugin}.wasm"))].map(|path| real(&path));
    let others = config.plugins.iter().filter(|other| *other.alias != *plugin);
    let users = others.filter(|other| own.iter().any(|own| real(&other.path).starts_with(own)));
    match users.map(|user| format!("`{}`", user.alias)).collect::<Vec<_>>() {
        users if users.is_empty() => Ok(()),
        users => Err(refused(format!(
            "the files of `{plugin}` are those of {} too; remove that first, or give it a module of its own",
            users.join(", ")
        ))),
    }
}

/// Refuses if another plugin of the configuration writes to the data of this name, or might do so.
pub(super) fn check_data_unshared(
    config: &Config,
    roster: &Roster,
    plugin: &str,
    name: &PluginName,
) -> Result<(), Refusal> {
    for other in config.plugins.iter().filter(|other| *other.alias != *plugin) {
        let alias = &other.alias;
        match name_of(other, roster) {
            Some(of_other) if of_other == name.as_str() => {
                let message = format!(
                    "what `{plugin}` wrote belongs to `{alias}` as well; remove that first, or remove `{plugin}` without its data"
                );
                return Err(refused(message));
            }
            Some(_) => {}
            None => {
                let message = format!(
                    "whose data `{alias}` uses is not known, because {} cannot be read; remove `{plugin}` without its data",
                    other.path.display()
                );
                return Err(refused(message));
            }
        }
    }
    Ok(())
}

/// The plugin's own name; `None` if the name cannot be known.
fn name_of(plugin: &PluginConfig, roster: &Roster) -> Option<String> {
    let phase = roster.find(&plugin.alias).map(|known| known.snapshot().phase);
    if let Some(Phase::Loaded(loaded)) = phase {
        return Some(loaded.info.name.as_str().to_owned());
    }
    let file = PluginFile::scan(&plugin.path).ok()?;
    match (file.manifest(), file.document()) {
        (Ok(Some(manifest)), _) => Some(manifest.name),
        (Ok(None), Ok(None)) => Some(Path::new(file.file_name()).file_stem()?.to_str()?.to_owned()),
        // A name in a statement holds only once the statement is verified.
        (Ok(None), Ok(Some(_)) | Err(_)) | (Err(_), _) => None,
    }
}

/// A path with its links resolved, as far as the path exists.
fn real(path: &Path) -> PathBuf {
    fs::canonicalize(path).unwrap_or_else(|_| path.to_owned())
}

/// Moves plugins that are in the directory of plugins as `NAME.wasm` into the store, and changes the `path` that names
/// them. A plugin that cannot be moved is logged and read where it is. Returns the changed configuration.
pub(super) fn adopt(mut config: Config, places: &Places) -> Config {
    let root = places.paths.plugins_dir();
    let store = PluginStore::new(&root, &System);
    let is_flat = |path: &Path| {
        let is_file = fs::symlink_metadata(path).is_ok_and(|metadata| metadata.is_file());
        is_file && path.parent().is_some_and(|parent| real(parent) == real(&root))
    };
    let mut moved = Vec::new();
    let max_module_bytes = config.wasm.limits().max_module_bytes;
    for plugin in &mut config.plugins {
        // A module that the user put there after the plugin was moved is the plugin's next version.
        let dropped = root.join(format!("{}.wasm", plugin.alias));
        let is_stored = plugin.path.starts_with(store.directory(&plugin.alias));
        let flat = if is_stored { dropped } else { plugin.path.clone() };
        if !is_flat(&flat) {
            continue;
        }
        match adopt_one(store, &plugin.alias, &flat, max_module_bytes, places) {
            Ok(module) => {
                tracing::info!(plugin = &*plugin.alias, "moved {} to {}", flat.display(), module.display());
                plugin.path = module;
                moved.push(flat);
            }
            Err(why) => {
                tracing::warn!(plugin = &*plugin.alias, "{} is read where it is: {why}", flat.display());
            }
        }
    }
    moved.retain(|flat| !config.plugins.iter().any(|plugin| plugin.path == *flat));
    for flat in moved {
        if let Err(error) = plugin_store::delete_flat(&flat) {
            tracing::warn!("{error}");
        }
    }
    config
}

fn adopt_one(
    store: PluginStore<'_>,
    alias: &str,
    flat: &Path,
    max_module_bytes: u64,
    places: &Places,
) -> Result<PathBuf, String> {
    let in_words = |error: StoreError| error.to_string();
    let files = PluginFiles::read(flat, max_module_bytes).map_err(|error| error.to_string())?;
    let _lock = store.lock().map_err(in_words)?;
    let version = store.put(alias, &files).map_err(in_words)?;
    store.take(alias, &version).map_err(in_words)?;
    let text = config::read_text(&places.config_file).map_err(|error| error.to_string())?;
    if config::edit::store(&text, alias)? != text {
        let writer = Writer::new(&places.config_file, &places.paths);
        let _ = writer.rewrite(|text| config::edit::store(text, alias))?;
    }
    Ok(store.module(alias, &version))
}

/// Deletes what a crash left in the store.
pub(super) fn clean(config: &Config, places: &Places) {
    let root = places.paths.plugins_dir();
    let is_configured = |alias: &str| config.plugins.iter().any(|plugin| *plugin.alias == *alias);
    if let Err(error) = PluginStore::new(&root, &System).clean(is_configured) {
        tracing::warn!("what was left in the plugin store cannot be deleted: {error}");
    }
}

/// The refusal of a change.
pub(super) fn refused(message: String) -> Refusal {
    Refusal::new(RefusalCause::NotChanged, message)
}
