//! The thread that starts worker processes.
//!
//! A worker asks the kernel to be killed when the thread that started it ends, so that it never outlives its
//! supervisor. So the starting thread must live as long as any plugin, whichever thread asks for a worker.

use std::ffi::OsString;
use std::io::{self, PipeReader, PipeWriter};
use std::os::fd::OwnedFd;
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;

use super::child::{Child, Children};

/// The program that runs as a worker: it calls [`run`](super::run), and does nothing before that.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WorkerProgram {
    path: PathBuf,
    arguments: Vec<OsString>,
}

impl WorkerProgram {
    /// A program, and the arguments with which it runs as a worker.
    pub fn new(path: impl Into<PathBuf>, arguments: impl IntoIterator<Item = impl Into<OsString>>) -> Self {
        Self { path: path.into(), arguments: arguments.into_iter().map(Into::into).collect() }
    }

    /// The program that is running now, with these arguments, even if its file was replaced since it started.
    pub fn this(arguments: impl IntoIterator<Item = impl Into<OsString>>) -> Self {
        Self::new("/proc/self/exe", arguments)
    }

    /// Starts the program. Its standard input and output are pipes, or its output is the given file; its standard error
    /// is the file that it works on. It has nothing else open and no environment.
    fn start(&self, wanted: Wanted, children: &Children) -> io::Result<Started> {
        let Wanted { name, file, output, writes_to } = wanted;
        let ((requests, to), (from, answers)) = (io::pipe()?, io::pipe()?);
        let answers = output.map_or_else(|| Stdio::from(answers), Stdio::from);
        let mut command = Command::new(&self.path);
        command.arg0(format!("conductor-worker {name}")).args(&self.arguments);
        command.env_clear().current_dir("/");
        command.stdin(Stdio::from(requests)).stdout(answers).stderr(Stdio::from(file));
        let child = children.adopt(command.spawn()?, writes_to)?;
        Ok(Started { child, from, to })
    }
}

/// A process that was started, with this side's ends of its pipes.
pub(super) struct Started {
    pub(super) child: Arc<Child>,
    pub(super) from: PipeReader,
    pub(super) to: PipeWriter,
}

type Answer = io::Result<Started>;

/// A process to start.
pub(super) struct Wanted {
    /// The name that the system's list of processes shows.
    pub(super) name: String,
    /// The sealed file that the process works on.
    pub(super) file: OwnedFd,
    /// A file to use as standard output in place of a pipe.
    pub(super) output: Option<OwnedFd>,
    /// Directories that the process will be able to write to.
    pub(super) writes_to: Vec<PathBuf>,
}

/// Starts workers on a thread of its own.
pub(super) struct Spawner {
    requests: Sender<(Wanted, Sender<Answer>)>,
}

impl Spawner {
    /// Starts the thread; every process that it starts is handed over to `children`.
    pub(super) fn start(program: WorkerProgram, children: Arc<Children>) -> io::Result<Self> {
        let (requests, waiting): (_, Receiver<(Wanted, Sender<Answer>)>) = channel();
        thread::Builder::new().name("conductor-spawn".into()).spawn(move || {
            // The loop ends when every sender is gone.
            for (wanted, answer) in waiting {
                // The requester may have given up; the child then ends because its pipes are closed.
                let _ = answer.send(program.start(wanted, &children));
            }
        })?;
        Ok(Self { requests })
    }

    /// Starts a worker.
    pub(super) fn spawn(&self, wanted: Wanted) -> Answer {
        let (answer, waiting) = channel();
        let gone = || io::Error::other("the thread that starts workers has ended");
        self.requests.send((wanted, answer)).map_err(|_| gone())?;
        waiting.recv().map_err(|_| gone())?
    }
}
