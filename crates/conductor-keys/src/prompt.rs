//! Passphrases and PINs: asked for on the terminal, or read from a file that is as private as a key.

use std::fs::File;
use std::io;
use std::os::fd::AsFd;
use std::path::Path;

use conductor_store::{FileError, secret};
use rustix::termios::{QueueSelector, tcflush};
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
        drop_typed_ahead();
        rpassword::prompt_password(format!("{question}: "))
            .map(Zeroizing::new)
            .map_err(|source| PromptError { source })
    }
}

/// Drops what was typed before a question, so that it does not answer it: what is pasted or typed too early was not meant for
/// a question that nobody has read. To be called right before a question is shown.
///
/// Input that is no terminal stays as it is: it is read by nobody who is asked.
pub fn drop_typed_ahead() {
    // Passphrases are asked for on the terminal itself, yes and no on the standard input.
    if let Ok(terminal) = File::open("/dev/tty") {
        drop_unread(&terminal);
    }
    drop_unread(&io::stdin());
}

fn drop_unread(terminal: &impl AsFd) {
    // What is no terminal has no queue of its own.
    let _ = tcflush(terminal, QueueSelector::IFlush);
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
