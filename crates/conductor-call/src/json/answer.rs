//! Writes answers as JSON.

use std::io;

use conductor_abi::{Op, Status};
use serde::Serialize;
use serde_json::ser::Formatter;

use super::{BASE64, forms};

/// The answer of an operation that was done, as an object of at most `max` bytes. `answer` is what `conductor.call` would
/// have answered.
///
/// # Errors
///
/// Fails if the object is longer than `max`, or if the answer is not one of this operation.
pub fn encode_answer(op: Op, answer: &[u8], max: usize) -> Result<Vec<u8>, AnswerError> {
    let mut from = postcard::Deserializer::from_bytes(answer);
    let mut room = Room { bytes: Vec::new(), max };
    let mut to = serde_json::Serializer::with_formatter(&mut room, BytesAsBase64);
    forms::answer(op, &mut from, &mut to)
        .map_err(|error| AnswerError::Malformed { cause: error.to_string() })?
        .map_err(|_| AnswerError::TooLarge { max })?;
    Ok(room.bytes)
}

/// Why an operation was not done, as an object.
#[must_use]
pub fn encode_error(status: Status, message: &str) -> Vec<u8> {
    #[derive(Serialize)]
    struct Failed<'a> {
        error: Reason<'a>,
    }
    #[derive(Serialize)]
    struct Reason<'a> {
        status: &'a str,
        message: &'a str,
    }
    // Two texts can always be written.
    serde_json::to_vec(&Failed { error: Reason { status: status.name(), message } }).unwrap_or_default()
}

/// Why an answer was not written.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum AnswerError {
    /// The object would be longer than allowed.
    #[error("the answer as JSON is larger than {max} bytes")]
    TooLarge {
        /// Bytes that are allowed.
        max: usize,
    },
    /// The answer is not one of this operation.
    #[error("the answer cannot be decoded: {cause}")]
    Malformed {
        /// The error of the decoder.
        cause: String,
    },
}

/// Writes bytes as text, a third longer than they are, where a list of numbers would be up to four times as long.
struct BytesAsBase64;

impl Formatter for BytesAsBase64 {
    fn write_byte_array<W: ?Sized + io::Write>(&mut self, writer: &mut W, bytes: &[u8]) -> io::Result<()> {
        write!(writer, "\"{BASE64}{}\"", data_encoding::BASE64.encode_display(bytes))
    }
}

/// What is written, up to a number of bytes.
struct Room {
    bytes: Vec<u8>,
    max: usize,
}

impl io::Write for Room {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.bytes.len().saturating_add(bytes.len()) > self.max {
            return Err(io::ErrorKind::FileTooLarge.into());
        }
        self.bytes.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
