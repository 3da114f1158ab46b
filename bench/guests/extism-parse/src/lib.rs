//! The work of the guest `request`, behind Extism's interface.

use extism_pdk::{Error, FnResult, WithReturnCode, plugin_fn};
use request_type::Request;

#[plugin_fn]
pub fn execute(request: Vec<u8>) -> FnResult<()> {
    match Request::parse(&request) {
        Some(request) if request.is_playable() => Ok(()),
        Some(_) | None => Err(WithReturnCode::new(Error::msg("there is nothing to play"), 1)),
    }
}
