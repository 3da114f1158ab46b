//! From wasmtime's errors to the outcome that a user reads.

use wasmtime::Trap;
use wasmtime_wasi::I32Exit;

use super::State;
use crate::outcome::{Limit, Outcome};

/// The error that host functions return to end a call on a limit.
#[derive(Clone, Copy, Debug, thiserror::Error)]
#[error("{0}")]
pub(crate) struct Stopped(pub(crate) Limit);

pub(super) fn classify(error: &wasmtime::Error, state: &State) -> Outcome {
    if let Some(Stopped(limit)) = error.downcast_ref() {
        return Outcome::Limit { limit: *limit };
    }
    if let Some(I32Exit(code)) = error.downcast_ref() {
        return if *code == 0 { Outcome::Ok } else { Outcome::Failed { code: *code } };
    }
    if let Some(trap) = error.downcast_ref::<Trap>() {
        match trap {
            Trap::OutOfFuel => return Outcome::Limit { limit: Limit::Fuel },
            Trap::Interrupt => return Outcome::Limit { limit: Limit::WallClock },
            Trap::StackOverflow => return Outcome::Limit { limit: Limit::Stack },
            _ => {}
        }
    }
    // A growth that was refused makes an allocator abort, or instantiation fail.
    if let Some(limit) = state.limiter.refused() {
        return Outcome::Limit { limit };
    }
    match error.downcast_ref::<Trap>() {
        Some(trap) => {
            let text = trap.to_string();
            Outcome::Trap { reason: text.strip_prefix("wasm trap: ").unwrap_or(&text).to_owned() }
        }
        None => Outcome::Trap { reason: error.root_cause().to_string() },
    }
}
