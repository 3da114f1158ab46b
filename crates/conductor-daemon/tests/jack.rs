//! A MIDI message through JACK's dummy driver to a plugin, and the plugin's answer back to a JACK client.
//!
//! This is a test program with a single test, because an environment variable chooses the server that a JACK client
//! connects to, and it may be set only while no other thread reads the environment.

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
