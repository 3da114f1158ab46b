//! What confines every process that runs for a plugin from outside, whether a worker or a program.
//!
//! This crate starts no process and knows neither what a worker runs nor why a program is run. The engine, which has
//! workers, and the broker, which has programs, both depend on this crate and know nothing of each other.
//!
//! In reading order: [`system_calls`], lists of system calls for filters and for people; [`descriptors`], which a new
//! process closes; [`usage`], how much a directory holds; [`errands`], work that may never end; [`measuring`], which
//! compares directories with their quotas from outside.

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
