//! A disk on which a chosen call fails, for tests of decisions kept on it.

use std::fs::File;
use std::io;
use std::path::Path;
use std::sync::Mutex;
use std::time::Duration;

use tempfile::NamedTempFile;

use super::{Disk, System};
use crate::FileError;
use crate::atomic_file::Lock;

/// The system's disk, on which one call fails, or one call and every later call. Time passes only by pauses.
pub struct Faults(Mutex<State>);

struct State {
    calls: usize,
    fails_at: usize,
    goes_on_failing: bool,
    passed: Duration,
    /// Whether every write that needs more room on the disk fails.
    is_full: bool,
}

impl Faults {
    /// Fails the call with this number, counted from 0, and every later call if `for_good`.
    #[must_use]
    pub fn at(call: usize, for_good: bool) -> Self {
        Self(Mutex::new(State {
            calls: 0,
            fails_at: call,
            goes_on_failing: for_good,
            passed: Duration::ZERO,
            is_full: false,
        }))
    }

    /// Fails only the calls that need more room on the disk.
    #[must_use]
    pub fn full() -> Self {
        let faults = Self::at(usize::MAX, false);
        faults.state().is_full = true;
        faults
    }

    /// How many calls were made.
    #[must_use]
    pub fn calls(&self) -> usize {
        self.state().calls
    }

    /// The sum of all pauses.
    #[must_use]
    pub fn passed(&self) -> Duration {
        self.state().passed
    }

    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    fn pass(&self) -> io::Result<()> {
        let mut state = self.state();
        let call = state.calls;
        state.calls += 1;
        let fails = call == state.fails_at || (call > state.fails_at && state.goes_on_failing);
        if fails { Err(io::Error::other("a fault of the test")) } else { Ok(()) }
    }

    fn room(&self) -> io::Result<()> {
        if self.state().is_full { Err(io::ErrorKind::StorageFull.into()) } else { Ok(()) }
    }
}

fn unreadable(path: &Path) -> impl FnOnce(io::Error) -> FileError {
    let path = path.to_owned();
    move |source| FileError::Unreadable { path, source }
}

impl Disk for Faults {
    fn pause(&self, time: Duration) {
        self.state().passed += time;
    }

    fn check(&self, directory: &Path) -> Result<(), FileError> {
        self.pass().map_err(unreadable(directory))?;
        System.check(directory)
    }

    fn prepare(&self, directory: &Path) -> Result<(), FileError> {
        self.pass().map_err(unreadable(directory))?;
        System.prepare(directory)
    }

    fn lock(&self, path: &Path, patience: Duration) -> io::Result<Option<Lock>> {
        self.pass()?;
        let lock = Lock::within(path, Duration::ZERO)?;
        if lock.is_none() {
            self.state().passed += patience;
        }
        Ok(lock)
    }

    fn read(&self, path: &Path, max: u64) -> Result<Option<Vec<u8>>, FileError> {
        self.pass().map_err(unreadable(path))?;
        System.read(path, max)
    }

    fn create_temporary(&self, path: &Path, mode: u32) -> io::Result<NamedTempFile> {
        self.pass()?;
        self.room()?;
        System.create_temporary(path, mode)
    }

    fn remove_temporary(&self, path: &Path) -> io::Result<()> {
        self.pass()?;
        System.remove_temporary(path)
    }

    fn write(&self, file: &mut File, bytes: &[u8]) -> io::Result<()> {
        self.pass()?;
        self.room()?;
        System.write(file, bytes)
    }

    fn write_over(&self, file: &File, bytes: &[u8], place: u64) -> io::Result<()> {
        self.pass()?;
        System.write_over(file, bytes, place)
    }

    fn sync(&self, file: &File) -> io::Result<()> {
        self.pass()?;
        System.sync(file)
    }

    fn rename(&self, staged: NamedTempFile, path: &Path) -> io::Result<()> {
        self.pass()?;
        System.rename(staged, path)
    }

    fn sync_directory(&self, directory: &Path) -> io::Result<()> {
        self.pass()?;
        System.sync_directory(directory)
    }

    fn open_in_place(&self, path: &Path) -> io::Result<File> {
        self.pass()?;
        System.open_in_place(path)
    }
}
