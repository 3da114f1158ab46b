//! What a plugin may do: scopes, risk, requests, grants and the user's decisions.
//!
//! Everything is decided here before anything is handed out. This crate does nothing that it grants and runs no plugin; of
//! where decisions are recorded it knows as little as of who asks for them. It reads and writes the user's own files.
//!
//! In reading order: [`scope`], which part of a capability is asked for or granted; [`grant`], what was decided about every
//! capability of a plugin, and the decisions as they are kept; [`binding`], which plugin the user means by a name.

#![forbid(unsafe_code)]

pub mod binding;
pub mod grant;
pub mod scope;
