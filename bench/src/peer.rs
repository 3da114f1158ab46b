//! The peers that Conductor is compared with.

pub(crate) mod bare;
pub(crate) mod extism;
pub(crate) mod ping;
