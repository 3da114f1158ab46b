//! SDK for Conductor plugins written in Rust.
//!
//! A plugin is a `cdylib` for `wasm32-wasip1` with one function per action. [`plugin!`] names the functions, puts the
//! manifest into the module and writes the exports that the host calls; the author needs no `unsafe`:
//!
//! ```
//! #![forbid(unsafe_code)]
//!
//! use conductor_plugin::{Call, HostError, midi, plugin};
//!
//! plugin! {
//!     name: "beep",
//!     version: "1.0.0",
//!     description: "Plays middle C",
//!     capabilities: { Midi: "plays the note" },
//!     actions: {
//!         /// Plays middle C as loud as the note that triggered it.
//!         beep { port: "MIDI output" },
//!     },
//! }
//!
//! #[derive(serde::Deserialize)]
//! struct Parameters {
//!     port: String,
//! }
//!
//! fn beep(call: Call<Parameters>) -> Result<(), HostError> {
//!     let velocity = call.context.velocity.unwrap_or(64);
//!     midi::send(&call.parameters.port, &midi::note_on(0, 60, velocity))
//! }
//! # fn main() {}
//! ```
//!
//! # Actions
//!
//! An action takes a [`Call`] and returns `Result<R, E>`. `R` is any type that serialises. Its value is sent as the
//! reply, unless it serialises to `null`, as `()` and `None` do. `E` is any type that displays; its text goes to the
//! log. `execute` returns 0 for `Ok`, and otherwise one of the codes in [`exit`].
//!
//! An instance lives across calls: statics and thread locals keep their values from one call to the next, until a panic
//! or a limit ends the instance. A panic ends the call as a trap, with its message on the plugin's stderr.
//!
//! # Files
//!
//! A plugin with the Filesystem capability finds its own data directory at `/`, through [`std::fs`].
//!
//! # Tests
//!
//! On targets other than WebAssembly the crate compiles too. There `plugin!` checks the manifest and exports nothing,
//! and every call to the host fails with [`Status::Unavailable`]. Actions are plain functions: build a [`Call`] and
//! test them.
//!
//! # Modules
//!
//! In reading order:
//!
//! - `call`: the argument of an action; `reply`: its answer
//! - [`log`], [`midi`], [`http`], [`websocket`], [`process`], [`audio`], [`desktop`]: what an action may ask the host
//!   for
//! - `error`: the error of every call to the host
//! - `host`: the one import, through which all calls to the host go
//! - `runtime`: what the exports do, which [`plugin!`] writes

pub mod audio;
mod call;
pub mod desktop;
mod error;
mod host;
pub mod http;
pub mod log;
pub mod midi;
pub mod process;
mod reply;
#[doc(hidden)]
pub mod runtime;
pub mod websocket;

pub use call::{Call, NoteEvent};
pub use conductor_abi::{Context, SettingValues, Status};
/// Turns functions into a plugin: see the [crate's documentation](crate) for an example.
///
/// The fields may come in any order, and each may be left out:
///
/// - `name`, `version`, `description`, `author`, `license`: string literals; name, version, description and licence
///   are taken from `Cargo.toml` where they are absent
/// - `capabilities: { Name: "reason", Name("scope"): "reason" }`: what the plugin asks for and why
/// - `settings: { name: type, name: type(bounds) = default, name: secret type }`: what the user may set, each with a doc
///   comment. Types are `bool`, `integer(min..=max)`, `number(min..=max)`, `text(most characters)` and
///   `choice("one", "other")`. A call reads them with [`Call::settings`] or [`Call::setting`]
/// - `secrets: { name("host", "host:port"): "reason" }`: what the user enters for the plugin, which never sees it; see
///   [`http::secret`]
/// - `actions: { function, function as "name", function { parameter: "what it is" } }`: the functions, each with a
///   doc comment that describes the action
/// - `init: function`: called once before the first action; its `Err` keeps the plugin from loading
///
/// The manifest is checked with the parser that the host uses. An error points at the literal that breaks a rule.
pub use conductor_plugin_macros::plugin;
pub use error::HostError;
pub use reply::reply;

/// The return values of `execute` for an action that did not succeed.
pub mod exit {
    /// The action returned an error, or its reply could not be sent.
    pub const FAILED: i32 = 1;
    /// The plugin has no action with the requested name.
    pub const UNKNOWN_ACTION: i32 = 2;
    /// The request is not valid JSON of a request, or its parameters do not fit the action.
    pub const MALFORMED_REQUEST: i32 = 3;
}
