//! Turns wasmtime's errors into the outcome that a user reads.

use conductor_call::{Limit, Outcome};
use wasmtime::Trap;

use super::State;

/// The error with which host functions end a call because of a limit.
#[derive(Clone, Copy, Debug, thiserror::Error)]
#[error("{0}")]
pub(crate) struct Stopped(pub(crate) Limit);

/// The error with which `proc_exit` ends the plugin's code. It holds the exit status in the low 8 bits, as POSIX does.
#[derive(Clone, Copy, Debug, thiserror::Error)]
#[error("exited with status {0}")]
pub(crate) struct Exited(u8);

impl Exited {
    pub(crate) const fn with(status: i32) -> Self {
        Self(status.to_le_bytes()[0])
    }
}

/// The exit status of a plugin that exited.
pub(crate) fn exit_code(error: &wasmtime::Error) -> Option<i32> {
    error.downcast_ref().map(|Exited(status)| i32::from(*status))
}

pub(crate) fn classify(error: &wasmtime::Error, state: &State) -> Outcome {
    if let Some(Stopped(limit)) = error.downcast_ref() {
        return Outcome::Limit { limit: *limit };
    }
    if let Some(code) = exit_code(error) {
        return Outcome::Protocol { reason: format!("exited with status {code} instead of returning") };
    }
    let trap = error.downcast_ref::<Trap>();
    let limits = [
        (Trap::OutOfFuel, Limit::Fuel),
        (Trap::Interrupt, Limit::WallClock),
        (Trap::StackOverflow, Limit::Stack),
    ];
    if let Some((_, limit)) = limits.into_iter().find(|(ends, _)| trap == Some(ends)) {
        return Outcome::Limit { limit };
    }
    // After a refused growth, an allocator aborts, or instantiation fails.
    if let Some(limit) = state.limiter.refused_growth() {
        return Outcome::Limit { limit };
    }
    match trap {
        Some(trap) => {
            let text = trap.to_string();
            Outcome::Trap { reason: text.strip_prefix("wasm trap: ").unwrap_or(&text).to_owned() }
        }
        None => Outcome::Trap { reason: error.root_cause().to_string() },
    }
}
