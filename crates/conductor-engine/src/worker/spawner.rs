//! The thread that starts worker processes.
//!
//! A worker asks the kernel to be killed when the thread that started it ends, so that it never outlives its supervisor. That
//! thread must therefore live as long as any plugin, whichever thread asks for one.

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

    /// Starts the program with pipes as its standard input and output, or a file in place of the latter, what it works on as
    /// its standard error, nothing else open and no environment.
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

/// What to start.
pub(super) struct Wanted {
    /// What the system's list of processes shows.
    pub(super) name: String,
    /// The sealed file that it works on.
    pub(super) file: OwnedFd,
    /// A file that it writes to in place of a pipe.
    pub(super) output: Option<OwnedFd>,
    /// Directories that it will be able to write to.
    pub(super) writes_to: Vec<PathBuf>,
}

/// Starts workers on a thread of its own.
pub(super) struct Spawner {
    requests: Sender<(Wanted, Sender<Answer>)>,
}

impl Spawner {
    /// Starts the thread; it hands over to `children` what it starts.
    pub(super) fn start(program: WorkerProgram, children: Arc<Children>) -> io::Result<Self> {
        let (requests, waiting): (_, Receiver<(Wanted, Sender<Answer>)>) = channel();
        thread::Builder::new().name("conductor-spawn".into()).spawn(move || {
            // Ends when the last one who could ask is gone.
            for (wanted, answer) in waiting {
                // Who asked may have given up; the child then ends with its pipes.
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
