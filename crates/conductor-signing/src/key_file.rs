//! Private keys and the two files that a key pair is kept in.
//!
//! `NAME.private` holds the 32 raw bytes of the seed (RFC 8032, section 5.1.5), `NAME.public` the public key in hex.

use std::ffi::OsString;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use ed25519_dalek::Signer as _;
use zeroize::Zeroizing;

use crate::atomic_file::{self, PRIVATE, PUBLIC};
use crate::file_error::quoted;
use crate::guarded::{self, Guard};
use crate::{FileError, PrivateKey, PrivateKeyError, PublicKey, Signature, escape};

/// Bytes of a seed.
const SEED_BYTES: usize = 32;

/// A private key. It is wiped from memory when dropped and has no `Debug`, so that it cannot end up in a log.
pub struct SigningKey(ed25519_dalek::SigningKey);

impl SigningKey {
    /// Makes a key from the operating system's randomness.
    ///
    /// # Errors
    ///
    /// Fails if there is none.
    pub fn generate() -> Result<Self, KeyFileError> {
        let mut seed = Zeroizing::new([0; SEED_BYTES]);
        getrandom::fill(seed.as_mut()).map_err(|source| KeyFileError::Random { source })?;
        Ok(Self(ed25519_dalek::SigningKey::from_bytes(&seed)))
    }

    /// Reads `NAME.private`, which must be a regular file of 32 bytes that is this user's alone.
    ///
    /// # Errors
    ///
    /// Says what is wrong with the file; [`KeyFileError::hint`] has the command that mends it.
    pub fn read(path: &Path) -> Result<Self, KeyFileError> {
        let mut file = guarded::open(path, Guard::Secret)?;
        let mut bytes = Zeroizing::new([0; SEED_BYTES + 1]);
        let mut found = 0;
        while let Some(free) = bytes.get_mut(found..).filter(|free| !free.is_empty()) {
            match file.read(free) {
                Ok(0) => break,
                Ok(count) => found += count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(source) => return Err(FileError::Unreadable { path: path.into(), source }.into()),
            }
        }
        match bytes.first_chunk::<SEED_BYTES>() {
            Some(seed) if found == SEED_BYTES => Ok(Self(ed25519_dalek::SigningKey::from_bytes(seed))),
            Some(_) | None => Err(KeyFileError::Length { path: path.into() }),
        }
    }

    /// Writes `NAME.private` (mode 0600) and `NAME.public`, creating missing directories with mode 0700. Neither file
    /// may exist.
    ///
    /// # Errors
    ///
    /// Fails if one of the files exists or cannot be written.
    pub fn write_new(&self, paths: &KeyPaths) -> Result<(), KeyFileError> {
        for path in [&paths.private, &paths.public] {
            if path.symlink_metadata().is_ok() {
                return Err(KeyFileError::Exists { path: path.clone() });
            }
        }
        if let Some(parent) = paths.private.parent().filter(|parent| !parent.as_os_str().is_empty()) {
            atomic_file::create_private_directory(parent)
                .map_err(|source| KeyFileError::Write { path: parent.into(), source })?;
        }
        create(&paths.private, self.0.as_bytes(), PRIVATE)?;
        create(&paths.public, format!("{}\n", self.public_key()).as_bytes(), PUBLIC)
    }

    /// The public half.
    #[must_use]
    pub fn public_key(&self) -> PublicKey {
        PublicKey::of(&self.0)
    }
}

impl PrivateKey for SigningKey {
    fn public_key(&self) -> PublicKey {
        Self::public_key(self)
    }

    fn sign(&self, message: &[u8]) -> Result<Signature, PrivateKeyError> {
        Ok(Signature::from_bytes(self.0.sign(message).to_bytes()))
    }
}

fn create(path: &Path, bytes: &[u8], mode: u32) -> Result<(), KeyFileError> {
    atomic_file::create(path, bytes, mode).map_err(|source| {
        if source.kind() == io::ErrorKind::AlreadyExists {
            KeyFileError::Exists { path: path.into() }
        } else {
            KeyFileError::Write { path: path.into(), source }
        }
    })
}

/// Where the two halves of a key pair are kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyPaths {
    /// `NAME.private`.
    pub private: PathBuf,
    /// `NAME.public`.
    pub public: PathBuf,
}

impl KeyPaths {
    /// The files that a `KEY` argument means: `NAME` or `NAME.private`.
    ///
    /// # Errors
    ///
    /// Fails if the argument names the public half or has no file name.
    pub fn from_argument(argument: &Path) -> Result<Self, KeyFileError> {
        if argument.file_name().is_none() {
            return Err(KeyFileError::NoName { path: argument.into() });
        }
        let extension = argument.extension().and_then(|extension| extension.to_str());
        if extension == Some("public") {
            return Err(KeyFileError::PublicHalf { path: argument.into() });
        }
        let base =
            if extension == Some("private") { argument.with_extension("") } else { argument.to_owned() };
        let with = |suffix: &str| {
            let mut path = OsString::from(&base);
            path.push(suffix);
            PathBuf::from(path)
        };
        Ok(Self { private: with(".private"), public: with(".public") })
    }
}

/// Why a key could not be made, read or written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum KeyFileError {
    /// The file is not fit to be read.
    #[error("private key not used: {0}")]
    File(#[from] FileError),
    /// The file does not hold 32 bytes.
    #[error("{} is not a private key, which is exactly {SEED_BYTES} bytes", escape::path(path))]
    Length {
        /// The file.
        path: PathBuf,
    },
    /// Keys are never overwritten.
    #[error("{} exists already", escape::path(path))]
    Exists {
        /// The file.
        path: PathBuf,
    },
    /// The public half was named where the private half is needed.
    #[error("{} is the public half of a key", escape::path(path))]
    PublicHalf {
        /// The file.
        path: PathBuf,
    },
    /// The path ends in no file name.
    #[error("{} names no file", escape::path(path))]
    NoName {
        /// The path.
        path: PathBuf,
    },
    /// A file or directory could not be written.
    #[error("cannot write {}: {source}", escape::path(path))]
    Write {
        /// The file or directory.
        path: PathBuf,
        /// The cause.
        source: io::Error,
    },
    /// The operating system gave no randomness.
    #[error("no randomness for a key: {source}")]
    Random {
        /// The cause.
        source: getrandom::Error,
    },
}

impl KeyFileError {
    /// What to do about it, with the exact command where there is one.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::File(FileError::Missing { path }) => Some(format!(
                "make a key with: conductor-sign generate-key {}",
                quoted(&path.with_extension(""))
            )),
            Self::File(error) => error.hint(),
            Self::Length { .. } => {
                Some("restore the file, or make a key with: conductor-sign generate-key".to_owned())
            }
            Self::Exists { .. } => Some("choose another name; keys are never overwritten".to_owned()),
            Self::PublicHalf { path } => {
                Some(format!("name the private half: {}", quoted(&path.with_extension("private"))))
            }
            Self::NoName { .. } => Some("give a path such as ~/.conductor/my-plugin-key".to_owned()),
            Self::Write { .. } | Self::Random { .. } => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::os::unix::fs::PermissionsExt;

    fn pair() -> (tempfile::TempDir, KeyPaths, SigningKey) {
        let dir = tempfile::tempdir().expect("a directory");
        let paths = KeyPaths::from_argument(&dir.path().join("keys/mine")).expect("paths");
        let key = SigningKey::generate().expect("a key");
        key.write_new(&paths).expect("written");
        (dir, paths, key)
    }

    #[test]
    fn a_pair_is_written_once_and_read_back() {
        let (dir, paths, key) = pair();
        let mode = |path: &Path| fs::metadata(path).expect("metadata").permissions().mode() & 0o7777;
        assert_eq!(mode(&dir.path().join("keys")), 0o700);
        assert_eq!(mode(&paths.private), 0o600);
        assert_eq!(fs::metadata(&paths.private).expect("metadata").len(), 32);
        assert_eq!(fs::read_to_string(&paths.public).expect("read"), format!("{}\n", key.public_key()));
        assert_eq!(SigningKey::read(&paths.private).expect("read").public_key(), key.public_key());

        let other = SigningKey::generate().expect("a key");
        assert!(
            matches!(other.write_new(&paths), Err(KeyFileError::Exists { path }) if path == paths.private)
        );
        fs::remove_file(&paths.private).expect("removed");
        assert!(
            matches!(other.write_new(&paths), Err(KeyFileError::Exists { path }) if path == paths.public)
        );
        assert!(!paths.private.exists());
    }

    #[test]
    fn a_file_of_another_length_is_no_key() {
        let (_dir, paths, _) = pair();
        for length in [0, 31, 33, 64] {
            fs::write(&paths.private, vec![7; length]).expect("written");
            assert!(matches!(SigningKey::read(&paths.private), Err(KeyFileError::Length { .. })), "{length}");
        }
    }

    #[test]
    fn arguments_mean_the_private_half() {
        let paths = KeyPaths::from_argument(Path::new("a/my.key")).expect("paths");
        assert_eq!(paths.private, Path::new("a/my.key.private"));
        assert_eq!(paths.public, Path::new("a/my.key.public"));
        assert_eq!(KeyPaths::from_argument(Path::new("a/my.key.private")).expect("paths"), paths);
        let error = KeyPaths::from_argument(Path::new("a/k.public")).expect_err("the public half");
        assert_eq!(error.hint().as_deref(), Some("name the private half: a/k.private"));
        assert!(matches!(KeyPaths::from_argument(Path::new("..")), Err(KeyFileError::NoName { .. })));
    }
}
