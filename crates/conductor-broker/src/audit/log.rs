//! The log: a file that is only ever appended to.

mod current;

use std::fs::{self, File, TryLockError};
use std::io::{self, ErrorKind};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{self, RecvTimeoutError, SyncSender};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{Builder, JoinHandle};
use std::time::Duration;

use conductor_signing::{FileError, atomic_file, escape};

use super::checkpoint::{self, Notary};
use super::paths::{beside, previous};
use super::synced::Unsynced;
use super::{AuditError, AuditEvent, AuditKey, AuditRecord, AuditSink, Head, NotRecorded};

use current::{Current, options};

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
    /// Whether it was in its place when that was last asked.
    is_there: AtomicBool,
    signer: Mutex<Option<Signer>>,
    /// Under which requests are told apart.
    key: AuditKey,
    _lock: File,
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
        let key = notary.request_key();
        let current = Current::open(path)?;
        let found = current.head.sequence;
        let log = Self {
            path: path.into(),
            max_bytes,
            current: Arc::new(Mutex::new(current)),
            records: AtomicU64::new(0),
            failures: AtomicU64::new(0),
            is_failing: AtomicBool::new(false),
            is_there: AtomicBool::new(true),
            signer: Mutex::default(),
            key,
            _lock: lock,
        };
        log.compare_with_checkpoint(found);
        let signer = Signer::start(notary, Arc::clone(&log.current));
        *log.signer() = Some(signer.map_err(unusable)?);
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
            // Whether it can be written shows with the next record at the latest.
            let _ = self.record(&AuditRecord::now(None, AuditEvent::LogTruncated { signed, found }));
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

    fn append(&self, record: &AuditRecord) -> io::Result<()> {
        let line = record.to_line();
        let mut current = self.lock();
        self.append_to(&mut current, &line).inspect_err(|_| current.lose(record))?;
        let is_first = self.records.load(Ordering::Relaxed) == 0;
        if (is_first || current.head.sequence.is_multiple_of(RECORDS_PER_CHECKPOINT))
            && let Some(signer) = &*self.signer()
        {
            // A signer that is busy will look again.
            let _ = signer.wake.try_send(());
        }
        Ok(())
    }

    fn append_to(&self, current: &mut Current, line: &str) -> io::Result<()> {
        current.look_after(&self.path)?;
        if current.is_full(line.len(), self.max_bytes) {
            self.rotate(current)?;
        }
        current.append(line)
    }

    /// Makes the log the previous one and begins another.
    fn rotate(&self, current: &mut Current) -> io::Result<()> {
        match fs::rename(&self.path, previous(&self.path)) {
            // An earlier attempt came that far.
            Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
            Ok(()) | Err(_) => current.is_previous = true,
        }
        current.go_on_in(options().create_new(true).open(&self.path)?)
    }

    /// Says what was lost, signs for what was recorded, and ends signing: for the end of the program, which ends while others may
    /// still hold the log. What they record later is signed for by whoever opens the log next.
    pub fn close(&self) {
        if let Err(error) = self.lock().tell_lost() {
            let path = escape::path(&self.path);
            tracing::error!(
                "the audit log {path} cannot be written, and does not tell what it lost: {error}"
            );
        }
        let signer = self.signer().take();
        if let Some(Signer { wake, thread }) = signer {
            drop(wake);
            // It has said what went wrong.
            let _ = thread.join();
        }
    }

    fn lock(&self) -> MutexGuard<'_, Current> {
        lock_current(&self.current)
    }

    fn signer(&self) -> MutexGuard<'_, Option<Signer>> {
        self.signer.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn lock_current(current: &Mutex<Current>) -> MutexGuard<'_, Current> {
    current.lock().unwrap_or_else(PoisonError::into_inner)
}

impl AuditSink for AuditLog {
    fn record(&self, record: &AuditRecord) -> Result<(), NotRecorded> {
        match self.append(record) {
            Ok(()) => {
                self.records.fetch_add(1, Ordering::Relaxed);
                self.is_failing.store(false, Ordering::Relaxed);
                Ok(())
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
                Err(NotRecorded)
            }
        }
    }

    fn key(&self) -> &AuditKey {
        &self.key
    }

    fn is_failing(&self) -> bool {
        // What became of the file meanwhile is found out, and recorded, before anything is granted.
        let looked = self.lock().look_after(&self.path);
        let was_there = self.is_there.swap(looked.is_ok(), Ordering::Relaxed);
        if let (Err(error), true) = (&looked, was_there) {
            tracing::error!("the audit log {} cannot be written: {error}", escape::path(&self.path));
        }
        looked.is_err() || self.is_failing.load(Ordering::Relaxed)
    }
}

impl Drop for AuditLog {
    fn drop(&mut self) {
        self.close();
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
                let mut at = lock_current(&current);
                let head = at.head;
                if signed == Some(head) || head.sequence == 0 {
                    continue;
                }
                let unsynced = at.unsynced();
                // Nobody who records waits for the disk.
                drop(at);
                let synced = unsynced.and_then(Unsynced::sync).map_err(|error| error.to_string());
                match synced.and_then(|synced| notary.sign(synced)) {
                    Ok(()) => signed = Some(head),
                    Err(cause) => tracing::error!("the audit log's checkpoint cannot be written: {cause}"),
                }
            }
        };
        let thread = Builder::new().name("audit".into()).spawn(work)?;
        Ok(Self { wake, thread })
    }
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

#[cfg(test)]
mod tests;
