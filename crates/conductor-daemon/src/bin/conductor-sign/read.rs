//! Reading files that may come from strangers.

use std::fs::OpenOptions;
use std::io::{self, Read as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use conductor_signing::ReadError;
use rustix::fs::OFlags;

use crate::error::CliError;

/// Reads a regular file of at most `max` bytes. A FIFO is refused without waiting for its writer.
pub(crate) fn capped(path: &Path, max: u64) -> Result<Vec<u8>, CliError> {
    let failed = |source: io::Error| -> CliError {
        if source.kind() == io::ErrorKind::NotFound {
            ReadError::Missing { path: path.to_owned() }.into()
        } else {
            ReadError::Unreadable { path: path.to_owned(), source }.into()
        }
    };
    let flags = i32::try_from(OFlags::NONBLOCK.bits()).unwrap_or_default();
    let file = OpenOptions::new().read(true).custom_flags(flags).open(path).map_err(failed)?;
    if !file.metadata().map_err(failed)?.is_file() {
        return Err(ReadError::NotRegular { path: path.into() }.into());
    }
    let mut bytes = Vec::new();
    file.take(max + 1).read_to_end(&mut bytes).map_err(failed)?;
    if bytes.len() as u64 > max {
        return Err(CliError::TooLarge { path: path.into(), max });
    }
    Ok(bytes)
}
