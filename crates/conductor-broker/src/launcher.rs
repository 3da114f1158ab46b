//! Running a program of the user's for a plugin, so that nothing of it outlives its time.
//!
//! The broker starts a *launcher*: the host's own program, which makes namespaces of its own for users and processes. In
//! them it starts itself once more as their first process, the *keeper*, which hands its process descriptor to the broker
//! and waits. Only then is it given the [`Order`]: it limits itself, starts the program and waits for it.
//!
//! When the keeper ends, the kernel ends every process of the namespace, whatever session or group it made for itself, and
//! only after that does the descriptor become readable: that is when a program *has ended*. The broker ends it by that
//! descriptor. If the broker is gone, the keeper ends with the launcher, and that with the thread that started it; until
//! the broker has seen that both hold, nothing runs. Neither can be read or changed by the program.

mod channel;
mod confinement;
mod descent;
mod ending;
mod forbidden;
mod inside;
mod keeper;
mod order;
mod process_descriptor;
#[cfg(test)]
#[path = "../../../tests/support/seccomp.rs"]
mod seccomp;
mod waiting;

use std::ffi::OsString;
use std::io::{self, ErrorKind};
use std::os::fd::{AsFd as _, BorrowedFd, OwnedFd};
use std::os::unix::process::CommandExt as _;
use std::path::PathBuf;
use std::process::{ChildStderr, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};

use channel::Channel;
use conductor_confine::system_calls::{Call, StageCalls};
pub use descent::{Peer, PeerError, peer_of, programs_hold_socket, user_of};
pub(crate) use ending::Place;
use ending::{Processes, Undertaker};
pub use inside::{LaunchError, run, run_with};
use keeper::Keeper;
pub(crate) use order::{Ended, Order};
use order::{Instruction, Word};
pub use waiting::Waiting;

/// What launchers and keepers may ask the kernel for, once they have started what they wait for.
#[must_use]
pub fn stages() -> [StageCalls; 2] {
    waiting::stages()
}

/// What a confined program is refused.
pub fn refused_to_programs() -> impl Iterator<Item = &'static Call> {
    confinement::refused()
}

/// How a program of the host's calls [`run`]: where Subprocess is to be had, embedders name one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Launcher {
    path: PathBuf,
    arguments: Vec<OsString>,
}

/// A program that is being started, or runs.
pub(crate) struct Launched {
    /// There until this is dropped.
    processes: Option<Processes>,
    channel: Channel,
    /// Until it is handed over.
    order: Option<OwnedFd>,
    pub(crate) stdout: ChildStdout,
    pub(crate) stderr: ChildStderr,
}

/// What a launcher or keeper has said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Heard {
    /// The program is started now.
    Started,
    /// How it ended, or why it was not started.
    Ended(Ended),
    /// There is nothing more to be heard.
    Nothing,
}

/// What became of a program that was told to end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    /// It had not been started, and is not any more.
    NotStarted,
    /// Nothing of it is left.
    Ended,
    /// The kernel has been told, and has not ended all of it yet: a process that waits for a device cannot be ended.
    Ending,
}

impl Launcher {
    /// A program and the arguments with which it does nothing but call [`run`].
    pub fn new(path: impl Into<PathBuf>, arguments: impl IntoIterator<Item = impl Into<OsString>>) -> Self {
        Self { path: path.into(), arguments: arguments.into_iter().map(Into::into).collect() }
    }

    /// The program that is running now, even if its file was replaced since, with these arguments.
    pub fn this(arguments: impl IntoIterator<Item = impl Into<OsString>>) -> Self {
        Self::new("/proc/self/exe", arguments)
    }

    /// Whether programs can be started here: makes what one would be started in, and starts none.
    ///
    /// # Errors
    ///
    /// Says in words why not.
    pub fn check(&self, patience: Duration) -> Result<(), String> {
        let order = Order {
            program: PathBuf::from("/"),
            arguments: Vec::new(),
            environment: Vec::new(),
            directory: PathBuf::from("/"),
            input: Vec::new(),
            time: Duration::ZERO,
            max_file_bytes: 0,
            confined: true,
        };
        let said = self.launch(&order, Box::new(())).and_then(|launched| {
            let wait = Timespec {
                tv_sec: patience.as_secs().cast_signed(),
                tv_nsec: patience.subsec_nanos().into(),
            };
            poll(&mut [PollFd::from_borrowed_fd(launched.channel(), PollFlags::IN)], Some(&wait))?;
            // Without a word to go on, what was made ends with this.
            launched.channel.try_receive::<Word>()
        });
        match said {
            Ok(Some((Word::Ready, _))) => Ok(()),
            Ok(Some((Word::Ended(Ended::NotStarted(why)), _))) => Err(why),
            Ok(Some((Word::Ended(Ended::Exited(_) | Ended::Signalled(_)), _)) | None) => {
                Err("what starts programs ended without a word".to_owned())
            }
            Err(error) if error.kind() == ErrorKind::WouldBlock => {
                Err(format!("what starts programs has not answered in {} s", patience.as_secs()))
            }
            Err(error) => Err(format!("no process starts: {error}")),
        }
    }

    /// Begins to start what the order says; `place` is given back when nothing of it is left.
    pub(crate) fn launch(&self, order: &Order, place: Place) -> io::Result<Launched> {
        Undertaker::get()?;
        let (channel, far) = Channel::pair()?;
        let mut command = Command::new(&self.path);
        command.arg0("conductor-launcher").args(&self.arguments);
        command.env_clear().current_dir("/").process_group(0);
        command.stdin(far).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut launcher = command.spawn()?;
        // It holds the far end of the channel, which is to be the launcher's alone.
        drop(command);
        let (Some(stdout), Some(stderr)) = (launcher.stdout.take(), launcher.stderr.take()) else {
            return Err(io::Error::other("a pipe is missing"));
        };
        let processes = Some(Processes::new(launcher, place)?);
        // From here on, whatever fails, the launcher is ended and cleared up after.
        let mut launched = Launched { processes, channel, order: None, stdout, stderr };
        for output in [launched.stdout.as_fd(), launched.stderr.as_fd()] {
            rustix::io::ioctl_fionbio(output, true)?;
        }
        launched.order = Some(order.to_file()?);
        launched.channel.send(&Instruction::Prepare { confined: order.confined }, None)?;
        Ok(launched)
    }
}

impl Launched {
    /// Takes what was said, once there is something to be heard; tells the keeper to start the program when it is ready.
    pub(crate) fn hear(&mut self) -> io::Result<Heard> {
        match self.channel.try_receive::<Word>()? {
            None => Ok(Heard::Nothing),
            Some((Word::Ended(ended), _)) => Ok(Heard::Ended(ended)),
            Some((Word::Ready, descriptor)) => {
                let (Some(descriptor), Some(order)) = (descriptor, self.order.take()) else {
                    return Err(ErrorKind::InvalidData.into());
                };
                let Some(processes) = &mut self.processes else { return Ok(Heard::Nothing) };
                processes.keeper = Some(Keeper::new(descriptor)?);
                // The keeper ends with the launcher and the launcher with this thread, both from before this word on: if
                // the launcher lives now, neither end can be missed. If it does not, its last word is why.
                if !processes.launcher_lives() {
                    return self.hear();
                }
                match self.channel.send(&Instruction::Go, Some(order.as_fd())) {
                    Ok(()) => Ok(Heard::Started),
                    Err(error) if error.kind() == ErrorKind::BrokenPipe => self.hear(),
                    Err(error) => Err(error),
                }
            }
        }
    }

    /// Where something is heard.
    pub(crate) fn channel(&self) -> BorrowedFd<'_> {
        self.channel.as_fd()
    }

    /// What is readable when nothing of the program is left; none before it is started.
    pub(crate) fn end(&self) -> Option<BorrowedFd<'_>> {
        Some(self.processes.as_ref()?.keeper.as_ref()?.as_fd())
    }

    /// Ends whatever still runs, and sees for at most so long whether it does.
    pub(crate) fn end_within(mut self, wait: Duration) -> End {
        if let Some(processes) = &mut self.processes {
            processes.kill();
        }
        let until = Instant::now() + wait;
        let is_started = self.end().is_some();
        // A launcher that has not got so far is seen to end as well, so that the next program finds its place free.
        let Some(end) = self.end().or_else(|| self.processes.as_ref()?.launcher_end()) else {
            return End::NotStarted;
        };
        loop {
            let left = until.saturating_duration_since(Instant::now());
            let left = Timespec { tv_sec: left.as_secs().cast_signed(), tv_nsec: left.subsec_nanos().into() };
            match poll(&mut [PollFd::from_borrowed_fd(end, PollFlags::IN)], Some(&left)) {
                Ok(_) | Err(_) if !is_started => return End::NotStarted,
                Ok(1..) => return End::Ended,
                Err(rustix::io::Errno::INTR) => {}
                Ok(_) | Err(_) => return End::Ending,
            }
        }
    }
}

impl Drop for Launched {
    /// Ends whatever still runs, and waits for nothing.
    fn drop(&mut self) {
        if let Some(mut processes) = self.processes.take() {
            processes.kill();
            if let Ok(undertaker) = Undertaker::get() {
                undertaker.take(processes);
            }
        }
    }
}
