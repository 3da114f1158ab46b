//! Writing to standard error, and reports that nobody reads any more.

use std::fmt::Arguments;
use std::io::{self, ErrorKind, Write as _};

/// Writes a line to standard error. If nobody reads it any more, the line is lost and the program goes on; the standard
/// library's macros would end the program.
pub fn line(words: Arguments<'_>) {
    let _ = writeln!(io::stderr().lock(), "{words}");
}

/// Writes the beginning of a line to standard error, such as a question, as [`line()`] does.
pub fn words(words: Arguments<'_>) {
    let mut stderr = io::stderr().lock();
    let _ = write!(stderr, "{words}").and_then(|()| stderr.flush());
}

/// Whether a report was not written because its reader has ended, as `head` does once it has enough. This needs no
/// message.
#[must_use]
pub fn is_unread(error: &io::Error) -> bool {
    error.kind() == ErrorKind::BrokenPipe
}
