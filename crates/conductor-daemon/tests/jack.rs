//! A MIDI message through JACK's dummy driver to a plugin, and the plugin's answer back to a JACK client.
//!
//! A program of its own with one test, because the server that a JACK client connects to is chosen by an environment
//! variable, which may be set only while no other thread reads it.

#[cfg(test)]
#[path = "support/wasm.rs"]
mod wasm;

#[cfg(test)]
#[path = "daemon/scratch.rs"]
#[expect(dead_code, reason = "each test program uses the helpers that it needs")]
mod scratch;

#[cfg(test)]
mod jack {
    mod peer;
    mod round_trip;
    mod server;
}
