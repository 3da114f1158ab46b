//! The Plugin Manager's server from the outside: what is not from its own page changes nothing, and what is bounds.

#[cfg(test)]
#[path = "support/wasm.rs"]
mod wasm;

#[cfg(test)]
#[path = "daemon/scratch.rs"]
#[allow(dead_code, reason = "each test program uses what it needs")]
mod scratch;

#[cfg(test)]
mod page {
    mod bounds;
    mod browser;
    mod events;
    mod files;
    mod keys;
    mod names;
    mod preview;
    mod rebinding;
    mod session;
    mod uploads;
}
