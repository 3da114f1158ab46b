//! The way of an event, from the outside: senders that flood, sources that never end, readers that stop.

#[cfg(test)]
#[path = "support/wasm.rs"]
mod wasm;

#[cfg(test)]
#[path = "daemon/scratch.rs"]
#[allow(dead_code, reason = "each test program uses what it needs")]
mod scratch;

#[cfg(test)]
mod events {
    #[path = "../control/ctl.rs"]
    #[allow(dead_code, reason = "each test program uses what it needs")]
    mod ctl;

    mod counters;
    mod descriptors;
    mod desk;
    mod found;
    mod modes;
    mod readers;
    mod shares;
    mod sources;
}
