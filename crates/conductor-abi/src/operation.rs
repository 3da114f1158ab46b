//! Requests and answers of the operations; where possible they borrow from the guest's bytes.
//!
//! The same types are encoded with postcard, which knows neither names nor defaults, and read and written as JSON, where
//! a field with a default may be left out.

use alloc::string::String;
use alloc::vec::Vec;

use serde::{Deserialize, Serialize};

/// How important a log line is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
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
    /// Method in upper case, such as `GET`.
    pub method: &'a str,
    /// Absolute `http` or `https` URL.
    pub url: &'a str,
    /// Header fields in the order in which they are sent.
    #[serde(borrow, default)]
    pub headers: Vec<(&'a str, &'a str)>,
    /// The body; empty if the request has none.
    #[serde(default)]
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
    #[serde(with = "crate::bytes")]
    pub body: Vec<u8>,
}

/// A response whose body is read in pieces.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HttpOpened {
    /// Number of the body, for [`HttpRead`].
    pub body: u32,
    /// Status code.
    pub status: u16,
    /// Header fields, as in [`HttpResponse`].
    pub headers: Vec<(String, String)>,
}

/// A request for the next bytes of a body.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HttpRead {
    /// Number of the body.
    pub body: u32,
    /// Most bytes to answer with.
    pub max: u32,
}

/// The next bytes of a body.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HttpPiece {
    /// The bytes; no bytes mean the end of the body, and its number is then free again.
    #[serde(with = "crate::bytes")]
    pub bytes: Vec<u8>,
}

/// A WebSocket to open (RFC 6455).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct WebSocketOpen<'a> {
    /// Absolute `ws` or `wss` URL.
    pub url: &'a str,
    /// Subprotocols that the server may choose from, separated by commas; empty for none.
    #[serde(default)]
    pub protocols: &'a str,
    /// Header fields of the opening request.
    #[serde(borrow, default)]
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
#[serde(rename_all = "kebab-case")]
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

/// A request for the next message of a WebSocket.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct WebSocketReceive {
    /// Number of the WebSocket.
    pub socket: u32,
    /// Longest time to wait for a message, in milliseconds; 0 answers at once.
    pub wait_ms: u32,
}

/// What arrived through a WebSocket.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum WebSocketEvent {
    /// No message arrived in the time to wait.
    Nothing,
    /// A text message.
    Text(String),
    /// A binary message.
    Binary(#[serde(with = "crate::bytes")] Vec<u8>),
    /// The WebSocket was closed; its number is then free again.
    Closed {
        /// The close code (RFC 6455, section 7.4).
        code: u16,
        /// The reason in the other side's words.
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

/// A request for the next MIDI messages of a subscription.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MidiReceive {
    /// Number of the subscription.
    pub subscription: u32,
    /// Longest time to wait for the first message, in milliseconds; 0 answers at once.
    pub wait_ms: u32,
}

/// MIDI messages that arrived.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct MidiReceived {
    /// The messages in the order of their arrival, each complete and with its status byte.
    pub messages: Vec<MidiMessage>,
    /// How many further messages were dropped because the plugin did not take them in time.
    pub missed: u64,
}

/// A MIDI message that arrived.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MidiMessage {
    /// When the message arrived, in milliseconds since the Unix epoch.
    pub timestamp: u64,
    /// The bytes of the message.
    #[serde(with = "crate::bytes")]
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
    #[serde(default)]
    pub output: &'a str,
    /// Frames in a second, 8,000 to 192,000.
    pub rate: u32,
    /// Number of channels, 1 or 2.
    pub channels: u8,
    /// How loud the sound is to be, 0 to 1; the host lowers the value to what was granted.
    pub gain: f32,
}

/// The answer to an [`AudioOpen`].
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct AudioOpened {
    /// Number of the sound.
    pub sound: u32,
    /// How loud the sound will be, after the host lowered the gain to what was granted.
    pub gain: f32,
}

/// More samples of a sound.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AudioWrite<'a> {
    /// Number of the sound.
    pub sound: u32,
    /// The samples, in whole frames.
    pub samples: &'a [u8],
}

/// A program to run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProgramRun<'a> {
    /// Absolute path of the program, as the grant names the program.
    pub program: &'a str,
    /// Arguments after the program's name.
    #[serde(borrow, default)]
    pub arguments: Vec<&'a str>,
    /// What the program reads from standard input.
    #[serde(default)]
    pub input: &'a [u8],
}

/// How a program ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ProgramEnd {
    /// The program ended by itself.
    Exited {
        /// The exit status of the program.
        code: i32,
    },
    /// A signal ended the program.
    Signalled {
        /// Number of the signal.
        signal: i32,
    },
}

/// The answer to a [`ProgramRun`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProgramOutput {
    /// How the program ended.
    pub end: ProgramEnd,
    /// What the program wrote to standard output.
    #[serde(with = "crate::bytes")]
    pub stdout: Vec<u8>,
    /// What the program wrote to standard error.
    #[serde(with = "crate::bytes")]
    pub stderr: Vec<u8>,
    /// Whether the program wrote more than `stdout` and `stderr` hold.
    pub cut: bool,
}

/// What to do with the volume of the output. A level runs from 0, which is silence, to 1, which is the loudest that the
/// output gives without amplification.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum VolumeChange {
    /// Read the level and change nothing.
    Read,
    /// Set this level.
    Set(f32),
    /// Raise the level by this much, or lower it if the number is negative.
    By(f32),
}

/// The state of the output after the operation.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct VolumeState {
    /// The level; above 1 where the user amplifies the output.
    pub level: f32,
    /// Whether the output is muted.
    pub muted: bool,
}

/// Whether the output is to be muted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum MuteChange {
    /// Mute the output.
    Mute,
    /// Unmute the output.
    Unmute,
    /// Unmute the output if it is muted, mute it otherwise.
    Toggle,
}

/// A key of a media player.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum MediaKey {
    /// Go on playing.
    Play,
    /// Pause.
    Pause,
    /// Pause if the player plays, play otherwise.
    PlayPause,
    /// Stop playing.
    Stop,
    /// Skip to the next piece.
    Next,
    /// Go back to the previous piece.
    Previous,
}

/// A key of a media player to press.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MediaPress<'a> {
    /// The key.
    pub key: MediaKey,
    /// Name of the player, such as `mpv`; empty for the player that is playing.
    #[serde(default)]
    pub player: &'a str,
}

/// A message for the user.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Notification<'a> {
    /// The subject of the message; shown after the plugin's name.
    pub summary: &'a str,
    /// The text of the message, which may be empty. It is plain text, not markup.
    #[serde(default)]
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
