//! Inside a launcher and its keeper. Both have one thread, and neither has read anything that a plugin could have made but
//! the order, whose parts the kernel takes as they are.

use std::fs::{self, File};
use std::io::{self, Seek as _, Write as _};
use std::os::fd::{AsFd as _, AsRawFd as _, OwnedFd};
use std::os::unix::net::UnixStream;
use std::os::unix::process::{CommandExt as _, ExitStatusExt as _};
use std::process::{Command, ExitStatus, Stdio};

use landlock::{
    ABI, Access as _, AccessFs, AccessNet, PathBeneath, PathFd, Ruleset, RulesetAttr as _,
    RulesetCreatedAttr as _, RulesetStatus, Scope,
};
use nix::sched::CloneFlags;
use rustix::process::{Resource, Rlimit, Signal, setrlimit};
use rustix::thread::{CapabilitySet, CapabilitySets};

use super::order::{Ended, Order};

/// What the keeper is told apart from the launcher by: its process identifier in its namespace.
const KEEPER_PID: u32 = 1;

/// Most processes of a program; ends a fork bomb. The kernel counts those of the namespace alone.
const MAX_PROCESSES: u64 = 64;

/// Most open files of each process.
const MAX_FILES: u64 = 256;

/// Largest file that it may write; stops one that fills the disk.
const MAX_FILE_BYTES: u64 = 1024 * 1024 * 1024;

/// What a confined program may read and run: the system, nothing of the user's.
const SYSTEM: [&str; 10] =
    ["/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/etc", "/opt", "/dev/null", "/dev/urandom"];

/// Runs this process as a launcher. Standard input is the channel to the broker, standard output and error are those of
/// the program.
///
/// # Errors
///
/// Fails if the channel is no broker's. Why a program cannot be started is told over the channel.
pub fn run() -> Result<(), LaunchError> {
    let channel = channel().map_err(LaunchError::Channel)?;
    let result = if std::process::id() == KEEPER_PID { keep(&channel) } else { launch(&channel) };
    match result {
        Ok(None) => Ok(()),
        Ok(Some(ended)) => answer(&channel, &ended),
        Err(Fault { what, source }) => answer(&channel, &Ended::NotStarted(format!("{what}: {source}"))),
    }
}

/// The channel on standard input, with everything else closed but the program's output.
fn channel() -> io::Result<UnixStream> {
    let stream = io::stdin().as_fd().try_clone_to_owned()?;
    rustix::stdio::dup2_stdin(&File::open("/dev/null")?)?;
    crate::worker::close_inherited(&[stream.as_raw_fd()])?;
    Ok(UnixStream::from(stream))
}

fn answer(mut channel: &UnixStream, ended: &Ended) -> Result<(), LaunchError> {
    let bytes = ended.to_bytes().map_err(LaunchError::Channel)?;
    channel.write_all(&bytes).map_err(LaunchError::Channel)
}

/// Makes the namespaces and starts the keeper in them, which answers.
fn launch(channel: &UnixStream) -> Result<Option<Ended>, Fault> {
    end_with_parent()?;
    let (user, group) = (rustix::process::geteuid().as_raw(), rustix::process::getegid().as_raw());
    let namespaces = CloneFlags::CLONE_NEWUSER | CloneFlags::CLONE_NEWPID | CloneFlags::CLONE_NEWIPC;
    nix::sched::unshare(namespaces).map_err(|errno| Fault {
        what: "this system does not permit namespaces of a program's own, which end what it leaves behind",
        source: errno.into(),
    })?;
    let map = |file: &str, text: String| {
        fs::write(file, text).map_err(Fault::of("the program cannot keep its user"))
    };
    map("/proc/self/uid_map", format!("{user} {user} 1"))?;
    map("/proc/self/setgroups", "deny".to_owned())?;
    map("/proc/self/gid_map", format!("{group} {group} 1"))?;
    let stdin = channel.as_fd().try_clone_to_owned().map_err(Fault::of("no keeper can be started"))?;
    let mut keeper = Command::new("/proc/self/exe");
    keeper.arg0("conductor-keeper").args(std::env::args_os().skip(1)).stdin(stdin);
    let mut keeper = keeper.spawn().map_err(Fault::of("no keeper can be started"))?;
    keeper.wait().map_err(Fault::of("the keeper is lost"))?;
    Ok(None)
}

/// Starts the program and waits for it. What it leaves behind ends with this process.
fn keep(mut channel: &UnixStream) -> Result<Option<Ended>, Fault> {
    end_with_parent()?;
    let order = Order::read_from(&mut channel).map_err(Fault::of("the order is none"))?;
    rustix::process::setsid().map_err(Fault::of_errno("no session of its own"))?;
    limit_resources(&order)?;
    let none = CapabilitySets {
        effective: CapabilitySet::empty(),
        permitted: CapabilitySet::empty(),
        inheritable: CapabilitySet::empty(),
    };
    rustix::thread::set_capabilities(None, none).map_err(Fault::of_errno("capabilities stay"))?;
    rustix::thread::set_no_new_privs(true).map_err(Fault::of_errno("privileges could come back"))?;
    if order.confined {
        confine(&order)?;
    }
    let mut program = Command::new(&order.program);
    program.args(&order.arguments).env_clear().envs(order.environment.iter().cloned());
    program.current_dir(&order.directory).stdin(input(&order.input)?);
    let mut program = program.spawn().map_err(Fault::of("the program cannot be started"))?;
    let status = program.wait().map_err(Fault::of("the program is lost"))?;
    Ok(Some(Ended::of(status)))
}

/// Has the kernel end this process with the one that started it.
fn end_with_parent() -> Result<(), Fault> {
    rustix::process::set_parent_process_death_signal(Some(Signal::KILL))
        .map_err(Fault::of_errno("it would outlive who started it"))
}

/// A file in memory with what the program reads.
fn input(bytes: &[u8]) -> Result<Stdio, Fault> {
    let failed = Fault::of("no room for its input");
    let file = rustix::fs::memfd_create("input", rustix::fs::MemfdFlags::CLOEXEC).map_err(io::Error::from);
    let file: OwnedFd = file.map_err(&failed)?;
    let mut file = File::from(file);
    file.write_all(bytes).and_then(|()| file.rewind()).map_err(&failed)?;
    Ok(file.into())
}

fn limit_resources(order: &Order) -> Result<(), Fault> {
    let both = |limit: u64| Rlimit { current: Some(limit), maximum: Some(limit) };
    for (resource, limit) in [
        (Resource::Core, 0),
        (Resource::Nproc, MAX_PROCESSES),
        (Resource::Nofile, MAX_FILES),
        (Resource::Fsize, MAX_FILE_BYTES),
        (Resource::Cpu, order.time.as_secs() + 1),
    ] {
        setrlimit(resource, both(limit)).map_err(Fault::of_errno("its resources cannot be limited"))?;
    }
    Ok(())
}

/// Keeps the program to reading the system and writing in its directory, without TCP.
fn confine(order: &Order) -> Result<(), Fault> {
    let abi = ABI::V7;
    let read = AccessFs::from_read(abi);
    let enforce = || {
        let mut ruleset = Ruleset::default()
            .handle_access(AccessFs::from_all(abi))?
            .handle_access(AccessNet::from_all(abi))?
            .scope(Scope::from_all(abi))?
            .create()?;
        for path in SYSTEM {
            if let Ok(opened) = PathFd::new(path) {
                let access = if path.starts_with("/dev/") { AccessFs::from_file(abi) } else { read };
                ruleset = ruleset.add_rule(PathBeneath::new(opened, access))?;
            }
        }
        let program = PathFd::new(&order.program);
        if let Ok(program) = program {
            ruleset = ruleset.add_rule(PathBeneath::new(program, AccessFs::ReadFile | AccessFs::Execute))?;
        }
        if order.directory.parent().is_some()
            && let Ok(directory) = PathFd::new(&order.directory)
        {
            ruleset = ruleset.add_rule(PathBeneath::new(directory, AccessFs::from_all(abi)))?;
        }
        ruleset.restrict_self()
    };
    let status = enforce().map_err(|error: landlock::RulesetError| Fault {
        what: "the program cannot be confined",
        source: io::Error::other(error),
    })?;
    match status.ruleset {
        RulesetStatus::FullyEnforced | RulesetStatus::PartiallyEnforced => Ok(()),
        RulesetStatus::NotEnforced => Err(Fault {
            what: "the program cannot be confined",
            source: io::Error::other("this kernel has no landlock"),
        }),
    }
}

impl Ended {
    fn of(status: ExitStatus) -> Self {
        match (status.code(), status.signal()) {
            (Some(code), _) => Self::Exited(code),
            (None, signal) => Self::Signalled(signal.unwrap_or_default()),
        }
    }
}

/// Why a program was not started.
struct Fault {
    what: &'static str,
    source: io::Error,
}

impl Fault {
    fn of(what: &'static str) -> impl Fn(io::Error) -> Self {
        move |source| Self { what, source }
    }

    fn of_errno(what: &'static str) -> impl Fn(rustix::io::Errno) -> Self {
        move |errno| Self { what, source: errno.into() }
    }
}

/// Why a launcher ended without an answer.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LaunchError {
    /// The channel to the broker failed.
    #[error("the channel to the broker failed: {0}")]
    Channel(io::Error),
}
