//! Reading whole files, and errors that name them.

use std::fs::File;
use std::io::{self, Read as _};
use std::path::Path;

use crate::error::TaskError;

/// Reads a whole file.
pub(super) fn read(path: &Path) -> Result<Vec<u8>, TaskError> {
    let mut bytes = Vec::new();
    File::open(path).and_then(|mut file| file.read_to_end(&mut bytes)).map_err(file_error(path))?;
    Ok(bytes)
}

/// Adds the path to an error of the system.
pub(super) fn file_error(path: &Path) -> impl FnOnce(io::Error) -> TaskError {
    let path = path.to_owned();
    move |source| TaskError::File { path, source }
}
