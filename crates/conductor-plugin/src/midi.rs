//! MIDI, for plugins with the Midi capability.
//!
//! The functions that build messages lower a value that is too large to the largest one that is allowed, so that they
//! always return a well-formed message. Channels count from 0 to 15. Messages may be joined and sent together:
//!
//! ```no_run
//! use conductor_plugin::midi;
//!
//! midi::send("synth", &[midi::note_on(0, 60, 100), midi::note_on(0, 64, 100)].concat())?;
//! # Ok::<(), conductor_plugin::HostError>(())
//! ```

pub use conductor_abi::{MidiMessage, MidiReceived};

use conductor_abi::{MidiPortList, MidiReceive, MidiSend, Op};

use crate::{HostError, host};

/// Largest value of a data byte.
const MAX_DATA: u8 = 127;

/// Largest channel number.
const MAX_CHANNEL: u8 = 15;

/// Names of the output ports that the plugin may send to.
///
/// # Errors
///
/// Fails if Midi was not granted or the host has no MIDI outputs.
pub fn ports() -> Result<Vec<String>, HostError> {
    let answer = host::call(Op::MidiPorts, &[])?;
    let MidiPortList { ports } = host::decode(&answer)?;
    Ok(ports)
}

/// Sends one or more complete messages to an output port.
///
/// # Errors
///
/// Fails if Midi was not granted for this port, the port does not exist or `messages` is not well formed.
pub fn send(port: &str, messages: &[u8]) -> Result<(), HostError> {
    host::exchange(Op::MidiSend, &MidiSend { port, bytes: messages }).map(drop)
}

/// Names of the inputs that the plugin may subscribe to.
///
/// # Errors
///
/// Fails if Midi was not granted.
pub fn inputs() -> Result<Vec<String>, HostError> {
    let answer = host::call(Op::MidiInputs, &[])?;
    let MidiPortList { ports } = host::decode(&answer)?;
    Ok(ports)
}

/// The messages of an input since the subscription. They wait across calls until the plugin takes them.
#[derive(Debug)]
pub struct Subscription {
    number: u32,
}

impl Subscription {
    /// Subscribes to an input. System Exclusive messages come only if the grant names them.
    ///
    /// # Errors
    ///
    /// Fails if Midi was not granted for this input, or there is no input of that name.
    pub fn open(input: &str) -> Result<Self, HostError> {
        let answer = host::call(Op::MidiSubscribe, input.as_bytes())?;
        Ok(Self { number: host::decode(&answer)? })
    }

    /// Takes the messages that have arrived. If there are none, waits for the first, for at most `wait_ms`
    /// milliseconds.
    ///
    /// # Errors
    ///
    /// Fails if the grant was taken away.
    pub fn receive(&self, wait_ms: u32) -> Result<MidiReceived, HostError> {
        let request = MidiReceive { subscription: self.number, wait_ms };
        let answer = host::exchange(Op::MidiReceive, &request)?;
        host::decode(&answer)
    }
}

impl Drop for Subscription {
    fn drop(&mut self) {
        // If the subscription has ended already, ending it fails and changes nothing.
        let _ = host::exchange(Op::MidiUnsubscribe, &self.number);
    }
}

/// Starts a note.
#[must_use]
pub fn note_on(channel: u8, note: u8, velocity: u8) -> [u8; 3] {
    [status(0x90, channel), note.min(MAX_DATA), velocity.min(MAX_DATA)]
}

/// Ends a note.
#[must_use]
pub fn note_off(channel: u8, note: u8) -> [u8; 3] {
    [status(0x80, channel), note.min(MAX_DATA), 0]
}

/// Sets a controller.
#[must_use]
pub fn control_change(channel: u8, controller: u8, value: u8) -> [u8; 3] {
    [status(0xb0, channel), controller.min(MAX_DATA), value.min(MAX_DATA)]
}

/// Selects a program.
#[must_use]
pub fn program_change(channel: u8, program: u8) -> [u8; 2] {
    [status(0xc0, channel), program.min(MAX_DATA)]
}

/// Sets the pressure of all notes of a channel.
#[must_use]
pub fn channel_pressure(channel: u8, pressure: u8) -> [u8; 2] {
    [status(0xd0, channel), pressure.min(MAX_DATA)]
}

/// Bends the pitch: -8192 is lowest, 0 the middle, 8191 highest.
#[must_use]
pub fn pitch_bend(channel: u8, bend: i16) -> [u8; 3] {
    let value = (bend.clamp(-8192, 8191) + 8192) as u16;
    [status(0xe0, channel), (value & 0x7f) as u8, (value >> 7) as u8]
}

/// Ends every note of a channel (controller 123).
#[must_use]
pub fn all_notes_off(channel: u8) -> [u8; 3] {
    control_change(channel, 123, 0)
}

fn status(kind: u8, channel: u8) -> u8 {
    kind | channel.min(MAX_CHANNEL)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_have_their_bytes() {
        assert_eq!(note_on(1, 60, 100), [0x91, 60, 100]);
        assert_eq!(note_off(15, 60), [0x8f, 60, 0]);
        assert_eq!(control_change(0, 7, 90), [0xb0, 7, 90]);
        assert_eq!(program_change(2, 5), [0xc2, 5]);
        assert_eq!(channel_pressure(3, 9), [0xd3, 9]);
        assert_eq!(all_notes_off(0), [0xb0, 123, 0]);
        assert_eq!(pitch_bend(0, -8192), [0xe0, 0, 0]);
        assert_eq!(pitch_bend(0, 0), [0xe0, 0, 0x40]);
        assert_eq!(pitch_bend(0, 8191), [0xe0, 0x7f, 0x7f]);
    }

    #[test]
    fn values_out_of_range_stay_well_formed() {
        assert_eq!(note_on(255, 255, 255), [0x9f, 127, 127]);
        assert_eq!(pitch_bend(0, i16::MIN), [0xe0, 0, 0]);
        assert_eq!(pitch_bend(0, i16::MAX), [0xe0, 0x7f, 0x7f]);
    }
}
