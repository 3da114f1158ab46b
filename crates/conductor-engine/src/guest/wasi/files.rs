//! Files: how many are open, and the cost of reading and writing them.

use std::collections::BTreeSet;
use std::time::Duration;

use conductor_call::Limit;
use conductor_confine::usage::Used;
use wasmtime::Caller;
use wasmtime_wasi::p1::WasiP1Ctx;
use wasmtime_wasi::p1::wasi_snapshot_preview1 as preview1;
use wiggle::{GuestMemory, GuestPtr};

use super::clocks::Clock;
use super::opened::{Opened, filestat, filetype};
use super::vectors::Vectors;
use super::{FILE_FUEL, charge, disk, errno, now_or_trap, timed};
use crate::guest::State;

/// Longest path that is looked up before it is opened; `PATH_MAX` of Linux.
const MAX_PATH_BYTES: u32 = 4096;

/// `O_CREAT` among the flags of `path_open`.
const CREATE: i32 = 1;

/// The rights in `path_open` that open a file for reading, and for writing.
const RIGHTS: [i64; 2] = [1 << 1, 1 << 6];

/// `SYMLINK_FOLLOW` among the flags of a look-up.
const FOLLOW: i32 = 1;

/// The files and directories that a plugin opened itself.
pub(crate) struct OpenFiles {
    max: usize,
    open: BTreeSet<i32>,
}

impl OpenFiles {
    pub(crate) const fn new(max: u32) -> Self {
        Self { max: max as usize, open: BTreeSet::new() }
    }

    /// Whether the plugin opened this descriptor itself.
    pub(super) fn has(&self, fd: i32) -> bool {
        self.open.contains(&fd)
    }

    /// Usage of open files that no longer have a name, which a walk through the directory does not find. A file that
    /// cannot be examined counts as more than any quota.
    pub(super) fn without_names(&self, wasi: &mut WasiP1Ctx) -> wasmtime::Result<Used> {
        let (mut seen, mut used) = (BTreeSet::new(), Used::NOTHING);
        for fd in &self.open {
            match Opened::of(wasi, *fd)? {
                Ok(file) => {
                    if file.names == 0 && !file.is_directory && seen.insert(file.inode) {
                        used = used.and(Used { bytes: file.bytes, files: 1 });
                    }
                }
                Err(_) => used = used.and(Used::bytes(u64::MAX)),
            }
        }
        Ok(used)
    }
}

/// What is at a path that is to be opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Found {
    Nothing,
    /// A file, a directory or a link.
    Usual,
    /// Something else, which may not be opened.
    Unusual,
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
    let found = look_up(&mut caller, fd, lookup, path, len)?;
    if found == Found::Unusual {
        return Ok(errno::ACCES);
    }
    timed(&mut caller, 0, |state, memory| {
        let mut open = |state: &mut State| {
            now_or_trap(preview1::path_open(
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
            ))
        };
        let makes_a_file = flags & CREATE != 0 && found == Found::Nothing;
        let result = if makes_a_file { disk::adding_entry(state, len, 0, open) } else { open(state) }?;
        if result == errno::SUCCESS {
            let opened = memory.read(GuestPtr::<u32>::new(out as u32))?;
            state.open_files.open.insert(opened as i32);
        }
        Ok(result)
    })
}

/// Looks up what is at a path. Opening a named pipe waits for its other end, past every limit of the call, and opening
/// a device may do anything. A plugin can make neither, but somebody else may have put one there.
fn look_up(
    caller: &mut Caller<'_, State>,
    fd: i32,
    lookup: i32,
    path: i32,
    len: i32,
) -> wasmtime::Result<Found> {
    timed(caller, 0, |state, memory| {
        // A path that is too long, or outside of the plugin's memory, is refused by the functions that use the path.
        let Some(Scratch { memory: mut own, answer }) = Scratch::of(memory, path, len, filestat::BYTES)
        else {
            return Ok(Found::Nothing);
        };
        let mut memory = GuestMemory::Unshared(&mut own);
        let stat =
            preview1::path_filestat_get(&mut state.wasi, &mut memory, fd, lookup, 0, len, answer as i32);
        if now_or_trap(stat)? != errno::SUCCESS {
            return Ok(Found::Nothing);
        }
        let kind = own.get(answer as usize + filestat::FILETYPE).copied().unwrap_or_default();
        let usual = matches!(kind, filetype::DIRECTORY | filetype::REGULAR_FILE | filetype::SYMBOLIC_LINK);
        Ok(if usual { Found::Usual } else { Found::Unusual })
    })
}

/// Sets the times of a file through a descriptor of the file: a worker may not set times by path, because landlock does
/// not control that. The times of a symbolic link can be set only by path, so a worker cannot set them.
#[expect(clippy::too_many_arguments, reason = "the signature is WASI's")]
pub(super) fn set_times_at(
    mut caller: Caller<'_, State>,
    fd: i32,
    lookup: i32,
    path: i32,
    len: i32,
    accessed: i64,
    modified: i64,
    which: i32,
) -> wasmtime::Result<i32> {
    charge(&mut caller, FILE_FUEL)?;
    if look_up(&mut caller, fd, lookup, path, len)? == Found::Unusual {
        return Ok(errno::ACCES);
    }
    timed(&mut caller, 0, |state, memory| {
        // A file that may not be read may still be writable.
        for rights in RIGHTS {
            let Some(Scratch { memory: mut own, answer }) = Scratch::of(memory, path, len, size_of::<u32>())
            else {
                break;
            };
            let mut own = GuestMemory::Unshared(&mut own);
            let opening = preview1::path_open(
                &mut state.wasi,
                &mut own,
                fd,
                lookup,
                0,
                len,
                0,
                rights,
                0,
                0,
                answer as i32,
            );
            match now_or_trap(opening)? {
                errno::SUCCESS => {}
                errno::ACCES => continue,
                errno::LOOP if lookup & FOLLOW == 0 => break,
                refused => return Ok(refused),
            }
            let opened = own.read(GuestPtr::<u32>::new(answer))? as i32;
            let setting =
                preview1::fd_filestat_set_times(&mut state.wasi, &mut own, opened, accessed, modified, which);
            let result = now_or_trap(setting)?;
            now_or_trap(preview1::fd_close(&mut state.wasi, &mut own, opened))?;
            return Ok(result);
        }
        // For a link itself, for a file that may be neither read nor written, and for an invalid path.
        now_or_trap(preview1::path_filestat_set_times(
            &mut state.wasi,
            memory,
            fd,
            lookup,
            path,
            len,
            accessed,
            modified,
            which,
        ))
    })
}

/// Memory of the host's own, so that the plugin's memory is not written to: a path at its start, then room for an
/// answer.
struct Scratch {
    memory: Vec<u8>,
    answer: u32,
}

impl Scratch {
    /// Takes a path from the plugin's memory; `None` if the path is outside of the memory, or longer than any valid
    /// path.
    fn of(memory: &GuestMemory<'_>, path: i32, len: i32, answer_bytes: usize) -> Option<Self> {
        let GuestMemory::Unshared(bytes) = memory else { return None };
        if len as u32 > MAX_PATH_BYTES {
            return None;
        }
        let (start, len) = (path as u32 as usize, len as u32 as usize);
        let mut memory = bytes.get(start..start.saturating_add(len))?.to_vec();
        let answer = len.next_multiple_of(8);
        memory.resize(answer + answer_bytes, 0);
        Some(Self { memory, answer: answer as u32 })
    }
}

pub(super) fn read(
    mut caller: Caller<'_, State>,
    fd: i32,
    iovs: i32,
    count: i32,
    out: i32,
) -> wasmtime::Result<i32> {
    read_list(&mut caller, (iovs, count), |state, memory| {
        now_or_trap(preview1::fd_read(&mut state.wasi, memory, fd, iovs, count, out))
    })
}

pub(super) fn read_at(
    mut caller: Caller<'_, State>,
    fd: i32,
    iovs: i32,
    count: i32,
    offset: i64,
    out: i32,
) -> wasmtime::Result<i32> {
    read_list(&mut caller, (iovs, count), |state, memory| {
        now_or_trap(preview1::fd_pread(&mut state.wasi, memory, fd, iovs, count, offset, out))
    })
}

fn read_list(
    caller: &mut Caller<'_, State>,
    (iovs, count): (i32, i32),
    work: impl FnOnce(&mut State, &mut GuestMemory<'_>) -> wasmtime::Result<i32>,
) -> wasmtime::Result<i32> {
    let Some(list) = Vectors::look(caller, iovs, count) else {
        charge(caller, FILE_FUEL)?;
        return Ok(errno::INVAL);
    };
    charge(caller, FILE_FUEL.saturating_add(list.looked_at()))?;
    timed(caller, list.looked_at(), work)
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

/// Rounds the times of a `filestat` down to the step of the wall clock: otherwise a plugin could touch a file and read
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
