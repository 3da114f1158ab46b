//! The Plugin Manager's server from the outside: requests from elsewhere than its page change nothing, and its page's
//! requests are bounded.

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
    mod nonsense;
    mod panic;
    mod preview;
    mod rebinding;
    mod session;
    mod uploads;
}
