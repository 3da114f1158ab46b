//! Inside a launcher and its keeper. Both have one thread, and neither has read anything that a plugin could have made but
//! the order, whose parts the kernel takes as they are.

use std::fs::{self, File};
use std::io;
use std::os::fd::{AsFd as _, AsRawFd as _};
use std::os::unix::process::{CommandExt as _, ExitStatusExt as _};
use std::process::{Command, ExitStatus};

use conductor_confine::descriptors::close_inherited;
use nix::sched::CloneFlags;
use rustix::process::{DumpableBehavior, PidfdFlags, Resource, Rlimit, Signal, setrlimit};
use rustix::thread::{CapabilitySet, CapabilitySets};

use super::channel::Channel;
use super::confinement::confine;
use super::forbidden::explained;
use super::order::{Ended, Instruction, Order, Word, file_of};
use super::waiting::{self, Waiting};

/// What the keeper is called, which is what it is told by from outside.
pub(super) const KEEPER_NAME: &str = "conductor-keeper";

/// What the keeper is told apart from the launcher by: its process identifier in its namespace.
const KEEPER_PID: u32 = 1;

/// Most processes of a program; ends a fork bomb. The kernel counts those of the namespace alone.
const MAX_PROCESSES: u64 = 64;

/// Most open files of each process.
const MAX_FILES: u64 = 256;

/// Largest file that it may write, where the order says no less; stops one that fills the disk.
const MAX_FILE_BYTES: u64 = 1024 * 1024 * 1024;

/// Runs this process as a launcher. Standard input is the channel to the broker, standard output and error are those of
/// the program.
///
/// # Errors
///
/// Fails if the channel is no broker's. Why a program cannot be started is told over the channel.
pub fn run() -> Result<(), LaunchError> {
    run_with(|_| {})
}

/// As [`run`], where whoever tests says what happens when the launcher or keeper has nothing left to do but to wait.
///
/// # Errors
///
/// As [`run`].
#[doc(hidden)]
pub fn run_with(waits: impl FnOnce(Waiting)) -> Result<(), LaunchError> {
    let channel = channel().map_err(LaunchError::Channel)?;
    let result =
        if std::process::id() == KEEPER_PID { keep(&channel, waits) } else { launch(&channel, waits) };
    let ended = match result {
        Ok(None) => return Ok(()),
        Ok(Some(ended)) => ended,
        Err(fault) => Ended::not_started(&format!("{}: {}", fault.what, fault.source)),
    };
    channel.send(&Word::Ended(ended), None).map_err(LaunchError::Channel)
}

/// The channel on standard input, with everything else closed but the program's output.
fn channel() -> io::Result<Channel> {
    let end = io::stdin().as_fd().try_clone_to_owned()?;
    rustix::stdio::dup2_stdin(&File::open("/dev/null")?)?;
    close_inherited(&[end.as_raw_fd()])?;
    Ok(Channel::from_end(end))
}

/// Makes the namespaces and starts the keeper in them, which answers.
fn launch(channel: &Channel, waits: impl FnOnce(Waiting)) -> Result<Option<Ended>, Fault> {
    let Some(Instruction::Prepare { confined }) = instruction(channel)?.map(|(instruction, _)| instruction)
    else {
        return Ok(None);
    };
    let (user, group) = (rustix::process::geteuid().as_raw(), rustix::process::getegid().as_raw());
    let namespaces = CloneFlags::CLONE_NEWUSER | CloneFlags::CLONE_NEWPID | CloneFlags::CLONE_NEWIPC;
    unshare(
        namespaces,
        "this system does not permit namespaces of a program's own, which end what it leaves behind",
    )?;
    if confined {
        unshare(
            CloneFlags::CLONE_NEWNET,
            "the program cannot be confined, because it gets no network namespace of its own",
        )?;
    }
    let map = |file: &str, text: String| {
        // AppArmor lets a process have a namespace, and then do nothing in it.
        fs::write(file, text).map_err(explained).map_err(Fault::of("the program cannot keep its user"))
    };
    map("/proc/self/uid_map", format!("{user} {user} 1"))?;
    map("/proc/self/setgroups", "deny".to_owned())?;
    map("/proc/self/gid_map", format!("{group} {group} 1"))?;
    hide()?;
    end_with_parent()?;
    let stdin = channel.try_clone().map_err(Fault::of("no keeper can be started"))?;
    let mut keeper = Command::new("/proc/self/exe");
    keeper.arg0(KEEPER_NAME).args(std::env::args_os().skip(1)).stdin(stdin);
    let mut keeper = keeper.spawn().map_err(Fault::of("no keeper can be started"))?;
    wait_only(Waiting::Launcher)?;
    waits(Waiting::Launcher);
    keeper.wait().map_err(Fault::of("the keeper is lost"))?;
    Ok(None)
}

/// Starts the program when it is told to, and waits for it. What it leaves behind ends with this process.
fn keep(channel: &Channel, waits: impl FnOnce(Waiting)) -> Result<Option<Ended>, Fault> {
    hide()?;
    end_with_parent()?;
    let itself =
        rustix::process::pidfd_open(rustix::process::getpid(), PidfdFlags::empty()).map_err(io::Error::from);
    let itself = itself.map_err(Fault::of("the keeper has no descriptor of itself"))?;
    channel.send(&Word::Ready, Some(itself.as_fd())).map_err(Fault::of("nobody waits for the program"))?;
    // Whoever would say it is gone if the channel is closed, and nothing is started then.
    let Some((Instruction::Go, Some(order))) = instruction(channel)? else { return Ok(None) };
    drop(itself);

    let order = Order::from_file(order).map_err(Fault::of("the order is none"))?;
    rustix::process::setsid().map_err(Fault::of_errno("no session of its own"))?;
    limit_resources(&order)?;
    let none = CapabilitySets {
        effective: CapabilitySet::empty(),
        permitted: CapabilitySet::empty(),
        inheritable: CapabilitySet::empty(),
    };
    rustix::thread::set_capabilities(None, none).map_err(Fault::of_errno("capabilities stay"))?;
    rustix::thread::set_no_new_privs(true).map_err(Fault::of_errno("privileges could come back"))?;
    let input = file_of("input", &order.input).map_err(Fault::of("no room for its input"))?;
    if order.confined {
        confine(&order).map_err(Fault::of("the program cannot be confined"))?;
    }
    let mut program = Command::new(&order.program);
    program.args(&order.arguments).env_clear().envs(order.environment.iter().cloned());
    program.current_dir(&order.directory).stdin(input);
    let mut program = program.spawn().map_err(Fault::of("the program cannot be started"))?;
    wait_only(Waiting::Keeper)?;
    waits(Waiting::Keeper);
    let status = program.wait().map_err(Fault::of("the program is lost"))?;
    Ok(Some(Ended::of(status)))
}

fn instruction(channel: &Channel) -> Result<Option<super::channel::Message<Instruction>>, Fault> {
    channel.receive().map_err(Fault::of("there is no instruction"))
}

fn unshare(namespaces: CloneFlags, what: &'static str) -> Result<(), Fault> {
    nix::sched::unshare(namespaces).map_err(|errno| Fault { what, source: explained(errno.into()) })
}

/// Keeps processes of the same user, which the program is one of, from reading and changing this one.
fn hide() -> Result<(), Fault> {
    rustix::process::set_dumpable_behavior(DumpableBehavior::NotDumpable)
        .map_err(Fault::of_errno("the program could change who watches it"))
}

/// Has the kernel end this process with the one that started it.
///
/// That one may be gone already, which nobody needs to ask here: the broker says [`Instruction::Go`] only while it lives
/// itself and its launcher does, and both have this behind them when the keeper is ready.
fn end_with_parent() -> Result<(), Fault> {
    rustix::process::set_parent_process_death_signal(Some(Signal::KILL))
        .map_err(Fault::of_errno("it would outlive who started it"))
}

/// Gives up every system call but those of whoever waits. If that fails, this process ends, and what it has started with it.
fn wait_only(waiting: Waiting) -> Result<(), Fault> {
    waiting::confine(waiting).map_err(Fault::of("what watches over the program cannot be confined"))
}

fn limit_resources(order: &Order) -> Result<(), Fault> {
    let both = |limit: u64| Rlimit { current: Some(limit), maximum: Some(limit) };
    for (resource, limit) in [
        (Resource::Core, 0),
        (Resource::Nproc, MAX_PROCESSES),
        (Resource::Nofile, MAX_FILES),
        (Resource::Fsize, order.max_file_bytes.min(MAX_FILE_BYTES)),
        (Resource::Cpu, order.time.as_secs().saturating_add(1)),
    ] {
        setrlimit(resource, both(limit)).map_err(Fault::of_errno("its resources cannot be limited"))?;
    }
    Ok(())
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
