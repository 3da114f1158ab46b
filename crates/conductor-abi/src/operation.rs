//! Requests and answers of the operations, encoded with postcard and borrowed from the guest's bytes where they can be.

use alloc::string::String;
use alloc::vec::Vec;

use serde::{Deserialize, Serialize};

/// How important a log line is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum LogLevel {
    /// Something failed.
    Error,
    /// Something looks wrong.
    Warn,
    /// Something happened.
    Info,
    /// Detail for the plugin's author.
    Debug,
}

/// One line for the plugin's log.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogRecord<'a> {
    /// How important the line is.
    pub level: LogLevel,
    /// The line; control characters are escaped where it is shown.
    #[serde(borrow)]
    pub message: &'a str,
}

/// An HTTP request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HttpRequest<'a> {
    /// Method in upper case, `GET` or `POST`.
    pub method: &'a str,
    /// Absolute `http` or `https` URL.
    pub url: &'a str,
    /// Header fields in the order in which they are sent.
    #[serde(borrow)]
    pub headers: Vec<(&'a str, &'a str)>,
    /// Body; empty for none.
    pub body: &'a [u8],
}

/// The answer to an [`HttpRequest`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HttpResponse {
    /// Status code (RFC 9110, section 15).
    pub status: u16,
    /// Header fields with lower-case names; values that are not UTF-8 are left out.
    pub headers: Vec<(String, String)>,
    /// Body.
    pub body: Vec<u8>,
}

/// MIDI bytes for a port.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MidiSend<'a> {
    /// Name of the output port as configured.
    pub port: &'a str,
    /// One or more complete MIDI messages without running status.
    pub bytes: &'a [u8],
}

/// Names of the MIDI output ports that the plugin may send to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MidiPortList {
    /// Port names.
    pub ports: Vec<String>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn http_requests_are_borrowed_from_the_wire() {
        let request = HttpRequest {
            method: "POST",
            url: "https://example.org/",
            headers: alloc::vec![("content-type", "text/plain")],
            body: b"hello",
        };
        let wire = postcard::to_allocvec(&request).expect("encodes");
        assert_eq!(postcard::from_bytes::<HttpRequest<'_>>(&wire).expect("decodes"), request);
    }
}
