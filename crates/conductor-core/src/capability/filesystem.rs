//! Filesystem: whether a plugin's own data directory is opened for it, and how much it may hold.
//!
//! Files are reached through WASI, not through the broker; the decision is made here and nowhere else.

use conductor_abi::Capability;

use super::granted;
use crate::grant::{Grant, Grants};
use crate::scope::{FileAccess, FilesystemScope, Scope};

/// Most bytes that a plugin may keep on disk where no scope says less; stops a plugin from filling the disk.
pub const DEFAULT_QUOTA_BYTES: u64 = 256 * 1024 * 1024;

/// Most files that a plugin may keep on disk where no scope says less; stops a plugin from using up the inodes.
pub const DEFAULT_QUOTA_FILES: u32 = 10_000;

/// What a plugin may do with its data directory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DataAccess {
    /// The directory is not opened.
    None,
    /// Files may be read.
    ReadOnly,
    /// Files may be read, written, created and deleted.
    ReadWrite,
}

impl DataAccess {
    /// The access that was both declared and granted.
    #[must_use]
    pub fn of(grants: &Grants) -> Self {
        let access = granted(grants, Capability::Filesystem).ok().and_then(|grant| {
            let declared = declared_scopes(grant).map(FilesystemScope::access).max()?;
            let granted = granted_scopes(grant).map(FilesystemScope::access).max()?;
            Some(declared.min(granted))
        });
        match access {
            None => Self::None,
            Some(FileAccess::ReadOnly) => Self::ReadOnly,
            Some(FileAccess::ReadWrite) => Self::ReadWrite,
        }
    }
}

/// How much a plugin may keep in its data directory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DataQuota {
    /// Most bytes.
    pub bytes: u64,
    /// Most files and directories.
    pub files: u32,
}

impl DataQuota {
    /// What was granted, or the defaults where the grant does not say, and never more than what was declared.
    #[must_use]
    pub fn of(grants: &Grants) -> Self {
        let quota = |grant: &Grant| Self {
            bytes: quota(grant, FilesystemScope::bytes, DEFAULT_QUOTA_BYTES),
            files: quota(grant, FilesystemScope::files, DEFAULT_QUOTA_FILES),
        };
        granted(grants, Capability::Filesystem).map_or(Self { bytes: 0, files: 0 }, quota)
    }
}

/// The most that a granted scope gives, at most what a declared one asks for where all of them say.
fn quota<T: Copy + Ord>(grant: &Grant, value: impl Fn(&FilesystemScope) -> Option<T>, default: T) -> T {
    let granted = granted_scopes(grant).map(|scope| value(scope).unwrap_or(default)).max().unwrap_or(default);
    let declared: Option<Vec<T>> = declared_scopes(grant).map(value).collect();
    match declared.and_then(|values| values.into_iter().max()) {
        Some(declared) => granted.min(declared),
        None => granted,
    }
}

fn declared_scopes(grant: &Grant) -> impl Iterator<Item = &FilesystemScope> {
    grant.declared().iter().filter_map(Scope::as_filesystem)
}

fn granted_scopes(grant: &Grant) -> impl Iterator<Item = &FilesystemScope> {
    grant.allowed().iter().filter_map(|allowance| allowance.scope().as_filesystem())
}
