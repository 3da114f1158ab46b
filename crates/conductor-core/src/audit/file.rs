//! The log: a file that is only ever appended to.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, ErrorKind, Write as _};
use std::os::unix::fs::{FileExt as _, MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{self, RecvTimeoutError, SyncSender};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{Builder, JoinHandle};
use std::time::Duration;

use conductor_signing::{Digest, FileError, atomic_file, escape};
use rustix::fs::OFlags;
use rustix::io::Errno;

use super::chain::{Link, MAX_LINE_BYTES};
use super::checkpoint::{self, Notary};
use super::{AuditEvent, AuditRecord, AuditSink, Head};

/// Most bytes of the log. The record that would not fit makes it the previous log, and the one before that is gone: the
/// two together take twice as much at most, whatever plugins do.
pub const MAX_LOG_BYTES: u64 = 64 * 1024 * 1024;

/// Records after which the chain is signed again.
const RECORDS_PER_CHECKPOINT: u64 = 256;

/// Time after which the chain is signed again if anything was recorded.
const CHECKPOINT_EVERY: Duration = Duration::from_secs(60);

/// A log of JSON lines, each tied to the one before.
///
/// Each record is written with one system call to a file that is open for appending, before the plugin learns the outcome
/// of what it asked for. It is not synchronised: the operating system has it, and a power cut may lose the last seconds.
/// Where the chain stands is signed now and then, by a thread of its own, and kept in a file of its own.
pub struct AuditLog {
    path: PathBuf,
    max_bytes: u64,
    current: Arc<Mutex<Current>>,
    records: AtomicU64,
    failures: AtomicU64,
    is_failing: AtomicBool,
    signer: Option<Signer>,
    _lock: File,
}

struct Current {
    file: File,
    size: u64,
    /// What there is of a last line that has no end, because only a part of it could be written.
    torn: Option<Vec<u8>>,
    head: Head,
}

/// The thread that signs where the chain stands.
struct Signer {
    wake: SyncSender<()>,
    thread: JoinHandle<()>,
}

impl AuditLog {
    /// Opens the log at `path` for appending, or makes it, for its owner alone. The previous log is beside it with `.1`
    /// at the end of its name, and so are its key and its checkpoint.
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
        let notary = Notary::of(path).map_err(|cause| AuditError::Key { cause })?;
        let current = Current::open(path)?;
        let found = current.head.sequence;
        let mut log = Self {
            path: path.into(),
            max_bytes,
            current: Arc::new(Mutex::new(current)),
            records: AtomicU64::new(0),
            failures: AtomicU64::new(0),
            is_failing: AtomicBool::new(false),
            signer: None,
            _lock: lock,
        };
        log.compare_with_checkpoint(found);
        let signer = Signer::start(notary, Arc::clone(&log.current));
        log.signer = Some(signer.map_err(unusable)?);
        Ok(log)
    }

    /// Says in the log if lines are missing at its end; their numbers stay missing.
    fn compare_with_checkpoint(&self, found: u64) {
        let signed = match checkpoint::read(&self.path) {
            Ok(Some(checkpoint)) => checkpoint.head.sequence,
            Ok(None) => return,
            Err(cause) => {
                tracing::error!("the audit log {}: {cause}", escape::path(&self.path));
                return;
            }
        };
        if signed > found {
            let path = escape::path(&self.path);
            tracing::error!(signed, found, "lines are missing at the end of the audit log {path}");
            self.lock().head.sequence = signed;
            self.record(&AuditRecord::now(None, AuditEvent::LogTruncated { signed, found }));
        }
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

    /// Where the chain stands.
    #[must_use]
    pub fn head(&self) -> Head {
        self.lock().head
    }

    fn append(&self, line: &str) -> io::Result<()> {
        let mut current = self.lock();
        if current.is_full(line.len(), self.max_bytes) {
            self.rotate(&mut current)?;
        }
        current.append(line)?;
        let is_first = self.records.load(Ordering::Relaxed) == 0;
        if (is_first || current.head.sequence.is_multiple_of(RECORDS_PER_CHECKPOINT))
            && let Some(signer) = &self.signer
        {
            // A signer that is busy will look again.
            let _ = signer.wake.try_send(());
        }
        Ok(())
    }

    /// Makes the log the previous one and begins another.
    fn rotate(&self, current: &mut Current) -> io::Result<()> {
        match fs::rename(&self.path, previous(&self.path)) {
            // An earlier attempt came that far.
            Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
            Ok(()) | Err(_) => {}
        }
        let file = options().create_new(true).open(&self.path)?;
        *current = Current { file, size: 0, torn: None, head: current.head };
        current.begin()
    }

    fn lock(&self) -> MutexGuard<'_, Current> {
        lock_current(&self.current)
    }
}

fn lock_current(current: &Mutex<Current>) -> MutexGuard<'_, Current> {
    current.lock().unwrap_or_else(PoisonError::into_inner)
}

impl AuditSink for AuditLog {
    fn record(&self, record: &AuditRecord) {
        match self.append(&record.to_line()) {
            Ok(()) => {
                self.records.fetch_add(1, Ordering::Relaxed);
                self.is_failing.store(false, Ordering::Relaxed);
            }
            Err(error) => {
                self.is_failing.store(true, Ordering::Relaxed);
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

    fn is_failing(&self) -> bool {
        self.is_failing.load(Ordering::Relaxed)
    }
}

impl Drop for AuditLog {
    fn drop(&mut self) {
        if let Some(Signer { wake, thread }) = self.signer.take() {
            drop(wake);
            // It has said what went wrong.
            let _ = thread.join();
        }
    }
}

impl Signer {
    /// Signs when woken, after a while, and when the log is closed, whenever something was recorded since the last time.
    fn start(notary: Notary, current: Arc<Mutex<Current>>) -> io::Result<Self> {
        let (wake, woken) = mpsc::sync_channel(1);
        let work = move || {
            let mut signed = None;
            let mut is_closed = false;
            while !is_closed {
                is_closed = woken.recv_timeout(CHECKPOINT_EVERY) == Err(RecvTimeoutError::Disconnected);
                let head = lock_current(&current).head;
                if signed == Some(head) || head.sequence == 0 {
                    continue;
                }
                match notary.sign(head) {
                    Ok(()) => signed = Some(head),
                    Err(cause) => tracing::error!("the audit log's checkpoint cannot be written: {cause}"),
                }
            }
        };
        let thread = Builder::new().name("audit".into()).spawn(work)?;
        Ok(Self { wake, thread })
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
        let (last, torn) = tail(&file, size).map_err(unusable)?;
        let head = match last {
            Some(head) => Some(head),
            None => last_of_previous(path).map_err(unusable)?,
        };
        let torn = (!torn.is_empty()).then_some(torn);
        let mut current = Self { file, size, torn, head: head.unwrap_or_else(Head::genesis) };
        if last.is_none() {
            current.begin().map_err(unusable)?;
        }
        Ok(current)
    }

    /// Says what the lines of this file follow.
    fn begin(&mut self) -> io::Result<()> {
        if self.torn.take().is_some() {
            self.write(b"\n")?;
        }
        let previous = self.head.chain.to_string();
        self.append(&AuditRecord::now(None, AuditEvent::LogBegun { previous }).to_line())
    }

    const fn is_full(&self, more: usize, max: u64) -> bool {
        self.size > 0 && self.size.saturating_add(more as u64 + MAX_LINK_BYTES) > max
    }

    fn append(&mut self, line: &str) -> io::Result<()> {
        if let Some(torn) = self.torn.clone() {
            self.write(b"\n")?;
            self.torn = None;
            let torn = Digest::from_bytes(&torn).to_string();
            self.tie(&AuditRecord::now(None, AuditEvent::LogMended { torn }).to_line())?;
        }
        self.tie(line)
    }

    /// Writes a line tied to the one before.
    fn tie(&mut self, line: &str) -> io::Result<()> {
        let (line, head) = self.head.tie(line);
        self.write(line.as_bytes())?;
        self.head = head;
        Ok(())
    }

    /// Writes all or remembers which part was written.
    fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        let written = loop {
            match self.file.write(bytes) {
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                written => break written?,
            }
        };
        self.size += written as u64;
        if written < bytes.len() {
            self.torn = bytes.get(..written).map(<[u8]>::to_vec).filter(|torn| !torn.is_empty());
            return Err(ErrorKind::WriteZero.into());
        }
        Ok(())
    }
}

/// Most bytes that the number and the value of a line add to it.
const MAX_LINK_BYTES: u64 = 128;

/// The last whole line of a file, if it is one of a chain, and what stands behind it without an end.
fn tail(file: &File, size: u64) -> io::Result<(Option<Head>, Vec<u8>)> {
    let start = size.saturating_sub(2 * MAX_LINE_BYTES as u64);
    let mut bytes = vec![0; usize::try_from(size - start).unwrap_or_default()];
    file.read_exact_at(&mut bytes, start)?;
    let end = bytes.iter().rposition(|byte| *byte == b'\n').map_or(0, |place| place + 1);
    let torn = bytes.split_off(end);
    let line = bytes.strip_suffix(b"\n").and_then(|lines| lines.rsplit(|byte| *byte == b'\n').next());
    let link = line.and_then(|line| std::str::from_utf8(line).ok()).and_then(Link::read);
    Ok((link.map(|link| link.head), torn))
}

/// Where the chain stood at the end of the previous log.
fn last_of_previous(path: &Path) -> io::Result<Option<Head>> {
    let flags = (OFlags::NOFOLLOW | OFlags::NONBLOCK).bits().cast_signed();
    match OpenOptions::new().read(true).custom_flags(flags).open(previous(path)) {
        Ok(file) if file.metadata()?.is_file() => Ok(tail(&file, file.metadata()?.len())?.0),
        Ok(_) => Ok(None),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
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
pub(super) fn beside(path: &Path, end: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(end);
    name.into()
}

pub(super) fn previous(path: &Path) -> PathBuf {
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
    /// Its checkpoints cannot be signed.
    #[error("the audit log's key cannot be used: {cause}")]
    Key {
        /// Why.
        cause: String,
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
            Self::Unusable { .. } | Self::Key { .. } | Self::InUse { .. } => None,
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
            record["plugin"].as_str().map(str::to_owned)
        };
        text.lines().filter_map(plugin).collect()
    }

    /// Bytes of a file that has room for so many records of this length behind its first line.
    fn room_for(records: u64, record: &AuditRecord) -> u64 {
        let begun = AuditRecord::now(None, AuditEvent::LogBegun { previous: "0".repeat(64) });
        let length = |record: &AuditRecord| Head::genesis().tie(&record.to_line()).0.len() as u64;
        // Half a record more, because numbers grow.
        length(&begun) + records * length(record) + length(record) / 2
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
        let max = room_for(3, &record("00"));
        let log = AuditLog::open_with(&path, max).expect("opens");
        (0..7).for_each(|number| log.record(&record(&format!("{number:02}"))));
        assert_eq!(plugins(&previous(&path)), ["03", "04", "05"]);
        assert_eq!(plugins(&path), ["06"]);
        drop(log);
        let log = AuditLog::open_with(&path, max).expect("opens");
        (7..10).for_each(|number| log.record(&record(&format!("{number:02}"))));
        assert_eq!(plugins(&path), ["09"], "what was there before counts");
        assert_eq!((log.records(), log.failures()), (3, 0));
    }

    #[test]
    fn records_of_many_threads_are_whole_lines() {
        let (_directory, path) = place();
        let log = Arc::new(AuditLog::open_with(&path, room_for(250, &record("t0"))).expect("opens"));
        std::thread::scope(|scope| {
            for thread in 0..4 {
                let log = &log;
                scope.spawn(move || (0..100).for_each(|_| log.record(&record(&format!("t{thread}")))));
            }
        });
        assert_eq!((log.records(), log.failures()), (400, 0));
        let (old, new) = (plugins(&previous(&path)).len(), plugins(&path).len());
        assert_eq!(old + new, 400, "{old} and {new}");
        drop(log);
        let found = crate::audit::verify(&path, None).expect("verified");
        assert!(found.is_whole() && found.records == 402, "{found:?}");
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
        assert_eq!(text.lines().count(), 4, "{text}");
        assert!(text.lines().skip(1).all(|line| serde_json::from_str::<serde_json::Value>(line).is_ok()));
    }

    #[test]
    fn a_log_that_cannot_be_changed_for_a_new_one_counts_what_it_loses() {
        let (_directory, path) = place();
        let log = AuditLog::open_with(&path, room_for(1, &record("0"))).expect("opens");
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
