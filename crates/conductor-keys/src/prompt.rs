//! Passphrases and PINs: asked for on the terminal, or read from a file that is as private as a key.

use std::io;
use std::path::Path;

use conductor_signing::{FileError, secret};
use zeroize::Zeroizing;

use crate::encrypted::MAX_PASSPHRASE_BYTES;

/// Whoever can be asked for a secret.
pub trait Prompt {
    /// Asks for a secret, without showing it.
    ///
    /// # Errors
    ///
    /// Fails if nobody can be asked.
    fn ask(&mut self, question: &str) -> Result<Zeroizing<String>, PromptError>;
}

/// The terminal that controls this process, wherever its input and output go.
#[derive(Clone, Copy, Debug, Default)]
pub struct Terminal;

impl Prompt for Terminal {
    fn ask(&mut self, question: &str) -> Result<Zeroizing<String>, PromptError> {
        rpassword::prompt_password(format!("{question}: "))
            .map(Zeroizing::new)
            .map_err(|source| PromptError { source })
    }
}

/// Nobody could be asked.
#[derive(Debug, thiserror::Error)]
#[error("there is no terminal to ask on: {source}")]
pub struct PromptError {
    /// What the system said.
    pub source: io::Error,
}

/// Reads a secret from a file that nobody else can read; one line break at its end is not part of it.
///
/// # Errors
///
/// Fails if the file is not fit to be believed or cannot be read.
pub fn read_secret_file(path: &Path) -> Result<Zeroizing<Vec<u8>>, FileError> {
    let mut bytes = secret::read(path, MAX_PASSPHRASE_BYTES as u64 + 2)?;
    if bytes.last() == Some(&b'\n') {
        bytes.pop();
        if bytes.last() == Some(&b'\r') {
            bytes.pop();
        }
    }
    Ok(bytes)
}
