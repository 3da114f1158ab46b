//! Texts that users get in the same words in several places.

pub mod actions;
pub mod load_error;
pub(crate) mod trust;
