//! The one import of a plugin in Rust, and the exchange of a request for its answer.

use conductor_abi::{CallResult, Op, Status};
use serde::Serialize;

use crate::HostError;

/// Encodes `request`, makes the host carry out `op` and returns the encoded answer.
pub(crate) fn exchange(op: Op, request: &impl Serialize) -> Result<Vec<u8>, HostError> {
    let request =
        postcard::to_allocvec(request).map_err(|error| HostError::new(Status::Invalid, error.to_string()))?;
    call(op, &request)
}

/// Decodes an answer of [`exchange`].
pub(crate) fn decode<'a, T: serde::Deserialize<'a>>(answer: &'a [u8]) -> Result<T, HostError> {
    postcard::from_bytes(answer)
        .map_err(|error| HostError::new(Status::Failed, format!("answer of the host is not valid: {error}")))
}

/// Makes the host carry out `op` with `request` as its bytes. Returns the answer's bytes.
pub(crate) fn call(op: Op, request: &[u8]) -> Result<Vec<u8>, HostError> {
    let result = unpack(import::send(op, request)?)?;
    let mut answer = Vec::new();
    if result.len > 0 {
        answer.resize(result.len as usize, 0);
        let copied = unpack(import::fetch(&mut answer)?)?;
        answer.truncate(copied.len as usize);
    }
    if result.status == Status::Ok {
        Ok(answer)
    } else {
        Err(HostError::new(result.status, String::from_utf8_lossy(&answer)))
    }
}

fn unpack(packed: u64) -> Result<CallResult, HostError> {
    CallResult::unpack(packed).ok_or_else(|| {
        HostError::new(Status::Failed, "host answered with a status that this SDK does not know")
    })
}

/// The import itself.
#[cfg(target_family = "wasm")]
#[expect(unsafe_code, reason = "the host reads and writes the plugin's memory through this import")]
mod import {
    use conductor_abi::Op;

    use crate::HostError;

    #[link(wasm_import_module = "conductor")]
    unsafe extern "C" {
        #[link_name = "call"]
        fn conductor_call(op: u32, pointer: *mut u8, len: u32) -> u64;
    }

    pub(super) fn send(op: Op, request: &[u8]) -> Result<u64, HostError> {
        // SAFETY: the slice is readable for its whole length, and the host writes only for `Op::Fetch`, which
        // callers reach through `fetch` alone.
        Ok(unsafe { conductor_call(op.number(), request.as_ptr().cast_mut(), request.len() as u32) })
    }

    pub(super) fn fetch(answer: &mut [u8]) -> Result<u64, HostError> {
        // SAFETY: the slice is writable for its whole length and borrowed by nobody else. The host writes at most as
        // many bytes as the length that it gets.
        Ok(unsafe { conductor_call(Op::Fetch.number(), answer.as_mut_ptr(), answer.len() as u32) })
    }
}

/// Stands in for the host on targets other than WebAssembly, where there is none.
#[cfg(not(target_family = "wasm"))]
mod import {
    use conductor_abi::{Op, Status};

    use crate::HostError;

    pub(super) fn send(_: Op, _: &[u8]) -> Result<u64, HostError> {
        Err(HostError::new(Status::Unavailable, "no host outside WebAssembly"))
    }

    pub(super) fn fetch(_: &mut [u8]) -> Result<u64, HostError> {
        Err(HostError::new(Status::Unavailable, "no host outside WebAssembly"))
    }
}
