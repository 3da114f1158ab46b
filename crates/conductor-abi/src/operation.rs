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

/// A response whose body is read piece by piece.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HttpOpened {
    /// Number of the body.
    pub body: u32,
    /// Status code.
    pub status: u16,
    /// Header fields, as in [`HttpResponse`].
    pub headers: Vec<(String, String)>,
}

/// A wish for more of a body.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HttpRead {
    /// Number of the body.
    pub body: u32,
    /// Most bytes.
    pub max: u32,
}

/// More of a body.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HttpPiece {
    /// The bytes; none at the end, which gives the number back.
    pub bytes: Vec<u8>,
}

/// A WebSocket to open (RFC 6455).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct WebSocketOpen<'a> {
    /// Absolute `ws` or `wss` URL.
    pub url: &'a str,
    /// Subprotocols to choose from, separated by commas; empty for none.
    pub protocols: &'a str,
    /// Header fields of the opening request.
    #[serde(borrow)]
    pub headers: Vec<(&'a str, &'a str)>,
}

/// The answer to a [`WebSocketOpen`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct WebSocketOpened {
    /// Number of the WebSocket.
    pub socket: u32,
    /// The subprotocol that the server chose; empty for none.
    pub protocol: String,
}

/// A message to send.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum WebSocketMessage<'a> {
    /// Text.
    Text(&'a str),
    /// Bytes.
    Binary(&'a [u8]),
}

/// A message for a WebSocket.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct WebSocketSend<'a> {
    /// Number of the WebSocket.
    pub socket: u32,
    /// The message.
    #[serde(borrow)]
    pub message: WebSocketMessage<'a>,
}

/// A wish for the next message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct WebSocketReceive {
    /// Number of the WebSocket.
    pub socket: u32,
    /// Longest time to wait, in milliseconds; 0 looks whether something is there.
    pub wait_ms: u32,
}

/// What came through a WebSocket.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum WebSocketEvent {
    /// Nothing yet.
    Nothing,
    /// A text.
    Text(String),
    /// Bytes.
    Binary(Vec<u8>),
    /// It was closed, which gives the number back.
    Closed {
        /// Why (RFC 6455, section 7.4).
        code: u16,
        /// Why, in the other side's words.
        reason: String,
    },
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

/// A wish for MIDI messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MidiReceive {
    /// Number of the subscription.
    pub subscription: u32,
    /// Longest time to wait for the first, in milliseconds; 0 looks whether something is there.
    pub wait_ms: u32,
}

/// MIDI messages that came.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct MidiReceived {
    /// The messages in their order, each complete and with its status byte.
    pub messages: Vec<MidiMessage>,
    /// How many more came that nobody took in time.
    pub missed: u64,
}

/// A MIDI message that came.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MidiMessage {
    /// When, in milliseconds since the Unix epoch.
    pub timestamp: u64,
    /// Its bytes.
    pub bytes: Vec<u8>,
}

/// Names of the audio outputs that the plugin may play on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AudioOutputList {
    /// Names, the system's own choice first.
    pub outputs: Vec<String>,
}

/// A sound to begin: 16-bit PCM, signed, little-endian, the channels of a frame one after the other.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct AudioOpen<'a> {
    /// Name of the output; empty for `default`.
    pub output: &'a str,
    /// Frames in a second, 8,000 to 192,000.
    pub rate: u32,
    /// 1 or 2.
    pub channels: u8,
    /// How loud, 0 to 1; it is lowered to what was granted.
    pub gain: f32,
}

/// The answer to an [`AudioOpen`].
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct AudioOpened {
    /// Number of the sound.
    pub sound: u32,
    /// How loud it will be.
    pub gain: f32,
}

/// More of a sound.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AudioWrite<'a> {
    /// Number of the sound.
    pub sound: u32,
    /// Whole frames.
    pub samples: &'a [u8],
}

/// A program to run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProgramRun<'a> {
    /// Absolute path, as the grant names it.
    pub program: &'a str,
    /// Arguments after the program's name.
    #[serde(borrow)]
    pub arguments: Vec<&'a str>,
    /// What the program reads from standard input.
    pub input: &'a [u8],
}

/// How a program ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum ProgramEnd {
    /// By itself.
    Exited {
        /// Its exit status.
        code: i32,
    },
    /// By a signal.
    Signalled {
        /// The signal's number.
        signal: i32,
    },
}

/// The answer to a [`ProgramRun`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProgramOutput {
    /// How the program ended.
    pub end: ProgramEnd,
    /// What it wrote to standard output.
    pub stdout: Vec<u8>,
    /// What it wrote to standard error.
    pub stderr: Vec<u8>,
    /// Whether it wrote more than is in these.
    pub cut: bool,
}

/// What is to become of the volume of the output. A level is 0 for silence to 1 for all that the output gives unamplified.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub enum VolumeChange {
    /// Nothing: it is read.
    Read,
    /// This level.
    Set(f32),
    /// So much more, or less if negative.
    By(f32),
}

/// The output as it is now.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct VolumeState {
    /// Its level; above 1 where the user amplifies it.
    pub level: f32,
    /// Whether it is muted.
    pub muted: bool,
}

/// Whether the output is to be heard.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum MuteChange {
    /// No.
    Mute,
    /// Yes.
    Unmute,
    /// The other way round.
    Toggle,
}

/// A key of a media player.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum MediaKey {
    /// Go on playing.
    Play,
    /// Rest.
    Pause,
    /// One or the other.
    PlayPause,
    /// End.
    Stop,
    /// The next piece.
    Next,
    /// The piece before.
    Previous,
}

/// A key to press.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MediaPress<'a> {
    /// The key.
    pub key: MediaKey,
    /// Which player, such as `mpv`; empty for the one that plays.
    pub player: &'a str,
}

/// A message for the user.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Notification<'a> {
    /// What it is about; shown behind the plugin's name.
    pub summary: &'a str,
    /// More of it; may be empty. It is text, not markup.
    pub body: &'a str,
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
