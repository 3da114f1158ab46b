//! The parts of `config.toml` that describe inputs and outputs, and the reader and the notations that all parts share.

pub mod inputs;
pub mod outputs;
mod problem;
pub mod reader;
pub mod unit;

use std::path::{Path, PathBuf};

pub use inputs::{InputConfig, InputKind, MidiSource};
pub use outputs::{OutputConfig, OutputTarget};
pub use problem::Problem;

use reader::{Located, Table};

/// Longest name of an input, output, plugin or mode in bytes; names become table columns and port names.
pub const MAX_NAME_BYTES: usize = 64;

/// Checks a name that the user chose for an input, output, plugin or mode.
///
/// # Errors
///
/// Says in words why the text cannot be a name.
pub fn check_name(name: &str) -> Result<(), String> {
    let mut bytes = name.bytes();
    let starts = bytes.next().is_some_and(|byte| byte.is_ascii_alphanumeric());
    if starts && bytes.all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.')) {
        if name.len() <= MAX_NAME_BYTES {
            return Ok(());
        }
        return Err(format!("name is longer than {MAX_NAME_BYTES} bytes"));
    }
    Err("a name starts with a letter or digit and holds only letters, digits, `-`, `_` and `.`".into())
}

/// Records a fault for every name that was used before.
fn check_unique<'n>(table: &Table<'_, '_>, names: impl Iterator<Item = &'n Located<String>>) {
    let mut seen: Vec<&str> = Vec::new();
    for name in names {
        if seen.contains(&name.value.as_str()) {
            table.fault(&name.place, format!("name `{}` is used twice", name.value), None);
        }
        seen.push(&name.value);
    }
}

/// Makes a path of the file absolute: resolves a relative path, and a `~` at its beginning.
pub type Resolve<'a> = &'a dyn Fn(&Path) -> PathBuf;
