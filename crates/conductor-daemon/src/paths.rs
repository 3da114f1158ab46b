//! Where files are kept: the one place of the daemon that reads the environment.

use std::env;
use std::path::{Path, PathBuf};

/// The directories that the programs of this package use.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Paths {
    config_dir: PathBuf,
    data_dir: PathBuf,
    state_dir: PathBuf,
    cache_dir: PathBuf,
    home: Option<PathBuf>,
}

impl Paths {
    /// Directories that the caller chose; there is no home directory, so `~` stands for nothing.
    #[must_use]
    pub fn new(config_dir: PathBuf, data_dir: PathBuf, state_dir: PathBuf, cache_dir: PathBuf) -> Self {
        Self { config_dir, data_dir, state_dir, cache_dir, home: None }
    }

    /// Finds the directories.
    ///
    /// `CONDUCTOR_CONFIG_DIR`, `CONDUCTOR_DATA_DIR`, `CONDUCTOR_STATE_DIR` and `CONDUCTOR_CACHE_DIR` name them outright.
    /// Otherwise they are `conductor` below `XDG_CONFIG_HOME`, `XDG_DATA_HOME`, `XDG_STATE_HOME` and `XDG_CACHE_HOME`, and
    /// without those below `~/.config`, `~/.local/share` (on macOS `~/Library/Application Support`), `~/.local/state` and
    /// `~/.cache`. As the XDG base directory specification asks, `XDG_*` values that are not absolute are ignored.
    ///
    /// # Errors
    ///
    /// Fails if a directory is neither named by a variable nor to be found because `HOME` is not set.
    #[expect(clippy::disallowed_methods, reason = "the one file that reads the environment")]
    pub fn from_environment() -> Result<Self, PathsError> {
        Self::from_variables(|name| env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from))
    }

    fn from_variables(variable: impl Fn(&'static str) -> Option<PathBuf>) -> Result<Self, PathsError> {
        let home = variable("HOME").filter(|home| home.is_absolute());
        let directory = |own: &'static str, xdg: &'static str, fallback: &str| {
            if let Some(named) = variable(own) {
                return std::path::absolute(&named)
                    .map_err(|_| PathsError::Unusable { variable: own, path: named });
            }
            if let Some(base) = variable(xdg).filter(|base| base.is_absolute()) {
                return Ok(base.join("conductor"));
            }
            match &home {
                Some(home) => Ok(home.join(fallback).join("conductor")),
                None => Err(PathsError::NoHome { variable: own }),
            }
        };
        let data = if cfg!(target_os = "macos") { "Library/Application Support" } else { ".local/share" };
        Ok(Self {
            config_dir: directory("CONDUCTOR_CONFIG_DIR", "XDG_CONFIG_HOME", ".config")?,
            data_dir: directory("CONDUCTOR_DATA_DIR", "XDG_DATA_HOME", data)?,
            state_dir: directory("CONDUCTOR_STATE_DIR", "XDG_STATE_HOME", ".local/state")?,
            cache_dir: directory("CONDUCTOR_CACHE_DIR", "XDG_CACHE_HOME", ".cache")?,
            home,
        })
    }

    /// Directory of `config.toml` and of the trust files.
    #[must_use]
    pub fn config_dir(&self) -> &Path {
        &self.config_dir
    }

    /// The configuration file that is read when none is named.
    #[must_use]
    pub fn config_file(&self) -> PathBuf {
        self.config_dir.join("config.toml")
    }

    /// Directory of installed plugins.
    #[must_use]
    pub fn plugins_dir(&self) -> PathBuf {
        self.data_dir.join("plugins")
    }

    /// Directory that holds one data directory per plugin.
    #[must_use]
    pub fn plugin_data_dir(&self) -> PathBuf {
        self.data_dir.join("plugin-data")
    }

    /// Directory of state that can be rebuilt or is only a record.
    #[must_use]
    pub fn state_dir(&self) -> &Path {
        &self.state_dir
    }

    /// Directory of compiled code, which can be made again.
    #[must_use]
    pub fn code_dir(&self) -> PathBuf {
        self.cache_dir.join("code")
    }

    /// `path` with a leading `~/` replaced by the home directory, and relative paths taken from `base`.
    #[must_use]
    pub fn resolve(&self, base: &Path, path: &Path) -> PathBuf {
        match (path.strip_prefix("~"), &self.home) {
            (Ok(rest), Some(home)) => home.join(rest),
            (Ok(_) | Err(_), _) => base.join(path),
        }
    }
}

/// Whether colour may be written: `NO_COLOR` is not set (<https://no-color.org>).
#[must_use]
#[expect(clippy::disallowed_methods, reason = "the one file that reads the environment")]
pub fn colour_allowed() -> bool {
    env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
}

/// The log filter named by `CONDUCTOR_LOG`, in the syntax of `tracing` (`debug`, `conductor_daemon=debug,warn`).
#[must_use]
#[expect(clippy::disallowed_methods, reason = "the one file that reads the environment")]
pub fn log_filter() -> Option<String> {
    env::var("CONDUCTOR_LOG").ok().filter(|filter| !filter.is_empty())
}

/// Why the directories could not be found.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PathsError {
    /// There is no home directory to fall back to.
    #[error("the home directory is not known; set HOME or {variable}")]
    NoHome {
        /// The variable that would name the directory.
        variable: &'static str,
    },
    /// A variable names a path that cannot be made absolute.
    #[error("{variable} names {}, which is not a usable path", path.display())]
    Unusable {
        /// The variable.
        variable: &'static str,
        /// Its value.
        path: PathBuf,
    },
}

#[cfg(test)]
mod tests {
    use super::*;

    fn from(variables: &[(&'static str, &str)]) -> Result<Paths, PathsError> {
        Paths::from_variables(|name| {
            variables.iter().find(|(variable, _)| *variable == name).map(|(_, value)| PathBuf::from(value))
        })
    }

    #[test]
    fn own_variables_win_over_xdg_and_home() {
        let paths = from(&[
            ("HOME", "/home/ada"),
            ("XDG_CONFIG_HOME", "/xdg/config"),
            ("XDG_DATA_HOME", "not/absolute"),
            ("CONDUCTOR_STATE_DIR", "/state"),
        ])
        .expect("paths");
        assert_eq!(paths.config_file(), Path::new("/xdg/config/conductor/config.toml"));
        assert_eq!(paths.state_dir(), Path::new("/state"));
        if cfg!(target_os = "linux") {
            assert_eq!(paths.plugin_data_dir(), Path::new("/home/ada/.local/share/conductor/plugin-data"));
        }
    }

    #[test]
    fn without_home_every_directory_must_be_named() {
        assert_eq!(from(&[]), Err(PathsError::NoHome { variable: "CONDUCTOR_CONFIG_DIR" }));
        let named = [
            ("CONDUCTOR_CONFIG_DIR", "/c"),
            ("CONDUCTOR_DATA_DIR", "/d"),
            ("CONDUCTOR_STATE_DIR", "/s"),
            ("CONDUCTOR_CACHE_DIR", "/k"),
        ];
        assert_eq!(from(&named).expect("paths").plugins_dir(), Path::new("/d/plugins"));
    }

    #[test]
    fn a_tilde_is_the_home_directory_only_as_a_whole_first_part() {
        let paths = from(&[("HOME", "/home/ada")]).expect("paths");
        let resolve = |path: &str| paths.resolve(Path::new("/etc/conductor"), Path::new(path));
        assert_eq!(resolve("~/a.wasm"), Path::new("/home/ada/a.wasm"));
        assert_eq!(resolve("a.wasm"), Path::new("/etc/conductor/a.wasm"));
        assert_eq!(resolve("~x/a.wasm"), Path::new("/etc/conductor/~x/a.wasm"));
        assert_eq!(resolve("/a.wasm"), Path::new("/a.wasm"));
    }
}
