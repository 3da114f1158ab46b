//! What a worker gives up before it starts a thread or touches a byte of its plugin.

use std::fs::File;
use std::io;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use landlock::{
    ABI, Access as _, AccessFs, AccessNet, BitFlags, LandlockStatus, PathBeneath, Ruleset, RulesetAttr,
    RulesetCreatedAttr, RulesetStatus, Scope,
};
use nix::sched::CloneFlags;
use rustix::fs::{Mode, OFlags};
use rustix::process::{DumpableBehavior, Resource, Rlimit, Signal, setrlimit};
use rustix::thread::{CapabilitySet, CapabilitySets};

use super::order::Order;
use crate::code_cache::MAX_CODE_BYTES;
use crate::walls::ProcessWall;

/// Descriptors that a worker needs beside those of its plugin: null devices, its channel, the plugin's bytes, the data directory
/// and a walk through it. As few as are needed: what a worker that was taken over has open keeps its space on the disk even
/// without a name.
const OWN_DESCRIPTORS: u64 = 16;

/// Newest landlock interface whose rights this file names; an older kernel enforces those that it knows.
const LANDLOCK: ABI = ABI::V7;

/// What is left to the worker once it is locked.
pub(super) struct Locked {
    pub(super) wall: ProcessWall,
    /// The directory of its compiled code.
    pub(super) cache: Option<OwnedFd>,
}

/// Locks the process, which has one thread. Paths in the order are changed to what they are called from inside.
pub(super) fn lock(order: &mut Order) -> Result<Locked, LockError> {
    let cache = order.cache.as_ref().map(|cache| open_directory(&cache.directory)).transpose()?;
    let directories = order
        .surroundings
        .directories
        .iter()
        .map(|access| Ok((open_directory(&access.host)?, access.writable)))
        .collect::<Result<Vec<_>, LockError>>()?;

    let namespaces = CloneFlags::CLONE_NEWUSER | CloneFlags::CLONE_NEWNET | CloneFlags::CLONE_NEWIPC;
    let user_namespace = nix::sched::unshare(namespaces).is_ok();
    let root = user_namespace && change_root(order);
    rustix::process::set_parent_process_death_signal(Some(Signal::KILL))
        .map_err(failed("be ended with the supervisor"))?;
    limit_resources(order)?;
    let none = CapabilitySets {
        effective: CapabilitySet::empty(),
        permitted: CapabilitySet::empty(),
        inheritable: CapabilitySet::empty(),
    };
    rustix::thread::set_capabilities(None, none).map_err(failed("give up its capabilities"))?;
    rustix::process::set_dumpable_behavior(DumpableBehavior::NotDumpable)
        .map_err(failed("hide its memory from other processes"))?;
    rustix::thread::set_no_new_privs(true).map_err(failed("give up new privileges"))?;
    let landlock_abi = restrict_files(&directories, cache.as_ref())?;

    let wall =
        ProcessWall { landlock_abi, seccomp: false, user_namespace, network_namespace: user_namespace, root };
    Ok(Locked { wall, cache })
}

/// Makes the plugin's own directory the root, so that a path outside of it cannot even be named; where the plugin has none,
/// the directory of its code. Development directories elsewhere are named by their paths, so with them the root stays.
fn change_root(order: &mut Order) -> bool {
    let root = match (order.surroundings.directories.as_slice(), &order.cache) {
        ([own], _) => own.host.clone(),
        ([], Some(cache)) => cache.directory.clone(),
        (_, _) => return false,
    };
    let changed = rustix::process::chroot(&root).is_ok() && rustix::process::chdir("/").is_ok();
    if changed && let Some(own) = order.surroundings.directories.first_mut() {
        own.host = PathBuf::from("/");
    }
    changed
}

/// Sets what holds from before compilation on; the supervisor changes some of it once the plugin is compiled.
fn limit_resources(order: &Order) -> Result<(), LockError> {
    let both = |limit: u64| Rlimit { current: Some(limit), maximum: Some(limit) };
    let limits = &order.surroundings.limits;
    let file = order.surroundings.quota.map_or(0, |quota| quota.bytes).max(MAX_CODE_BYTES);
    // Reaching the size of a file is then an error to whoever writes, not the end of the process.
    signal_hook::flag::register(signal_hook::consts::SIGXFSZ, Arc::default())
        .map_err(|source| LockError { what: "ignore the signal of a full file", source })?;
    let compile_time = Rlimit { current: Some(order.max_compile_seconds), maximum: None };
    let memory = Rlimit { current: Some(order.max_compile_bytes), maximum: None };
    for (resource, limit) in [
        (Resource::Core, both(0)),
        (Resource::Fsize, both(file)),
        (Resource::Nofile, both(u64::from(limits.max_open_files) + OWN_DESCRIPTORS)),
        (Resource::Cpu, compile_time),
        (Resource::Data, memory),
    ] {
        setrlimit(resource, limit).map_err(failed("limit its resources"))?;
    }
    Ok(())
}

/// Restricts the calling thread, and those that it starts, to the given directories. Returns the interface's version; 0 where
/// the kernel has none.
fn restrict_files(directories: &[(OwnedFd, bool)], cache: Option<&OwnedFd>) -> Result<u32, LockError> {
    let read = AccessFs::ReadFile | AccessFs::ReadDir;
    let write = read
        | AccessFs::WriteFile
        | AccessFs::Truncate
        | AccessFs::MakeReg
        | AccessFs::MakeDir
        | AccessFs::MakeSym
        | AccessFs::RemoveFile
        | AccessFs::RemoveDir
        | AccessFs::Refer;
    let keep = read | AccessFs::WriteFile | AccessFs::Truncate | AccessFs::MakeReg | AccessFs::RemoveFile;
    let rules = directories
        .iter()
        .map(|(directory, writable)| (directory, if *writable { write } else { read }))
        .chain(cache.map(|directory| (directory, keep)));
    let status = enforce(rules).map_err(|error| LockError {
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

fn enforce<'a>(
    rules: impl Iterator<Item = (&'a OwnedFd, BitFlags<AccessFs>)>,
) -> Result<landlock::RestrictionStatus, landlock::RulesetError> {
    let mut ruleset = Ruleset::default()
        .handle_access(AccessFs::from_all(LANDLOCK))?
        .handle_access(AccessNet::from_all(LANDLOCK))?
        .scope(Scope::from_all(LANDLOCK))?
        .create()?;
    for (directory, access) in rules {
        ruleset = ruleset.add_rule(PathBeneath::new(directory, access))?;
    }
    ruleset.restrict_self()
}

fn open_directory(path: &Path) -> Result<OwnedFd, LockError> {
    let flags = OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC | OFlags::RDONLY;
    rustix::fs::open(path, flags, Mode::empty()).map_err(failed("open its directory"))
}

/// Takes a null device in place of each standard stream.
pub(super) fn close_standard_streams() -> io::Result<()> {
    let null = File::options().read(true).write(true).open("/dev/null")?;
    rustix::stdio::dup2_stdin(&null)?;
    rustix::stdio::dup2_stdout(&null)?;
    rustix::stdio::dup2_stderr(&null)?;
    Ok(())
}

/// Closes every descriptor beyond the standard streams but those given: what the host's libraries opened without asking that
/// it be closed in children.
pub(crate) fn close_inherited(kept: &[i32]) -> io::Result<()> {
    let open: Vec<i32> = std::fs::read_dir("/proc/self/fd")?
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
        .filter(|number| *number > 2 && !kept.contains(number))
        .collect();
    for number in open {
        // The one that the list was read through is closed already.
        let _ = nix::unistd::close(number);
    }
    Ok(())
}

fn failed(what: &'static str) -> impl Fn(rustix::io::Errno) -> LockError {
    move |errno| LockError { what, source: errno.into() }
}

/// Why a worker could not be locked.
#[derive(Debug, thiserror::Error)]
#[error("a worker cannot {what}")]
pub(super) struct LockError {
    what: &'static str,
    source: io::Error,
}
