//! The hostile guest in its data directory: nothing outside is reached, nothing of the host's is readable, and what it
//! makes the host do is bounded.

#[cfg(test)]
#[path = "support/wasm.rs"]
mod wasm;

#[cfg(test)]
mod sandbox {
    mod disk;
    mod escape;
    mod guest;
    mod host_work;
    mod neighbour;
    mod stdio;
}
