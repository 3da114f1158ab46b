//! How much a plugin may keep in its own directory.

use serde::{Deserialize, Serialize};

use crate::limits::Limits;

/// How much a plugin may keep in its data directory.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DataQuota {
    /// Most bytes.
    pub bytes: u64,
    /// Most files and directories.
    pub files: u32,
}

impl DataQuota {
    /// The quota that the limits allow, whatever is granted.
    #[must_use]
    pub const fn most(limits: &Limits) -> Self {
        Self { bytes: limits.max_disk_bytes, files: limits.max_disk_files }
    }
}
