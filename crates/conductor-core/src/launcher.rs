//! Running a program of the user's for a plugin, so that nothing of it outlives its time.
//!
//! The broker starts a *launcher*: the host's own program, which reads an [`Order`] and makes namespaces of
//! its own for users and processes. In them it starts itself once more as their first process, the *keeper*, which limits
//! itself, starts the program and waits for it. When the keeper ends, the kernel ends every process of the namespace,
//! whatever session or group it made for itself; and the keeper is ended with the launcher, and that with the thread that
//! started it.

mod inside;
mod order;

use std::ffi::OsString;
use std::io::{self, Read, Write as _};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt as _;
use std::path::PathBuf;
use std::process::{Child, ChildStderr, ChildStdout, Command, Stdio};

pub use inside::{LaunchError, run};
pub(crate) use order::{Ended, Order};

/// How a program of the host's calls [`run`]: where Subprocess is to be had, embedders name one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Launcher {
    path: PathBuf,
    arguments: Vec<OsString>,
}

/// A program that runs.
pub(crate) struct Launched {
    launcher: Child,
    channel: UnixStream,
    pub(crate) stdout: ChildStdout,
    pub(crate) stderr: ChildStderr,
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

    /// Starts what the order says.
    pub(crate) fn launch(&self, order: &Order) -> io::Result<Launched> {
        let (mut channel, far) = UnixStream::pair()?;
        let mut command = Command::new(&self.path);
        command.arg0("conductor-launcher").args(&self.arguments);
        command.env_clear().current_dir("/").process_group(0);
        command.stdin(OwnedFd::from(far)).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut launcher = command.spawn()?;
        // What the launcher does not read in full, it does not start.
        let _ = order.write_to(&mut channel).and_then(|()| channel.flush());
        match (launcher.stdout.take(), launcher.stderr.take()) {
            (Some(stdout), Some(stderr)) => Ok(Launched { launcher, channel, stdout, stderr }),
            (_, _) => Err(io::Error::other("a pipe is missing")),
        }
    }
}

impl Launched {
    /// How the program ended, once its output has: says why if it was not even started.
    pub(crate) fn ended(&mut self) -> io::Result<Ended> {
        let mut answer = Vec::new();
        (&mut self.channel).take(order::MAX_ANSWER_BYTES).read_to_end(&mut answer)?;
        order::Ended::read(&answer)
    }

    /// Where the keeper says how the program ended.
    pub(crate) const fn channel(&self) -> &UnixStream {
        &self.channel
    }
}

impl Drop for Launched {
    /// Ends whatever still runs.
    fn drop(&mut self) {
        // It may have ended by itself; either way it is waited for, so that no zombie stays.
        let _ = self.launcher.kill();
        let _ = self.launcher.wait();
    }
}
