//! The thread that starts worker processes.
//!
//! A worker asks the kernel to be killed when the thread that started it ends, so that it never outlives its supervisor. That
//! thread must therefore live as long as any plugin, whichever thread asks for one.

use std::ffi::OsString;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;

/// The program that runs as a worker: it calls [`run`](super::run) and does nothing before.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WorkerProgram {
    path: PathBuf,
    arguments: Vec<OsString>,
}

impl WorkerProgram {
    /// A program and the arguments that make it a worker.
    pub fn new(path: impl Into<PathBuf>, arguments: impl IntoIterator<Item = impl Into<OsString>>) -> Self {
        Self { path: path.into(), arguments: arguments.into_iter().map(Into::into).collect() }
    }

    /// The program that is running now, even if its file was replaced since, with these arguments.
    pub fn this(arguments: impl IntoIterator<Item = impl Into<OsString>>) -> Self {
        Self::new("/proc/self/exe", arguments)
    }

    /// Starts the program with one end of a socket as its standard input, nothing else open and no environment.
    fn start(&self, name: &str) -> io::Result<(Child, UnixStream)> {
        let (near, far) = UnixStream::pair()?;
        let mut command = Command::new(&self.path);
        command.arg0(format!("conductor-worker {name}")).args(&self.arguments);
        command.env_clear().current_dir("/");
        command.stdin(OwnedFd::from(far)).stdout(Stdio::null()).stderr(Stdio::null());
        command.spawn().map(|child| (child, near))
    }
}

type Answer = io::Result<(Child, UnixStream)>;

/// Starts workers on a thread of its own.
pub(super) struct Spawner {
    requests: Sender<(String, Sender<Answer>)>,
}

impl Spawner {
    pub(super) fn start(program: WorkerProgram) -> io::Result<Self> {
        let (requests, waiting): (_, Receiver<(String, Sender<Answer>)>) = channel();
        thread::Builder::new().name("conductor-spawn".into()).spawn(move || {
            // Ends when the last one who could ask is gone.
            for (name, answer) in waiting {
                // Who asked may have given up; the child then ends with the socket.
                let _ = answer.send(program.start(&name));
            }
        })?;
        Ok(Self { requests })
    }

    /// Starts a worker; `name` is what the system's list of processes shows.
    pub(super) fn spawn(&self, name: &str) -> Answer {
        let (answer, waiting) = channel();
        let gone = || io::Error::other("the thread that starts workers has ended");
        self.requests.send((name.to_owned(), answer)).map_err(|_| gone())?;
        waiting.recv().map_err(|_| gone())?
    }
}
