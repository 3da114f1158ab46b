//! The functions behind the exports that [`plugin!`](crate::plugin) writes. Not part of the public interface.

use std::borrow::Cow;
use std::fmt;
use std::sync::{Mutex, PoisonError};

use conductor_abi::Context;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::{Call, call, exit, log};

/// The buffer that `alloc` hands out. One buffer is enough for every request, because the host calls `alloc` and
/// `execute` in turn.
static REQUEST: Mutex<Vec<u8>> = Mutex::new(Vec::new());

/// A request whose parameters are not read yet, because their type depends on the action.
pub struct Request<'a> {
    head: Head<'a>,
    json: &'a [u8],
}

/// The members that all requests have.
#[derive(Deserialize)]
struct Head<'a> {
    #[serde(borrow)]
    action: Cow<'a, str>,
    #[serde(default)]
    context: Context,
}

impl<'a> Request<'a> {
    /// Reads the head of a request.
    fn read(json: &'a [u8]) -> Result<Self, serde_json::Error> {
        Ok(Self { head: serde_json::from_slice(json)?, json })
    }

    /// Name of the action.
    #[must_use]
    pub fn action(&self) -> &str {
        &self.head.action
    }
}

/// The export `_initialize`: runs the constructors of the C library. If nothing called them, the linker would wrap
/// every export in the start and end of a program.
#[cfg(target_family = "wasm")]
#[expect(unsafe_code, reason = "the constructors are a symbol that the linker makes")]
pub fn initialize() {
    unsafe extern "C" {
        fn __wasm_call_ctors();
    }
    // SAFETY: the function exists in every module and takes nothing; the host calls `_initialize` once and first.
    unsafe { __wasm_call_ctors() };
}

/// The export `alloc`: the address of a buffer for a request of `size` bytes, or 0 if memory is used up. The address is
/// valid until the next call of `alloc`.
#[must_use]
pub fn alloc(size: u32) -> u32 {
    let mut buffer = REQUEST.lock().unwrap_or_else(PoisonError::into_inner);
    let missing = (size as usize).saturating_sub(buffer.len());
    if buffer.try_reserve_exact(missing).is_err() {
        return 0;
    }
    if missing > 0 {
        buffer.resize(size as usize, 0);
    }
    address(&buffer)
}

/// The export `init`: address and length of the manifest, packed into one number.
#[must_use]
pub fn init(manifest: &'static str) -> u64 {
    (u64::from(address(manifest.as_bytes())) << 32) | manifest.len() as u64
}

/// Runs the author's initialisation. An error ends the instance.
#[expect(clippy::panic, reason = "a trap is the way in which `init` can fail")]
pub fn set_up<E: fmt::Display>(set_up: impl FnOnce() -> Result<(), E>) {
    if let Err(error) = set_up() {
        log::error(&error);
        panic!("plugin could not start: {error}");
    }
}

/// The export `execute`: reads the request that the host wrote into the buffer and hands it to `dispatch`.
#[must_use]
pub fn execute(pointer: u32, len: u32, dispatch: fn(Request<'_>) -> i32) -> i32 {
    // The host calls no other export meanwhile, so the buffer can be taken out of the lock.
    let buffer = std::mem::take(&mut *REQUEST.lock().unwrap_or_else(PoisonError::into_inner));
    let written = if pointer == address(&buffer) { buffer.get(..len as usize) } else { None };
    let code = match written.map(Request::read) {
        Some(Ok(request)) => dispatch(request),
        Some(Err(error)) => {
            log::error(format_args!("request is not valid: {error}"));
            exit::MALFORMED_REQUEST
        }
        None => {
            log::error("request is not in the buffer that alloc handed out");
            exit::MALFORMED_REQUEST
        }
    };
    *REQUEST.lock().unwrap_or_else(PoisonError::into_inner) = buffer;
    code
}

/// Runs one action and sends its reply.
#[must_use]
pub fn run<P, R, E>(request: Request<'_>, action: impl FnOnce(Call<P>) -> Result<R, E>) -> i32
where
    P: DeserializeOwned,
    R: Serialize,
    E: fmt::Display,
{
    let Request { head: Head { action: name, context }, json } = request;
    let call = match call::parameters(json) {
        Ok(parameters) => Call { action: name.into_owned(), context, parameters },
        Err(error) => {
            log::error(format_args!("parameters are not valid: {error}"));
            return exit::MALFORMED_REQUEST;
        }
    };
    match action(call) {
        Ok(reply) => match crate::reply(&reply) {
            Ok(()) => 0,
            Err(error) => {
                log::error(format_args!("reply was not sent: {error}"));
                exit::FAILED
            }
        },
        Err(error) => {
            log::error(error);
            exit::FAILED
        }
    }
}

/// Answers a request for an action that the plugin does not have.
#[must_use]
pub fn unknown_action(request: &Request<'_>) -> i32 {
    log::error(format_args!("unknown action `{}`", request.action()));
    exit::UNKNOWN_ACTION
}

/// The address of bytes in the plugin's memory, whose pointers have 32 bits.
fn address(bytes: &[u8]) -> u32 {
    bytes.as_ptr().expose_provenance() as u32
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(action: &str) -> Request<'_> {
        Request {
            head: Head { action: action.into(), context: Context::default() },
            json: br#"{"action":""}"#,
        }
    }

    fn fails(_: Call<()>) -> Result<(), String> {
        Err("no".into())
    }

    fn succeeds(_: Call<()>) -> Result<Option<u8>, String> {
        Ok(None)
    }

    fn wants_text(call: Call<String>) -> Result<(), String> {
        Err(call.parameters)
    }

    fn dispatch(request: Request<'_>) -> i32 {
        match request.action() {
            "fails" => run(request, fails),
            "succeeds" => run(request, succeeds),
            "wants-text" => run(request, wants_text),
            _ => unknown_action(&request),
        }
    }

    #[test]
    fn every_outcome_has_its_code() {
        assert_eq!(dispatch(request("succeeds")), 0);
        assert_eq!(dispatch(request("fails")), exit::FAILED);
        assert_eq!(dispatch(request("absent")), exit::UNKNOWN_ACTION);
        assert_eq!(dispatch(request("wants-text")), exit::MALFORMED_REQUEST);
    }

    #[test]
    fn requests_are_read_from_the_buffer_only() {
        let first = alloc(64);
        assert_ne!(first, 0);
        assert_eq!(alloc(16), first, "a smaller request uses the same buffer");
        let json = br#"{"action":"succeeds"}"#;
        REQUEST.lock().expect("buffer")[..json.len()].copy_from_slice(json);
        assert_eq!(execute(first, json.len() as u32, dispatch), 0);
        assert_eq!(execute(first, json.len() as u32 - 1, dispatch), exit::MALFORMED_REQUEST);
        assert_eq!(execute(first + 1, 4, dispatch), exit::MALFORMED_REQUEST);
        assert_eq!(execute(first, 65, dispatch), exit::MALFORMED_REQUEST);
        assert_eq!(execute(first, u32::MAX, dispatch), exit::MALFORMED_REQUEST);
    }

    #[test]
    fn a_plugin_that_cannot_start_traps() {
        set_up(|| Ok::<(), String>(()));
        let trap = std::panic::catch_unwind(|| set_up(|| Err("no tuning table"))).expect_err("a panic");
        let message = trap.downcast_ref::<String>().expect("a message");
        assert_eq!(message, "plugin could not start: no tuning table");
    }
}
