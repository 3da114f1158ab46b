//! What users are told in the same words wherever they are told it.

pub mod actions;
pub mod load_error;
pub(crate) mod trust;
