//! The file of secrets, for systems without a Secret Service.
//!
//! The first line says what the file is. Every other line is the name of a secret and the secret in hexadecimal. The file
//! is read only if nobody else can read it, and a file that cannot be read is an error, never an empty file.

use std::path::{Path, PathBuf};
use std::time::Duration;

use conductor_policy::secret::{MAX_STORED_SECRETS, SecretId};
use conductor_signing::atomic_file::{self, Lock};
use conductor_signing::{FileError, SecretText, secret};
use zeroize::Zeroizing;

use crate::error::KeepError;

/// The first line of the file.
const HEADER: &str = "conductor secrets 1";

/// Largest file in bytes: the most secrets, each of the greatest length.
pub const MAX_FILE_BYTES: u64 = 10 * 1024 * 1024;

/// Longest wait for another writer of the file.
const LOCK_PATIENCE: Duration = Duration::from_secs(5);

/// A file of secrets.
#[derive(Clone, Debug)]
pub struct FileVault {
    path: PathBuf,
}

/// The secrets of the file, by name.
type Entries = Vec<(SecretId, SecretText)>;

impl FileVault {
    /// Secrets in the file at `path`, which need not exist.
    #[must_use]
    pub const fn new(path: PathBuf) -> Self {
        Self { path }
    }

    /// The file.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Reads a secret; `None` if the file has none of this name.
    ///
    /// # Errors
    ///
    /// Fails if the file cannot be read, if others can read it, or if it is damaged.
    pub fn read(&self, id: &SecretId) -> Result<Option<SecretText>, KeepError> {
        let entries = self.entries()?;
        Ok(entries.into_iter().find(|(known, _)| known == id).map(|(_, text)| text))
    }

    /// Keeps a secret.
    ///
    /// # Errors
    ///
    /// As [`FileVault::read`], and if the file cannot be written. The file is then as it was.
    pub fn keep(&self, id: &SecretId, text: &SecretText) -> Result<(), KeepError> {
        self.change(|entries| {
            entries.retain(|(known, _)| known != id);
            if entries.len() >= MAX_STORED_SECRETS {
                return Err(KeepError::Full { path: self.path.clone() });
            }
            entries.push((id.clone(), text.clone()));
            Ok(())
        })
    }

    /// Forgets a secret. Does nothing if there is none of this name.
    ///
    /// # Errors
    ///
    /// As [`FileVault::keep`].
    pub fn forget(&self, id: &SecretId) -> Result<(), KeepError> {
        self.change(|entries| {
            entries.retain(|(known, _)| known != id);
            Ok(())
        })
    }

    fn change(&self, change: impl FnOnce(&mut Entries) -> Result<(), KeepError>) -> Result<(), KeepError> {
        let unwritten = |source| KeepError::Write { path: self.path.clone(), source };
        if let Some(parent) = self.path.parent() {
            atomic_file::create_private_directory(parent).map_err(unwritten)?;
        }
        let lock = self.path.with_extension("lock");
        let lock = Lock::within(&lock, LOCK_PATIENCE).map_err(unwritten)?;
        let _lock = lock.ok_or_else(|| unwritten(std::io::ErrorKind::TimedOut.into()))?;
        let mut entries = self.entries()?;
        change(&mut entries)?;
        atomic_file::replace(&self.path, written(&entries).as_bytes(), atomic_file::PRIVATE)
            .map_err(unwritten)
    }

    fn entries(&self) -> Result<Entries, KeepError> {
        let bytes = match secret::read(&self.path, MAX_FILE_BYTES) {
            Ok(bytes) => bytes,
            Err(FileError::Missing { .. }) => return Ok(Vec::new()),
            Err(source) => return Err(KeepError::File { source }),
        };
        let damaged = |line: usize| KeepError::Damaged { path: self.path.clone(), line };
        let text = std::str::from_utf8(&bytes).map_err(|_| damaged(1))?;
        let mut lines = text.lines();
        if lines.next() != Some(HEADER) || !text.ends_with('\n') {
            return Err(damaged(1));
        }
        let read = |line: &str| {
            let (id, digits) = line.split_once(' ')?;
            Some((id.parse().ok()?, decoded(digits)?))
        };
        lines.enumerate().map(|(index, line)| read(line).ok_or_else(|| damaged(index + 2))).collect()
    }
}

/// The content of the file.
fn written(entries: &Entries) -> Zeroizing<String> {
    let lines = entries.iter().map(|(id, text)| id.as_str().len() + 2 * text.expose().len() + 2);
    // It has its final size from the start, so no shorter copy is left behind.
    let mut content = Zeroizing::new(String::with_capacity(HEADER.len() + 1 + lines.sum::<usize>()));
    content.push_str(HEADER);
    content.push('\n');
    for (id, text) in entries {
        content.push_str(id.as_str());
        content.push(' ');
        for byte in text.expose().bytes() {
            for digit in [byte >> 4, byte & 0xf] {
                content.push(char::from_digit(digit.into(), 16).unwrap_or('0'));
            }
        }
        content.push('\n');
    }
    content
}

/// A text in hexadecimal.
fn decoded(digits: &str) -> Option<SecretText> {
    if !digits.len().is_multiple_of(2) || !digits.bytes().all(|digit| digit.is_ascii_hexdigit()) {
        return None;
    }
    let mut bytes = Vec::with_capacity(digits.len() / 2);
    let digit = |digit: u8| char::from(digit).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    for pair in digits.as_bytes().chunks_exact(2) {
        let &[high, low] = pair else { return None };
        bytes.push(digit(high)? << 4 | digit(low)?);
    }
    match String::from_utf8(bytes) {
        Ok(text) => Some(SecretText::new(text)),
        Err(error) => {
            drop(Zeroizing::new(error.into_bytes()));
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, symlink};

    use super::*;

    fn id(digit: u8) -> SecretId {
        SecretId::from_random([digit; 16])
    }

    fn text(text: &str) -> SecretText {
        SecretText::new(text.to_owned())
    }

    #[test]
    fn a_secret_is_kept_until_it_is_forgotten() {
        let directory = tempfile::tempdir().expect("directory");
        let vault = FileVault::new(directory.path().join("state/secrets"));
        assert_eq!(vault.read(&id(1)).expect("no file"), None);
        vault.keep(&id(1), &text("hush")).expect("kept");
        vault.keep(&id(2), &text("Basic a b=")).expect("kept");
        vault.keep(&id(1), &text("other")).expect("kept");
        assert_eq!(vault.read(&id(1)).expect("read"), Some(text("other")));
        assert_eq!(vault.read(&id(2)).expect("read"), Some(text("Basic a b=")));
        vault.forget(&id(1)).expect("forgotten");
        vault.forget(&id(1)).expect("forgotten already");
        assert_eq!(vault.read(&id(1)).expect("read"), None);
        let content = fs::read_to_string(vault.path()).expect("read");
        assert_eq!(content, format!("{HEADER}\n{} 426173696320612062 3d\n", id(2)).replace("62 3d", "623d"));
    }

    #[test]
    fn the_file_is_the_users_alone() {
        let directory = tempfile::tempdir().expect("directory");
        let vault = FileVault::new(directory.path().join("state/secrets"));
        vault.keep(&id(1), &text("hush")).expect("kept");
        let metadata = fs::metadata(vault.path()).expect("file");
        assert_eq!(metadata.permissions().mode() & 0o7777, 0o600);
        assert_eq!(metadata.uid(), fs::metadata(directory.path()).expect("directory").uid());
        let parent = fs::metadata(directory.path().join("state")).expect("directory");
        assert_eq!(parent.permissions().mode() & 0o777, 0o700);
        fs::set_permissions(vault.path(), fs::Permissions::from_mode(0o640)).expect("changed");
        for refused in [
            vault.read(&id(1)).expect_err("others can read it"),
            vault.keep(&id(2), &text("x")).expect_err("others can read it"),
            vault.forget(&id(1)).expect_err("others can read it"),
        ] {
            assert!(matches!(refused, KeepError::File { source: FileError::Mode { .. } }), "{refused:?}");
        }
        assert!(fs::read_to_string(vault.path()).expect("read").contains("68757368"), "it stays as it was");
    }

    #[test]
    fn a_file_of_somebody_else_is_not_read() {
        let directory = tempfile::tempdir().expect("directory");
        let own = directory.path().join("secrets");
        FileVault::new(own.clone()).keep(&id(1), &text("hush")).expect("kept");
        // Only root can give a file away; for everybody else this one is root's.
        let others = match std::os::unix::fs::chown(&own, Some(65534), None) {
            Ok(()) => own,
            Err(_) => PathBuf::from("/etc/passwd"),
        };
        let refused = FileVault::new(others).read(&id(1)).expect_err("it is somebody else's");
        assert!(matches!(refused, KeepError::File { .. }), "{refused:?}");
        assert!(refused.to_string().contains("own"), "{refused}");
    }

    #[test]
    fn a_file_of_another_kind_is_never_taken_for_an_empty_one() {
        let directory = tempfile::tempdir().expect("directory");
        let path = directory.path().join("secrets");
        let vault = FileVault::new(path.clone());
        let line = format!("{} 68\n", id(1));
        for content in [
            String::new(),
            "conductor secrets 2\n".to_owned(),
            format!("{HEADER}\n{}", line.trim_end()),
            format!("{HEADER}\n{line}{}\n", id(2)),
            format!("{HEADER}\n{} 6\n", id(1)),
            format!("{HEADER}\n{} 6g\n", id(1)),
            format!("{HEADER}\n{} ff\n", id(1)),
            format!("{HEADER}\n../x 68\n"),
        ] {
            fs::write(&path, &content).expect("written");
            fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).expect("changed");
            assert!(matches!(vault.read(&id(1)), Err(KeepError::Damaged { .. })), "{content:?}");
            assert!(vault.keep(&id(3), &text("x")).is_err(), "{content:?}");
            assert_eq!(fs::read_to_string(&path).expect("read"), content);
        }
        fs::remove_file(&path).expect("removed");
        fs::create_dir(&path).expect("a directory in the way");
        assert!(vault.read(&id(1)).is_err());
        fs::remove_dir(&path).expect("removed");
        symlink("/etc/passwd", &path).expect("a link");
        assert!(matches!(vault.read(&id(1)), Err(KeepError::File { .. })));
    }
}
