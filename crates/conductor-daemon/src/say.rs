//! Words on standard error, and what is left of a report that nobody reads any more.

use std::fmt::Arguments;
use std::io::{self, ErrorKind, Write as _};

/// Writes a line on standard error. Where nobody reads it any more, the words are lost and the program goes on; the macros of the
/// standard library end it then.
pub fn line(words: Arguments<'_>) {
    let _ = writeln!(io::stderr().lock(), "{words}");
}

/// Writes the beginning of a line on standard error, such as a question, as [`line()`] does.
pub fn words(words: Arguments<'_>) {
    let mut stderr = io::stderr().lock();
    let _ = write!(stderr, "{words}").and_then(|()| stderr.flush());
}

/// Whether a report was not written because its reader is gone, as `head` is once it has what it wants. Nobody needs to be told.
#[must_use]
pub fn is_unread(error: &io::Error) -> bool {
    error.kind() == ErrorKind::BrokenPipe
}
