//! Processes that ask the file systems on which plugins' paths lie.
//!
//! Whoever asks a file system that does not answer sleeps in the kernel, and no signal ends that sleep. A sleeping
//! thread of the host's process would keep the whole process, with everything that it has open, from ending. So a
//! separate process asks, which has nothing open but its channel and a file in memory, and the host's thread waits at a
//! pipe. Modules are handed over in that file, because sending them through the pipe would wake both sides for each
//! piece.

use std::fs::File;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf, absolute};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::{Duration, Instant};

use conductor_confine::errands::Errands;
use conductor_confine::measuring::{self, PATIENCE};
use conductor_confine::usage::{Found, look_through};
use conductor_signing::{PluginParts, ReadError, UnverifiedPlugin};
use rustix::process::{Signal, set_parent_process_death_signal};
use serde::{Deserialize, Serialize};

use super::channel::{Channel, ChannelError};
use super::child::Child;
use super::error::WorkerError;
use super::frame::ToWorker;
use super::spawner::{Spawner, Started, Wanted};
use crate::files::{FileState, Files};
use crate::guest::{SetupError, data_directory};
use crate::sealed::SealedFile;

/// Most idle processes that are kept for later questions.
const MAX_IDLE: usize = 2;

/// Longest answer: the companions of a module, or the states of as many files as fit into a question.
const MAX_ANSWER_BYTES: u64 = u32::MAX as u64;

/// A question about a file system.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) enum Question {
    /// What does a directory hold?
    Found { directory: PathBuf, max_files: u32 },
    /// Create a plugin's own directory if it is missing.
    DataDirectory { parent: PathBuf, name: String },
    /// Which path does this path give with all links resolved?
    Canonical { path: PathBuf },
    /// In which state are these files?
    States { paths: Vec<PathBuf> },
    /// What is in a plugin and its companions?
    Read { path: PathBuf, max_bytes: u64 },
}

/// The answer to a question.
#[derive(Debug, Serialize, Deserialize)]
enum Answer {
    Found(Found),
    Directory(Result<PathBuf, DirectoryFault>),
    States(Vec<Option<FileState>>),
    /// The module itself is in the shared file.
    Read(Result<Beside, ReadFault>),
}

/// The name and the companions of a module that was read.
#[derive(Debug, Serialize, Deserialize)]
struct Beside {
    file_name: String,
    document: Option<Vec<u8>>,
    rotation: Option<Vec<u8>>,
}

/// Why there is no directory.
#[derive(Debug, Serialize, Deserialize)]
enum DirectoryFault {
    Other,
    Failed(SystemFault),
}

/// A [`ReadError`] in a form that can be sent.
#[derive(Debug, Serialize, Deserialize)]
enum ReadFault {
    Missing(PathBuf),
    NotRegular(PathBuf),
    TooLarge(PathBuf, u64),
    CompanionTooLarge(PathBuf, u64),
    Unreadable(PathBuf, SystemFault),
}

/// An error of the operating system.
#[derive(Debug, Serialize, Deserialize)]
struct SystemFault {
    number: Option<i32>,
    text: String,
}

impl SystemFault {
    fn of(error: &io::Error) -> Self {
        Self { number: error.raw_os_error(), text: error.to_string() }
    }

    fn error(self) -> io::Error {
        self.number.map_or_else(|| io::Error::other(self.text), io::Error::from_raw_os_error)
    }
}

impl ReadFault {
    fn of(error: ReadError, asked: &Path) -> Self {
        match error {
            ReadError::Missing { path } => Self::Missing(path),
            ReadError::NotRegular { path } => Self::NotRegular(path),
            ReadError::TooLarge { path, max } => Self::TooLarge(path, max),
            ReadError::CompanionTooLarge { path, max } => Self::CompanionTooLarge(path, max),
            ReadError::Unreadable { path, source } => Self::Unreadable(path, SystemFault::of(&source)),
            // An error that this version does not know is sent as text.
            other => {
                Self::Unreadable(asked.to_owned(), SystemFault { number: None, text: other.to_string() })
            }
        }
    }

    fn error(self) -> ReadError {
        match self {
            Self::Missing(path) => ReadError::Missing { path },
            Self::NotRegular(path) => ReadError::NotRegular { path },
            Self::TooLarge(path, max) => ReadError::TooLarge { path, max },
            Self::CompanionTooLarge(path, max) => ReadError::CompanionTooLarge { path, max },
            Self::Unreadable(path, fault) => ReadError::Unreadable { path, source: fault.error() },
        }
    }
}

/// Runs in such a process: answers one question after the other, until the channel closes.
pub(super) fn serve(mut channel: Channel, module: OwnedFd) -> Result<(), WorkerError> {
    // A process that a file system blocks is killed with the host all the same, once the file system releases it.
    set_parent_process_death_signal(Some(Signal::KILL))
        .map_err(|errno| WorkerError::Start { what: "be ended with the supervisor", source: errno.into() })?;
    let module = File::from(module);
    loop {
        let question = match channel.receive() {
            Ok((question, _)) => question,
            Err(ChannelError::Closed) => return Ok(()),
            Err(error) => return Err(WorkerError::Channel(error)),
        };
        channel.send(&answer(question, &module), &[]).map_err(WorkerError::Channel)?;
    }
}

fn answer(question: Question, module: &File) -> Answer {
    match question {
        Question::Found { directory, max_files } => Answer::Found(look_through(&directory, max_files)),
        Question::DataDirectory { parent, name } => {
            Answer::Directory(data_directory(&parent, &name).map_err(|error| match error {
                SetupError::Directory { source, .. } => DirectoryFault::Failed(SystemFault::of(&source)),
                SetupError::NotADirectory { .. }
                | SetupError::Unanswered { .. }
                | SetupError::InWorker { .. } => DirectoryFault::Other,
            }))
        }
        Question::Canonical { path } => Answer::Directory(
            path.canonicalize().map_err(|error| DirectoryFault::Failed(SystemFault::of(&error))),
        ),
        Question::States { paths } => {
            Answer::States(paths.iter().map(|path| FileState::behind_links(path)).collect())
        }
        Question::Read { path, max_bytes } => {
            Answer::Read(read(&path, max_bytes, module).map_err(|error| ReadFault::of(error, &path)))
        }
    }
}

/// Reads a plugin, and replaces the content of the file `into` with the module.
fn read(path: &Path, max_bytes: u64, into: &File) -> Result<Beside, ReadError> {
    let PluginParts { file_name, module, document, rotation } = PluginParts::read(path, max_bytes)?;
    into.set_len(0)
        .and_then(|()| into.write_all_at(&module, 0))
        .map_err(|source| ReadError::Unreadable { path: path.to_owned(), source })?;
    Ok(Beside { file_name, document, rotation })
}

/// The processes that ask file systems. They end with the host.
pub(super) struct Askers(Arc<Pool>);

/// A weak handle to the processes, which does not keep them alive.
#[derive(Clone)]
pub(super) struct Asking(Weak<Pool>);

struct Pool {
    spawner: Arc<Spawner>,
    idle: Mutex<Vec<Asker>>,
}

/// A process that asks; it ends when this value is dropped.
struct Asker {
    child: Arc<Child>,
    channel: Channel,
    /// The file into which the process puts a module.
    module: File,
}

impl Asker {
    /// Copies the module that the process has read.
    fn take_module(&self) -> io::Result<Vec<u8>> {
        let length = self.module.metadata()?.len();
        let mut bytes = vec![0; usize::try_from(length).map_err(io::Error::other)?];
        self.module.read_exact_at(&mut bytes, 0)?;
        self.module.set_len(0)?;
        Ok(bytes)
    }
}

impl Drop for Asker {
    fn drop(&mut self) {
        self.child.end();
    }
}

impl Askers {
    pub(super) fn new(spawner: Arc<Spawner>) -> Self {
        Self(Arc::new(Pool { spawner, idle: Mutex::default() }))
    }

    pub(super) fn asking(&self) -> Asking {
        Asking(Arc::downgrade(&self.0))
    }
}

impl Pool {
    fn idle(&self) -> MutexGuard<'_, Vec<Asker>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn asker(&self) -> io::Result<Asker> {
        let idle = self.idle().pop();
        if let Some(idle) = idle.filter(|asker| !asker.child.is_over()) {
            return Ok(idle);
        }
        let module = SealedFile::to_be_written("conductor-module")?;
        let file = module.try_clone()?.into();
        let wanted = Wanted { name: "files".to_owned(), file, output: None, writes_to: Vec::new() };
        let Started { child, from, to } = self.spawner.spawn(wanted)?;
        let channel = Channel::to_child(Arc::new(from), to, MAX_ANSWER_BYTES, Arc::clone(&child))?;
        let mut asker = Asker { child, channel, module };
        asker.channel.send(&ToWorker::Ask, &[]).map_err(|_| io::Error::other("it does not begin"))?;
        Ok(asker)
    }
}

impl Asking {
    fn states(&self, paths: Vec<PathBuf>) -> Option<Vec<Option<FileState>>> {
        match self.ask(&Question::States { paths }).ok()?.0 {
            Answer::States(states) => Some(states),
            Answer::Found(_) | Answer::Directory(_) | Answer::Read(_) => None,
        }
    }

    fn directory(&self, question: &Question) -> io::Result<Result<PathBuf, DirectoryFault>> {
        match self.ask(question)?.0 {
            Answer::Directory(directory) => Ok(directory),
            Answer::Found(_) | Answer::States(_) | Answer::Read(_) => Err(lost()),
        }
    }

    /// Lets a process ask, and waits for the answer without a time limit. The second value is the module, if the
    /// question was to read one.
    fn ask(&self, question: &Question) -> io::Result<(Answer, Vec<u8>)> {
        let pool = self.0.upgrade().ok_or_else(lost)?;
        let mut asker = pool.asker()?;
        // While this thread waits, it keeps only this one process alive.
        drop(pool);
        asker.channel.send(question, &[]).map_err(|_| lost())?;
        let (answer, _) = asker.channel.receive().map_err(|_| lost())?;
        let is_read = matches!(answer, Answer::Read(Ok(_)));
        let module = if is_read { asker.take_module()? } else { Vec::new() };
        if let Some(pool) = self.0.upgrade() {
            let mut idle = pool.idle();
            if idle.len() < MAX_IDLE {
                idle.push(asker);
            }
        }
        Ok((answer, module))
    }
}

impl measuring::Asking for Asking {
    fn is_there(&self) -> bool {
        self.0.strong_count() > 0
    }

    fn found(&self, directory: &Path, max_files: u32) -> Option<Found> {
        match self.ask(&Question::Found { directory: directory.to_owned(), max_files }).ok()?.0 {
            Answer::Found(found) => Some(found),
            Answer::Directory(_) | Answer::States(_) | Answer::Read(_) => None,
        }
    }
}

fn lost() -> io::Error {
    io::Error::other("the process that asks the file system has ended")
}

/// Asks through separate processes. They have another working directory than this process, so they get only absolute
/// paths.
pub(super) struct AskedElsewhere {
    asking: Asking,
    directories: Errands,
    states: Errands,
}

impl AskedElsewhere {
    pub(super) fn new(asking: Asking) -> Self {
        let (directories, states) = (Errands::new("conductor-place"), Errands::new("conductor-files"));
        Self { asking, directories, states }
    }

    /// The directory that answers the question, or an error if the answer takes too long.
    fn directory(&self, path: &PathBuf, question: Question) -> Result<PathBuf, SetupError> {
        let asking = self.asking.clone();
        let deadline = Instant::now() + PATIENCE;
        let answer = self.directories.run_by(path, deadline, move || Some(asking.directory(&question)));
        let failed = |source| SetupError::Directory { path: path.clone(), source };
        match answer.ok_or_else(|| SetupError::Unanswered { path: path.clone() })?.map_err(failed)? {
            Ok(directory) => Ok(directory),
            Err(DirectoryFault::Other) => Err(SetupError::NotADirectory { path: path.clone() }),
            Err(DirectoryFault::Failed(fault)) => Err(failed(fault.error())),
        }
    }
}

impl Files for AskedElsewhere {
    fn read(&self, path: &Path, max_bytes: u64) -> Result<UnverifiedPlugin, ReadError> {
        let unreadable = |source| ReadError::Unreadable { path: path.to_owned(), source };
        let question = Question::Read { path: absolute(path).map_err(unreadable)?, max_bytes };
        match self.asking.ask(&question).map_err(unreadable)? {
            (Answer::Read(Ok(Beside { file_name, document, rotation })), module) => {
                Ok(UnverifiedPlugin::of(PluginParts { file_name, module, document, rotation }))
            }
            (Answer::Read(Err(fault)), _) => Err(fault.error()),
            (Answer::Found(_) | Answer::Directory(_) | Answer::States(_), _) => Err(unreadable(lost())),
        }
    }

    fn data_directory(&self, parent: &Path, name: &str) -> Result<PathBuf, SetupError> {
        let path = parent.join(name);
        let failed = |source| SetupError::Directory { path: path.clone(), source };
        let parent = absolute(parent).map_err(failed)?;
        self.directory(&path, Question::DataDirectory { parent, name: name.to_owned() })
    }

    fn canonical(&self, directory: &Path) -> Result<PathBuf, SetupError> {
        let failed = |source| SetupError::Directory { path: directory.to_owned(), source };
        let path = absolute(directory).map_err(failed)?;
        self.directory(&directory.to_owned(), Question::Canonical { path })
    }

    fn states(&self, groups: &[Vec<PathBuf>], patience: Duration) -> Vec<Option<Vec<Option<FileState>>>> {
        let deadline = Instant::now() + patience;
        let begun: Vec<_> = groups
            .iter()
            .map(|group| {
                let group: Vec<_> = group.iter().map(|path| absolute(path).ok()).collect::<Option<_>>()?;
                let asking = self.asking.clone();
                let errand = self.states.take_by(group.first()?, deadline)?;
                errand.begin(move || asking.states(group))
            })
            .collect();
        let left = || deadline.saturating_duration_since(Instant::now());
        begun.into_iter().map(|answer| answer?.recv_timeout(left()).ok()).collect()
    }
}
