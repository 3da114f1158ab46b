//! WASI preview 1, filtered: every function is charged and bounded, and a function that waits stops at the call's
//! deadline.
//!
//! The functions themselves are wasmtime's. This module decides what they can reach: no inherited standard streams,
//! arguments or environment, no sockets, coarse clocks, only the given directories, a bounded number of open files.
//! Calls are synchronous: file operations run on the calling thread and [`poll`] does the sleeping, so no executor is
//! needed.

mod capture;
mod clocks;
mod context;
mod disk;
mod files;
mod opened;
mod poll;
mod vectors;

use std::future::Future;
use std::pin::pin;
use std::task::{Context, Poll, Waker};
use std::time::Instant;

use conductor_call::Limit;
use rustix::time::{ClockId, clock_gettime};
use wasmtime::{Caller, Linker, Memory};
use wasmtime_wasi::p1::wasi_snapshot_preview1::{self as preview1, WasiSnapshotPreview1};
use wiggle::GuestMemory;

use super::State;
use super::classify::{Exited, Stopped};
use super::host_call::charge;
pub(crate) use capture::Capture;
pub use context::{Access, SetupError};
pub(crate) use context::{Setup, data_directory};
pub(crate) use disk::Disk;
pub(crate) use files::OpenFiles;

/// Name of the import module.
pub(crate) const MODULE: &str = "wasi_snapshot_preview1";

/// Fuel of a function that touches no file, about the cost of crossing the boundary.
const BASE_FUEL: u64 = 200;

/// Fuel of a function that touches a file, beside the fuel for its bytes and its processor time.
const FILE_FUEL: u64 = 1_000;

/// Bytes of arguments that one function may make the host copy, such as a path; bytes that are read and written are not
/// copied.
const MAX_COPIED_BYTES: usize = 64 * 1024;

/// Random bytes that are made at once; stops a guest from making the host hold all of them.
const RANDOM_PIECE_BYTES: u32 = 64 * 1024;

/// Error numbers of WASI that this module itself returns.
mod errno {
    pub(super) const ACCES: i32 = 2;
    pub(super) const DQUOT: i32 = 19;
    pub(super) const FAULT: i32 = 21;
    pub(super) const FBIG: i32 = 22;
    pub(super) const INVAL: i32 = 28;
    pub(super) const LOOP: i32 = 32;
    pub(super) const MFILE: i32 = 33;
    pub(super) const SUCCESS: i32 = 0;
}

/// Declares every function once: its name, its parameters and its cost.
///
/// - `plain`: synchronous, touches no file.
/// - `file`: may touch a file; charged for the given bytes before it runs and for its processor time after.
/// - `own`: implemented in this module.
macro_rules! functions {
    (
        plain { $($plain:ident($($pa:ident: $pt:ty),*);)* }
        file { $($file:ident($($fa:ident: $ft:ty),*) [$bytes:expr];)* }
        own { $($own:ident = $function:path;)* }
    ) => {
        /// Whether the host offers a function with this name.
        pub(crate) fn offers(name: &str) -> bool {
            matches!(name, $(stringify!($plain))|* | $(stringify!($file))|* | $(stringify!($own))|* | "proc_exit")
        }

        /// Defines every function.
        pub(crate) fn define(linker: &mut Linker<State>) -> wasmtime::Result<()> {
            $(linker.func_wrap(
                MODULE,
                stringify!($plain),
                |mut caller: Caller<'_, State>, $($pa: $pt),*| -> wasmtime::Result<i32> {
                    charge(&mut caller, BASE_FUEL)?;
                    with_memory(&mut caller, |state, memory| {
                        preview1::$plain(&mut state.wasi, memory, $($pa),*)
                    })
                },
            )?;)*
            $(linker.func_wrap(
                MODULE,
                stringify!($file),
                |mut caller: Caller<'_, State>, $($fa: $ft),*| -> wasmtime::Result<i32> {
                    let bytes: u64 = $bytes(&mut caller, $($fa),*);
                    charge(&mut caller, FILE_FUEL.saturating_add(bytes))?;
                    timed(&mut caller, bytes, |state, memory| {
                        now_or_trap(preview1::$file(&mut state.wasi, memory, $($fa),*))
                    })
                },
            )?;)*
            $(linker.func_wrap(MODULE, stringify!($own), $function)?;)*
            linker.func_wrap(
                MODULE,
                "proc_exit",
                |_: Caller<'_, State>, status: i32| -> wasmtime::Result<()> { Err(Exited::with(status).into()) },
            )?;
            Ok(())
        }
    };
}

functions! {
    plain {
        args_get(argv: i32, buffer: i32);
        args_sizes_get(count: i32, size: i32);
        environ_get(environ: i32, buffer: i32);
        environ_sizes_get(count: i32, size: i32);
        clock_res_get(id: i32, out: i32);
        clock_time_get(id: i32, precision: i64, out: i32);
        fd_fdstat_set_flags(fd: i32, flags: i32);
        fd_fdstat_set_rights(fd: i32, base: i64, inheriting: i64);
        fd_prestat_get(fd: i32, out: i32);
        fd_prestat_dir_name(fd: i32, path: i32, len: i32);
        fd_tell(fd: i32, out: i32);
        proc_raise(signal: i32);
        sched_yield();
        sock_accept(fd: i32, flags: i32, out: i32);
        sock_recv(fd: i32, data: i32, count: i32, flags: i32, size: i32, out: i32);
        sock_send(fd: i32, data: i32, count: i32, flags: i32, size: i32);
        sock_shutdown(fd: i32, how: i32);
    }
    file {
        fd_advise(fd: i32, offset: i64, len: i64, advice: i32) [|_: &mut Caller<'_, State>, _, _, _, _| 0];
        fd_datasync(fd: i32) [|_: &mut Caller<'_, State>, _| 0];
        fd_fdstat_get(fd: i32, out: i32) [|_: &mut Caller<'_, State>, _, _| 0];
        fd_filestat_set_times(fd: i32, atim: i64, mtim: i64, flags: i32) [|_: &mut Caller<'_, State>, _, _, _, _| 0];
        fd_readdir(fd: i32, buffer: i32, len: i32, cookie: i64, out: i32)
            [|_: &mut Caller<'_, State>, _, _, len: i32, _, _| u64::from(len as u32)];
        fd_seek(fd: i32, offset: i64, whence: i32, out: i32) [|_: &mut Caller<'_, State>, _, _, _, _| 0];
        fd_sync(fd: i32) [|_: &mut Caller<'_, State>, _| 0];
        path_readlink(fd: i32, path: i32, len: i32, buffer: i32, buffer_len: i32, out: i32)
            [|_: &mut Caller<'_, State>, _, _, _, _, len: i32, _| u64::from(len as u32)];
        path_remove_directory(fd: i32, path: i32, len: i32) [|_: &mut Caller<'_, State>, _, _, _| 0];
        path_unlink_file(fd: i32, path: i32, len: i32) [|_: &mut Caller<'_, State>, _, _, _| 0];
    }
    own {
        fd_allocate = disk::allocate;
        fd_close = files::close;
        fd_filestat_get = files::stat;
        fd_filestat_set_size = disk::set_size;
        fd_pread = files::read_at;
        fd_pwrite = disk::write_at;
        fd_read = files::read;
        fd_write = disk::write;
        path_create_directory = disk::create_directory;
        path_filestat_get = files::stat_at;
        path_filestat_set_times = files::set_times_at;
        path_link = disk::link;
        path_rename = disk::rename;
        path_symlink = disk::symlink;
        fd_renumber = files::renumber;
        path_open = files::open;
        poll_oneoff = poll::poll_oneoff;
        random_get = random_get;
    }
}

/// Fills memory with random bytes. Fuel is charged before they are made, because a gigabyte would take the host more
/// than a second.
fn random_get(mut caller: Caller<'_, State>, buffer: i32, len: i32) -> wasmtime::Result<i32> {
    let (mut at, mut left) = (buffer as u32, len as u32);
    charge(&mut caller, BASE_FUEL + u64::from(left))?;
    loop {
        let piece = left.min(RANDOM_PIECE_BYTES);
        let result = with_memory(&mut caller, |state, memory| {
            preview1::random_get(&mut state.wasi, memory, at as i32, piece as i32)
        })?;
        left -= piece;
        if result != errno::SUCCESS || left == 0 {
            return Ok(result);
        }
        match at.checked_add(piece) {
            Some(next) => at = next,
            None => return Ok(errno::FAULT),
        }
    }
}

/// Runs `work` with the plugin's memory and state, if it exports a memory.
fn with_memory<T>(
    caller: &mut Caller<'_, State>,
    work: impl FnOnce(&mut State, &mut GuestMemory<'_>) -> wasmtime::Result<T>,
) -> wasmtime::Result<T> {
    with_memory_moving(caller, 0, work)
}

/// As [`with_memory`], for work that moves `bytes` bytes between the plugin's memory and a file without copying them.
fn with_memory_moving<T>(
    caller: &mut Caller<'_, State>,
    bytes: u64,
    work: impl FnOnce(&mut State, &mut GuestMemory<'_>) -> wasmtime::Result<T>,
) -> wasmtime::Result<T> {
    let memory = memory(caller);
    let moved = usize::try_from(bytes).unwrap_or(usize::MAX);
    caller.data_mut().wasi.set_hostcall_fuel(MAX_COPIED_BYTES.saturating_add(moved));
    match memory {
        Some(memory) => {
            let (bytes, state) = memory.data_and_store_mut(caller);
            work(state, &mut GuestMemory::Unshared(bytes))
        }
        None => work(caller.data_mut(), &mut GuestMemory::Unshared(&mut [])),
    }
}

/// The memory that the plugin exports. While the plugin's start function runs, the memory is not in the state yet.
fn memory(caller: &mut Caller<'_, State>) -> Option<Memory> {
    match caller.data().memory() {
        Some(memory) => Some(memory),
        None => caller.get_export("memory").and_then(wasmtime::Extern::into_memory),
    }
}

/// As [`with_memory_moving`], and charges a unit of fuel for each nanosecond of processor time that the work took:
/// reading a directory of ten thousand files costs the host more than the arguments suggest. A file operation that
/// outlasts the call's deadline ends the call.
fn timed<T>(
    caller: &mut Caller<'_, State>,
    bytes: u64,
    work: impl FnOnce(&mut State, &mut GuestMemory<'_>) -> wasmtime::Result<T>,
) -> wasmtime::Result<T> {
    let before = processor_nanoseconds();
    let result = with_memory_moving(caller, bytes, work);
    charge(caller, processor_nanoseconds().saturating_sub(before))?;
    if Instant::now() >= caller.data().deadline {
        return Err(Stopped(Limit::WallClock).into());
    }
    result
}

/// Processor time of the calling thread in nanoseconds.
fn processor_nanoseconds() -> u64 {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    let seconds = u64::try_from(time.tv_sec).unwrap_or(0);
    seconds.saturating_mul(1_000_000_000).saturating_add(u64::try_from(time.tv_nsec).unwrap_or(0))
}

/// The value of a future that is ready at once. All file operations are, on a thread that may block.
fn now_or_trap<T>(future: impl Future<Output = wasmtime::Result<T>>) -> wasmtime::Result<T> {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(result) => result,
        Poll::Pending => wasmtime::bail!("a file operation would have to wait"),
    }
}
