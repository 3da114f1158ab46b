//! Secrets in files, read only if nobody else can read them, and a secret that is made when it is first needed.

use std::io;
use std::path::Path;

use zeroize::Zeroizing;

use crate::owner_and_mode::{self, Guard};
use crate::{FileError, atomic_file};

/// Length of a secret in bytes.
pub const SECRET_BYTES: usize = 32;

/// Reads the secret in a file. If there is no file, makes a secret from the system's randomness in a file that only
/// this user can read. For keys whose loss costs nothing but time: a file of another length, as a full disk may leave,
/// is replaced.
///
/// # Errors
///
/// Fails if others can read the file, if the file is a link or owned by somebody else, or if it cannot be read or made.
pub fn read_or_create(path: &Path) -> Result<Zeroizing<[u8; SECRET_BYTES]>, FileError> {
    match read(path, SECRET_BYTES as u64 + 1) {
        Ok(bytes) => match <[u8; SECRET_BYTES]>::try_from(bytes.as_slice()) {
            Ok(secret) => Ok(Zeroizing::new(secret)),
            Err(_) => create(path),
        },
        Err(FileError::Missing { .. }) => create(path),
        Err(error) => Err(error),
    }
}

/// Reads a secret of at most `max` bytes from a file that nobody else can read.
///
/// # Errors
///
/// Fails if others can read the file, if the file is a link or owned by somebody else, if it is larger than `max`, or
/// if it cannot be read.
pub fn read(path: &Path, max: u64) -> Result<Zeroizing<Vec<u8>>, FileError> {
    owner_and_mode::read(path, Guard::Secret, max)
}

fn create(path: &Path) -> Result<Zeroizing<[u8; SECRET_BYTES]>, FileError> {
    let failed = |source| FileError::Unreadable { path: path.into(), source };
    let mut secret = Zeroizing::new([0; SECRET_BYTES]);
    getrandom::fill(secret.as_mut_slice()).map_err(|error| failed(io::Error::other(error)))?;
    if let Some(parent) = path.parent() {
        atomic_file::create_private_directory(parent).map_err(failed)?;
    }
    atomic_file::replace(path, secret.as_slice(), atomic_file::PRIVATE).map_err(failed)?;
    Ok(secret)
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn a_secret_is_made_once_and_stays() {
        let directory = tempfile::tempdir().expect("directory");
        let path = directory.path().join("state/secret");
        let first = read_or_create(&path).expect("made");
        assert_eq!(fs::metadata(&path).expect("file").permissions().mode() & 0o777, 0o600);
        assert_eq!(*read_or_create(&path).expect("read"), *first);
        assert_ne!(*first, [0; SECRET_BYTES]);
        fs::write(&path, [1; 3]).expect("written");
        assert_ne!(*read_or_create(&path).expect("made again"), *first);
    }

    #[test]
    fn a_secret_that_others_can_read_is_refused() {
        let directory = tempfile::tempdir().expect("directory");
        let path = directory.path().join("secret");
        read_or_create(&path).expect("made");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).expect("changed");
        assert!(matches!(read_or_create(&path), Err(FileError::Mode { .. })));
    }
}
