//! Filesystem: whether a plugin's own data directory is opened for it, and how much it may hold.
//!
//! Files are reached through WASI, not through the broker; the decision is made here and nowhere else.

use conductor_abi::Capability;
pub use conductor_call::DataQuota;
use conductor_policy::grant::{Grant, Grants};
use conductor_policy::scope::{FileAccess, FilesystemScope, Scope};

use super::granted;

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

/// What was granted of a plugin's data directory, never more than what was declared or than `most`, what the limits allow.
#[must_use]
pub fn data_quota(grants: &Grants, most: DataQuota) -> DataQuota {
    let quota = |grant: &Grant| DataQuota {
        bytes: quota(grant, FilesystemScope::bytes, most.bytes),
        files: quota(grant, FilesystemScope::files, most.files),
    };
    granted(grants, Capability::Filesystem).map_or(DataQuota { bytes: 0, files: 0 }, quota)
}

/// The most that a granted scope gives, at most what a declared one asks for where all of them say, and at most `limit`.
fn quota<T: Copy + Ord>(grant: &Grant, value: impl Fn(&FilesystemScope) -> Option<T>, limit: T) -> T {
    let granted = granted_scopes(grant).map(|scope| value(scope).unwrap_or(limit)).max().unwrap_or(limit);
    let declared: Option<Vec<T>> = declared_scopes(grant).map(value).collect();
    let declared = declared.and_then(|values| values.into_iter().max()).unwrap_or(limit);
    granted.min(declared).min(limit)
}

fn declared_scopes(grant: &Grant) -> impl Iterator<Item = &FilesystemScope> {
    grant.declared().iter().filter_map(Scope::as_filesystem)
}

fn granted_scopes(grant: &Grant) -> impl Iterator<Item = &FilesystemScope> {
    grant.allowed().iter().filter_map(|allowance| allowance.scope().as_filesystem())
}
