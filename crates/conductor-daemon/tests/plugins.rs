//! The example plugins through the real host: one call each with `conductor exec`, and the library where a call builds
//! on the one before.

#[cfg(test)]
#[path = "support/wasm.rs"]
mod wasm;

#[cfg(test)]
mod plugins {
    mod chord;
    mod exec;
    mod notes;
    mod obs;
    mod script;
    mod server;
    mod webhook;
}
