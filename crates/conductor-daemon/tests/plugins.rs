//! The example plugins in the real host: one call each with `conductor exec`, and with the library where a call depends
//! on an earlier one.

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
