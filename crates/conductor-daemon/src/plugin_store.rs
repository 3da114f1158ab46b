//! The plugin store. `ALIAS/DIGEST/` holds every file of one version of a plugin. `ALIAS/current` names the current
//! version in one line, as `DIGEST/FILE.wasm`.
//!
//! The files of a version are written one by one; each is complete or missing. The version counts only once `current`
//! names it, and `current` is replaced by rename. So whatever stops this program, the plugin is the old version or the
//! new one, never parts of both. What a crash leaves behind is deleted by [`PluginStore::clean`].

use std::fs::{self, Permissions};
use std::io::{self, ErrorKind};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Component, Path, PathBuf};
use std::time::Duration;

use conductor_signing::atomic_file::{self, Lock, TEMPORARY_PREFIX};
use conductor_signing::guarded;
use conductor_signing::keeper::Disk;
use conductor_signing::{Companion, Digest, FileError, PluginFiles};
use conductor_surface::config::check_name;

/// The file with the line that names the version that runs.
const CURRENT: &str = "current";

/// The file with the line that names the previous version, as long as that version is kept.
const PREVIOUS: &str = "previous";

/// The file that exists while the configuration is being changed to name the plugin for the first time, or to name it
/// no longer.
const CHANGING: &str = "changing";

/// The file that writers lock.
const LOCK: &str = ".lock";

/// Most bytes of a line: a digest, a slash and a file name of 255 bytes. Stops a large file from taking all memory.
const MAX_LINE_BYTES: u64 = 64 + 1 + 255 + 1;

/// Longest wait for another daemon that changes the same store.
const PATIENCE: Duration = Duration::from_secs(5);

const DIRECTORY_MODE: u32 = 0o700;
const FILE_MODE: u32 = 0o600;

/// The directory of plugins.
#[derive(Clone, Copy)]
pub(crate) struct PluginStore<'s> {
    root: &'s Path,
    disk: &'s dyn Disk,
}

/// Why the store could not be changed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum StoreError {
    /// Something is wrong with a file or directory.
    #[error(transparent)]
    File(#[from] FileError),
    /// The operating system refused.
    #[error("cannot write {}: {source}", path.display())]
    Write {
        /// The file or directory.
        path: PathBuf,
        /// The cause.
        source: io::Error,
    },
    /// A link where a directory of the store would be.
    #[error("{} is no directory of the store; move it away", path.display())]
    NoDirectory {
        /// The path.
        path: PathBuf,
    },
    /// Another daemon changes the same store.
    #[error("another program is changing {}; try again", path.display())]
    Locked {
        /// The store.
        path: PathBuf,
    },
}

/// A version of a plugin: the digest over its files, and the file name of its module.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Version {
    digest: Digest,
    file_name: String,
}

impl Version {
    fn of(files: &PluginFiles) -> Self {
        Self { digest: files.digest(), file_name: files.file_name().to_owned() }
    }

    fn parse(line: &[u8]) -> Option<Self> {
        let (digest, file_name) = str::from_utf8(line).ok()?.strip_suffix('\n')?.split_once('/')?;
        let is_one_part = matches!(Path::new(file_name).components().collect::<Vec<_>>()[..], [Component::Normal(part)] if part == file_name);
        let is_module = is_one_part && file_name.ends_with(".wasm") && !file_name.contains('\n');
        Some(Self { digest: digest.parse().ok()?, file_name: file_name.to_owned() }).filter(|_| is_module)
    }

    fn line(&self) -> String {
        format!("{}/{}\n", self.digest, self.file_name)
    }
}

impl<'s> PluginStore<'s> {
    /// The store in the directory `root`.
    pub(crate) const fn new(root: &'s Path, disk: &'s dyn Disk) -> Self {
        Self { root, disk }
    }

    /// Makes the directory if it is missing, and keeps other writers out until the lock is dropped.
    pub(crate) fn lock(&self) -> Result<Lock, StoreError> {
        let written = |source| StoreError::Write { path: self.root.into(), source };
        atomic_file::create_private_directory(self.root).map_err(written)?;
        let mode = fs::metadata(self.root).map_err(written)?.permissions().mode();
        if mode & 0o777 != DIRECTORY_MODE {
            fs::set_permissions(self.root, Permissions::from_mode(DIRECTORY_MODE)).map_err(written)?;
        }
        let lock = self.disk.lock(&self.root.join(LOCK), PATIENCE).map_err(written)?;
        lock.ok_or_else(|| StoreError::Locked { path: self.root.into() })
    }

    /// Writes all files of a version. The version does not run until it is [taken](Self::take).
    pub(crate) fn put(&self, alias: &str, files: &PluginFiles) -> Result<Version, StoreError> {
        let version = Version::of(files);
        let directory = self.directory(alias);
        self.prepare(&directory)?;
        let versioned = directory.join(version.digest.to_string());
        self.prepare(&versioned)?;
        let module = versioned.join(&version.file_name);
        for (companion, bytes) in files.companions() {
            let path = companion.path(&module);
            match bytes {
                Some(bytes) => self.write(&path, bytes)?,
                None => {
                    absent(fs::remove_file(&path)).map_err(|source| StoreError::Write { path, source })?
                }
            }
        }
        self.write(&module, files.module())?;
        self.sync(&versioned)?;
        self.sync(&directory)?;
        self.sync(self.root)?;
        Ok(version)
    }

    /// The path of a version's module.
    pub(crate) fn module(&self, alias: &str, version: &Version) -> PathBuf {
        self.directory(alias).join(version.digest.to_string()).join(&version.file_name)
    }

    /// Makes a version the current one, and keeps the previous version, which stays the current one if that fails.
    pub(crate) fn take(&self, alias: &str, version: &Version) -> Result<(), StoreError> {
        let before = self.current(alias)?;
        if before.as_ref() == Some(version) {
            return Ok(());
        }
        if let Some(before) = &before {
            self.set(alias, PREVIOUS, before)?;
        }
        let taken = self.set(alias, CURRENT, version);
        if let (Err(_), Some(before)) = (&taken, &before) {
            // It may be named, and only not be on the disk for good: who is told of an error goes on with the one before.
            let _ = self.set(alias, CURRENT, before);
        }
        taken
    }

    /// The version that runs; `None` if the plugin is not in the store.
    pub(crate) fn current(&self, alias: &str) -> Result<Option<Version>, StoreError> {
        self.line(alias, CURRENT)
    }

    /// Whether the previous version is kept.
    pub(crate) fn has_previous(&self, alias: &str) -> bool {
        self.line(alias, PREVIOUS).is_ok_and(|line| line.is_some())
    }

    /// Forgets and deletes the previous version.
    pub(crate) fn drop_previous(&self, alias: &str) -> Result<(), StoreError> {
        let path = self.directory(alias).join(PREVIOUS);
        absent(fs::remove_file(&path)).map_err(|source| StoreError::Write { path, source })?;
        self.drop_versions(alias)
    }

    /// Deletes every version but the current one and the previous one.
    pub(crate) fn drop_versions(&self, alias: &str) -> Result<(), StoreError> {
        let directory = self.directory(alias);
        let kept = [self.line(alias, CURRENT)?, self.line(alias, PREVIOUS)?];
        let kept: Vec<_> = kept.iter().flatten().map(|version| version.digest.to_string()).collect();
        for (path, name) in entries(&directory)? {
            let is_version = name.parse::<Digest>().is_ok() && !kept.contains(&name);
            let is_temporary = name.starts_with(TEMPORARY_PREFIX);
            let deleted = match (is_version, is_temporary) {
                (true, _) => fs::remove_dir_all(&path),
                (false, true) => fs::remove_file(&path),
                (false, false) => Ok(()),
            };
            absent(deleted).map_err(|source| StoreError::Write { path, source })?;
        }
        for digest in kept {
            for (path, name) in entries(&directory.join(digest))? {
                if name.starts_with(TEMPORARY_PREFIX) {
                    absent(fs::remove_file(&path)).map_err(|source| StoreError::Write { path, source })?;
                }
            }
        }
        Ok(())
    }

    /// Notes that the configuration is about to name the plugin, or to name it no longer.
    pub(crate) fn begin_change(&self, alias: &str) -> Result<(), StoreError> {
        let directory = self.directory(alias);
        self.prepare(&directory)?;
        self.write(&directory.join(CHANGING), b"")?;
        self.sync(&directory)?;
        self.sync(self.root)
    }

    /// Notes that the configuration was changed as intended.
    pub(crate) fn end_change(&self, alias: &str) -> Result<(), StoreError> {
        let path = self.directory(alias).join(CHANGING);
        absent(fs::remove_file(&path)).map_err(|source| StoreError::Write { path, source })
    }

    /// Deletes a plugin with all its versions.
    pub(crate) fn delete(&self, alias: &str) -> Result<(), StoreError> {
        let directory = self.directory(alias);
        if is_directory(&directory)? {
            // Links in the directory are not followed.
            absent(fs::remove_dir_all(&directory))
                .map_err(|source| StoreError::Write { path: directory, source })?;
            self.sync(self.root)?;
        }
        Ok(())
    }

    /// Deletes what a crash left behind. `is_configured` says whether the configuration names a plugin.
    pub(crate) fn clean(&self, is_configured: impl Fn(&str) -> bool) -> Result<(), StoreError> {
        if !is_there(self.root)? {
            return Ok(());
        }
        let _lock = self.lock()?;
        for (path, name) in entries(self.root)? {
            let is_directory = is_directory(&path)?;
            if !is_directory && name.starts_with(TEMPORARY_PREFIX) {
                absent(fs::remove_file(&path)).map_err(|source| StoreError::Write { path, source })?;
            } else if is_directory && check_name(&name).is_ok() {
                let is_half = is_there(&path.join(CHANGING))? && !is_configured(&name);
                if is_half {
                    self.delete(&name)?;
                } else {
                    self.end_change(&name)?;
                    self.drop_versions(&name)?;
                    // The directory is empty if no version was ever taken.
                    let _ = fs::remove_dir(&path);
                }
            }
        }
        Ok(())
    }

    /// The directory of a plugin.
    pub(crate) fn directory(&self, alias: &str) -> PathBuf {
        self.root.join(alias)
    }

    fn line(&self, alias: &str, name: &str) -> Result<Option<Version>, StoreError> {
        read_line(&self.directory(alias).join(name)).map_err(StoreError::File)
    }

    fn set(&self, alias: &str, name: &str, version: &Version) -> Result<(), StoreError> {
        let directory = self.directory(alias);
        self.write(&directory.join(name), version.line().as_bytes())?;
        self.sync(&directory)
    }

    /// Makes a directory of the store where it is missing, and refuses a link in its place.
    fn prepare(&self, directory: &Path) -> Result<(), StoreError> {
        if fs::symlink_metadata(directory).is_ok_and(|metadata| !metadata.is_dir()) {
            return Err(StoreError::NoDirectory { path: directory.into() });
        }
        Ok(self.disk.prepare(directory)?)
    }

    fn write(&self, path: &Path, bytes: &[u8]) -> Result<(), StoreError> {
        let written = |source| StoreError::Write { path: path.into(), source };
        self.disk.put(path, bytes, FILE_MODE).map_err(written)
    }

    fn sync(&self, directory: &Path) -> Result<(), StoreError> {
        let written = |source| StoreError::Write { path: directory.into(), source };
        self.disk.sync_directory(directory).map_err(written)
    }
}

/// Where the module of the plugin `alias` is: the current version in the store below `root`, or `ALIAS.wasm` in `root`.
pub(crate) fn module_path(root: &Path, alias: &str) -> PathBuf {
    let directory = root.join(alias);
    match read_line(&directory.join(CURRENT)) {
        Ok(Some(version)) => directory.join(version.digest.to_string()).join(version.file_name),
        Ok(None) => root.join(format!("{alias}.wasm")),
        // Loading says that this is no plugin; another version is not taken for it.
        Err(error) => {
            tracing::error!(plugin = alias, "which version is the current one is unknown: {error}");
            directory.join(CURRENT)
        }
    }
}

/// A line that names a version; `None` if the file does not exist.
fn read_line(path: &Path) -> Result<Option<Version>, FileError> {
    match fs::symlink_metadata(path) {
        Ok(_) => {}
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(source) => return Err(FileError::Unreadable { path: path.into(), source }),
    }
    let bytes = guarded::read_decisions(path, MAX_LINE_BYTES)?;
    let damaged =
        || io::Error::new(ErrorKind::InvalidData, "it names no version of a plugin; install it again");
    let version = Version::parse(&bytes);
    version.map(Some).ok_or_else(|| FileError::Unreadable { path: path.into(), source: damaged() })
}

/// Whether there is a directory at a path, which may not be a link.
fn is_directory(path: &Path) -> Result<bool, StoreError> {
    match fs::symlink_metadata(path) {
        Ok(metadata) => Ok(metadata.is_dir()),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(false),
        Err(source) => Err(FileError::Unreadable { path: path.into(), source }.into()),
    }
}

/// Whether there is anything at a path.
fn is_there(path: &Path) -> Result<bool, StoreError> {
    path.try_exists().map_err(|source| FileError::Unreadable { path: path.into(), source }.into())
}

/// The paths and names of the entries of a directory. Names that are not UTF-8 do not belong to the store and are left
/// out.
fn entries(directory: &Path) -> Result<Vec<(PathBuf, String)>, StoreError> {
    let listed = fs::read_dir(directory);
    let listed = match listed {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
        listed => listed.and_then(Iterator::collect::<io::Result<Vec<_>>>),
    };
    let listed = listed.map_err(|source| FileError::Unreadable { path: directory.into(), source })?;
    Ok(listed
        .into_iter()
        .filter_map(|entry| Some((entry.path(), entry.file_name().into_string().ok()?)))
        .collect())
}

/// Deletes the files of a module that is not in the store. The module goes first, so that an interruption leaves no
/// plugin.
pub(crate) fn delete_flat(module: &Path) -> Result<(), StoreError> {
    let companions = Companion::ALL.into_iter().map(|companion| companion.path(module));
    for path in std::iter::once(module.to_owned()).chain(companions) {
        absent(fs::remove_file(&path)).map_err(|source| StoreError::Write { path, source })?;
    }
    Ok(())
}

/// Takes a missing file for a deleted one.
pub(crate) fn absent(result: io::Result<()>) -> io::Result<()> {
    result.or_else(|error| if error.kind() == ErrorKind::NotFound { Ok(()) } else { Err(error) })
}

#[cfg(test)]
mod tests;
