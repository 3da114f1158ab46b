//! Where files are kept. No other file of the daemon reads the environment.

use std::env;
use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

/// The directories that the programs of this package use.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Paths {
    config_dir: PathBuf,
    data_dir: PathBuf,
    state_dir: PathBuf,
    cache_dir: PathBuf,
    runtime_dir: PathBuf,
    home: Option<PathBuf>,
}

impl Paths {
    /// Directories that the caller chose. The control socket is in the state directory. There is no home directory, so
    /// `~` is not replaced.
    #[must_use]
    pub fn new(config_dir: PathBuf, data_dir: PathBuf, state_dir: PathBuf, cache_dir: PathBuf) -> Self {
        let runtime_dir = state_dir.clone();
        Self { config_dir, data_dir, state_dir, cache_dir, runtime_dir, home: None }
    }

    /// Finds the directories.
    ///
    /// `CONDUCTOR_CONFIG_DIR`, `CONDUCTOR_DATA_DIR`, `CONDUCTOR_STATE_DIR` and `CONDUCTOR_CACHE_DIR` name them outright.
    /// Otherwise they are `conductor` below `XDG_CONFIG_HOME`, `XDG_DATA_HOME`, `XDG_STATE_HOME` and `XDG_CACHE_HOME`, and
    /// without those below `~/.config`, `~/.local/share` (on macOS `~/Library/Application Support`), `~/.local/state` and
    /// `~/.cache`. As the XDG base directory specification asks, `XDG_*` values that are not absolute are ignored.
    ///
    /// The runtime directory is named by `CONDUCTOR_RUNTIME_DIR`. Otherwise it is `conductor` below `XDG_RUNTIME_DIR`,
    /// if that is a directory that this user owns (a shell that `su` opened may have inherited the variable of another
    /// user), and otherwise the state directory.
    ///
    /// # Errors
    ///
    /// Fails if no variable names a directory and the directory cannot be derived, because `HOME` is not set.
    #[expect(clippy::disallowed_methods, reason = "the one file that reads the environment")]
    pub fn from_environment() -> Result<Self, PathsError> {
        let variable = |name| env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
        Self::from_variables(variable, is_own_directory)
    }

    fn from_variables(
        variable: impl Fn(&'static str) -> Option<PathBuf>,
        is_own: impl Fn(&Path) -> bool,
    ) -> Result<Self, PathsError> {
        let home = variable("HOME").filter(|home| home.is_absolute());
        let named = |own: &'static str| {
            let named = variable(own)?;
            let absolute = std::path::absolute(&named);
            Some(absolute.map_err(|_| PathsError::Unusable { variable: own, path: named }))
        };
        let directory = |own: &'static str, xdg: &'static str, fallback: &str| {
            if let Some(named) = named(own) {
                return named;
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
        let config_dir = directory("CONDUCTOR_CONFIG_DIR", "XDG_CONFIG_HOME", ".config")?;
        let data_dir = directory("CONDUCTOR_DATA_DIR", "XDG_DATA_HOME", data)?;
        let state_dir = directory("CONDUCTOR_STATE_DIR", "XDG_STATE_HOME", ".local/state")?;
        let cache_dir = directory("CONDUCTOR_CACHE_DIR", "XDG_CACHE_HOME", ".cache")?;
        let runtime_dir = match named("CONDUCTOR_RUNTIME_DIR") {
            Some(named) => named?,
            None => variable("XDG_RUNTIME_DIR")
                .filter(|base| base.is_absolute() && is_own(base))
                .map_or_else(|| state_dir.clone(), |base| base.join("conductor")),
        };
        Ok(Self { config_dir, data_dir, state_dir, cache_dir, runtime_dir, home })
    }

    /// The same directories with another configuration directory.
    #[must_use]
    pub fn with_config_dir(self, config_dir: PathBuf) -> Self {
        Self { config_dir, ..self }
    }

    /// Directory of `config.toml` and of the trust files.
    #[must_use]
    pub fn config_dir(&self) -> &Path {
        &self.config_dir
    }

    /// The configuration file that is read when the command line names none.
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

    /// Directory of state that can be rebuilt, and of records.
    #[must_use]
    pub fn state_dir(&self) -> &Path {
        &self.state_dir
    }

    /// Directory of compiled code, which can be compiled again.
    #[must_use]
    pub fn code_dir(&self) -> PathBuf {
        self.cache_dir.join("code")
    }

    /// Directory of files that exist only while the daemon runs: its socket and its lock.
    #[must_use]
    pub fn runtime_dir(&self) -> &Path {
        &self.runtime_dir
    }

    /// The control socket.
    #[must_use]
    pub fn control_socket(&self) -> PathBuf {
        self.runtime_dir.join("conductor.sock")
    }

    /// The file of the secrets that the user entered for plugins, on systems without a Secret Service.
    #[must_use]
    pub fn secrets_file(&self) -> PathBuf {
        self.state_dir.join("secrets")
    }

    /// The audit log.
    #[must_use]
    pub fn audit_file(&self) -> PathBuf {
        self.state_dir.join("audit.jsonl")
    }

    /// What sounds at MIDI outputs, for whoever is to end it after the daemon was killed.
    #[must_use]
    pub fn sounding_file(&self) -> PathBuf {
        self.state_dir.join("sounding")
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

/// The files and directories of one run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Places {
    /// The configuration that the daemon runs with.
    pub config_file: PathBuf,
    /// The directories for relative paths and for plugins.
    pub paths: Paths,
    /// The control socket.
    pub control_socket: PathBuf,
    /// The audit log.
    pub audit_file: PathBuf,
}

/// Whether this user owns the directory.
fn is_own_directory(path: &Path) -> bool {
    fs::metadata(path)
        .is_ok_and(|metadata| metadata.is_dir() && metadata.uid() == rustix::process::geteuid().as_raw())
}

/// Whether colour may be written: yes unless `NO_COLOR` is set (<https://no-color.org>).
#[must_use]
#[expect(clippy::disallowed_methods, reason = "the one file that reads the environment")]
pub fn colour_allowed() -> bool {
    env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
}

/// Whether there is a display that could show a browser. macOS names no display in the environment, and always has one.
#[must_use]
#[expect(clippy::disallowed_methods, reason = "the one file that reads the environment")]
pub fn has_display() -> bool {
    let is_set = |name| env::var_os(name).is_some_and(|value| !value.is_empty());
    cfg!(target_os = "macos") || is_set("DISPLAY") || is_set("WAYLAND_DISPLAY")
}

/// The log filter named by `CONDUCTOR_LOG`, in the syntax of `tracing` (`debug`, `conductor_daemon=debug,warn`).
#[must_use]
#[expect(clippy::disallowed_methods, reason = "the one file that reads the environment")]
pub fn log_filter() -> Option<String> {
    env::var("CONDUCTOR_LOG").ok().filter(|filter| !filter.is_empty())
}

/// The socket of the ssh-agent that `SSH_AUTH_SOCK` names.
#[must_use]
#[expect(clippy::disallowed_methods, reason = "the one file that reads the environment")]
pub fn agent_socket() -> Option<PathBuf> {
    env::var_os("SSH_AUTH_SOCK").filter(|value| !value.is_empty()).map(PathBuf::from)
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
        let variable = |name| {
            variables.iter().find(|(variable, _)| *variable == name).map(|(_, value)| PathBuf::from(value))
        };
        Paths::from_variables(variable, |path| path != Path::new("/run/user/other"))
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
    fn the_socket_is_in_the_runtime_directory_if_it_is_ones_own() {
        let socket = |variables: &[(&'static str, &str)]| {
            let home = [("HOME", "/home/ada"), ("XDG_STATE_HOME", "/state")];
            from(&[&home, variables].concat()).expect("paths").control_socket()
        };
        assert_eq!(socket(&[]), Path::new("/state/conductor/conductor.sock"));
        let own = ("XDG_RUNTIME_DIR", "/run/user/7");
        assert_eq!(socket(&[own]), Path::new("/run/user/7/conductor/conductor.sock"));
        for passed_over in ["run/user/7", "/run/user/other"] {
            let socket = socket(&[("XDG_RUNTIME_DIR", passed_over)]);
            assert_eq!(socket, Path::new("/state/conductor/conductor.sock"));
        }
        assert_eq!(socket(&[own, ("CONDUCTOR_RUNTIME_DIR", "/run")]), Path::new("/run/conductor.sock"));
        let own = tempfile::tempdir().expect("directory");
        assert!(is_own_directory(own.path()) && !is_own_directory(&own.path().join("none")));
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
