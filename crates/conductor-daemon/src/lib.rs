//! What the programs of this package share: configuration, mappings, dispatch and the control interface.

#![forbid(unsafe_code)]

mod bounded_queue;
pub mod calls;
pub mod config;
pub mod control;
pub mod dispatch;
pub mod hangup;
pub mod hosting;
pub mod log_writer;
pub mod mapping;
mod page;
pub mod paths;
mod plugin_store;
pub mod run;
pub mod say;
mod trust_watch;
pub mod words;
