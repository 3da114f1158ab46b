//! A scratch home, and programs of this workspace that run in it with none of the caller's environment.

use std::ffi::OsString;
use std::fs;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use tempfile::TempDir;

use crate::error::TaskError;
use crate::places::Places;
use crate::program::{Captured, Program};

/// Longest time that a program may run if its output is not followed. Stops one that hangs; a busy machine may need minutes
/// to compile a large module.
pub(crate) const LIMIT: Duration = Duration::from_secs(300);

/// A home directory that is deleted when this value is dropped.
pub(crate) struct ScratchHome {
    directory: TempDir,
    path: OsString,
}

impl ScratchHome {
    /// An empty home that runs the programs of this build profile.
    pub(crate) fn new(places: &Places, prefix: &str, profile: &str) -> Result<Self, TaskError> {
        let temporary = |source| TaskError::File { path: "temporary directory".into(), source };
        let directory = TempDir::with_prefix(prefix).map_err(temporary)?;
        let programs = places.target()?.join(profile);
        Ok(Self { directory, path: places.path_with(&programs) })
    }

    /// The directory.
    pub(crate) fn path(&self) -> &Path {
        self.directory.path()
    }

    /// A path in the home.
    pub(crate) fn at(&self, path: &str) -> PathBuf {
        self.path().join(path)
    }

    /// Reads a file.
    pub(crate) fn read(&self, path: &str) -> Result<Vec<u8>, TaskError> {
        let mut bytes = Vec::new();
        let path = self.at(path);
        let read = fs::File::open(&path).and_then(|mut file| file.read_to_end(&mut bytes));
        read.map_err(|source| TaskError::File { path, source })?;
        Ok(bytes)
    }

    /// Writes a file.
    pub(crate) fn write(&self, path: &str, bytes: &[u8]) -> Result<(), TaskError> {
        let path = self.at(path);
        fs::write(&path, bytes).map_err(|source| TaskError::File { path, source })
    }

    /// Copies a file from elsewhere.
    pub(crate) fn copy(&self, from: &Path, to: &str) -> Result<(), TaskError> {
        let copied = fs::copy(from, self.at(to));
        copied.map(drop).map_err(|source| TaskError::File { path: from.to_owned(), source })
    }

    /// Makes a directory.
    pub(crate) fn make_directory(&self, path: &str) -> Result<(), TaskError> {
        let path = self.at(path);
        fs::create_dir_all(&path).map_err(|source| TaskError::File { path, source })
    }

    /// A program that is ready to run: in the home, with none of the caller's environment.
    pub(crate) fn program(&self, program: &str, arguments: &[&str]) -> Program {
        let environment = [("PATH", self.path.as_os_str()), ("HOME", self.path().as_os_str())];
        Program::new(program, self.path()).only_env(environment).args(arguments)
    }

    /// Runs a program without showing anything.
    pub(crate) fn run(&self, program: &str, arguments: &[&str]) -> Result<Captured, TaskError> {
        self.program(program, arguments).capture(LIMIT)
    }

    /// Keeps the home on the disk.
    pub(crate) fn keep(&mut self) -> PathBuf {
        self.directory.disable_cleanup(true);
        self.path().to_owned()
    }
}
