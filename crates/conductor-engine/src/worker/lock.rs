//! The rights that a worker gives up before it starts a thread or touches a byte of a plugin.

use std::fs::File;
use std::io;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use conductor_call::{Limits, ProcessWall};
use landlock::{
    ABI, Access as _, AccessFs, AccessNet, BitFlags, LandlockStatus, PathBeneath, Ruleset, RulesetAttr,
    RulesetCreatedAttr, RulesetStatus, Scope,
};
use nix::sched::CloneFlags;
use rustix::fs::{Mode, OFlags};
use rustix::process::{DumpableBehavior, Resource, Rlimit, Signal, setrlimit};
use rustix::thread::{CapabilitySet, CapabilitySets};

use super::frame;
use super::order::{CompileOrder, Order};
use crate::code_cache::MAX_CODE_BYTES;
use crate::engine::{MEMORY_GUARD, MEMORY_RESERVATION};

/// Descriptors that a worker needs beside those of its plugin: null devices, its pipes, its code, and a walk through
/// its data directory. As few as possible, because a file that a worker which was taken over keeps open takes disk
/// space even without a name.
const OWN_DESCRIPTORS: u64 = 16;

/// Descriptors of a worker that compiles.
const COMPILER_DESCRIPTORS: u64 = 16;

/// Memory that a worker has beside its code and its plugin's memories: the engine's data, tables, stacks, messages in
/// transit.
const OWN_DATA_BYTES: u64 = 48 * 1024 * 1024;

/// How often the longest JSON of a host call is in memory at once: a request with what it stands for, or an answer while
/// the room for it grows.
const JSON_COPIES: u64 = 3;

/// Address space of a worker, beyond its size when it is locked in, its data and its plugin's memory: for what its
/// allocator reserves for threads, and for mappings that are only read. Memory that is only reserved or read does not
/// count as data, but the kernel's page tables take a five-hundredth of it, and nothing else bounds them.
const OWN_ADDRESS_BYTES: u64 = 1024 * 1024 * 1024;

/// Most memories that a worker has at once: that of the instance that ends, and that of its successor.
const MEMORIES: u64 = 2;

/// Newest landlock interface whose rights this file names; an older kernel enforces the rights that it knows.
const LANDLOCK: ABI = ABI::V7;

/// A directory that holds only what a process itself has opened, and in which nothing can be created: the list of the
/// process's own descriptors.
const NOWHERE: &str = "/proc/self/fdinfo";

/// Locks in a process that compiles. The process has one thread and starts no other.
pub(super) fn lock_compiler(order: &CompileOrder) -> Result<ProcessWall, LockError> {
    let limits = [
        (Resource::Core, both(0)),
        (Resource::Fsize, both(MAX_CODE_BYTES)),
        (Resource::Nofile, both(COMPILER_DESCRIPTORS)),
        // The first value ends the process with a signal that shows the reason.
        (Resource::Cpu, Rlimit { current: Some(order.max_seconds), maximum: Some(order.max_seconds + 1) }),
        (Resource::Data, both(order.max_bytes)),
        (Resource::As, both(address_bytes(order.max_bytes)?)),
    ];
    confine(Some(Path::new(NOWHERE)), &limits, &[])
}

/// Locks in a process that runs a plugin. The process has one thread. Paths in the order are changed to the names that
/// they have inside.
pub(super) fn lock_runner(order: &mut Order) -> Result<ProcessWall, LockError> {
    let is_full = order.is_full;
    let directories = order
        .surroundings
        .directories
        .iter()
        .enumerate()
        .map(|(index, access)| {
            let rights = rights(access.writable, is_full && index == 0);
            Ok((open_directory(&access.host)?, rights))
        })
        .collect::<Result<Vec<_>, LockError>>()?;
    let root = match order.surroundings.directories.as_slice() {
        [] => Some(PathBuf::from(NOWHERE)),
        [own] => Some(own.host.clone()),
        // Further directories, for development, are named by their full paths, so with them the root directory stays.
        _ => None,
    };
    let limits = &order.surroundings.limits;
    let data = data_bytes(limits, order.code_bytes);
    let memories = MEMORIES * (MEMORY_RESERVATION + 2 * MEMORY_GUARD);
    let addresses = address_bytes(data.saturating_add(memories).saturating_add(order.code_bytes))?;
    let wall = confine(
        root.as_deref(),
        &[
            (Resource::Core, both(0)),
            (Resource::Fsize, both(max_file_bytes(order))),
            (Resource::Nofile, both(max_descriptors(order))),
            (Resource::Data, both(data)),
            (Resource::As, both(addresses)),
        ],
        &directories,
    )?;
    if wall.root
        && let Some(own) = order.surroundings.directories.first_mut()
    {
        own.host = PathBuf::from("/");
    }
    Ok(wall)
}

/// Longest file that a worker may write: 0 if its directory is full or it may write nowhere.
fn max_file_bytes(order: &Order) -> u64 {
    if order.is_full {
        return 0;
    }
    let quota = order.surroundings.quota;
    let own = quota.map_or(0, |quota| quota.bytes);
    // The plugin's own directory has a quota if it is writable; directories for development have none.
    let writable = order.surroundings.directories.iter().filter(|access| access.writable).count();
    let others = writable > usize::from(quota.is_some());
    if others { own.max(order.surroundings.limits.max_disk_bytes) } else { own }
}

fn max_descriptors(order: &Order) -> u64 {
    let directories = order.surroundings.directories.len() as u64;
    u64::from(order.surroundings.limits.max_open_files) + directories + OWN_DESCRIPTORS
}

/// Memory that a worker may have. The number depends only on what the worker runs.
fn data_bytes(limits: &Limits, code_bytes: u64) -> u64 {
    OWN_DATA_BYTES
        .saturating_add(code_bytes)
        .saturating_add(limits.max_memory_bytes)
        .saturating_add(2 * frame::max_frame_bytes(limits))
        .saturating_add(JSON_COPIES.saturating_mul(limits.max_json_bytes() as u64))
}

/// Address space of this process at present and `more` bytes.
fn address_bytes(more: u64) -> Result<u64, LockError> {
    let what = "learn how large it is";
    let text = std::fs::read_to_string("/proc/self/statm").map_err(|source| LockError { what, source })?;
    let pages: Option<u64> = text.split(' ').next().and_then(|pages| pages.parse().ok());
    let pages = pages.ok_or_else(|| LockError { what, source: io::ErrorKind::InvalidData.into() })?;
    let now = pages.saturating_mul(rustix::param::page_size() as u64);
    Ok(now.saturating_add(OWN_ADDRESS_BYTES).saturating_add(more))
}

/// The rights in a directory; in a full directory, only rights that cannot take more room.
fn rights(is_writable: bool, is_full: bool) -> BitFlags<AccessFs> {
    let read = AccessFs::ReadFile | AccessFs::ReadDir;
    let shrink = read | AccessFs::WriteFile | AccessFs::Truncate | AccessFs::RemoveFile | AccessFs::RemoveDir;
    let make = AccessFs::MakeReg | AccessFs::MakeDir | AccessFs::MakeSym | AccessFs::Refer;
    match (is_writable, is_full) {
        (false, _) => read,
        (true, true) => shrink,
        (true, false) => shrink | make,
    }
}

/// Gives up what every worker gives up: other processes, network and privileges, resources beyond the limits, and files
/// outside of the directories. `root` becomes the root directory where the system permits it.
fn confine(
    root: Option<&Path>,
    limits: &[(Resource, Rlimit)],
    directories: &[(OwnedFd, BitFlags<AccessFs>)],
) -> Result<ProcessWall, LockError> {
    let namespaces = CloneFlags::CLONE_NEWUSER | CloneFlags::CLONE_NEWNET | CloneFlags::CLONE_NEWIPC;
    let user_namespace = nix::sched::unshare(namespaces).is_ok();
    let root = user_namespace
        && root
            .is_some_and(|root| rustix::process::chroot(root).is_ok() && rustix::process::chdir("/").is_ok());
    rustix::process::set_parent_process_death_signal(Some(Signal::KILL))
        .map_err(failed("be ended with the supervisor"))?;
    // Catching the signal makes reaching the largest file size an error for the writer, instead of the end of the
    // process.
    signal_hook::flag::register(signal_hook::consts::SIGXFSZ, Arc::default())
        .map_err(|source| LockError { what: "ignore the signal of a full file", source })?;
    for (resource, limit) in limits {
        setrlimit(*resource, *limit).map_err(failed("limit its resources"))?;
    }
    let none = CapabilitySets {
        effective: CapabilitySet::empty(),
        permitted: CapabilitySet::empty(),
        inheritable: CapabilitySet::empty(),
    };
    rustix::thread::set_capabilities(None, none).map_err(failed("give up its capabilities"))?;
    rustix::process::set_dumpable_behavior(DumpableBehavior::NotDumpable)
        .map_err(failed("hide its memory from other processes"))?;
    rustix::thread::set_no_new_privs(true).map_err(failed("give up new privileges"))?;
    let landlock_abi = restrict_files(directories)?;
    Ok(ProcessWall { landlock_abi, seccomp: false, user_namespace, network_namespace: user_namespace, root })
}

const fn both(limit: u64) -> Rlimit {
    Rlimit { current: Some(limit), maximum: Some(limit) }
}

/// Restricts the calling thread and the threads that it starts to the given directories. Returns the version of the
/// landlock interface; 0 where the kernel has none.
fn restrict_files(directories: &[(OwnedFd, BitFlags<AccessFs>)]) -> Result<u32, LockError> {
    let status = enforce(directories).map_err(|error| LockError {
        what: "restrict its access to files",
        source: io::Error::other(error),
    })?;
    match (status.ruleset, status.landlock) {
        (RulesetStatus::NotEnforced, _)
        | (_, LandlockStatus::NotEnabled | LandlockStatus::NotImplemented) => Ok(0),
        (
            RulesetStatus::FullyEnforced | RulesetStatus::PartiallyEnforced,
            LandlockStatus::Available { effective_abi, kernel_abi },
        ) => Ok(kernel_abi.map_or(effective_abi as u32, i32::unsigned_abs)),
    }
}

fn enforce(
    directories: &[(OwnedFd, BitFlags<AccessFs>)],
) -> Result<landlock::RestrictionStatus, landlock::RulesetError> {
    let mut ruleset = Ruleset::default()
        .handle_access(AccessFs::from_all(LANDLOCK))?
        .handle_access(AccessNet::from_all(LANDLOCK))?
        .scope(Scope::from_all(LANDLOCK))?
        .create()?;
    for (directory, access) in directories {
        ruleset = ruleset.add_rule(PathBeneath::new(directory, *access))?;
    }
    ruleset.restrict_self()
}

fn open_directory(path: &Path) -> Result<OwnedFd, LockError> {
    let flags = OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC | OFlags::RDONLY;
    rustix::fs::open(path, flags, Mode::empty()).map_err(failed("open its directory"))
}

/// Replaces each standard stream with a null device.
pub(super) fn close_standard_streams() -> io::Result<()> {
    let null = File::options().read(true).write(true).open("/dev/null")?;
    rustix::stdio::dup2_stdin(&null)?;
    rustix::stdio::dup2_stdout(&null)?;
    rustix::stdio::dup2_stderr(&null)?;
    Ok(())
}

fn failed(what: &'static str) -> impl Fn(rustix::io::Errno) -> LockError {
    move |errno| LockError { what, source: errno.into() }
}

/// Why a worker could not be locked in.
#[derive(Debug, thiserror::Error)]
#[error("a worker cannot {what}")]
pub(super) struct LockError {
    what: &'static str,
    source: io::Error,
}
