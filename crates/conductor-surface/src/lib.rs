//! What people play on and hear: inputs, outputs, events, MIDI, JACK, OSC, sound, desktop, and their configuration.
//!
//! This crate does not know what an event leads to (mappings, plugins, calls), how plugins run, or who controls the
//! program. Inputs hand their events to a [`Sink`](input::Sink). Outputs, sound and desktop implement the traits that
//! `conductor-broker` calls for plugins.
//!
//! In reading order:
//!
//! - [`config`]: `[[inputs]]` and `[midi.outputs]` of the configuration, and the reader that every part of the file
//!   shares; [`nearest`] finds the known word that is most like an unknown one
//! - [`midi`] and [`osc_address`]: messages, addresses and patterns; [`event`]: the events of all inputs, in one form
//! - [`input`]: one file per kind of input; [`stop`] tells their threads to end, and [`log_budget`] bounds how much log
//!   their senders can cause
//! - [`output`]: one file per kind of MIDI output; `sequencer` is shared by ALSA inputs and outputs
//! - [`jack_client`]: the inputs and outputs that are ports of JACK
//! - [`sound`] and [`desktop`]: the sound outputs of the machine, and volume, media players, notifications and screen lock

#![forbid(unsafe_code)]

pub mod config;
pub mod desktop;
pub mod event;
pub mod input;
pub mod jack_client;
pub mod log_budget;
pub mod midi;
pub mod nearest;
pub mod osc_address;
pub mod output;
mod sequencer;
pub mod sound;
pub mod stop;
#[cfg(test)]
#[path = "../../../tests/vectors/notation.rs"]
mod vector_notation;
#[cfg(test)]
#[path = "../../../tests/vectors/table.rs"]
mod vector_table;
