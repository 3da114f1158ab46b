//! How much a plugin keeps in its data directory, held against its quota before it grows.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use wasmtime::Caller;
use wasmtime_wasi::p1::wasi_snapshot_preview1 as preview1;
use wiggle::GuestMemory;

use super::files::{moved_bytes, vector_bytes};
use super::measure::measure;
use super::{FILE_FUEL, charge, errno, now_or_trap, timed};
use crate::capability::filesystem::DataQuota;
use crate::instance::State;
use crate::outcome::Limit;

/// `O_CREAT` among the flags of `path_open`.
const CREATE: i32 = 1;

/// The usage of one data directory; shared by the instances of its plugin, of which one runs at a time.
#[derive(Clone)]
pub(crate) struct Disk {
    usage: Arc<Mutex<Usage>>,
}

struct Usage {
    directory: PathBuf,
    quota: DataQuota,
    bytes: u64,
    files: u64,
}

impl Disk {
    /// Measures a directory that may hold so much.
    pub(crate) fn measure(directory: PathBuf, quota: DataQuota) -> Self {
        let mut usage = Usage { directory, quota, bytes: 0, files: 0 };
        usage.measure();
        Self { usage: Arc::new(Mutex::new(usage)) }
    }

    /// Counts what is about to be added, or names the limit that it would exceed.
    fn admit(&self, bytes: u64, files: u64) -> Result<(), Limit> {
        let mut usage = self.usage.lock().unwrap_or_else(PoisonError::into_inner);
        if usage.fits(bytes, files).is_err() {
            // What was overwritten or deleted was counted all the same: look again before saying no.
            usage.measure();
        }
        usage.fits(bytes, files)?;
        usage.bytes += bytes;
        usage.files += files;
        Ok(())
    }
}

impl Usage {
    fn fits(&self, bytes: u64, files: u64) -> Result<(), Limit> {
        if self.bytes.saturating_add(bytes) > self.quota.bytes {
            return Err(Limit::DiskBytes);
        }
        if self.files.saturating_add(files) > u64::from(self.quota.files) {
            return Err(Limit::DiskFiles);
        }
        Ok(())
    }

    fn measure(&mut self) {
        let used = measure(&self.directory, self.quota.files);
        (self.bytes, self.files) = (used.bytes, used.files);
    }
}

/// Whether the data directory may grow by so much; a plugin without one has nothing to fill. Measuring is charged like
/// any other file operation: a plugin at its quota must not make the host walk its directory for nothing.
fn admit(caller: &mut Caller<'_, State>, bytes: u64, files: u64) -> wasmtime::Result<bool> {
    match caller.data().disk.clone() {
        Some(disk) => timed(caller, 0, |state, _| {
            let admitted = disk.admit(bytes, files);
            if let Err(limit) = admitted {
                state.refuse(limit);
            }
            Ok(admitted.is_ok())
        }),
        None => Ok(true),
    }
}

/// Whether one file may be this long, holes included.
fn size_fits(caller: &mut Caller<'_, State>, size: u64) -> bool {
    let fits = caller.data().disk.as_ref().is_none_or(|disk| {
        let usage = disk.usage.lock().unwrap_or_else(PoisonError::into_inner);
        size <= usage.quota.bytes
    });
    if !fits {
        caller.data_mut().refuse(Limit::DiskBytes);
    }
    fits
}

/// Whether `path_open` with these flags may make a file, if it makes one.
pub(super) fn may_create(caller: &mut Caller<'_, State>, flags: i32) -> wasmtime::Result<bool> {
    if flags & CREATE == 0 { Ok(true) } else { admit(caller, 0, 1) }
}

pub(super) fn write(
    mut caller: Caller<'_, State>,
    fd: i32,
    iovs: i32,
    count: i32,
    out: i32,
) -> wasmtime::Result<i32> {
    let bytes = vector_bytes(&mut caller, iovs, count);
    charge(&mut caller, FILE_FUEL.saturating_add(bytes))?;
    // Only what the plugin opened itself fills the disk; its standard streams do not.
    let moved = moved_bytes(&mut caller, iovs, count);
    if caller.data().open_files.has(fd) && !admit(&mut caller, moved, 0)? {
        return Ok(errno::DQUOT);
    }
    timed(&mut caller, bytes, |state, memory| {
        now_or_trap(preview1::fd_write(&mut state.wasi, memory, fd, iovs, count, out))
    })
}

pub(super) fn write_at(
    mut caller: Caller<'_, State>,
    fd: i32,
    iovs: i32,
    count: i32,
    offset: i64,
    out: i32,
) -> wasmtime::Result<i32> {
    let bytes = vector_bytes(&mut caller, iovs, count);
    charge(&mut caller, FILE_FUEL.saturating_add(bytes))?;
    let moved = moved_bytes(&mut caller, iovs, count);
    if !size_fits(&mut caller, (offset as u64).saturating_add(moved)) || !admit(&mut caller, moved, 0)? {
        return Ok(errno::DQUOT);
    }
    timed(&mut caller, bytes, |state, memory| {
        now_or_trap(preview1::fd_pwrite(&mut state.wasi, memory, fd, iovs, count, offset, out))
    })
}

pub(super) fn set_size(mut caller: Caller<'_, State>, fd: i32, size: i64) -> wasmtime::Result<i32> {
    charge(&mut caller, FILE_FUEL)?;
    // What a file has already is counted again, until the next measuring.
    if !size_fits(&mut caller, size as u64) || !admit(&mut caller, size as u64, 0)? {
        return Ok(errno::DQUOT);
    }
    timed(&mut caller, 0, |state, memory| {
        now_or_trap(preview1::fd_filestat_set_size(&mut state.wasi, memory, fd, size))
    })
}

/// Runs a function that makes one directory entry, if one more fits.
fn with_new_entry(
    mut caller: Caller<'_, State>,
    work: impl AsyncFnOnce(&mut State, &mut GuestMemory<'_>) -> wasmtime::Result<i32>,
) -> wasmtime::Result<i32> {
    charge(&mut caller, FILE_FUEL)?;
    if !admit(&mut caller, 0, 1)? {
        return Ok(errno::DQUOT);
    }
    timed(&mut caller, 0, |state, memory| now_or_trap(work(state, memory)))
}

pub(super) fn create_directory(
    caller: Caller<'_, State>,
    fd: i32,
    path: i32,
    len: i32,
) -> wasmtime::Result<i32> {
    with_new_entry(caller, async |state, memory| {
        preview1::path_create_directory(&mut state.wasi, memory, fd, path, len).await
    })
}

#[expect(clippy::too_many_arguments, reason = "the signature is WASI's")]
pub(super) fn link(
    caller: Caller<'_, State>,
    old_fd: i32,
    flags: i32,
    old: i32,
    old_len: i32,
    new_fd: i32,
    new: i32,
    new_len: i32,
) -> wasmtime::Result<i32> {
    with_new_entry(caller, async |state, memory| {
        let wasi = &mut state.wasi;
        preview1::path_link(wasi, memory, old_fd, flags, old, old_len, new_fd, new, new_len).await
    })
}

pub(super) fn symlink(
    caller: Caller<'_, State>,
    old: i32,
    old_len: i32,
    fd: i32,
    new: i32,
    new_len: i32,
) -> wasmtime::Result<i32> {
    with_new_entry(caller, async |state, memory| {
        preview1::path_symlink(&mut state.wasi, memory, old, old_len, fd, new, new_len).await
    })
}
