//! Private keys and the two files that a key pair is kept in.
//!
//! `NAME.private` holds the 32 raw bytes of the seed (RFC 8032, section 5.1.5), `NAME.public` the public key in hex.
//! Key files of other programs are also found under the names that these programs give them.

use std::ffi::OsString;
use std::io;
use std::path::{Path, PathBuf};

use conductor_store::atomic_file::{self, PRIVATE, PUBLIC};
use conductor_store::escape::{self, quoted};
use conductor_store::{FileError, secret};
use ed25519_dalek::Signer as _;
use zeroize::Zeroizing;

use crate::key::private_key::{PrivateKey, PrivateKeyError};
use crate::key::public_key::{PublicKey, Signature};

/// Bytes of a seed.
const SEED_BYTES: usize = 32;

/// A private key. It is wiped from memory when dropped. It has no `Debug`, so that it cannot appear in a log.
pub struct SigningKey(ed25519_dalek::SigningKey);

impl SigningKey {
    /// Makes a key from the operating system's randomness.
    ///
    /// # Errors
    ///
    /// Fails if the system gives no randomness.
    pub fn generate() -> Result<Self, KeyFileError> {
        let mut seed = Zeroizing::new([0; SEED_BYTES]);
        getrandom::fill(seed.as_mut()).map_err(|source| KeyFileError::Random { source })?;
        Ok(Self(ed25519_dalek::SigningKey::from_bytes(&seed)))
    }

    /// The key of a seed (RFC 8032, section 5.1.5).
    #[must_use]
    pub fn from_seed(seed: &[u8; SEED_BYTES]) -> Self {
        Self(ed25519_dalek::SigningKey::from_bytes(seed))
    }

    /// The key in the content of a plain key file.
    ///
    /// # Errors
    ///
    /// Fails if the content is not 32 bytes long; `path` names the file in the error.
    pub fn from_bytes(path: &Path, bytes: &[u8]) -> Result<Self, KeyFileError> {
        let seed = bytes.try_into().map_err(|_| KeyFileError::Length { path: path.into() })?;
        Ok(Self::from_seed(seed))
    }

    /// Reads `NAME.private`, which must be a regular file of 32 bytes that only this user can read.
    ///
    /// # Errors
    ///
    /// Says what is wrong with the file; [`KeyFileError::hint`] has the command that mends it.
    pub fn read(path: &Path) -> Result<Self, KeyFileError> {
        match secret::read(path, SEED_BYTES as u64) {
            Ok(bytes) => Self::from_bytes(path, &bytes),
            Err(FileError::TooLarge { path, .. }) => Err(KeyFileError::Length { path }),
            Err(error) => Err(error.into()),
        }
    }

    /// Writes `NAME.private` (mode 0600) and `NAME.public`, creating missing directories with mode 0700. Neither file
    /// may exist.
    ///
    /// # Errors
    ///
    /// Fails if one of the files exists or cannot be written.
    pub fn write_new(&self, paths: &KeyPaths) -> Result<(), KeyFileError> {
        paths.create(self.0.as_bytes(), &self.public_key())
    }

    /// Gives `action` the seed, for another format of key files.
    pub fn with_seed<T>(&self, action: impl FnOnce(&[u8; SEED_BYTES]) -> T) -> T {
        action(self.0.as_bytes())
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
    /// The files that a `KEY` argument names: `NAME` or `NAME.private`.
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

/// The private half that a `KEY` argument names, found among several possible files.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FoundKey {
    /// The file to use: `NAME.private`; if that is missing, `NAME.pem`; if that is missing too, the regular file
    /// `NAME`.
    pub file: PathBuf,
    /// The other files of these names that exist.
    pub passed_over: Vec<PathBuf>,
}

impl FoundKey {
    /// Looks for the file. If none of the files exists, the result is `NAME.private`.
    ///
    /// # Errors
    ///
    /// As for [`KeyPaths::from_argument`].
    pub fn from_argument(argument: &Path) -> Result<Self, KeyFileError> {
        let private = KeyPaths::from_argument(argument)?.private;
        if argument.extension().is_some_and(|extension| extension == "private") {
            return Ok(Self { file: private, passed_over: Vec::new() });
        }
        let mut pem = OsString::from(argument);
        pem.push(".pem");
        let named = [private.clone(), pem.into()].into_iter().filter(|path| path.symlink_metadata().is_ok());
        let bare = argument.is_file().then(|| argument.to_owned());
        let mut there = named.chain(bare);
        let file = there.next().unwrap_or(private);
        Ok(Self { file, passed_over: there.collect() })
    }
}

impl KeyPaths {
    /// Fails if one of the two files exists.
    ///
    /// # Errors
    ///
    /// Names the file that exists.
    pub fn check_free(&self) -> Result<(), KeyFileError> {
        for path in [&self.private, &self.public] {
            if path.symlink_metadata().is_ok() {
                return Err(KeyFileError::Exists { path: path.clone() });
            }
        }
        Ok(())
    }

    /// Writes both halves as [`SigningKey::write_new`] does; `private` is the content of the private file, in any
    /// format.
    ///
    /// # Errors
    ///
    /// Fails if one of the files exists or cannot be written.
    pub fn create(&self, private: &[u8], public: &PublicKey) -> Result<(), KeyFileError> {
        self.check_free()?;
        if let Some(parent) = self.private.parent().filter(|parent| !parent.as_os_str().is_empty()) {
            atomic_file::create_private_directory(parent)
                .map_err(|source| KeyFileError::Write { path: parent.into(), source })?;
        }
        create(&self.private, private, PRIVATE)?;
        self.create_public(public)
    }

    /// Writes the public half of a key whose private half is elsewhere.
    ///
    /// # Errors
    ///
    /// Fails if the file exists or cannot be written.
    pub fn create_public(&self, public: &PublicKey) -> Result<(), KeyFileError> {
        create(&self.public, format!("{public}\n").as_bytes(), PUBLIC)
    }
}

/// Why a key could not be made, read or written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum KeyFileError {
    /// The private key file cannot be used.
    #[error("private key not used: {0}")]
    File(#[from] FileError),
    /// The file does not hold 32 bytes.
    #[error("{} is not a private key, which is exactly {SEED_BYTES} bytes", escape::path(path))]
    Length {
        /// The file.
        path: PathBuf,
    },
    /// The file exists; keys are never overwritten.
    #[error("{} exists already", escape::path(path))]
    Exists {
        /// The file.
        path: PathBuf,
    },
    /// The argument names the public half, but the private half is needed.
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
        /// The error of the system.
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
    /// What to do about the error, with the exact command where there is one.
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
    fn a_key_is_found_under_the_names_of_other_programs_too() {
        let dir = tempfile::tempdir().expect("a directory");
        let path = |name: &str| dir.path().join(name);
        let found = |name: &str| {
            let FoundKey { file, passed_over } = FoundKey::from_argument(&path(name)).expect("found");
            let name = |path: &Path| path.file_name().expect("a name").to_str().expect("text").to_owned();
            (name(&file), passed_over.iter().map(|path| name(path)).collect::<Vec<_>>())
        };
        assert_eq!(found("k"), ("k.private".to_owned(), Vec::new()), "there is none");
        fs::create_dir(path("k")).expect("made");
        assert_eq!(found("k"), ("k.private".to_owned(), Vec::new()), "a directory is no key");
        fs::remove_dir(path("k")).expect("removed");
        fs::write(path("k"), "").expect("written");
        assert_eq!(found("k"), ("k".to_owned(), Vec::new()));
        fs::write(path("k.pem"), "").expect("written");
        assert_eq!(found("k"), ("k.pem".to_owned(), vec!["k".to_owned()]));
        assert_eq!(found("k.pem"), ("k.pem".to_owned(), Vec::new()));
        fs::write(path("k.private"), "").expect("written");
        assert_eq!(found("k"), ("k.private".to_owned(), vec!["k.pem".to_owned(), "k".to_owned()]));
        assert_eq!(found("k.private"), ("k.private".to_owned(), Vec::new()));
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
