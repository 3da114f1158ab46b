//! What sounds at MIDI outputs, who plays it, and how it ends: a ledger that nobody can leave a hanging note behind in.
//!
//! This crate knows neither plugins nor devices: a [`Player`] is whoever sends messages, and [`Outputs`] is wherever
//! they go. Whether a player may send is for the caller to say.
//!
//! In reading order: [`sound`] names what a message can leave sounding, and how each of these ends; `port` counts what
//! sounds at one output, and who holds it; the [`ledger`] joins ports and players; the [`record`] keeps what sounds in
//! a file, so that another process can end it after this one was killed.

#![forbid(unsafe_code)]

pub mod ledger;
mod port;
pub mod record;
pub mod sound;

pub use ledger::{Ledger, Outputs, PlayError, Player};
pub use record::{Left, Record, RecordError};
