//! The log: a file that is only ever appended to.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, ErrorKind, Write as _};
use std::os::unix::fs::{FileExt as _, MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{PoisonError, RwLock};

use conductor_signing::{FileError, atomic_file, escape};
use rustix::fs::OFlags;
use rustix::io::Errno;

use super::{AuditRecord, AuditSink};

/// Most bytes of the log. The record that would not fit makes it the previous log, and the one before that is gone: the
/// two together take twice as much at most, whatever plugins do.
pub const MAX_LOG_BYTES: u64 = 64 * 1024 * 1024;

/// A log of JSON lines.
///
/// Each record is written with one system call to a file that is open for appending, before the plugin learns the outcome
/// of what it asked for. It is not synchronised: the operating system has it, and a power cut may lose the last seconds.
pub struct AuditLog {
    path: PathBuf,
    max_bytes: u64,
    /// Records share it; changing to a new file takes it alone.
    current: RwLock<Current>,
    records: AtomicU64,
    failures: AtomicU64,
    _lock: File,
}

struct Current {
    file: File,
    size: AtomicU64,
    /// Whether the last line has no end, because only a part of it could be written.
    is_torn: AtomicBool,
}

impl AuditLog {
    /// Opens the log at `path` for appending, or makes it, for its owner alone. The previous log is beside it with `.1`
    /// at the end of its name.
    ///
    /// # Errors
    ///
    /// Fails if it cannot be written, if somebody else could read or change it, or if another process writes it.
    pub fn open(path: &Path) -> Result<Self, AuditError> {
        Self::open_with(path, MAX_LOG_BYTES)
    }

    fn open_with(path: &Path, max_bytes: u64) -> Result<Self, AuditError> {
        let unusable = |source| AuditError::Unusable { path: path.into(), source };
        let directory =
            path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
        atomic_file::create_private_directory(directory).map_err(unusable)?;
        check_directory(directory)?;
        let lock = lock(path)?;
        let current = Current::open(path)?;
        let (records, failures) = (AtomicU64::new(0), AtomicU64::new(0));
        Ok(Self {
            path: path.into(),
            max_bytes,
            current: RwLock::new(current),
            records,
            failures,
            _lock: lock,
        })
    }

    /// The file.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Records written since it was opened.
    #[must_use]
    pub fn records(&self) -> u64 {
        self.records.load(Ordering::Relaxed)
    }

    /// Records that could not be written since it was opened.
    #[must_use]
    pub fn failures(&self) -> u64 {
        self.failures.load(Ordering::Relaxed)
    }

    fn append(&self, line: &str) -> io::Result<()> {
        if self.is_full(line.len()) {
            self.rotate(line.len())?;
        }
        let current = self.current.read().unwrap_or_else(PoisonError::into_inner);
        current.append(line)
    }

    fn is_full(&self, more: usize) -> bool {
        let current = self.current.read().unwrap_or_else(PoisonError::into_inner);
        current.is_full(more, self.max_bytes)
    }

    /// Makes the log the previous one and begins another, unless somebody else just did.
    fn rotate(&self, more: usize) -> io::Result<()> {
        let mut current = self.current.write().unwrap_or_else(PoisonError::into_inner);
        if !current.is_full(more, self.max_bytes) {
            return Ok(());
        }
        match fs::rename(&self.path, previous(&self.path)) {
            // An earlier attempt came that far.
            Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
            Ok(()) | Err(_) => {}
        }
        let file = options().create_new(true).open(&self.path)?;
        *current = Current { file, size: AtomicU64::new(0), is_torn: AtomicBool::new(false) };
        Ok(())
    }
}

impl AuditSink for AuditLog {
    fn record(&self, record: &AuditRecord) {
        match self.append(&record.to_line()) {
            Ok(()) => {
                self.records.fetch_add(1, Ordering::Relaxed);
            }
            Err(error) => {
                let failures = self.failures.fetch_add(1, Ordering::Relaxed) + 1;
                if failures.is_power_of_two() {
                    let path = escape::path(&self.path);
                    tracing::error!(
                        failures,
                        "the audit log {path} cannot be written, and records are lost: {error}"
                    );
                }
            }
        }
    }
}

impl Current {
    fn open(path: &Path) -> Result<Self, AuditError> {
        let unusable = |source| AuditError::Unusable { path: path.into(), source };
        let file = options().create(true).open(path).map_err(|source| {
            if source.raw_os_error() == Some(Errno::LOOP.raw_os_error()) {
                AuditError::Unsafe { source: FileError::Symlink { path: path.into() } }
            } else {
                unusable(source)
            }
        })?;
        check_file(path, &file.metadata().map_err(unusable)?)?;
        let size = file.metadata().map_err(unusable)?.len();
        let mut last = [b'\n'];
        if let Some(end) = size.checked_sub(1) {
            file.read_exact_at(&mut last, end).map_err(unusable)?;
        }
        let (size, is_torn) = (AtomicU64::new(size), AtomicBool::new(last != [b'\n']));
        Ok(Self { file, size, is_torn })
    }

    fn is_full(&self, more: usize, max: u64) -> bool {
        let size = self.size.load(Ordering::Relaxed);
        size > 0 && size.saturating_add(more as u64) > max
    }

    fn append(&self, line: &str) -> io::Result<()> {
        let ended;
        let bytes = if self.is_torn.swap(false, Ordering::Relaxed) {
            ended = format!("\n{line}");
            ended.as_bytes()
        } else {
            line.as_bytes()
        };
        let written = loop {
            match (&self.file).write(bytes) {
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => {
                    let was_torn = bytes.len() > line.len();
                    self.is_torn.fetch_or(was_torn, Ordering::Relaxed);
                    return Err(error);
                }
                Ok(written) => break written,
            }
        };
        self.size.fetch_add(written as u64, Ordering::Relaxed);
        if written < bytes.len() {
            self.is_torn.store(true, Ordering::Relaxed);
            return Err(ErrorKind::WriteZero.into());
        }
        Ok(())
    }
}

/// How a log is opened: read only to see whether its last line has an end; never through a link, never waiting.
fn options() -> OpenOptions {
    let flags = OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::NOCTTY;
    let mut options = OpenOptions::new();
    options.read(true).append(true).mode(atomic_file::PRIVATE).custom_flags(flags.bits().cast_signed());
    options
}

/// The path with more at its end.
fn beside(path: &Path, end: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(end);
    name.into()
}

fn previous(path: &Path) -> PathBuf {
    beside(path, ".1")
}

/// Two writers would each change to a new file for itself.
fn lock(path: &Path) -> Result<File, AuditError> {
    let lock_path = beside(path, ".lock");
    let unusable = |source| AuditError::Unusable { path: lock_path.clone(), source };
    let file = options().create(true).open(&lock_path).map_err(unusable)?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(AuditError::InUse { path: path.into() }),
        Err(TryLockError::Error(source)) => Err(unusable(source)),
    }
}

fn check_file(path: &Path, metadata: &fs::Metadata) -> Result<(), AuditError> {
    let path = path.into();
    let mode = metadata.mode() & 0o7777;
    let source = if !metadata.is_file() {
        FileError::NotRegular { path }
    } else if metadata.uid() != user() {
        FileError::Owner { path, found: metadata.uid(), expected: user() }
    } else if mode & 0o077 != 0 {
        FileError::Mode { path, found: mode, wanted: atomic_file::PRIVATE, private: true }
    } else {
        return Ok(());
    };
    Err(AuditError::Unsafe { source })
}

/// Who may write to the directory could replace the log.
fn check_directory(path: &Path) -> Result<(), AuditError> {
    let metadata = fs::metadata(path).map_err(|source| AuditError::Unusable { path: path.into(), source })?;
    let path = path.into();
    let mode = metadata.mode() & 0o7777;
    let source = if metadata.uid() != user() {
        FileError::Owner { path, found: metadata.uid(), expected: user() }
    } else if mode & 0o022 != 0 {
        FileError::Mode { path, found: mode, wanted: 0o700, private: false }
    } else {
        return Ok(());
    };
    Err(AuditError::Unsafe { source })
}

fn user() -> u32 {
    rustix::process::geteuid().as_raw()
}

/// Why a log could not be opened.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AuditError {
    /// It cannot be opened or made.
    #[error("the audit log cannot be written: {}: {source}", escape::path(path))]
    Unusable {
        /// The file or directory.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// Somebody else could read, change or replace it.
    #[error("the audit log is not safe: {source}")]
    Unsafe {
        /// What is wrong with the file or its directory.
        source: FileError,
    },
    /// Another process writes it.
    #[error("the audit log {} is being written by another process", escape::path(path))]
    InUse {
        /// The file.
        path: PathBuf,
    },
}

impl AuditError {
    /// What to do about it.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Unsafe { source } => source.hint(),
            Self::Unusable { .. } | Self::InUse { .. } => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{PermissionsExt as _, symlink};
    use std::sync::Arc;

    use tempfile::TempDir;

    use super::*;
    use crate::audit::AuditEvent;

    fn place() -> (TempDir, PathBuf) {
        let directory = tempfile::tempdir().expect("directory");
        let path = directory.path().join("state/audit.jsonl");
        (directory, path)
    }

    fn record(name: &str) -> AuditRecord {
        AuditRecord::now(Some(name), AuditEvent::PluginResumed)
    }

    /// The plugin of each line; every line must be a record.
    fn plugins(path: &Path) -> Vec<String> {
        let text = fs::read_to_string(path).expect("log");
        assert!(text.is_empty() || text.ends_with('\n'), "{text}");
        let plugin = |line: &str| {
            let record: serde_json::Value = serde_json::from_str(line).expect("a record");
            record["plugin"].as_str().expect("a plugin").to_owned()
        };
        text.lines().map(plugin).collect()
    }

    #[test]
    fn records_are_appended_to_a_file_of_ones_own() {
        let (directory, path) = place();
        for name in ["a", "b"] {
            let log = AuditLog::open(&path).expect("opens");
            log.record(&record(name));
            assert_eq!((log.records(), log.failures()), (1, 0));
        }
        assert_eq!(plugins(&path), ["a", "b"]);
        let mode = |path: &Path| fs::metadata(path).expect("metadata").mode() & 0o7777;
        assert_eq!((mode(&path), mode(&directory.path().join("state"))), (0o600, 0o700));
    }

    #[test]
    fn a_full_log_becomes_the_previous_one() {
        let (_directory, path) = place();
        let line = record("00").to_line().len() as u64;
        let log = AuditLog::open_with(&path, line * 3).expect("opens");
        (0..7).for_each(|number| log.record(&record(&format!("{number:02}"))));
        assert_eq!(plugins(&previous(&path)), ["03", "04", "05"]);
        assert_eq!(plugins(&path), ["06"]);
        drop(log);
        let log = AuditLog::open_with(&path, line * 3).expect("opens");
        (7..10).for_each(|number| log.record(&record(&format!("{number:02}"))));
        assert_eq!(plugins(&path), ["09"], "what was there before counts");
        assert_eq!((log.records(), log.failures()), (3, 0));
    }

    #[test]
    fn records_of_many_threads_are_whole_lines() {
        let (_directory, path) = place();
        let line = record("t0").to_line().len() as u64;
        let log = Arc::new(AuditLog::open_with(&path, line * 250).expect("opens"));
        std::thread::scope(|scope| {
            for thread in 0..4 {
                let log = &log;
                scope.spawn(move || (0..100).for_each(|_| log.record(&record(&format!("t{thread}")))));
            }
        });
        assert_eq!((log.records(), log.failures()), (400, 0));
        let (old, new) = (plugins(&previous(&path)).len(), plugins(&path).len());
        assert_eq!(old + new, 400, "{old} and {new}");
    }

    #[test]
    fn a_line_that_was_cut_short_is_ended_before_the_next() {
        let (_directory, path) = place();
        drop(AuditLog::open(&path).expect("opens"));
        fs::write(&path, "{\"version\":1,\"ti").expect("written");
        let log = AuditLog::open(&path).expect("opens");
        log.record(&record("a"));
        log.record(&record("b"));
        let text = fs::read_to_string(&path).expect("log");
        assert_eq!(text.lines().count(), 3, "{text}");
        assert!(text.lines().skip(1).all(|line| serde_json::from_str::<serde_json::Value>(line).is_ok()));
    }

    #[test]
    fn a_log_that_cannot_be_changed_for_a_new_one_counts_what_it_loses() {
        let (_directory, path) = place();
        let line = record("0").to_line().len() as u64;
        let log = AuditLog::open_with(&path, line).expect("opens");
        log.record(&record("0"));
        fs::create_dir(previous(&path)).expect("a directory in the way");
        (0..3).for_each(|_| log.record(&record("1")));
        assert_eq!((log.records(), log.failures()), (1, 3));
        fs::remove_dir(previous(&path)).expect("out of the way");
        log.record(&record("2"));
        assert_eq!((plugins(&path), log.failures()), (vec!["2".to_owned()], 3));
    }

    #[test]
    fn what_is_not_ones_own_file_is_refused() {
        let (directory, path) = place();
        let log = AuditLog::open(&path).expect("opens");
        assert!(matches!(AuditLog::open(&path), Err(AuditError::InUse { .. })));
        drop(log);
        let mode =
            |path: &Path, mode| fs::set_permissions(path, fs::Permissions::from_mode(mode)).expect("mode");
        let refused = |path: &Path| match AuditLog::open(path) {
            Err(AuditError::Unsafe { source }) => source,
            Err(other) => panic!("{other}"),
            Ok(_) => panic!("opened"),
        };
        mode(&path, 0o644);
        let error = refused(&path);
        assert!(matches!(error, FileError::Mode { found: 0o644, .. }), "{error}");
        assert_eq!(error.hint(), Some(format!("chmod 600 {}", path.display())));
        mode(&path, 0o600);
        let link = path.with_file_name("link.jsonl");
        symlink(&path, &link).expect("linked");
        assert!(matches!(refused(&link), FileError::Symlink { .. }));
        mode(&directory.path().join("state"), 0o770);
        assert!(matches!(refused(&path), FileError::Mode { found: 0o770, .. }));
        mode(&directory.path().join("state"), 0o700);
        let taken = path.with_file_name("taken");
        fs::create_dir(&taken).expect("directory");
        assert!(matches!(AuditLog::open(&taken), Err(AuditError::Unusable { .. })));
    }
}
