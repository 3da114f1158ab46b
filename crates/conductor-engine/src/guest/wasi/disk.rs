//! The disk space of a plugin's data directory, checked against the quota before the plugin takes more.
//!
//! A directory counts with what it takes beyond its first block, and keeps that space when the names in it are gone. So
//! the space for a new name stays counted until a measurement corrects it.
//!
//! A file counts with its length, holes included. It counts once however many names it has, and also without a name
//! while the plugin has it open. What a function may add is counted before it runs, and corrected to what it added.
//! Otherwise only a measurement lowers the count: space that a plugin says it freed is believed only when a measurement
//! finds it free.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use conductor_call::{DataQuota, Limit};
use conductor_confine::usage::{Used, measure};
use wasmtime::Caller;
use wasmtime_wasi::p1::WasiP1Ctx;
use wasmtime_wasi::p1::wasi_snapshot_preview1 as preview1;
use wiggle::GuestMemory;

use super::opened::Opened;
use super::vectors::Vectors;
use super::{FILE_FUEL, charge, errno, now_or_trap, timed};
use crate::guest::State;

/// The part of a quota that may be added before the directory is measured again, as a divisor. Stops several workers
/// that share a directory, such as those of two aliases, from filling the quota once each.
const PARTS_BETWEEN_MEASUREMENTS: u32 = 8;

/// The usage of one data directory, shared by the instances of its plugin, of which one runs at a time.
#[derive(Clone)]
pub(crate) struct Disk {
    usage: Arc<Mutex<Usage>>,
}

struct Usage {
    directory: PathBuf,
    quota: DataQuota,
    used: Used,
    /// What was counted since the last measurement. Others may have added to the directory since then.
    unmeasured: Used,
}

impl Disk {
    /// Measures a directory with this quota. Content beyond the quota stays, and keeps the count above the quota.
    pub(crate) fn measure(directory: PathBuf, quota: DataQuota) -> Self {
        let used = measure(&directory, quota.files);
        Self { usage: Arc::new(Mutex::new(Usage { directory, quota, used, unmeasured: Used::NOTHING })) }
    }

    /// Replaces what was counted in advance by what was really added.
    fn settle(&self, counted: Used, added: Used) {
        let used = &mut self.lock().used;
        used.bytes = used.bytes.saturating_sub(counted.bytes).saturating_add(added.bytes);
        used.files = used.files.saturating_sub(counted.files).saturating_add(added.files);
    }

    fn lock(&self) -> MutexGuard<'_, Usage> {
        self.usage.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Usage {
    /// Counts what is about to be added, or returns the limit that would be exceeded.
    fn add(&mut self, more: Used) -> Result<(), Limit> {
        let sum = self.used.and(more);
        if sum.bytes > self.quota.bytes {
            return Err(Limit::DiskBytes);
        }
        if sum.files > u64::from(self.quota.files) {
            return Err(Limit::DiskFiles);
        }
        self.used = sum;
        self.unmeasured = self.unmeasured.and(more);
        Ok(())
    }

    /// Whether this much may be counted without measuring the directory again.
    fn is_fresh_for(&self, more: Used) -> bool {
        let Used { bytes, files } = self.unmeasured.and(more);
        bytes <= self.quota.bytes / u64::from(PARTS_BETWEEN_MEASUREMENTS)
            && files <= u64::from(self.quota.files / PARTS_BETWEEN_MEASUREMENTS)
    }
}

/// Counts what is about to be added to the data directory, and what the new `name` may add to its own directory;
/// `false` if it does not fit.
fn admit(state: &mut State, disk: &Disk, more: Used, name: Used) -> wasmtime::Result<bool> {
    let mut usage = disk.lock();
    let both = more.and(name);
    // A function that adds nothing uses no space that another worker may have taken.
    let is_fresh = both == Used::NOTHING || usage.is_fresh_for(both);
    let mut added = usage.add(both);
    if added.is_err() || !is_fresh {
        // Space that was freed by overwriting or deleting is still counted, so measure before refusing.
        let named = measure(&usage.directory, usage.quota.files);
        usage.used = named.and(state.open_files.without_names(&mut state.wasi)?);
        usage.unmeasured = Used::NOTHING;
        added = usage.add(more);
        if added.is_ok() {
            // Most names fit where another name was removed. A name that does not fit takes a block, which the next
            // measurement finds: while so little room is left, every new name leads to a measurement.
            usage.used = usage.used.and(name);
        }
    }
    drop(usage);
    if let Err(limit) = added {
        state.refuse(limit);
    }
    Ok(added.is_ok())
}

/// Runs `work`, which may make the file longer. `end` gives the end of the bytes that `work` writes, or WASI's error
/// number.
fn growing(
    state: &mut State,
    fd: i32,
    end: impl FnOnce(&mut WasiP1Ctx, &Opened) -> wasmtime::Result<Result<u64, i32>>,
    work: impl FnOnce(&mut WasiP1Ctx) -> wasmtime::Result<i32>,
) -> wasmtime::Result<i32> {
    // Only files that the plugin opened itself fill the disk, and only if the plugin has a data directory; its standard
    // streams do not.
    let Some(disk) = state.disk.clone().filter(|_| state.open_files.has(fd)) else {
        return work(&mut state.wasi);
    };
    let before = match Opened::of(&mut state.wasi, fd)? {
        Ok(before) => before,
        Err(error) => return Ok(error),
    };
    let end = match end(&mut state.wasi, &before)? {
        Ok(end) => end,
        Err(error) => return Ok(error),
    };
    let counted = Used::bytes(end.saturating_sub(before.bytes));
    if !admit(state, &disk, counted, Used::NOTHING)? {
        return Ok(errno::DQUOT);
    }
    let result = work(&mut state.wasi);
    if matches!(result, Ok(errno::FBIG)) {
        // The kernel enforces a worker's quota too.
        state.refuse(Limit::DiskBytes);
    }
    if let Ok(after) = Opened::of(&mut state.wasi, fd)? {
        disk.settle(counted, Used::bytes(after.bytes.saturating_sub(before.bytes)));
    }
    result
}

/// Runs `work`, which makes one directory entry with a name of at most `name` bytes and, for a link, a text of `bytes`
/// bytes.
pub(super) fn adding_entry(
    state: &mut State,
    name: i32,
    bytes: u64,
    work: impl FnOnce(&mut State) -> wasmtime::Result<i32>,
) -> wasmtime::Result<i32> {
    naming(state, Used { bytes, files: 1 }, name, work)
}

/// Runs `work`, which adds `more` under a name of at most `name` bytes.
fn naming(
    state: &mut State,
    more: Used,
    name: i32,
    work: impl FnOnce(&mut State) -> wasmtime::Result<i32>,
) -> wasmtime::Result<i32> {
    let Some(disk) = state.disk.clone() else { return work(state) };
    let name = name_of(name);
    if !admit(state, &disk, more, name)? {
        return Ok(errno::DQUOT);
    }
    let result = work(state)?;
    if result != errno::SUCCESS {
        disk.settle(more.and(name), Used::NOTHING);
    }
    Ok(result)
}

/// What a name adds to its directory: the last component of a path of `path` bytes. The space stays counted when the
/// name is removed, until a measurement finds how much of it the directory has kept.
fn name_of(path: i32) -> Used {
    /// Longest name of Linux, `NAME_MAX`.
    const MAX_NAME_BYTES: u32 = 255;
    Used::name(u64::from((path as u32).min(MAX_NAME_BYTES)))
}

pub(super) fn write(
    mut caller: Caller<'_, State>,
    fd: i32,
    iovs: i32,
    count: i32,
    out: i32,
) -> wasmtime::Result<i32> {
    write_list(&mut caller, fd, (iovs, count), None, |wasi, memory| {
        now_or_trap(preview1::fd_write(wasi, memory, fd, iovs, count, out))
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
    write_list(&mut caller, fd, (iovs, count), Some(offset as u64), |wasi, memory| {
        now_or_trap(preview1::fd_pwrite(wasi, memory, fd, iovs, count, offset, out))
    })
}

/// Writes the bytes of a list at a given offset of the file, or at the plugin's present offset.
fn write_list(
    caller: &mut Caller<'_, State>,
    fd: i32,
    (iovs, count): (i32, i32),
    at: Option<u64>,
    work: impl FnOnce(&mut WasiP1Ctx, &mut GuestMemory<'_>) -> wasmtime::Result<i32>,
) -> wasmtime::Result<i32> {
    let Some(list) = Vectors::look(caller, iovs, count) else {
        charge(caller, FILE_FUEL)?;
        return Ok(errno::INVAL);
    };
    charge(caller, FILE_FUEL.saturating_add(list.looked_at()))?;
    timed(caller, list.looked_at(), |state, memory| {
        let end = |wasi: &mut WasiP1Ctx, file: &Opened| {
            let begins = file.next_write(wasi, fd, at)?;
            Ok(begins.map(|begins| begins.saturating_add(list.moved())))
        };
        growing(state, fd, end, |wasi| work(wasi, memory))
    })
}

pub(super) fn set_size(mut caller: Caller<'_, State>, fd: i32, size: i64) -> wasmtime::Result<i32> {
    charge(&mut caller, FILE_FUEL)?;
    timed(&mut caller, 0, |state, memory| {
        let shortens = match Opened::of(&mut state.wasi, fd)? {
            Ok(file) => size as u64 <= file.bytes,
            Err(error) => return Ok(error),
        };
        let mut work =
            |wasi: &mut WasiP1Ctx| now_or_trap(preview1::fd_filestat_set_size(wasi, memory, fd, size));
        // A plugin that is over its quota may still shorten files.
        if shortens { work(&mut state.wasi) } else { growing(state, fd, |_, _| Ok(Ok(size as u64)), work) }
    })
}

/// Wasmtime refuses this function at present. It is counted nevertheless, in case a later version allows it.
pub(super) fn allocate(
    mut caller: Caller<'_, State>,
    fd: i32,
    offset: i64,
    len: i64,
) -> wasmtime::Result<i32> {
    charge(&mut caller, FILE_FUEL)?;
    timed(&mut caller, 0, |state, memory| {
        let end = (offset as u64).saturating_add(len as u64);
        growing(state, fd, |_, _| Ok(Ok(end)), |wasi| preview1::fd_allocate(wasi, memory, fd, offset, len))
    })
}

pub(super) fn create_directory(
    mut caller: Caller<'_, State>,
    fd: i32,
    path: i32,
    len: i32,
) -> wasmtime::Result<i32> {
    charge(&mut caller, FILE_FUEL)?;
    timed(&mut caller, 0, |state, memory| {
        adding_entry(state, len, 0, |state| {
            now_or_trap(preview1::path_create_directory(&mut state.wasi, memory, fd, path, len))
        })
    })
}

/// Renames an entry, which may make its directory larger.
pub(super) fn rename(
    mut caller: Caller<'_, State>,
    fd: i32,
    old: i32,
    old_len: i32,
    new_fd: i32,
    new: i32,
    new_len: i32,
) -> wasmtime::Result<i32> {
    charge(&mut caller, FILE_FUEL)?;
    timed(&mut caller, 0, |state, memory| {
        naming(state, Used::NOTHING, new_len, |state| {
            let wasi = &mut state.wasi;
            now_or_trap(preview1::path_rename(wasi, memory, fd, old, old_len, new_fd, new, new_len))
        })
    })
}

#[expect(clippy::too_many_arguments, reason = "the signature is WASI's")]
pub(super) fn link(
    mut caller: Caller<'_, State>,
    old_fd: i32,
    flags: i32,
    old: i32,
    old_len: i32,
    new_fd: i32,
    new: i32,
    new_len: i32,
) -> wasmtime::Result<i32> {
    charge(&mut caller, FILE_FUEL)?;
    timed(&mut caller, 0, |state, memory| {
        adding_entry(state, new_len, 0, |state| {
            let wasi = &mut state.wasi;
            now_or_trap(preview1::path_link(wasi, memory, old_fd, flags, old, old_len, new_fd, new, new_len))
        })
    })
}

pub(super) fn symlink(
    mut caller: Caller<'_, State>,
    old: i32,
    old_len: i32,
    fd: i32,
    new: i32,
    new_len: i32,
) -> wasmtime::Result<i32> {
    charge(&mut caller, FILE_FUEL)?;
    timed(&mut caller, 0, |state, memory| {
        // The content of a link is the path that it leads to.
        adding_entry(state, new_len, u64::from(old_len as u32), |state| {
            now_or_trap(preview1::path_symlink(&mut state.wasi, memory, old, old_len, fd, new, new_len))
        })
    })
}
