//! Host calls as JSON: the import `conductor.request`, for plugins in languages without postcard.
//!
//! A request is one object. `op` names the operation, as [`Op::name`] has it; the other members are the fields of that
//! operation's request. [`decode`] turns the text into the number and the bytes that `conductor.call` takes for the same
//! operation, so that everything behind it sees no difference. [`encode_answer`] and [`encode_error`] turn what comes
//! back into an object again. Both sides use the types of `conductor-abi`.
//!
//! A field of bytes is a list of numbers or a text that begins with `base64:`; in answers it is always such a text. An
//! error is an object with the one member `error`, which holds `status` and `message`.
//!
//! The text comes from a plugin, so it is decoded where the plugin's code runs, in its worker, and never in the daemon.
//! Decoding happens in place: no request makes the host allocate more than the fields of its lists and its own length.
//!
//! In reading order: `forms`, the request and the answer of each operation; `outline`, the first look at a request;
//! `reader`, which reads the fields; `token`, the grammar that both use; `answer`, which writes; `error`.

mod answer;
mod error;
mod forms;
mod outline;
mod reader;
mod token;

use conductor_abi::Op;

pub use answer::{AnswerError, encode_answer, encode_error};
pub use error::JsonError;
pub use forms::{answer, request};
pub use reader::MAX_ITEMS;

/// Most lists and objects inside one another in a request; stops a request from using up the stack of whoever decodes it.
pub const MAX_DEPTH: u8 = 8;

/// What a text begins with that stands for bytes.
const BASE64: &str = "base64:";

/// Decodes a request, and returns its operation with the request as `conductor.call` takes it. The text is overwritten.
///
/// # Errors
///
/// Fails if the text is not JSON (RFC 8259) in UTF-8, is nested deeper than [`MAX_DEPTH`], names no operation or more
/// than one, has a field that the operation does not have, lacks one, has one twice, or has one of another type or out of
/// its range.
pub fn decode(text: &mut [u8]) -> Result<(Op, Vec<u8>), JsonError> {
    let op = outline::operation(text)?;
    let request = forms::request(op, &mut reader::Reader::new(text));
    request.map(|request| (op, request)).map_err(|error| error.within(op.name()))
}

#[cfg(test)]
mod tests;
