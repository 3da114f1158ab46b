//! Passphrases and PINs: asked for on the terminal, or read from a file that is as private as a key.

use std::fs::File;
use std::io;
use std::os::fd::AsFd;
use std::path::Path;

use conductor_store::{FileError, secret};
use rustix::termios::{QueueSelector, tcflush};
use zeroize::Zeroizing;

use crate::encrypted::MAX_PASSPHRASE_BYTES;

/// A way to ask the user for a secret.
pub trait Prompt {
    /// Asks for a secret, without showing it.
    ///
    /// # Errors
    ///
    /// Fails if nobody can be asked.
    fn ask(&mut self, question: &str) -> Result<Zeroizing<String>, PromptError>;
}

/// The controlling terminal of this process, whatever its standard input and output are.
#[derive(Clone, Copy, Debug, Default)]
pub struct Terminal;

impl Prompt for Terminal {
    fn ask(&mut self, question: &str) -> Result<Zeroizing<String>, PromptError> {
        drop_typed_ahead();
        rpassword::prompt_password(format!("{question}: "))
            .map(Zeroizing::new)
            .map_err(|source| PromptError { source })
    }
}

/// Drops what was typed before a question is shown. Keys that are pasted or typed too early were not meant as the
/// answer to a question that nobody has read. To be called right before a question is shown.
///
/// Input that is not a terminal stays as it is, because no person answers there.
pub fn drop_typed_ahead() {
    // Passphrases are asked for on the terminal itself, yes and no on standard input.
    if let Ok(terminal) = File::open("/dev/tty") {
        drop_unread(&terminal);
    }
    drop_unread(&io::stdin());
}

fn drop_unread(terminal: &impl AsFd) {
    // Input that is not a terminal has no queue to flush, so this fails without harm.
    let _ = tcflush(terminal, QueueSelector::IFlush);
}

/// There was no terminal to ask on.
#[derive(Debug, thiserror::Error)]
#[error("there is no terminal to ask on: {source}")]
pub struct PromptError {
    /// The error of the system.
    pub source: io::Error,
}

/// Reads a secret from a file that nobody else can read, without one line break at its end.
///
/// # Errors
///
/// Fails if others can read the file, or if the file cannot be read.
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
