//! The hostile guest in its data directory: it reaches nothing outside, it reads nothing of the host's, and the work
//! that it causes in the host is bounded.

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
