//! What a launcher is told, and what it answers.

use std::io::{self, ErrorKind, Read, Write};
use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Serialize};

/// Longest order: arguments, environment and standard input of a program, each of which has its own limit.
const MAX_ORDER_BYTES: u32 = 4 * 1024 * 1024;

/// Longest answer: a status, or why there is none.
pub(super) const MAX_ANSWER_BYTES: u64 = 4096;

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
    /// Keep the program to reading the system's files and writing in `directory`, without a network.
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
    pub(super) fn write_to(&self, to: &mut impl Write) -> io::Result<()> {
        let bytes = postcard::to_allocvec(self).map_err(io::Error::other)?;
        let length = u32::try_from(bytes.len()).map_err(io::Error::other)?;
        to.write_all(&length.to_le_bytes())?;
        to.write_all(&bytes)
    }

    pub(super) fn read_from(from: &mut impl Read) -> io::Result<Self> {
        let mut length = [0; 4];
        from.read_exact(&mut length)?;
        let length = u32::from_le_bytes(length);
        if length > MAX_ORDER_BYTES {
            return Err(ErrorKind::InvalidData.into());
        }
        let mut bytes = Vec::new();
        from.take(u64::from(length)).read_to_end(&mut bytes)?;
        postcard::from_bytes(&bytes).map_err(io::Error::other)
    }
}

impl Ended {
    pub(super) fn to_bytes(&self) -> io::Result<Vec<u8>> {
        postcard::to_allocvec(self).map_err(io::Error::other)
    }

    pub(super) fn read(bytes: &[u8]) -> io::Result<Self> {
        postcard::from_bytes(bytes).map_err(io::Error::other)
    }
}
