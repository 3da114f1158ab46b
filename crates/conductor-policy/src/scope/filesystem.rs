//! Scope of Filesystem: access to the data directory and its quota.

use std::fmt;

use super::error::ScopeError;
use super::grammar::{Fields, Parts};
use super::number::{Bytes, whole_number};

/// Access to the plugin's own data directory.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FilesystemScope {
    access: Option<FileAccess>,
    bytes: Option<Bytes>,
    files: Option<u32>,
}

impl FilesystemScope {
    pub(super) const KEYS: &'static [&'static str] = &["access", "bytes", "files"];

    pub(super) fn from_fields(fields: Fields) -> Result<Self, ScopeError> {
        Ok(Self {
            access: fields.one("access", "write `read-only` or `read-write`", FileAccess::parse)?,
            bytes: fields.one("bytes", "write a whole number of bytes, KiB, MiB or GiB", Bytes::parse)?,
            files: fields.one("files", "write a whole number from 1 to 4294967295", |text| {
                whole_number(text, u32::MAX)
            })?,
        })
    }

    /// Whether the directory may be written. A scope that does not say permits writing.
    #[must_use]
    pub fn access(&self) -> FileAccess {
        self.access.unwrap_or(FileAccess::ReadWrite)
    }

    /// Most bytes on disk, if the scope names a limit.
    #[must_use]
    pub fn bytes(&self) -> Option<u64> {
        self.bytes.map(|bytes| bytes.0)
    }

    /// Most files on disk, if the scope names a limit.
    #[must_use]
    pub const fn files(&self) -> Option<u32> {
        self.files
    }
}

impl fmt::Display for FilesystemScope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut parts = Parts::new(f);
        parts.first(self.access.as_slice())?;
        parts.key("bytes", self.bytes.as_slice())?;
        parts.key("files", self.files.as_slice())
    }
}

/// The access to files of the data directory, in rising order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum FileAccess {
    /// Read.
    ReadOnly,
    /// Read, write, create and delete.
    ReadWrite,
}

impl FileAccess {
    fn parse(text: &str) -> Option<Self> {
        match text {
            "read-only" => Some(Self::ReadOnly),
            "read-write" => Some(Self::ReadWrite),
            _ => None,
        }
    }
}

impl fmt::Display for FileAccess {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::ReadOnly => "read-only",
            Self::ReadWrite => "read-write",
        })
    }
}
