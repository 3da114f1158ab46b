//! What people play on and hear: inputs, outputs, events, MIDI, JACK, OSC, sound, desktop, and their configuration.
//!
//! This crate does not know what is done with an event (mappings, plugins, calls), how plugins run, or who controls the
//! program: inputs hand their events to a [`Sink`](input::Sink), and outputs, sound and desktop stand behind the traits that
//! `conductor-core` calls for plugins.
//!
//! In reading order:
//!
//! - [`config`]: `[[inputs]]` and `[midi.outputs]` of the configuration, and the reader that every part of the file shares;
//!   [`nearest`] finds the word that was meant
//! - [`midi`] and [`osc_address`]: messages, addresses and patterns; [`event`]: what every input delivers, in one form
//! - [`input`]: one file per kind of input; [`stop`] tells their threads to end, [`log_budget`] bounds what whoever sends to
//!   them can write into the log
//! - [`output`]: one file per kind of MIDI output; `sequencer` is what ALSA inputs and outputs share
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
