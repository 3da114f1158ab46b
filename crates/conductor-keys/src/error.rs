//! Why a private key could not be opened or made.

use std::path::PathBuf;

use conductor_signing::KeyFileError;
use conductor_store::{FileError, escape};

use crate::agent::AgentError;
use crate::encrypted::EncryptedKeyError;
use crate::pkcs11::TokenError;
use crate::prompt::PromptError;
use crate::spec::SpecError;

/// Why a private key could not be opened or made.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum KeyError {
    /// The argument does not say where a key is.
    #[error(transparent)]
    Spec(#[from] SpecError),
    /// A key file cannot be used.
    #[error(transparent)]
    File(#[from] KeyFileError),
    /// An encrypted key file cannot be decrypted.
    #[error("{}: {source}", escape::path(path))]
    Encrypted {
        /// The file.
        path: PathBuf,
        /// Why.
        source: EncryptedKeyError,
    },
    /// A new key cannot be encrypted.
    #[error(transparent)]
    Encrypt(EncryptedKeyError),
    /// A file with a passphrase or PIN cannot be used.
    #[error("secret not used: {0}")]
    Secret(FileError),
    /// A PIN is not text.
    #[error("the PIN in {} is not UTF-8 text", escape::path(path))]
    PinText {
        /// The file.
        path: PathBuf,
    },
    /// Nobody could be asked for a passphrase or PIN.
    #[error("{what} is needed, and {source}")]
    Prompt {
        /// The secret that is needed.
        what: &'static str,
        /// Why nobody could be asked.
        source: PromptError,
    },
    /// The two passphrases differ.
    #[error("the two passphrases differ")]
    Mismatch,
    /// A token could not be used.
    #[error(transparent)]
    Token(#[from] TokenError),
    /// An agent could not be used.
    #[error(transparent)]
    Agent(#[from] AgentError),
    /// A key was to be made in an agent; keys are made only in files and on tokens.
    #[error("a key cannot be made in an ssh-agent")]
    AgentCannotMake,
}

impl KeyError {
    /// What to do about the error, with the exact command where there is one.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Spec(error) => error.hint(),
            Self::File(error) => error.hint(),
            Self::Secret(error) => error.hint(),
            Self::Token(error) => error.hint(),
            Self::Agent(error) => error.hint(),
            Self::Prompt { what: PIN, .. } => {
                Some("name a file that holds it: pin-source=/path/to/file in the URI".to_owned())
            }
            Self::Prompt { .. } => Some("name a file that holds it: --passphrase-file".to_owned()),
            Self::AgentCannotMake => {
                Some("make it with: ssh-keygen -t ed25519, and add it with: ssh-add".to_owned())
            }
            Self::Encrypted { path, source } => source.hint(path),
            Self::Encrypt(_) | Self::PinText { .. } | Self::Mismatch => None,
        }
    }
}

/// Name of the secret that a token needs, for errors.
pub(crate) const PIN: &str = "the PIN";

/// Name of the secret that an encrypted key needs, for errors.
pub(crate) const PASSPHRASE: &str = "the passphrase";
