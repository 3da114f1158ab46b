//! Mappings, dispatch, control, page, programs: what leads from an event to a call of a plugin, and who may watch and change it.
//!
//! This crate does not know how plugins are verified, compiled and run, which `conductor-core` does, nor how an event comes
//! from a device, which `conductor-surface` does. The programs `conductor`, `conductorctl` and `conductor-sign` are in
//! `src/bin`, one file per subcommand.
//!
//! In reading order:
//!
//! - [`paths`]: where files are kept, and the only place that reads the environment
//! - [`config`]: `config.toml` as a whole; [`mapping`]: which event leads to which action
//! - [`hosting`]: which walls stand around plugins, and which devices are offered to them
//! - [`dispatch`]: a queue and a thread for every plugin, and what is known about the plugin while it runs
//! - [`calls`]: the table of calls, and the followers of calls
//! - [`run`]: one run of the daemon, from start to end: starting, reloading, installing, retrying
//! - `plugin_store`: the versions of installed plugins on disk; `trust_watch`: stops running plugins whose signer is no
//!   longer trusted
//! - [`control`]: the control interface, one request and one response, over a Unix socket; `page`: the same for a browser
//! - [`hangup`]: the signal to read the configuration again; [`log_writer`] and [`say`]: what this process says on
//!   standard error
//! - [`words`]: what several parts say to users in the same words; `bounded_queue`: a queue whose reader may stop

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
