//! Midi: listing ports, sending messages to outputs and receiving those of inputs.

mod input;

use std::fmt;
use std::time::Instant;

use conductor_abi::{Capability, MidiPortList, MidiSend, Risk, Status};
use conductor_policy::grant::{Grant, Grants};
use conductor_policy::scope::{Excerpt, Scope, written};
use conductor_sounding::PlayError;

use super::listing::Listing;
use super::{Call, Operation, Refusal, decode, encode, granted};
use crate::devices::MidiError;

pub(crate) use input::{Inputs, Receive, Subscribe, Subscription};

/// Most messages in one call; stops a plugin from holding a port for long with one cheap call.
const MAX_MESSAGES: usize = 1024;

/// Longest System Exclusive message in bytes; larger ones are firmware, and synthesizers buffer less.
const MAX_SYSEX_BYTES: usize = 64 * 1024;

/// Longest port name in bytes.
const MAX_PORT_BYTES: usize = 255;

/// Lists the ports that a plugin may send to.
pub(crate) struct Ports;

/// Sends messages to one port.
pub(crate) struct Send;

/// Messages for a port.
pub(crate) struct Messages<'a> {
    port: &'a str,
    messages: Vec<&'a [u8]>,
    sysex: bool,
}

/// Proof that port and messages are covered.
pub(crate) struct SendPermit(());

impl Listing for Ports {
    const CAPABILITY: Capability = Capability::Midi;
    const NAME: &'static str = "midi-ports";

    fn list(grant: &Grant, call: &Call<'_>) -> Result<Vec<u8>, Refusal> {
        covered_ports(grant, call.session.devices().midi.ports())
    }
}

impl Operation for Send {
    const CAPABILITY: Capability = Capability::Midi;
    const NAME: &'static str = "midi-send";
    type Request<'a> = Messages<'a>;
    type Permit = SendPermit;

    fn parse(request: &[u8]) -> Result<Messages<'_>, Refusal> {
        let MidiSend { port, bytes } = decode(request)?;
        if port.len() > MAX_PORT_BYTES {
            return Err(Refusal::invalid(format!("a port name has at most {MAX_PORT_BYTES} bytes")));
        }
        let messages = split(bytes)?;
        let sysex = messages.iter().any(|message| message.first() == Some(&SYSEX));
        Ok(Messages { port, messages, sysex })
    }

    fn needs(request: &Messages<'_>) -> Option<String> {
        let sysex = if request.sysex { ";sysex=yes" } else { "" };
        Some(format!("{}{sysex}", written(request.port)))
    }

    fn check(request: &Messages<'_>, grant: &Grant) -> Result<SendPermit, Refusal> {
        let port = request.port;
        let outside = |what: &str, outside| Refusal::denied(format!("Midi: {what} is {outside}"));
        grant
            .covering(|scope| covers(scope, port, false))
            .map_err(|side| outside(&format!("port {}", Excerpt::new(port)), side))?;
        if request.sysex {
            grant
                .covering(|scope| covers(scope, port, true))
                .map_err(|side| outside("System Exclusive (`sysex=yes`)", side))?;
        }
        Ok(SendPermit(()))
    }

    /// System Exclusive messages can rewrite an instrument.
    fn risk(request: &Messages<'_>, _permit: Option<&SendPermit>) -> Risk {
        let own = Self::CAPABILITY.risk();
        if request.sysex { own.max(Risk::Medium) } else { own }
    }

    fn act(request: &Messages<'_>, _permit: SendPermit, call: &Call<'_>) -> Result<Vec<u8>, Refusal> {
        for message in &request.messages {
            if Instant::now() >= call.deadline {
                return Err(Refusal::timed_out(
                    "the plugin's time is over; the remaining messages were not sent",
                ));
            }
            call.is_waited_for(request)?;
            let sysex = message.first() == Some(&SYSEX);
            let may = || is_covered(&call.grants(), request.port, sysex);
            let send = || call.session.devices().midi.send(request.port, message);
            call.session
                .player()
                .play(request.port, message, may, send)
                .map_err(|error| not_played(error, request.port))?;
        }
        Ok(Vec::new())
    }
}

/// Whether grants cover sending to a port, so that what the plugin plays there goes on.
pub(crate) fn may_send_to(grants: &Grants, port: &str) -> bool {
    is_covered(grants, port, false)
}

fn is_covered(grants: &Grants, port: &str, sysex: bool) -> bool {
    granted(grants, Capability::Midi)
        .is_ok_and(|grant| grant.covering(|scope| covers(scope, port, sysex)).is_ok())
}

/// Why a message was not sent.
fn not_played(error: PlayError<MidiError>, port: &str) -> Refusal {
    match error {
        PlayError::Output(error) => refusal(error),
        PlayError::NotAllowed => Refusal::denied("Midi: the capability was taken away"),
        PlayError::Paused | PlayError::Closed => {
            let reason = format!("MIDI port {} takes no messages now: {error}", Excerpt::new(port));
            Refusal::new(Status::Unavailable, reason)
        }
    }
}

impl fmt::Display for Messages<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} messages to {}", self.messages.len(), Excerpt::new(self.port))
    }
}

/// The list of those ports that a grant covers, as an answer.
fn covered_ports(grant: &Grant, mut ports: Vec<String>) -> Result<Vec<u8>, Refusal> {
    ports.retain(|port| grant.covering(|scope| covers(scope, port, false)).is_ok());
    encode(&MidiPortList { ports })
}

fn covers(scope: &Scope, port: &str, sysex: bool) -> bool {
    scope.as_midi().is_some_and(|scope| scope.allows(port) && (!sysex || scope.sysex()))
}

fn refusal(error: MidiError) -> Refusal {
    let status = match &error {
        MidiError::UnknownPort { .. } | MidiError::Unavailable { .. } => Status::Unavailable,
        MidiError::Failed { .. } => Status::Failed,
    };
    Refusal::new(status, error.to_string())
}

/// First byte of a System Exclusive message.
const SYSEX: u8 = 0xf0;

/// Last byte of a System Exclusive message.
const END_OF_SYSEX: u8 = 0xf7;

/// Splits bytes into complete messages by the status bytes of MIDI 1.0 (Detailed Specification 4.2, table 1). Running
/// status, undefined status bytes and incomplete messages are refused: what a device would make of them is unknown.
fn split(mut bytes: &[u8]) -> Result<Vec<&[u8]>, Refusal> {
    let mut messages = Vec::new();
    while let [status, rest @ ..] = bytes {
        if messages.len() == MAX_MESSAGES {
            return Err(Refusal::invalid(format!("more than {MAX_MESSAGES} MIDI messages in one call")));
        }
        let data = data_length(*status, rest)?;
        let complete = rest.get(..data).is_some_and(|data| {
            data.iter().enumerate().all(|(index, byte)| {
                *byte < 0x80 || (*status == SYSEX && *byte == END_OF_SYSEX && index + 1 == data.len())
            })
        });
        let (true, Some((message, next))) = (complete, bytes.split_at_checked(1 + data)) else {
            return Err(Refusal::invalid(format!(
                "the MIDI message with status {status:#04x} is incomplete"
            )));
        };
        messages.push(message);
        bytes = next;
    }
    if messages.is_empty() { Err(Refusal::invalid("no MIDI message to send")) } else { Ok(messages) }
}

/// Bytes that follow a status byte.
fn data_length(status: u8, rest: &[u8]) -> Result<usize, Refusal> {
    match status {
        0x00..=0x7f => {
            Err(Refusal::invalid("a MIDI message starts with a status byte; running status is not allowed"))
        }
        0xc0..=0xdf | 0xf1 | 0xf3 => Ok(1),
        0x80..=0xbf | 0xe0..=0xef | 0xf2 => Ok(2),
        0xf6 | 0xf8 | 0xfa..=0xfc | 0xfe | 0xff => Ok(0),
        SYSEX => {
            let end = rest.iter().take(MAX_SYSEX_BYTES).position(|byte| *byte == END_OF_SYSEX);
            end.map(|index| index + 1).ok_or_else(|| {
                Refusal::invalid(format!(
                    "a System Exclusive message does not end within {MAX_SYSEX_BYTES} bytes"
                ))
            })
        }
        0xf4 | 0xf5 | 0xf7 | 0xf9 | 0xfd => {
            Err(Refusal::invalid(format!("{status:#04x} does not start a MIDI message")))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn complete_messages_are_told_apart() {
        let bytes = [0x90, 60, 100, 0xc0, 5, 0xf8, 0xf0, 1, 2, 0xf7, 0xe0, 0, 64];
        let expected: [&[u8]; 5] =
            [&[0x90, 60, 100], &[0xc0, 5], &[0xf8], &[0xf0, 1, 2, 0xf7], &[0xe0, 0, 64]];
        assert_eq!(split(&bytes).expect("complete messages"), expected);
    }

    #[test]
    fn what_no_device_understands_is_refused() {
        let cases: [&[u8]; 12] = [
            &[],
            &[60, 100],
            &[0x90],
            &[0x90, 60],
            &[0x90, 60, 0x80],
            &[0x90, 60, 100, 61, 100],
            &[0xf0, 1, 2],
            &[0xf0, 1, 0xf8, 0xf7],
            &[0xf4],
            &[0xf7],
            &[0xf9],
            &[0xfd],
        ];
        for bytes in cases {
            assert_eq!(split(bytes).expect_err("malformed").status, Status::Invalid, "{bytes:02x?}");
        }
    }

    #[test]
    fn messages_are_bounded() {
        assert_eq!(split(&[0xf8; MAX_MESSAGES]).expect("at the limit").len(), MAX_MESSAGES);
        assert!(split(&[0xf8; MAX_MESSAGES + 1]).is_err());
        let mut sysex = vec![0; MAX_SYSEX_BYTES + 2];
        sysex[0] = SYSEX;
        sysex[MAX_SYSEX_BYTES + 1] = END_OF_SYSEX;
        assert!(split(&sysex).is_err());
        sysex.truncate(MAX_SYSEX_BYTES);
        sysex.push(END_OF_SYSEX);
        assert!(split(&sysex).is_ok());
    }
}
