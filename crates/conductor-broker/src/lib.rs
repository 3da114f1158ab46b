//! Doing what was granted, and writing it down.
//!
//! What may be done is decided by `conductor-policy`; here each step can only refuse. Which code asks, and in which process it
//! runs, is not known here: whoever runs a plugin holds its [`Session`], by the words of `conductor-call`.
//!
//! In reading order: the [`broker`] with a session for each plugin; [`capability`], one file or folder for each, with
//! what it may ask of a session; [`handles`] of what a plugin keeps open; the [`rate`] at which it may call;
//! [`held_secrets`] that it may have used; [`grant_changes`], of which calls under way are told; [`devices`] of the host and the [`launcher`] of programs, which
//! capabilities use; the [`recorder`] of what a plugin turns out to need; the [`audit`] of what it did.

#![forbid(unsafe_code)]

pub mod audit;
mod broker;
pub mod capability;
pub mod devices;
mod grant_changes;
mod handles;
mod held_secrets;
#[cfg(target_os = "linux")]
pub mod launcher;
mod rate;
mod recorder;

pub use broker::{Broker, Session};
pub use recorder::Recorder;
