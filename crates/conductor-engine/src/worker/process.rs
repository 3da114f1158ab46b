//! Runs in a worker.

use std::io;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use conductor_abi::Status;
use conductor_call::{Answer, HostCalls};
use conductor_confine::descriptors::close_inherited;

use super::channel::{Channel, ChannelError};
use super::error::WorkerError;
use super::frame::{self, CompileFault, Done, End, FromWorker, ToWorker};
use super::order::{Order, given};
use super::stage::{Ends, Stage};
use super::{asking, compiling, lock, syscalls};
use crate::engine::{Code, CompileError, Engine, Instances};
use crate::local::{Local, StartError};
use crate::mapped::Runnable;
use crate::sealed::SealedFile;

/// Longest frame that a supervisor sends: a request, or an answer. The supervisor itself enforces their limits.
const MAX_FRAME_BYTES: u64 = u32::MAX as u64;

/// Runs this process as a worker until its supervisor ends it or goes away. Standard input and output are the channel,
/// and standard error is the file with the module or the code. The process must have one thread, and nothing else of
/// importance open.
///
/// # Errors
///
/// Fails if the process cannot be locked in, or if the frames are not those of a supervisor.
pub fn run() -> Result<(), WorkerError> {
    run_with(|_, _| ())
}

/// As [`run`], and calls `taken_over` at each stage with the descriptors of the channel, for tests of what a worker can
/// still do after it was taken over. The function runs behind the same walls as everything else in a worker.
#[doc(hidden)]
pub fn run_with(mut taken_over: impl FnMut(Stage, Ends<'_>)) -> Result<(), WorkerError> {
    let (channel, file) =
        inherited().map_err(|source| WorkerError::Start { what: "take its channel", source })?;
    let mut channel = channel;
    let (first, _) = channel.receive().map_err(WorkerError::Channel)?;
    match first {
        ToWorker::Compile(order) => compiling::run(&order, file, channel.into_output(), &mut taken_over),
        ToWorker::Order(order) => run_plugin(channel, file, *order, taken_over),
        ToWorker::Ask => asking::serve(channel, file),
        ToWorker::Start | ToWorker::Execute | ToWorker::Answer { .. } => Err(WorkerError::OutOfTurn),
    }
}

/// Runs the code of a plugin.
fn run_plugin(
    channel: Channel,
    file: OwnedFd,
    mut order: Order,
    mut taken_over: impl FnMut(Stage, Ends<'_>),
) -> Result<(), WorkerError> {
    let (requests, answers) = channel.pipes();
    let pipes = requests.try_clone().and_then(|requests| Ok((requests, answers.try_clone()?)));
    let (requests, answers) =
        pipes.map_err(|source| WorkerError::Start { what: "take its channel", source })?;
    let mut reach = |stage| taken_over(stage, Ends { requests: requests.as_fd(), answers: answers.as_fd() });
    let channel = Shared(Arc::new(Mutex::new(channel)));
    let cannot = |what| move |source| WorkerError::Start { what, source };
    let code = given(file).map_err(cannot("take its code"))?.into_file();
    let number = code.as_raw_fd();

    let mut wall =
        lock::lock_runner(&mut order).map_err(|error| cannot("be locked")(io::Error::other(error)))?;
    if wall.landlock_abi == 0 && !order.allow_weak_isolation {
        // The supervisor reports what the wall lacks.
        return channel.send(&FromWorker::Locked(wall), &[]);
    }
    let engine = Engine::with(order.surroundings.limits.max_stack_bytes, Instances::InWorker)
        .map_err(|error| cannot("make its engine")(io::Error::other(error)))?;
    // After this, the process starts no further threads.
    wall.seccomp = syscalls::confine(syscalls::Stage::Run { code: number }).is_ok();
    channel.send(&FromWorker::Locked(wall), &[])?;
    if !wall.stands() && !order.allow_weak_isolation {
        return Ok(());
    }
    reach(Stage::Locked);

    let code = SealedFile::take(code.into()).map_err(cannot("take its code"))?;
    let module = Runnable::handed_over(code).map(&engine).map_err(|source| CompileError::Compiler { source });
    let code = match module.and_then(|module| Code::link(&engine, &module)) {
        Ok(code) => code,
        Err(error) => return channel.send(&FromWorker::NotLoaded(CompileFault::of(&error)), &[]),
    };
    if wall.seccomp {
        syscalls::forbid_new_code().map_err(|error| cannot("forbid new code")(io::Error::other(error)))?;
    }
    reach(Stage::Loaded);
    channel.send(&FromWorker::Loaded, &[])?;
    let ToWorker::Start = channel.receive()? else { return Err(WorkerError::OutOfTurn) };
    serve(&channel, engine, code, order, reach)
}

/// Starts the plugin and executes requests as they arrive.
fn serve(
    channel: &Shared,
    engine: Engine,
    code: Code,
    order: Order,
    mut reach: impl FnMut(Stage),
) -> Result<(), WorkerError> {
    let host_calls = Arc::new(channel.clone());
    let mut local = Local::new(engine, Arc::new(code), order.flavour, order.surroundings, host_calls);
    match local.start() {
        Ok(metadata) => channel.send(&FromWorker::Started(metadata), &[])?,
        Err(StartError::Outcome(outcome)) => {
            return channel.send(&FromWorker::NotStarted(End::of(&outcome)), &[]);
        }
        Err(StartError::Setup(error)) => {
            let cause = frame::cut(&error.to_string());
            return channel.send(&FromWorker::NotSetUp { cause }, &[]);
        }
    }
    reach(Stage::Started);
    let mut request = Vec::new();
    loop {
        match channel.receive_with(&mut request) {
            Ok(ToWorker::Execute) => {}
            Err(WorkerError::Channel(ChannelError::Closed)) => return Ok(()),
            Ok(_) => return Err(WorkerError::OutOfTurn),
            Err(error) => return Err(error),
        }
        reach(Stage::Called);
        let (done, reply) = Done::of(local.execute(&request, Instant::now()));
        channel.send(&FromWorker::Done(done), &reply)?;
    }
}

/// The channel and the inherited file from the standard streams, which are replaced by null devices; all other
/// descriptors are closed.
fn inherited() -> io::Result<(Channel, OwnedFd)> {
    let requests = io::stdin().as_fd().try_clone_to_owned()?;
    let answers = io::stdout().as_fd().try_clone_to_owned()?;
    let plugin = io::stderr().as_fd().try_clone_to_owned()?;
    lock::close_standard_streams()?;
    close_inherited(&[requests.as_raw_fd(), answers.as_raw_fd(), plugin.as_raw_fd()])?;
    Ok((Channel::new(requests.into(), answers.into(), MAX_FRAME_BYTES), plugin))
}

/// The channel, shared by the code that waits for requests and the plugin's host calls.
#[derive(Clone)]
struct Shared(Arc<Mutex<Channel>>);

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Channel> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn send(&self, head: &FromWorker, tail: &[u8]) -> Result<(), WorkerError> {
        self.lock().send(head, tail).map_err(WorkerError::Channel)
    }

    fn receive(&self) -> Result<ToWorker, WorkerError> {
        self.receive_with(&mut Vec::new())
    }

    /// Receives a frame; the bytes behind its head replace `tail`.
    fn receive_with(&self, tail: &mut Vec<u8>) -> Result<ToWorker, WorkerError> {
        let mut channel = self.lock();
        let (head, bytes) = channel.receive().map_err(WorkerError::Channel)?;
        tail.clear();
        tail.extend_from_slice(channel.bytes(bytes));
        Ok(head)
    }
}

impl HostCalls for Shared {
    fn call(&self, op: u32, request: &[u8], _: Instant) -> Answer {
        let mut bytes = Vec::new();
        let answered =
            self.send(&FromWorker::HostCall { op }, request).and_then(|()| self.receive_with(&mut bytes));
        match answered {
            Ok(ToWorker::Answer { status, fuel, refused_by }) => {
                Answer { status: frame::status(status), bytes, fuel, refused_by }
            }
            // Without its supervisor, the worker ends with the next frame that it sends.
            Ok(_) | Err(_) => Answer {
                status: Status::Failed,
                bytes: b"the host is gone".to_vec(),
                fuel: 0,
                refused_by: None,
            },
        }
    }
}
