//! What Conductor is held against.

pub(crate) mod bare;
pub(crate) mod extism;
pub(crate) mod ping;
