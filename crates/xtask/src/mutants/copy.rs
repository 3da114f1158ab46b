//! The copy of the tree in which mutants are made, and what is kept of earlier runs.

use std::collections::{BTreeSet, hash_map::DefaultHasher};
use std::fs;
use std::hash::Hasher as _;
use std::io;
use std::path::{Path, PathBuf};

use walkdir::WalkDir;

use super::outcome::Results;
use super::reading::{file_error, read};
use crate::error::TaskError;
use crate::places::Places;
use crate::program::Program;

/// A copy of the tree, always at the same place, so that only what has changed is built again.
pub(super) struct Copy {
    /// Root of the copy.
    pub(super) tree: PathBuf,
    /// Its target directory.
    build: PathBuf,
    /// What was found, file by file.
    results: PathBuf,
    /// What cargo-mutants writes.
    output: PathBuf,
}

impl Copy {
    /// Copies the files that git knows or would add, and removes all others.
    pub(super) fn of(places: &Places, directory: &Path) -> Result<Self, TaskError> {
        let copy = Self {
            tree: directory.join("tree"),
            build: directory.join("build"),
            results: directory.join("results"),
            output: directory.join("output"),
        };
        for made in [&copy.tree, &copy.results, &copy.output] {
            fs::create_dir_all(made).map_err(file_error(made))?;
        }
        let words = ["ls-files", "-z", "--cached", "--others", "--exclude-standard"];
        let listed = Program::new("git", &places.root).args(words).stdout()?;
        let files: BTreeSet<&Path> =
            listed.split('\0').filter(|name| !name.is_empty()).map(Path::new).collect();
        // A file that was removed is listed until that is committed.
        let files: BTreeSet<&Path> =
            files.into_iter().filter(|file| places.root.join(file).is_file()).collect();
        for file in &files {
            let (from, to) = (places.root.join(file), copy.tree.join(file));
            if !is_same(&from, &to)? {
                let parent = to.parent().unwrap_or(&copy.tree);
                fs::create_dir_all(parent).map_err(file_error(parent))?;
                fs::copy(&from, &to).map_err(file_error(&to))?;
            }
        }
        for entry in WalkDir::new(&copy.tree) {
            let entry =
                entry.map_err(|error| TaskError::File { path: copy.tree.clone(), source: error.into() })?;
            let relative = entry.path().strip_prefix(&copy.tree).unwrap_or(entry.path());
            if !entry.file_type().is_dir() && !files.contains(relative) {
                fs::remove_file(entry.path()).map_err(file_error(entry.path()))?;
            }
        }
        Ok(copy)
    }

    /// Lets cargo build the copy apart from the workspace, and without what debuggers need.
    pub(super) fn environment(&self, program: Program) -> Program {
        program.env("CARGO_TARGET_DIR", &self.build).env("CARGO_PROFILE_DEV_DEBUG", "false")
    }

    /// An empty directory for what cargo-mutants writes.
    pub(super) fn fresh_output(&self) -> Result<PathBuf, TaskError> {
        match fs::remove_dir_all(&self.output) {
            Err(source) if source.kind() != io::ErrorKind::NotFound => {
                Err(TaskError::File { path: self.output.clone(), source })
            }
            Ok(()) | Err(_) => {
                fs::create_dir_all(&self.output).map_err(file_error(&self.output))?;
                Ok(self.output.clone())
            }
        }
    }

    /// What an earlier run found in a file, if the file is as it was.
    pub(super) fn kept(&self, file: &Path, source: &[u8]) -> Result<Option<Results>, TaskError> {
        let path = self.place(file);
        if !path.is_file() {
            return Ok(None);
        }
        let text = String::from_utf8_lossy(&read(&path)?).into_owned();
        Ok(text
            .split_once('\n')
            .and_then(|(mark, rest)| (mark == self::mark(source)).then(|| Results::parse(rest))))
    }

    /// Keeps what was found in a file.
    pub(super) fn keep(&self, file: &Path, source: &[u8], results: &Results) -> Result<(), TaskError> {
        let path = self.place(file);
        fs::write(&path, format!("{}\n{results}", mark(source))).map_err(file_error(&path))
    }

    fn place(&self, file: &Path) -> PathBuf {
        let name: Vec<_> = file.iter().map(|part| part.to_string_lossy()).collect();
        self.results.join(format!("{}.txt", name.join("-")))
    }
}

fn is_same(one: &Path, other: &Path) -> Result<bool, TaskError> {
    Ok(other.is_file() && read(one)? == read(other)?)
}

/// By what a file is recognised as unchanged.
fn mark(source: &[u8]) -> String {
    let mut hasher = DefaultHasher::new();
    hasher.write(source);
    format!("{:016x}", hasher.finish())
}
