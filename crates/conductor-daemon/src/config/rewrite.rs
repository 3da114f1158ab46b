//! Writes `config.toml`. A change by somebody else that was not read is never overwritten, and no text is written that
//! could not be read again.
//!
//! The file belongs to the user. The user chooses its place, its mode, perhaps a link to it, its words and comments. So
//! the file is edited, unlike the files of decisions, which a [`Keeper`](conductor_signing::keeper::Keeper) writes anew
//! from what they say.

use std::fs;
use std::io;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use conductor_signing::atomic_file::DirectoryLock;
use conductor_signing::keeper::{Disk, System};

use super::{Config, read_text};
use crate::paths::Paths;

/// Mode of a configuration that this program creates.
const MODE: u32 = 0o600;

/// How often an edit begins again because somebody else has saved the file meanwhile. Stops a program that saves all
/// the time from holding up the daemon.
const MAX_ATTEMPTS: u32 = 8;

/// The byte order mark.
const MARK: char = '\u{feff}';

/// Writes a configuration.
#[derive(Clone, Copy)]
pub(crate) struct Writer<'w> {
    file: &'w Path,
    paths: &'w Paths,
    disk: &'w dyn Disk,
}

/// A configuration that was edited.
#[must_use]
pub(crate) struct Rewritten<'w> {
    disk: &'w dyn Disk,
    file: PathBuf,
    old: String,
    new: String,
    mode: u32,
}

impl<'w> Writer<'w> {
    /// A writer of the configuration at `file`. Relative paths in the file are resolved as `paths` says.
    pub(crate) const fn new(file: &'w Path, paths: &'w Paths) -> Self {
        Self { file, paths, disk: &System }
    }

    /// Edits the file. `edit` makes the new text from the old one, before the file is touched. If somebody else saves
    /// the file meanwhile, `edit` is called again with the text that was saved.
    ///
    /// # Errors
    ///
    /// Says why the file is as it was.
    pub(crate) fn rewrite(
        self,
        edit: impl Fn(&str) -> Result<String, String>,
    ) -> Result<Rewritten<'w>, String> {
        let file = self.target();
        let written = |error: io::Error| format!("{} cannot be written: {error}", file.display());
        for _ in 0..MAX_ATTEMPTS {
            let old = read_text(&file).map_err(|error| error.to_string())?;
            let form = Form::of(&old);
            let new = form.give(&edit(&form.take(&old))?);
            // Faults of the new text are reported before the file is touched.
            Config::parse(&new, self.file, self.paths).map_err(|error| error.to_string())?;
            let mode = fs::metadata(&file).map_or(MODE, |metadata| metadata.permissions().mode() & 0o777);
            match replace(self.disk, &file, &old, &new, mode) {
                Ok(true) => return Ok(Rewritten { disk: self.disk, file, old, new, mode }),
                Ok(false) => {}
                Err(error) => {
                    // It may stand there, and only not be on the disk for good: who is told of an error finds the old one.
                    let _ = replace(self.disk, &file, &new, &old, mode);
                    return Err(written(error));
                }
            }
        }
        Err(format!("{} is being changed all the time; try again", file.display()))
    }

    /// Removes what a killed writer left behind.
    pub(crate) fn remove_leftovers(self) {
        let file = self.target();
        // A leftover that cannot be removed now is removed before the next edit.
        let _ = DirectoryLock::around(&file).and_then(|_lock| self.disk.remove_temporary(&file));
    }

    /// The file itself. A link stays, and the file at its end is replaced.
    fn target(self) -> PathBuf {
        fs::canonicalize(self.file).unwrap_or_else(|_| self.file.to_owned())
    }
}

/// How the lines of a file end, and whether a byte order mark stands before them. Some systems' editors write CR LF and
/// a mark; a text is edited without both and written with them.
#[derive(Clone, Copy)]
struct Form {
    has_mark: bool,
    ends_with_returns: bool,
}

impl Form {
    /// The form of a text. Where lines end in both ways, the more frequent way decides.
    fn of(text: &str) -> Self {
        let (ends, returns) = (text.matches('\n').count(), text.matches("\r\n").count());
        Self { has_mark: text.starts_with(MARK), ends_with_returns: returns > ends / 2 }
    }

    /// The text without byte order mark and carriage returns.
    fn take(self, text: &str) -> String {
        text.strip_prefix(MARK).unwrap_or(text).replace("\r\n", "\n")
    }

    /// A text with the byte order mark and the line ends of this form.
    fn give(self, text: &str) -> String {
        let mark = if self.has_mark { MARK.to_string() } else { String::new() };
        mark + &if self.ends_with_returns { text.replace('\n', "\r\n") } else { text.to_owned() }
    }
}

impl Rewritten<'_> {
    /// Puts the old text back. Returns `false` if somebody else has saved the file meanwhile; then the file stays as it
    /// is.
    pub(crate) fn take_back(self) -> io::Result<bool> {
        let Self { disk, file, old, new, mode } = self;
        replace(disk, &file, &new, &old, mode)
    }
}

/// Replaces the file if its text is `expected`. Editors take no lock: a save between the comparison and the rename is
/// not seen.
fn replace(disk: &dyn Disk, file: &Path, expected: &str, text: &str, mode: u32) -> io::Result<bool> {
    let _lock = DirectoryLock::around(file)?;
    if read_text(file).map_err(io::Error::other)? != expected {
        return Ok(false);
    }
    disk.put(file, text.as_bytes(), mode)?;
    disk.sync_directory(file.parent().unwrap_or(file)).map(|()| true)
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use conductor_signing::keeper::Faults;

    use super::*;
    use crate::config::MAX_CONFIG_BYTES;

    struct Place {
        directory: tempfile::TempDir,
        paths: Paths,
    }

    impl Place {
        fn new() -> Self {
            let directory = tempfile::tempdir().expect("directory");
            let [config, data, state, cache] =
                ["config", "data", "state", "cache"].map(|name| directory.path().join(name));
            fs::create_dir(&config).expect("directory");
            Self { directory, paths: Paths::new(config, data, state, cache) }
        }

        fn file(&self) -> PathBuf {
            self.directory.path().join("config/config.toml")
        }

        fn text(&self) -> String {
            fs::read_to_string(self.file()).expect("read")
        }
    }

    #[test]
    fn what_an_editor_saves_meanwhile_stays() {
        let place = Place::new();
        let file = place.file();
        let writer = Writer::new(&file, &place.paths);
        fs::write(&file, "# first\n").expect("written");
        let asked = Cell::new(0);
        let edit = |text: &str| {
            asked.set(asked.get() + 1);
            if asked.get() == 1 {
                fs::write(&file, "# the editor's\n").expect("written");
            }
            Ok(format!("{text}# ours\n"))
        };
        let rewritten = writer.rewrite(edit).expect("rewritten");
        assert_eq!(asked.get(), 2, "it began again");
        assert_eq!(place.text(), "# the editor's\n# ours\n");
        assert!(rewritten.take_back().expect("looks"));
        assert_eq!(place.text(), "# the editor's\n");

        let rewritten = writer.rewrite(|_| Ok("# ours\n".to_owned())).expect("rewritten");
        fs::write(&file, "# saved later\n").expect("written");
        assert!(!rewritten.take_back().expect("looks"));
        assert_eq!(place.text(), "# saved later\n");
    }

    #[test]
    fn line_ends_and_the_byte_order_mark_stay() {
        let place = Place::new();
        let file = place.file();
        let text = "# mine\n[plugins.a] # the first\npath = \"a.wasm\"\n\n[plugins.b]\npath = \"b.wasm\"\n";
        let returns = text.replace('\n', "\r\n");
        let edited = |before: &str| {
            fs::write(&file, before).expect("written");
            let off = |text: &str| super::super::edit::switch(text, "a", false);
            let rewritten = Writer::new(&file, &place.paths).rewrite(off).expect("rewritten");
            let after = place.text();
            assert!(rewritten.take_back().expect("looks"));
            assert_eq!(place.text(), before);
            after
        };
        let off = text.replace("\"a.wasm\"\n", "\"a.wasm\"\nenabled = false\n");
        assert_eq!(edited(text), off);
        assert_eq!(edited(&returns), off.replace('\n', "\r\n"));
        assert_eq!(edited(&format!("{MARK}{returns}")), format!("{MARK}{}", off.replace('\n', "\r\n")));
        assert_eq!(edited(&format!("{MARK}{text}")), format!("{MARK}{off}"));
    }

    #[test]
    fn a_file_that_never_rests_is_left_alone() {
        let place = Place::new();
        let file = place.file();
        let count = Cell::new(0);
        let edit = |_: &str| {
            count.set(count.get() + 1);
            fs::write(&file, format!("# {}", count.get())).expect("written");
            Ok("# ours".to_owned())
        };
        assert!(Writer::new(&file, &place.paths).rewrite(edit).is_err());
        assert_eq!(place.text(), format!("# {MAX_ATTEMPTS}"));
    }

    #[test]
    fn what_could_not_be_read_again_is_not_written() {
        let place = Place::new();
        let file = place.file();
        fs::write(&file, "# first\n").expect("written");
        let too_large = format!("#{}\n", "x".repeat(usize::try_from(MAX_CONFIG_BYTES).expect("a size")));
        for (text, expected) in [("[wasm]\nmax_fule = 1\n", "unknown key"), (&too_large, "larger than")] {
            let refused = Writer::new(&file, &place.paths).rewrite(|_| Ok(text.to_owned())).err();
            assert!(refused.as_ref().is_some_and(|why| why.contains(expected)), "{refused:?}");
            assert_eq!(place.text(), "# first\n");
        }
    }

    #[test]
    fn a_fault_at_any_call_leaves_the_old_text_or_the_new() {
        for call in 0.. {
            let place = Place::new();
            let file = place.file();
            fs::write(&file, "# old\n").expect("written");
            let disk = Faults::at(call, false);
            let writer = Writer { disk: &disk, ..Writer::new(&file, &place.paths) };
            let is_done = writer.rewrite(|_| Ok("# new\n".to_owned())).is_ok();
            let text = place.text();
            assert_eq!(text, if is_done { "# new\n" } else { "# old\n" }, "call {call}");
            writer.remove_leftovers();
            assert_eq!(fs::read_dir(place.directory.path().join("config")).expect("listed").count(), 1);
            if disk.calls() <= call {
                assert!(call >= 6, "each call is a site: {call}");
                break;
            }
        }
    }
}
