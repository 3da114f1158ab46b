//! Writing `config.toml`, never over a change that was not read.

use std::fs;
use std::io;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use conductor_signing::atomic_file::{self, DirectoryLock};

use super::read_text;

/// Mode of a configuration that this program creates.
const MODE: u32 = 0o600;

/// How often an edit begins again because somebody else has saved the file meanwhile. Stops a program that saves all the time from
/// holding the daemon up.
const MAX_ATTEMPTS: u32 = 8;

/// A configuration that was edited.
#[must_use]
pub(crate) struct Rewritten {
    file: PathBuf,
    old: String,
    new: String,
    mode: u32,
}

/// Edits the file: `edit` makes the new text of the old, and says what is wrong with it before the file is touched. If somebody saved
/// the file meanwhile, it is asked again.
///
/// # Errors
///
/// Says why the file is as it was.
pub(crate) fn rewrite(
    file: &Path,
    edit: impl Fn(&str) -> Result<String, String>,
) -> Result<Rewritten, String> {
    // A link is left where it is; what it leads to is replaced.
    let file = fs::canonicalize(file).unwrap_or_else(|_| file.to_owned());
    let written = |error: io::Error| format!("{} cannot be written: {error}", file.display());
    for _ in 0..MAX_ATTEMPTS {
        let old = read_text(&file).map_err(|error| error.to_string())?;
        let new = edit(&old)?;
        let mode = fs::metadata(&file).map_or(MODE, |metadata| metadata.permissions().mode() & 0o777);
        if replace(&file, &old, &new, mode).map_err(written)? {
            return Ok(Rewritten { file, old, new, mode });
        }
    }
    Err(format!("{} is being changed all the time; try again", file.display()))
}

impl Rewritten {
    /// Puts the old text back; `false` if somebody has saved another meanwhile, which stays.
    pub(crate) fn take_back(self) -> io::Result<bool> {
        let Self { file, old, new, mode } = self;
        replace(&file, &new, &old, mode)
    }
}

/// Replaces a file that says what is expected. Editors take no lock: one that saves between the look and the rename is not seen.
fn replace(file: &Path, expected: &str, text: &str, mode: u32) -> io::Result<bool> {
    let _lock = DirectoryLock::around(file)?;
    if read_text(file).map_err(io::Error::other)? != expected {
        return Ok(false);
    }
    atomic_file::replace(file, text.as_bytes(), mode).map(|()| true)
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;

    #[test]
    fn what_an_editor_saves_meanwhile_stays() {
        let directory = tempfile::tempdir().expect("directory");
        let file = directory.path().join("config.toml");
        fs::write(&file, "first\n").expect("written");
        let asked = Cell::new(0);
        let edit = |text: &str| {
            asked.set(asked.get() + 1);
            if asked.get() == 1 {
                fs::write(&file, "the editor's\n").expect("written");
            }
            Ok(format!("{text}ours\n"))
        };
        let rewritten = rewrite(&file, edit).expect("rewritten");
        assert_eq!(asked.get(), 2, "it began again");
        let text = || fs::read_to_string(&file).expect("read");
        assert_eq!(text(), "the editor's\nours\n");
        assert!(rewritten.take_back().expect("looks"));
        assert_eq!(text(), "the editor's\n");

        let rewritten = rewrite(&file, |_| Ok("ours\n".to_owned())).expect("rewritten");
        fs::write(&file, "saved later\n").expect("written");
        assert!(!rewritten.take_back().expect("looks"));
        assert_eq!(text(), "saved later\n");
    }

    #[test]
    fn a_file_that_never_rests_is_left_alone() {
        let directory = tempfile::tempdir().expect("directory");
        let file = directory.path().join("config.toml");
        let count = Cell::new(0);
        let edit = |_: &str| {
            count.set(count.get() + 1);
            fs::write(&file, format!("{}", count.get())).expect("written");
            Ok("ours".to_owned())
        };
        assert!(rewrite(&file, edit).is_err());
        assert_eq!(fs::read_to_string(&file).expect("read"), MAX_ATTEMPTS.to_string());
    }
}
