//! How files that decide are read and kept: owner and mode, atomic, re-read, bounded, locked, journalled.
//!
//! This crate knows no format and no subject: the meaning of a file, and whether its content is true, are matters of
//! the crates that keep their files with this one.
//!
//! | module | what is in it |
//! |---|---|
//! | [`escape`] | text and paths from strangers, made harmless for terminals, logs and shells |
//! | `file_error` | [`FileError`]: why a file was not read, and the command that mends it |
//! | `time` | [`UtcTime`]: points in time as files write them |
//! | [`atomic_file`] | writes that leave the old content or the new; private directories; locks between writers |
//! | [`owner_and_mode`] | reads that refuse what somebody else could have written or read |
//! | `own_group` | whether a group is the user's alone |
//! | [`secret`] | reads of files that nobody else may read, and a secret that is made when it is first needed |
//! | `secret_text` | [`SecretText`]: a text that must not be shown |
//! | `follow_links` | [`read_followed`]: reads of files that the user writes by hand, through links whose every directory is checked |
//! | [`keeper`] | the user's decisions: changed under a lock, and new content read again before it is written |

#![forbid(unsafe_code)]

pub mod atomic_file;
pub mod escape;
mod file_error;
mod follow_links;
pub mod keeper;
mod own_group;
pub mod owner_and_mode;
pub mod secret;
mod secret_text;
mod time;

pub use file_error::FileError;
pub use follow_links::{Followed, read_followed};
pub use secret_text::SecretText;
pub use time::{TimeError, UtcTime};
