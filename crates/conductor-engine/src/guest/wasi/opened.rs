//! The present state of an open file, as the kernel reports it: asked for each use, because others may change the file
//! in between.

use wasmtime_wasi::p1::WasiP1Ctx;
use wasmtime_wasi::p1::wasi_snapshot_preview1 as preview1;
use wiggle::GuestMemory;

use super::{errno, now_or_trap};

/// Layout of `filestat` in WASI preview 1.
pub(super) mod filestat {
    pub(in crate::guest::wasi) const BYTES: usize = 64;
    pub(super) const INODE: usize = 8;
    pub(in crate::guest::wasi) const FILETYPE: usize = 16;
    pub(super) const LINKS: usize = 24;
    pub(super) const SIZE: usize = 32;
    /// Last access, last modification and last change of the file's own data, in nanoseconds since the Unix epoch.
    pub(in crate::guest::wasi) const TIMES: [u32; 3] = [40, 48, 56];
}

/// Values of `filetype` in WASI preview 1.
pub(super) mod filetype {
    pub(in crate::guest::wasi) const DIRECTORY: u8 = 3;
    pub(in crate::guest::wasi) const REGULAR_FILE: u8 = 4;
    pub(in crate::guest::wasi) const SYMBOLIC_LINK: u8 = 7;
}

/// Flag of `fdstat` in WASI preview 1 for a file to which every write appends.
const APPEND: u8 = 1;

/// A file or directory that the plugin opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Opened {
    /// Identity of the file: two descriptors of one file have the same number.
    pub(super) inode: u64,
    /// Number of names of the file; a file that was deleted while it is open has none.
    pub(super) names: u64,
    /// Length of the file, holes included.
    pub(super) bytes: u64,
    pub(super) is_directory: bool,
}

impl Opened {
    /// The present state of the file of a descriptor, or WASI's error number.
    pub(super) fn of(wasi: &mut WasiP1Ctx, fd: i32) -> wasmtime::Result<Result<Self, i32>> {
        let answer = ask(|memory| now_or_trap(preview1::fd_filestat_get(wasi, memory, fd, 0)))?;
        Ok(answer.map(|stat| Self {
            inode: number(&stat, filestat::INODE),
            names: number(&stat, filestat::LINKS),
            bytes: number(&stat, filestat::SIZE),
            is_directory: stat[filestat::FILETYPE] == filetype::DIRECTORY,
        }))
    }

    /// The offset at which the next write through this descriptor begins, or WASI's error number. `at` is the offset
    /// that the plugin asks for, if it asks for one; an appending write ignores it.
    pub(super) fn next_write(
        &self,
        wasi: &mut WasiP1Ctx,
        fd: i32,
        at: Option<u64>,
    ) -> wasmtime::Result<Result<u64, i32>> {
        /// Offset of the flags in `fdstat` of WASI preview 1.
        const FLAGS: usize = 2;

        let flags = ask(|memory| now_or_trap(preview1::fd_fdstat_get(wasi, memory, fd, 0)))?;
        match (flags, at) {
            (Err(error), _) => Ok(Err(error)),
            (Ok(flags), _) if flags[FLAGS] & APPEND != 0 => Ok(Ok(self.bytes)),
            (Ok(_), Some(at)) => Ok(Ok(at)),
            (Ok(_), None) => {
                let position = ask(|memory| preview1::fd_tell(wasi, memory, fd, 0))?;
                Ok(position.map(|position| number(&position, 0)))
            }
        }
    }
}

type Answer = [u8; filestat::BYTES];

/// Calls a WASI function that writes its answer to address 0 of a memory of the host's own.
fn ask(
    question: impl FnOnce(&mut GuestMemory<'_>) -> wasmtime::Result<i32>,
) -> wasmtime::Result<Result<Answer, i32>> {
    /// Aligned for the widest field.
    #[repr(align(8))]
    struct Scratch(Answer);

    let mut scratch = Scratch([0; filestat::BYTES]);
    let result = question(&mut GuestMemory::Unshared(&mut scratch.0))?;
    Ok(if result == errno::SUCCESS { Ok(scratch.0) } else { Err(result) })
}

fn number(answer: &Answer, at: usize) -> u64 {
    let bytes = answer.get(at..).and_then(<[u8]>::first_chunk);
    bytes.map_or(0, |bytes| u64::from_le_bytes(*bytes))
}
