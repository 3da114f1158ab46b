//! Files: how many are open, and what reading and writing them costs.

use std::collections::BTreeSet;
use std::time::Duration;

use wasmtime::Caller;
use wasmtime_wasi::p1::wasi_snapshot_preview1 as preview1;
use wiggle::{GuestMemory, GuestPtr};

use super::clocks::Clock;
use super::{FILE_FUEL, charge, disk, errno, now_or_trap, timed};
use crate::instance::State;
use crate::outcome::Limit;

/// Most entries of a scatter-gather list that are looked at to find its cost; wasmtime reads no further than the first
/// that is not empty.
const MAX_VECTORS: u32 = 1_024;

/// Longest path that is looked at before it is opened; `PATH_MAX` of Linux.
const MAX_PATH_BYTES: u32 = 4096;

/// Layout of `filestat` in WASI preview 1.
mod filestat {
    pub(super) const BYTES: usize = 64;
    pub(super) const FILETYPE: usize = 16;
    /// Last access, last modification and last change of the file's own data, in nanoseconds since the Unix epoch.
    pub(super) const TIMES: [u32; 3] = [40, 48, 56];
}

/// The files and directories that a plugin has opened itself.
pub(crate) struct OpenFiles {
    max: usize,
    open: BTreeSet<i32>,
}

impl OpenFiles {
    pub(crate) const fn new(max: u32) -> Self {
        Self { max: max as usize, open: BTreeSet::new() }
    }

    /// Whether the plugin opened this one itself.
    pub(super) fn has(&self, fd: i32) -> bool {
        self.open.contains(&fd)
    }
}

#[expect(clippy::too_many_arguments, reason = "the signature is WASI's")]
pub(super) fn open(
    mut caller: Caller<'_, State>,
    fd: i32,
    lookup: i32,
    path: i32,
    len: i32,
    flags: i32,
    base: i64,
    inheriting: i64,
    fdflags: i32,
    out: i32,
) -> wasmtime::Result<i32> {
    charge(&mut caller, FILE_FUEL)?;
    let files = &caller.data().open_files;
    if files.open.len() >= files.max {
        caller.data_mut().refuse(Limit::OpenFiles);
        return Ok(errno::MFILE);
    }
    if !may_be_opened(&mut caller, fd, lookup, path, len)? {
        return Ok(errno::ACCES);
    }
    if !disk::may_create(&mut caller, flags)? {
        return Ok(errno::DQUOT);
    }
    timed(&mut caller, 0, |state, memory| {
        let result = now_or_trap(preview1::path_open(
            &mut state.wasi,
            memory,
            fd,
            lookup,
            path,
            len,
            flags,
            base,
            inheriting,
            fdflags,
            out,
        ))?;
        if result == errno::SUCCESS {
            let opened = memory.read(GuestPtr::<u32>::new(out as u32))?;
            state.open_files.open.insert(opened as i32);
        }
        Ok(result)
    })
}

/// Whether the path leads to a file, a directory or nothing yet. Opening a named pipe waits for its other end, past
/// every limit of the call, and a device does what it pleases; a plugin can make neither, but somebody else may have.
fn may_be_opened(
    caller: &mut Caller<'_, State>,
    fd: i32,
    lookup: i32,
    path: i32,
    len: i32,
) -> wasmtime::Result<bool> {
    /// Values of `filetype` in WASI preview 1.
    const DIRECTORY: u8 = 3;
    const REGULAR_FILE: u8 = 4;
    const SYMBOLIC_LINK: u8 = 7;

    if len as u32 > MAX_PATH_BYTES {
        // The opening itself refuses it, as it does a path that is not in the plugin's memory.
        return Ok(true);
    }
    let (start, len) = (path as u32 as usize, len as u32 as usize);
    timed(caller, 0, |state, memory| {
        let bytes = match memory {
            GuestMemory::Unshared(bytes) => bytes.get(start..start.saturating_add(len)),
            GuestMemory::Shared(_) => None,
        };
        let Some(path) = bytes else { return Ok(true) };
        // A memory of the host's own, so that the plugin's is not written to: the path, then room for the answer.
        let answer = len.next_multiple_of(8);
        let mut scratch = path.to_vec();
        scratch.resize(answer + filestat::BYTES, 0);
        let (path, answer_at) = (0, answer as i32);
        let mut memory = GuestMemory::Unshared(&mut scratch);
        let stat = preview1::path_filestat_get(
            &mut state.wasi,
            &mut memory,
            fd,
            lookup,
            path,
            len as i32,
            answer_at,
        );
        let found = now_or_trap(stat)? == errno::SUCCESS;
        let kind = scratch.get(answer + filestat::FILETYPE).copied().unwrap_or_default();
        Ok(!found || matches!(kind, DIRECTORY | REGULAR_FILE | SYMBOLIC_LINK))
    })
}

pub(super) fn stat(mut caller: Caller<'_, State>, fd: i32, out: i32) -> wasmtime::Result<i32> {
    charge(&mut caller, FILE_FUEL)?;
    timed(&mut caller, 0, |state, memory| {
        let result = now_or_trap(preview1::fd_filestat_get(&mut state.wasi, memory, fd, out))?;
        coarsen(state, memory, result, out)
    })
}

pub(super) fn stat_at(
    mut caller: Caller<'_, State>,
    fd: i32,
    flags: i32,
    path: i32,
    len: i32,
    out: i32,
) -> wasmtime::Result<i32> {
    charge(&mut caller, FILE_FUEL)?;
    timed(&mut caller, 0, |state, memory| {
        let stat = preview1::path_filestat_get(&mut state.wasi, memory, fd, flags, path, len, out);
        let result = now_or_trap(stat)?;
        coarsen(state, memory, result, out)
    })
}

/// Rounds the times of a `filestat` down to what the wall clock shows: a plugin that touches a file would otherwise read
/// the time to the nanosecond.
fn coarsen(state: &State, memory: &mut GuestMemory<'_>, result: i32, out: i32) -> wasmtime::Result<i32> {
    if result == errno::SUCCESS {
        let clock = Clock::wall(&state.limits);
        for field in filestat::TIMES {
            let at = GuestPtr::<u64>::new((out as u32).saturating_add(field));
            let shown = clock.shown(Duration::from_nanos(memory.read(at)?));
            memory.write(at, u64::try_from(shown.as_nanos()).unwrap_or(u64::MAX))?;
        }
    }
    Ok(result)
}

pub(super) fn close(mut caller: Caller<'_, State>, fd: i32) -> wasmtime::Result<i32> {
    charge(&mut caller, FILE_FUEL)?;
    timed(&mut caller, 0, |state, memory| {
        let result = now_or_trap(preview1::fd_close(&mut state.wasi, memory, fd))?;
        if result == errno::SUCCESS {
            state.open_files.open.remove(&fd);
        }
        Ok(result)
    })
}

pub(super) fn renumber(mut caller: Caller<'_, State>, from: i32, to: i32) -> wasmtime::Result<i32> {
    charge(&mut caller, FILE_FUEL)?;
    timed(&mut caller, 0, |state, memory| {
        let result = now_or_trap(preview1::fd_renumber(&mut state.wasi, memory, from, to))?;
        if result == errno::SUCCESS && from != to {
            let moved = state.open_files.open.remove(&from);
            state.open_files.open.remove(&to);
            if moved {
                state.open_files.open.insert(to);
            }
        }
        Ok(result)
    })
}

/// Bytes of one entry of a scatter-gather list in WASI preview 1.
const VECTOR_BYTES: usize = 8;

/// Bytes that the host looks at for a read or a write with this list: those that it can move and the list itself.
pub(super) fn vector_bytes(caller: &mut Caller<'_, State>, vectors: i32, count: i32) -> u64 {
    moved_bytes(caller, vectors, count) + (VECTOR_BYTES as u64) * u64::from(count as u32)
}

/// Bytes that a read or a write with this list can move: those of its first entry that is not empty, as wasmtime does
/// not look further.
pub(super) fn moved_bytes(caller: &mut Caller<'_, State>, vectors: i32, count: i32) -> u64 {
    let Some(memory) = super::memory(caller) else { return 0 };
    let bytes = memory.data(&*caller);
    let (start, count) = (vectors as u32 as usize, count as u32);
    let length_of = |index: u32| {
        let at = start.checked_add(index as usize * VECTOR_BYTES + 4)?;
        let field = bytes.get(at..at.checked_add(4)?)?;
        field.try_into().ok().map(u32::from_le_bytes)
    };
    let first = (0..count.min(MAX_VECTORS)).filter_map(length_of).find(|length| *length > 0);
    u64::from(first.unwrap_or(0))
}
