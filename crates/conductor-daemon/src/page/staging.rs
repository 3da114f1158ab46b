//! Plugins that were uploaded and not installed. They are kept for a while, so that the user can look at them.
//!
//! Nothing here ever runs. Installing reads the file anew, and decides about it as about any other file.
//!
//! Everything here but [`Staging::max_module_bytes`] may wait for the disk.

use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use conductor_signing::{Companion, atomic_file};
use data_encoding::HEXLOWER;
use hyper::body::Bytes;
use tokio::sync::mpsc::Receiver;

/// Most uploads at once. A further upload ends the oldest complete one, so that forgotten uploads keep nobody out.
const MAX_UPLOADS: usize = 4;

/// How long an upload is kept.
const KEPT_FOR: Duration = Duration::from_secs(15 * 60);

/// Random bytes of an upload's name.
const ID_BYTES: usize = 16;

const FILE_MODE: u32 = 0o600;

/// The directory of uploads, and what is in it.
pub(crate) struct Staging {
    directory: PathBuf,
    max_module_bytes: u64,
    uploads: Mutex<Vec<Kept>>,
}

/// An upload that is kept.
struct Kept {
    id: String,
    until: Instant,
    is_whole: bool,
}

/// A part of an upload.
pub(super) enum Part {
    Bytes(Bytes),
    End,
}

/// A file that is being uploaded. The file is deleted unless it becomes complete.
struct Upload<'s> {
    staging: &'s Staging,
    id: String,
    file: File,
    path: PathBuf,
    is_whole: bool,
}

impl Staging {
    /// A place for uploads below the state directory, each of at most `max_module_bytes` bytes. Directories are made
    /// when they are needed.
    pub(crate) fn new(state_dir: &Path, max_module_bytes: u64) -> Self {
        let directory = state_dir.join("uploads");
        let staging = Self { directory, max_module_bytes, uploads: Mutex::default() };
        // Uploads of an earlier run are deleted.
        staging.clear();
        staging
    }

    /// Most bytes of a module.
    pub(super) const fn max_module_bytes(&self) -> u64 {
        self.max_module_bytes
    }

    /// Takes a module, part by part, and keeps it. Returns its name and its file; `None` if the most uploads are under way
    /// already. The caller's thread waits for the parts.
    pub(super) fn take(&self, mut parts: Receiver<Part>) -> io::Result<Option<(String, PathBuf)>> {
        let Some(mut upload) = self.begin()? else { return Ok(None) };
        while let Some(part) = parts.blocking_recv() {
            match part {
                Part::Bytes(bytes) => upload.write(&bytes)?,
                Part::End => return Ok(Some(upload.finish())),
            }
        }
        Err(io::Error::new(ErrorKind::UnexpectedEof, "the rest of it did not come"))
    }

    /// Begins to take a module; `None` if the most uploads are under way already.
    fn begin(&self) -> io::Result<Option<Upload<'_>>> {
        let mut bytes = [0; ID_BYTES];
        getrandom::fill(&mut bytes).map_err(io::Error::other)?;
        let id = HEXLOWER.encode(&bytes);
        {
            let mut uploads = self.uploads();
            while uploads.len() >= MAX_UPLOADS {
                let Some(oldest) = uploads.iter().position(|upload| upload.is_whole) else { return Ok(None) };
                self.delete(&uploads.remove(oldest).id);
            }
            uploads.push(Kept { id: id.clone(), until: Instant::now() + KEPT_FOR, is_whole: false });
        }
        let directory = self.directory.join(&id);
        let path = directory.join("upload.wasm");
        let made = atomic_file::create_private_directory(&directory);
        match made.and_then(|()| create(&path)) {
            Ok(file) => Ok(Some(Upload { staging: self, id, file, path, is_whole: false })),
            Err(error) => {
                self.remove(&id);
                Err(error)
            }
        }
    }

    /// Puts a file that verification reads beside a module beside an upload; `false` if there is no such upload.
    pub(super) fn accompany(&self, id: &str, companion: Companion, bytes: &[u8]) -> io::Result<bool> {
        if !self.uploads().iter().any(|upload| upload.id == id && upload.is_whole) {
            return Ok(false);
        }
        let path = companion.path(&self.directory.join(id).join("upload.wasm"));
        match fs::remove_file(&path) {
            Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
            Ok(()) | Err(_) => {}
        }
        create(&path)?.write_all(bytes)?;
        Ok(true)
    }

    /// Deletes an upload; `false` if there is no such upload.
    pub(super) fn remove(&self, id: &str) -> bool {
        let mut uploads = self.uploads();
        let place = uploads.iter().position(|upload| upload.id == id);
        if let Some(place) = place {
            uploads.remove(place);
            self.delete(id);
        }
        place.is_some()
    }

    /// Deletes uploads that were kept long enough.
    pub(super) fn sweep(&self) {
        let now = Instant::now();
        self.uploads().retain(|upload| {
            let is_kept = upload.until > now || !upload.is_whole;
            if !is_kept {
                self.delete(&upload.id);
            }
            is_kept
        });
    }

    /// Deletes the directory of one upload.
    fn delete(&self, id: &str) {
        absent(&self.directory.join(id));
    }

    fn clear(&self) {
        absent(&self.directory);
    }

    fn uploads(&self) -> MutexGuard<'_, Vec<Kept>> {
        self.uploads.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Staging {
    fn drop(&mut self) {
        self.clear();
    }
}

impl Upload<'_> {
    /// Takes the next bytes.
    fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.file.write_all(bytes)
    }

    /// Keeps the complete upload. Returns its name and its file.
    fn finish(mut self) -> (String, PathBuf) {
        self.is_whole = true;
        if let Some(upload) = self.staging.uploads().iter_mut().find(|upload| upload.id == self.id) {
            upload.is_whole = true;
        }
        (self.id.clone(), self.path.clone())
    }
}

impl Drop for Upload<'_> {
    fn drop(&mut self) {
        if !self.is_whole {
            self.staging.remove(&self.id);
        }
    }
}

fn create(path: &Path) -> io::Result<File> {
    OpenOptions::new().write(true).create_new(true).mode(FILE_MODE).open(path)
}

/// Deletes a directory and its contents. Links in it are not followed.
fn absent(directory: &Path) {
    if let Err(error) = fs::remove_dir_all(directory)
        && error.kind() != ErrorKind::NotFound
    {
        tracing::warn!("{} cannot be deleted: {error}", directory.display());
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    fn put(staging: &Staging, bytes: &[u8]) -> (String, PathBuf) {
        let mut upload = staging.begin().expect("begins").expect("room");
        upload.write(bytes).expect("writes");
        upload.finish()
    }

    #[test]
    fn uploads_are_private_few_and_gone_in_the_end() {
        let state = tempfile::tempdir().expect("directory");
        fs::create_dir_all(state.path().join("uploads/old")).expect("directory");
        let staging = Staging::new(state.path(), 100);
        assert!(!state.path().join("uploads").exists(), "what was left behind is gone");
        let (first, path) = put(&staging, b"module");
        let mode = |path: &Path| fs::metadata(path).expect("there").permissions().mode() & 0o777;
        assert_eq!((mode(&path), mode(path.parent().expect("directory"))), (0o600, 0o700));
        assert_eq!(mode(&state.path().join("uploads")), 0o700);
        for companion in Companion::ALL {
            for text in ["one", "two"] {
                assert!(staging.accompany(&first, companion, text.as_bytes()).expect("writes"));
            }
            assert_eq!(fs::read_to_string(companion.path(&path)).expect("there"), "two");
        }
        for other in ["", ".", "..", "../..", "old", &first[1..]] {
            let is_kept = staging.accompany(other, Companion::Signature, b"").expect("looks");
            assert!(!is_kept && !staging.remove(other), "{other}");
        }
        for _ in 0..MAX_UPLOADS {
            put(&staging, b"another");
        }
        assert!(!path.exists(), "the oldest is gone");
        drop(staging.begin().expect("begins").expect("room"));
        let count = fs::read_dir(state.path().join("uploads")).expect("there").count();
        assert_eq!(count, MAX_UPLOADS - 1, "one that is not whole is deleted");
        let begun: Vec<_> =
            (0..MAX_UPLOADS).map(|_| staging.begin().expect("begins").expect("room")).collect();
        assert!(staging.begin().expect("looks").is_none(), "those that are being taken are not ended");
        drop(begun);
        drop(staging);
        assert!(!state.path().join("uploads").exists());
    }
}
