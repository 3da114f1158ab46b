//! `config.toml`: what the file may say and how it is checked.
//!
//! The file is read key by key, so that every fault (syntax, unknown key, wrong type, a mapping to a plugin that does not
//! exist, a scope that cannot be read) is reported at once, with its line and column.

pub mod denial;
pub(crate) mod edit;
mod error;
mod json;
mod limits;
mod mappings;
mod network;
mod plugin_settings;
mod plugins;
mod policy;
pub(crate) mod rewrite;
mod signing;
mod ui;
mod wasm;

use std::io;
use std::path::{Path, PathBuf};

pub use error::ConfigError;
pub use limits::LimitOverrides;
pub use plugins::PluginConfig;
pub use ui::UiConfig;

use conductor_core::{Networks, WasmConfig};
use conductor_keys::Devices;
use conductor_signing::{FileError, Followed, VerificationPolicy, escape, read_followed};
use conductor_surface::config::reader::{Source, Table};
use conductor_surface::config::{InputConfig, OutputConfig, inputs, outputs};

use crate::mapping::Mappings;
use crate::paths::Paths;

/// Largest configuration file in bytes; a file put in its place by mistake must not be read into memory.
pub const MAX_CONFIG_BYTES: u64 = 1024 * 1024;

/// Version of the file format; `version = 1` may be left out.
const CONFIG_VERSION: u64 = 1;

/// A configuration that was checked as a whole.
#[derive(Clone, Debug)]
pub struct Config {
    /// Policy and limits of `[wasm]`. Keys that the file leaves out have this program's strict defaults.
    pub wasm: WasmConfig,
    /// Hardware keys of `[signing]`, which only `conductor-sign` uses.
    pub signing: Devices,
    /// Plugins by alias.
    pub plugins: Vec<PluginConfig>,
    /// Inputs in the order of the file.
    pub inputs: Vec<InputConfig>,
    /// MIDI outputs that plugins may be granted.
    pub outputs: Vec<OutputConfig>,
    /// Which addresses are inside the user's network and which are outside, from `[network]`.
    pub networks: Networks,
    /// The Plugin Manager of `[ui]`.
    pub ui: UiConfig,
    /// Which events lead to which effects.
    pub mappings: Mappings,
}

impl Config {
    /// Reads and checks the file at `path`; relative paths in it are taken from its directory.
    ///
    /// # Errors
    ///
    /// Fails if the file cannot be read, is larger than [`MAX_CONFIG_BYTES`], or has faults, all of which are in the
    /// error.
    pub fn load(path: &Path, paths: &Paths) -> Result<Self, ConfigError> {
        let (text, group_writes) = read(path)?;
        for written in group_writes {
            tracing::warn!(
                "{} can be written to by your own group as well: chmod g-w {}",
                escape::path(&written),
                escape::path(&written)
            );
        }
        Self::parse(&text, path, paths)
    }

    /// Like [`Config::load`], but a missing file reads as an empty one.
    ///
    /// # Errors
    ///
    /// As for [`Config::load`], save for a file that does not exist.
    pub fn load_or_default(path: &Path, paths: &Paths) -> Result<Self, ConfigError> {
        match Self::load(path, paths) {
            Err(ConfigError::Read { source, .. }) if source.kind() == io::ErrorKind::NotFound => {
                Self::parse("", path, paths)
            }
            loaded => loaded,
        }
    }

    /// Whether the configuration names no plugin, no input and no mapping.
    #[must_use]
    pub fn does_nothing(&self) -> bool {
        self.plugins.is_empty() && self.inputs.is_empty() && self.mappings.all().is_empty()
    }

    /// Keeps every plugin from running, for safe mode.
    pub(crate) fn hold_plugins_back(&mut self) {
        self.plugins.iter_mut().for_each(|plugin| plugin.held_back = true);
    }

    /// Checks the text of a configuration that stands, or would stand, at `path`.
    ///
    /// # Errors
    ///
    /// Fails if the text is larger than [`MAX_CONFIG_BYTES`] or has faults; the error holds every fault.
    pub fn parse(text: &str, path: &Path, paths: &Paths) -> Result<Self, ConfigError> {
        if text.len() as u64 > MAX_CONFIG_BYTES {
            return Err(ConfigError::TooLarge { path: path.to_owned() });
        }
        let source = Source::new(text);
        let root = source.parse();
        if source.has_problems() {
            // What was read around a syntax error is a guess, so its faults are not reported.
            return Err(ConfigError::Invalid { path: path.to_owned(), problems: source.into_problems() });
        }
        let root = Table::root(&source, &root);
        check_version(&root);
        let base = path.parent().unwrap_or(Path::new(""));
        let resolve = |path: &Path| paths.resolve(base, path);

        let mut wasm = wasm::read(&root, path, paths);
        wasm.signer_rules = policy::read(&root, path);
        let signing = signing::read(&root);
        let ui = ui::read(&root);
        let networks = network::read(&root);
        let plugins = plugins::read(&root, path, paths, &resolve);
        let inputs = inputs::read(&root, &resolve);
        let outputs = outputs::read(&root, &resolve);
        let mappings = mappings::read(&root, &plugins, &inputs);
        root.finish();

        let problems = source.into_problems();
        if problems.is_empty() {
            let plugins = plugins.into_iter().filter_map(|plugin| plugin.config).collect();
            let inputs = inputs.into_iter().filter_map(|input| input.config).collect();
            Ok(Self { wasm, signing, plugins, inputs, outputs, networks, ui, mappings })
        } else {
            Err(ConfigError::Invalid { path: path.to_owned(), problems })
        }
    }
}

/// What the configuration in a directory demands of signatures. Other parts of the file are not looked at, and a
/// missing file reads as an empty one.
///
/// # Errors
///
/// Fails if the file cannot be read, or has a fault in its syntax, `[wasm]` or `[policy]`.
pub fn verification_policy(config_dir: &Path) -> Result<VerificationPolicy, ConfigError> {
    part_of(config_dir, |root, path| {
        // Directories for plugins enter into no decision about signatures.
        let paths = Paths::new(config_dir.into(), config_dir.into(), config_dir.into(), config_dir.into());
        let mut wasm = wasm::read(root, path, &paths);
        wasm.signer_rules = policy::read(root, path);
        wasm.verification_policy()
    })
}

/// The hardware keys that the configuration in a directory names; the rest of the file is treated as by
/// [`verification_policy`].
///
/// # Errors
///
/// Fails if the file cannot be read, or has a fault in its syntax or `[signing]`.
pub fn hardware(config_dir: &Path) -> Result<Devices, ConfigError> {
    part_of(config_dir, |root, _| signing::read(root))
}

/// The MIDI outputs that the configuration at `path` names; the rest of the file is treated as by
/// [`verification_policy`].
///
/// # Errors
///
/// Fails if the file cannot be read, or has a fault in its syntax or `[midi.outputs]`.
pub fn midi_outputs(path: &Path, paths: &Paths) -> Result<Vec<OutputConfig>, ConfigError> {
    let base = path.parent().unwrap_or(Path::new(""));
    part_of_file(path, |root, _| outputs::read(root, &|path: &Path| paths.resolve(base, path)))
}

/// Reads a part of the configuration in a directory.
fn part_of<T>(config_dir: &Path, part: impl FnOnce(&Table<'_, '_>, &Path) -> T) -> Result<T, ConfigError> {
    part_of_file(&config_dir.join("config.toml"), part)
}

/// Reads a part of the configuration at `path`.
fn part_of_file<T>(path: &Path, part: impl FnOnce(&Table<'_, '_>, &Path) -> T) -> Result<T, ConfigError> {
    let text = read_text(path)?;
    let source = Source::new(&text);
    let root = source.parse();
    if source.has_problems() {
        return Err(ConfigError::Invalid { path: path.to_owned(), problems: source.into_problems() });
    }
    let found = part(&Table::root(&source, &root), path);
    let problems = source.into_problems();
    if problems.is_empty() {
        Ok(found)
    } else {
        Err(ConfigError::Invalid { path: path.to_owned(), problems })
    }
}

/// The text of the file at `path`; empty if there is no file.
pub(crate) fn read_text(path: &Path) -> Result<String, ConfigError> {
    match read(path) {
        Err(ConfigError::Read { source, .. }) if source.kind() == io::ErrorKind::NotFound => {
            Ok(String::new())
        }
        read => read.map(|(text, _)| text),
    }
}

/// The text of the file at `path`, and which paths on the way to the file the user's own group may write to.
fn read(path: &Path) -> Result<(String, Vec<PathBuf>), ConfigError> {
    let fail = |source| ConfigError::Read { path: path.to_owned(), source };
    let read = read_followed(path, MAX_CONFIG_BYTES).map_err(|error| {
        if matches!(error, FileError::TooLarge { .. }) {
            return ConfigError::TooLarge { path: path.to_owned() };
        }
        ConfigError::File { path: path.to_owned(), source: error }
    })?;
    let Followed { bytes, group_writes } = read.ok_or_else(|| fail(io::ErrorKind::NotFound.into()))?;
    let not_text = |_| fail(io::Error::new(io::ErrorKind::InvalidData, "it is not UTF-8"));
    Ok((String::from_utf8(bytes).map_err(not_text)?, group_writes))
}

fn check_version(root: &Table<'_, '_>) {
    if let Some(version) = root.get::<u64>("version")
        && version.value != CONFIG_VERSION
    {
        let hint = format!("this program reads version {CONFIG_VERSION}");
        root.fault(&version.place, format!("unknown version {}", version.value), Some(hint));
    }
}
