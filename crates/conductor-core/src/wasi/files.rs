//! Files: how many are open, and what reading and writing them costs.

use std::collections::BTreeSet;

use wasmtime::Caller;
use wasmtime_wasi::p1::wasi_snapshot_preview1 as preview1;

use super::{FILE_FUEL, charge, errno, now_or_trap, timed};
use crate::instance::State;

/// Most entries of a scatter-gather list that are looked at to find its cost; wasmtime reads no further than the first
/// that is not empty.
const MAX_VECTORS: u32 = 1_024;

/// The files and directories that a plugin has opened itself.
pub(crate) struct OpenFiles {
    max: usize,
    open: BTreeSet<i32>,
}

impl OpenFiles {
    pub(crate) const fn new(max: u32) -> Self {
        Self { max: max as usize, open: BTreeSet::new() }
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
        return Ok(errno::MFILE);
    }
    timed(&mut caller, |state, memory| {
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
            let opened = memory.read(wiggle::GuestPtr::<u32>::new(out as u32))?;
            state.open_files.open.insert(opened as i32);
        }
        Ok(result)
    })
}

pub(super) fn close(mut caller: Caller<'_, State>, fd: i32) -> wasmtime::Result<i32> {
    charge(&mut caller, FILE_FUEL)?;
    timed(&mut caller, |state, memory| {
        let result = now_or_trap(preview1::fd_close(&mut state.wasi, memory, fd))?;
        if result == errno::SUCCESS {
            state.open_files.open.remove(&fd);
        }
        Ok(result)
    })
}

pub(super) fn renumber(mut caller: Caller<'_, State>, from: i32, to: i32) -> wasmtime::Result<i32> {
    charge(&mut caller, FILE_FUEL)?;
    timed(&mut caller, |state, memory| {
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

/// Bytes that a read or a write with this list can move: those of its first entry that is not empty, as wasmtime does
/// not look further, and the list itself.
pub(super) fn vector_bytes(caller: &mut Caller<'_, State>, vectors: i32, count: i32) -> u64 {
    const VECTOR_BYTES: usize = 8;
    let Some(memory) = caller.data().memory() else { return 0 };
    let bytes = memory.data(&*caller);
    let (start, count) = (vectors as u32 as usize, count as u32);
    let length_of = |index: u32| {
        let at = start.checked_add(index as usize * VECTOR_BYTES + 4)?;
        let field = bytes.get(at..at.checked_add(4)?)?;
        field.try_into().ok().map(u32::from_le_bytes)
    };
    let first = (0..count.min(MAX_VECTORS)).filter_map(length_of).find(|length| *length > 0).unwrap_or(0);
    u64::from(first) + u64::from(count)
}
