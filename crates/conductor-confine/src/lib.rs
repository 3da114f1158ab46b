//! What holds every process that runs for a plugin from outside, be it a worker or a program.
//!
//! This crate starts no process and knows neither what a worker runs nor why a program is run: the engine, which has workers,
//! and the broker, which has programs, both stand on it and know nothing of each other.
//!
//! In reading order: [`system_calls`], lists of them for filters and for people; [`descriptors`] that are closed; [`usage`],
//! how much a directory holds; [`errands`], work that may never come to its end; [`measuring`], directories held against
//! their quotas from outside.

#![forbid(unsafe_code)]

#[cfg(target_os = "linux")]
pub mod descriptors;
#[cfg(target_os = "linux")]
pub mod errands;
#[cfg(target_os = "linux")]
pub mod measuring;
#[cfg(target_os = "linux")]
pub mod system_calls;
pub mod usage;
