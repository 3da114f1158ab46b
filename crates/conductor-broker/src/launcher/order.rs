//! What a launcher is told, and what it answers.

use std::fs::File;
use std::io::{self, ErrorKind, Read as _, Seek as _, Write as _};
use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::time::Duration;

use rustix::fs::{MemfdFlags, memfd_create};
use serde::{Deserialize, Serialize};

/// Longest order: arguments, environment and standard input of a program, each of which has its own limit.
const MAX_ORDER_BYTES: u64 = 4 * 1024 * 1024;

/// Longest word of a launcher or keeper: a status, or why there is none.
pub(super) const MAX_WORD_BYTES: usize = 4096;

/// What the broker says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Instruction {
    /// To a launcher: make the namespaces, and start the keeper in them.
    Prepare {
        /// Whether the program is to have no network.
        confined: bool,
    },
    /// To a keeper that is ready: start the program of the order that comes with this word.
    Go,
}

/// What a launcher or keeper says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Word {
    /// The keeper waits for [`Instruction::Go`], and its process descriptor comes with this word. It ends with the launcher from now on.
    Ready,
    /// The program ended, or was not started.
    Ended(Ended),
}

/// What to run, and how.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Order {
    pub(crate) program: PathBuf,
    pub(crate) arguments: Vec<String>,
    pub(crate) environment: Vec<(String, String)>,
    pub(crate) directory: PathBuf,
    pub(crate) input: Vec<u8>,
    /// Most processor time of each process.
    pub(crate) time: Duration,
    /// Longest that a file may become which it writes.
    pub(crate) max_file_bytes: u64,
    /// Keep the program to reading the system's files and writing in `directory`, without sockets.
    pub(crate) confined: bool,
}

/// How a program ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Ended {
    /// With a status of its own.
    Exited(i32),
    /// By a signal.
    Signalled(i32),
    /// It was not started.
    NotStarted(String),
}

impl Order {
    /// A file in memory with the order: handing it over takes one small message, for which nobody waits.
    pub(super) fn to_file(&self) -> io::Result<OwnedFd> {
        let bytes = postcard::to_allocvec(self).map_err(io::Error::other)?;
        file_of("order", &bytes).map(OwnedFd::from)
    }

    pub(super) fn from_file(file: OwnedFd) -> io::Result<Self> {
        let mut file = File::from(file);
        if file.metadata()?.len() > MAX_ORDER_BYTES {
            return Err(ErrorKind::InvalidData.into());
        }
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes)?;
        postcard::from_bytes(&bytes).map_err(io::Error::other)
    }
}

impl Ended {
    /// It was not started, for a reason that is cut to what a word has room for.
    pub(super) fn not_started(why: &str) -> Self {
        /// Room for the reason beside the rest of a word.
        const MAX_REASON_BYTES: usize = MAX_WORD_BYTES - 64;
        let end = why.floor_char_boundary(MAX_REASON_BYTES);
        Self::NotStarted(why.get(..end).unwrap_or_default().to_owned())
    }
}

/// A file in memory that is read from its beginning.
pub(super) fn file_of(name: &str, bytes: &[u8]) -> io::Result<File> {
    let mut file = File::from(memfd_create(name, MemfdFlags::CLOEXEC)?);
    file.write_all(bytes)?;
    file.rewind()?;
    Ok(file)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reason_has_room_in_a_word() {
        for why in ["short".to_owned(), "x".repeat(10_000), "é".repeat(5_000)] {
            let word = postcard::to_allocvec(&Word::Ended(Ended::not_started(&why))).expect("encodes");
            assert!(word.len() <= MAX_WORD_BYTES, "{}", word.len());
        }
    }
}
