//! What the programs of this package share: configuration, inputs, mappings and dispatch.

#![forbid(unsafe_code)]

pub mod actions;
mod audio;
mod bounded;
pub mod calls;
pub mod config;
pub mod control;
pub mod daemon;
pub mod denial;
mod desktop;
pub mod dispatch;
pub mod event;
pub mod hangup;
pub mod hosting;
pub mod input;
pub mod jack_client;
mod log_budget;
pub mod log_writer;
pub mod mapping;
pub mod midi;
mod nearest;
pub mod osc_address;
pub mod output;
mod page;
pub mod paths;
mod plugin_store;
pub mod refusal;
pub mod say;
mod sequencer;
pub mod stop;
mod trust;
