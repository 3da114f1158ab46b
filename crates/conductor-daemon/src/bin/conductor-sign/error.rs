//! Every failure of the program, and the one place that gives it an exit status and a hint.

use std::io;
use std::path::{Path, PathBuf};

use conductor_core::grant::store::GrantStoreError;
use conductor_daemon::config::ConfigError;
use conductor_daemon::paths::PathsError;
use conductor_daemon::say;
use conductor_keys::KeyError;
use conductor_signing::{
    DeveloperError, DigestError, FileError, KeyFileError, ManifestEditError, ModuleError, PrivateKeyError,
    ReadError, RotateError, RotationError, SignError, TrustError, VerifyError, escape,
};

/// Any failure without a status of its own.
pub(crate) const OTHER: u8 = 1;
/// The command line is wrong.
pub(crate) const USAGE: u8 = 2;
const TRUST_UNUSABLE: u8 = 7;
const UNREADABLE: u8 = 8;

/// Why a command failed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CliError {
    #[error(transparent)]
    Paths(PathsError),
    #[error("{0}")]
    Config(#[from] ConfigError),
    #[error(transparent)]
    Developer(#[from] DeveloperError),
    #[error(transparent)]
    Key(#[from] KeyFileError),
    #[error(transparent)]
    Keys(#[from] conductor_keys::KeyError),
    #[error(transparent)]
    PrivateKey(#[from] PrivateKeyError),
    #[error(transparent)]
    Rotate(#[from] RotateError),
    #[error("{}: {source}", escape::path(path))]
    Chain { path: PathBuf, source: RotationError },
    #[error("the new key is in no file, so there is no place for its chain")]
    NoPlace,
    #[error("{} exists already", escape::path(path))]
    Exists { path: PathBuf },
    #[error("a file is not superseded, only a key is")]
    SupersededFile,
    #[error(transparent)]
    Digest(#[from] DigestError),
    #[error(transparent)]
    Read(#[from] ReadError),
    #[error(transparent)]
    Sign(#[from] SignError),
    #[error(transparent)]
    Verify(#[from] VerifyError),
    #[error(transparent)]
    Trust(#[from] TrustError),
    #[error(transparent)]
    Grants(#[from] GrantStoreError),
    #[error(transparent)]
    Module(#[from] ModuleError),
    #[error("manifest not added: {0}")]
    ManifestEdit(#[from] ManifestEditError),
    #[error("{} holds {what}", escape::path(path))]
    DocumentInUse { path: PathBuf, what: &'static str },
    #[error("{} has no manifest", escape::path(path))]
    NoManifest { path: PathBuf },
    #[error("cannot read {}: {source}", escape::path(path))]
    Unreadable { path: PathBuf, source: io::Error },
    #[error("{} is larger than {max} bytes", escape::path(path))]
    TooLarge { path: PathBuf, max: u64 },
    #[error("cannot write {}: {source}", escape::path(path))]
    Write { path: PathBuf, source: io::Error },
    #[error("cannot print the report: {0}")]
    Output(io::Error),
}

impl CliError {
    /// The exit status.
    pub(crate) fn exit_code(&self) -> u8 {
        match self {
            Self::Verify(error) => error.exit_code(),
            Self::Developer(_) => USAGE,
            Self::Read(_) | Self::Unreadable { .. } => UNREADABLE,
            Self::Key(KeyFileError::File(FileError::Missing { .. } | FileError::Unreadable { .. })) => {
                UNREADABLE
            }
            Self::Keys(KeyError::File(KeyFileError::File(
                FileError::Missing { .. } | FileError::Unreadable { .. },
            ))) => UNREADABLE,
            Self::Key(_) | Self::Keys(_) => OTHER,
            Self::NoPlace | Self::SupersededFile | Self::Digest(_) => USAGE,
            Self::Trust(error) if error.is_about_request() => OTHER,
            Self::Trust(_) => TRUST_UNUSABLE,
            Self::Paths(_)
            | Self::Config(_)
            | Self::PrivateKey(_)
            | Self::Rotate(_)
            | Self::Chain { .. }
            | Self::Exists { .. }
            | Self::Sign(_)
            | Self::Grants(_)
            | Self::Module(_)
            | Self::ManifestEdit(_)
            | Self::DocumentInUse { .. }
            | Self::NoManifest { .. }
            | Self::TooLarge { .. }
            | Self::Write { .. }
            | Self::Output(_) => OTHER,
        }
    }

    /// What the user can do about the error.
    pub(crate) fn hint(&self) -> Option<String> {
        match self {
            Self::Key(error) => error.hint(),
            Self::Read(error) => error.hint(),
            Self::Sign(error) => error.hint(),
            Self::Verify(error) => error.hint(),
            Self::Trust(error) => error.hint(),
            Self::Keys(error) => error.hint(),
            Self::Rotate(error) => error.hint(),
            Self::Grants(error) => error.hint(),
            Self::Chain { source, .. } => source.hint(),
            Self::NoPlace => Some("say where it goes: --out FILE".to_owned()),
            Self::Exists { .. } => Some("to replace it: --force".to_owned()),
            Self::DocumentInUse { .. } => Some("to replace it: --force".to_owned()),
            Self::NoManifest { .. } => {
                Some("add one with: conductor-sign manifest add PLUGIN plugin.toml".to_owned())
            }
            Self::ManifestEdit(ManifestEditError::Exists) => Some("to replace it: --replace".to_owned()),
            Self::Paths(_)
            | Self::Config(_)
            | Self::Developer(_)
            | Self::PrivateKey(_)
            | Self::SupersededFile
            | Self::Digest(_)
            | Self::Module(_)
            | Self::ManifestEdit(_)
            | Self::Unreadable { .. }
            | Self::TooLarge { .. }
            | Self::Write { .. }
            | Self::Output(_) => None,
        }
    }

    /// The error for a file that could not be written, or that exists already.
    pub(crate) fn write(path: &Path, source: io::Error) -> Self {
        if source.kind() == io::ErrorKind::AlreadyExists {
            Self::Exists { path: path.to_owned() }
        } else {
            Self::Write { path: path.to_owned(), source }
        }
    }

    /// Prints error and hint to stderr, each on one line.
    pub(crate) fn print(&self) {
        if matches!(self, Self::Output(error) if say::is_unread(error)) {
            return;
        }
        let text = self.to_string();
        if let Self::Config(_) = self {
            // Each fault gets its own line, with its place in the file.
            text.lines().for_each(|line| say::line(format_args!("error: {}", escape::terminal(line))));
        } else {
            say::line(format_args!("error: {}", escape::terminal(&text)));
        }
        if let Some(hint) = self.hint() {
            say::line(format_args!("hint: {}", escape::terminal(&hint)));
        }
    }
}
