//! Where the workspace and the caches are. No other file of this crate reads the environment.

use std::env;
use std::ffi::OsString;
use std::path::{Path, PathBuf};

use crate::error::TaskError;
use crate::program::Program;

/// Directories that tasks use.
pub(crate) struct Places {
    /// Root of the workspace.
    pub(crate) root: PathBuf,
    /// Directory for tools that only tests need, outside of the workspace.
    pub(crate) tools: PathBuf,
    /// Directories in which programs are looked for, in the form of `PATH`.
    pub(crate) path: OsString,
}

/// Where cargo and rustup keep their files.
pub(crate) struct RustHomes {
    /// Packages of the registry, and settings.
    pub(crate) cargo: PathBuf,
    /// Toolchains.
    pub(crate) rustup: PathBuf,
}

impl Places {
    /// Finds the directories, from the path of this program's sources and from the environment.
    pub(crate) fn find() -> Result<Self, TaskError> {
        let manifest = Path::new(env!("CARGO_MANIFEST_DIR"));
        let root = manifest.ancestors().nth(2).unwrap_or(manifest).to_path_buf();
        let cache = match variable("XDG_CACHE_HOME") {
            Some(cache) => PathBuf::from(cache),
            None => PathBuf::from(variable("HOME").ok_or(TaskError::NoHome)?).join(".cache"),
        };
        let path = variable("PATH").unwrap_or_default();
        Ok(Self { root, tools: cache.join("conductor/tools"), path })
    }

    /// The target directory of the workspace, as cargo reports it.
    pub(crate) fn target(&self) -> Result<PathBuf, TaskError> {
        let mut program = Program::cargo(&self.root).args(["metadata", "--no-deps", "--format-version", "1"]);
        let output = program.stdout()?;
        serde_json::from_str::<serde_json::Value>(&output)
            .ok()
            .and_then(|metadata| Some(PathBuf::from(metadata.get("target_directory")?.as_str()?)))
            .ok_or_else(|| TaskError::Output {
                command: program.line(),
                found: "no target directory".to_owned(),
            })
    }

    /// Where cargo and rustup keep their files: named by the environment, otherwise below the home directory.
    pub(crate) fn rust_homes(&self) -> Result<RustHomes, TaskError> {
        let below_home = |name: &str| variable("HOME").map(|home| Path::new(&home).join(name));
        let find = |name: &str, directory: &str| {
            variable(name).map(PathBuf::from).or_else(|| below_home(directory)).ok_or(TaskError::NoHome)
        };
        Ok(RustHomes { cargo: find("CARGO_HOME", ".cargo")?, rustup: find("RUSTUP_HOME", ".rustup")? })
    }

    /// `PATH` with a directory added at its beginning.
    pub(crate) fn path_with(&self, directory: &Path) -> OsString {
        let mut path = directory.as_os_str().to_owned();
        if !self.path.is_empty() {
            path.push(":");
            path.push(&self.path);
        }
        path
    }

    /// Whether a program of this name is in one of the directories of `PATH`.
    pub(crate) fn has_program(&self, name: &str) -> bool {
        env::split_paths(&self.path).any(|directory| directory.join(name).is_file())
    }
}

#[expect(clippy::disallowed_methods, reason = "the one place of this program that reads the environment")]
fn variable(name: &str) -> Option<OsString> {
    env::var_os(name).filter(|value| !value.is_empty())
}
