//! What a plugin may do: scopes, risk, requests, grants and the user's decisions.
//!
//! Everything is decided here before anything is handed out. This crate does none of the things that it grants, and
//! runs no plugin. It does not know where decisions are audited or which program asks for them. It reads and writes the
//! user's own files.
//!
//! In reading order: [`scope`], which part of a capability is asked for or granted; [`grant`], what was decided about
//! every capability of a plugin, and how decisions are stored; [`binding`], which plugin the user means by an alias; [`secret`], which hosts a
//! secret of the user may go to.

#![forbid(unsafe_code)]

pub mod binding;
pub mod grant;
pub mod scope;
pub mod secret;
