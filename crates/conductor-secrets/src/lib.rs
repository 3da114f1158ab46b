//! Where the secrets are that the user entered for plugins: the Secret Service of the desktop, or a file of mode 0600.
//!
//! This crate knows a secret by a random name only. It does not know which plugin a secret is for, which hosts it may go
//! to, or when it is used.
//!
//! In reading order: [`vault`], which of the two places keeps a secret; `file`, the file; `service`, the Secret Service
//! over D-Bus; `error`, why a secret was not kept.

#![forbid(unsafe_code)]

mod error;
mod file;
#[cfg(target_os = "linux")]
mod service;
pub mod vault;

pub use error::KeepError;
pub use file::{FileVault, MAX_FILE_BYTES};
pub use vault::Vault;
