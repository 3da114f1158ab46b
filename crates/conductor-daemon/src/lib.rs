//! What the programs of this package share: configuration, inputs, mappings and dispatch.

#![forbid(unsafe_code)]

pub mod config;
pub mod event;
pub mod input;
pub mod jack_client;
pub mod mapping;
pub mod midi;
pub mod output;
pub mod paths;
pub mod stop;
