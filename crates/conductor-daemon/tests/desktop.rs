//! SystemControl with the real parts of a desktop: PipeWire, mpv, dunst, and a stand-in for logind on its own bus.

#![cfg(target_os = "linux")]

#[cfg(test)]
#[path = "support/wasm.rs"]
mod wasm;

#[cfg(test)]
mod desktop {
    mod keys;
    mod logind;
    mod messages;
    mod session;
    mod sound;
    mod volume;
}
