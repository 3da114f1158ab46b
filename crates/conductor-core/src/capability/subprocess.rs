//! Subprocess: running a program that the user named, with an argument vector and without a shell.

use std::fmt;
use std::fs::{self, Metadata};
use std::io::{self, ErrorKind};
use std::os::fd::AsFd;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use conductor_abi::{Capability, ProgramEnd, ProgramOutput, ProgramRun, Status};
use rustix::event::{PollFd, PollFlags, Timespec, poll};

use super::{Call, Operation, Refusal, decode, encode, granted};
use crate::grant::Grant;
use crate::launcher::{Ended, Launched, Order};
use crate::scope::{Excerpt, Scope, SubprocessScope, written};

/// Longest run where the scope says nothing; a call's own time is mostly shorter.
const DEFAULT_TIME: Duration = Duration::from_secs(10);

/// Most bytes of each output where the scope says nothing. What is more is read and dropped, so that a program which
/// prints much is not held up, and costs no memory.
const DEFAULT_OUTPUT_BYTES: u64 = 64 * 1024;

/// Most arguments; each is compared with every pattern of the scope.
const MAX_ARGUMENTS: usize = 64;

/// Longest argument in bytes; a person who reads the audit wants to see what was run.
const MAX_ARGUMENT_BYTES: usize = 4096;

/// Mode bits of a program that runs with rights of somebody else.
const SET_ID: u32 = 0o6000;

/// Mode bits with which others could change a program.
const WRITABLE_BY_OTHERS: u32 = 0o022;

/// Runs one program to its end.
pub(crate) struct Run;

/// A program with its arguments.
pub(crate) struct Invocation<'a> {
    program: &'a str,
    arguments: Vec<&'a str>,
    input: &'a [u8],
}

/// Proof that a program and its arguments are covered, and what it may take.
pub(crate) struct Permit {
    time: Duration,
    output_bytes: usize,
    environment: Vec<(String, String)>,
    confined: bool,
}

impl Operation for Run {
    const CAPABILITY: Capability = Capability::Subprocess;
    const NAME: &'static str = "run";
    type Request<'a> = Invocation<'a>;
    type Permit = Permit;

    fn parse(request: &[u8]) -> Result<Invocation<'_>, Refusal> {
        let ProgramRun { program, arguments, input } = decode(request)?;
        if arguments.len() > MAX_ARGUMENTS {
            return Err(Refusal::too_large(format!("a program takes at most {MAX_ARGUMENTS} arguments")));
        }
        for text in std::iter::once(&program).chain(&arguments) {
            if text.len() > MAX_ARGUMENT_BYTES {
                return Err(Refusal::too_large(format!(
                    "an argument has at most {MAX_ARGUMENT_BYTES} bytes"
                )));
            }
            if text.contains('\0') {
                return Err(Refusal::invalid("a program and its arguments have no NUL"));
            }
        }
        Ok(Invocation { program, arguments, input })
    }

    fn needs(request: &Invocation<'_>) -> Option<String> {
        let arguments: Vec<String> = request.arguments.iter().map(|argument| written(argument)).collect();
        let arguments = arguments.join(",");
        let separator = if arguments.is_empty() { "" } else { ";args=" };
        Some(format!("{}{separator}{arguments}", written(request.program)))
    }

    fn check(request: &Invocation<'_>, grant: &Grant) -> Result<Permit, Refusal> {
        let covering = grant
            .covering(|scope| covers(scope, request))
            .map_err(|outside| Refusal::denied(format!("Subprocess: {request} is {outside}")))?;
        let declared: Vec<_> = grant.declared().iter().filter(|scope| covers(scope, request)).collect();
        let granted: Vec<_> = covering.iter().map(|allowance| allowance.scope()).collect();
        // A declaration that names no program narrows nothing.
        let declared = (!declared.is_empty()).then(|| Terms::of(&declared));
        let granted = Terms::of(&granted);
        let output_bytes = declared.as_ref().map_or(u64::MAX, |declared| declared.output_bytes);
        Ok(Permit {
            time: declared.as_ref().map_or(Duration::MAX, |declared| declared.time).min(granted.time),
            output_bytes: usize::try_from(output_bytes.min(granted.output_bytes)).unwrap_or(usize::MAX),
            // What the program sees of the user's surroundings is for the user to say.
            environment: granted.environment,
            confined: declared.is_some_and(|declared| declared.confined) || granted.confined,
        })
    }

    fn act(request: &Invocation<'_>, permit: Permit, call: &Call<'_>) -> Result<Vec<u8>, Refusal> {
        let Some(launcher) = &call.session.devices().launcher else {
            return Err(unavailable("this host starts no programs"));
        };
        let program = Path::new(request.program);
        check_program(program)?;
        let deadline = call.deadline.min(Instant::now() + permit.time);
        let works_in = call.session.data_directory();
        let order = Order {
            program: program.to_owned(),
            arguments: request.arguments.iter().map(|argument| (*argument).to_owned()).collect(),
            environment: permit.environment,
            directory: works_in.clone().unwrap_or_else(|| PathBuf::from("/")),
            input: request.input.to_vec(),
            time: permit.time,
            confined: permit.confined,
        };
        let launched =
            launcher.launch(&order).map_err(|error| unavailable(&format!("no process starts: {error}")))?;
        let max = permit.output_bytes.min(call.session.max_message_bytes() / 2 - MAX_ARGUMENT_BYTES);
        let output = Watch { request, call, deadline, max, works_in }.until_it_ends(launched)?;
        encode(&output)
    }
}

/// What a scope gives, the most of several.
struct Terms {
    time: Duration,
    output_bytes: u64,
    environment: Vec<(String, String)>,
    confined: bool,
}

impl Terms {
    fn of(scopes: &[&Scope]) -> Self {
        let scopes = || scopes.iter().filter_map(|scope| scope.as_subprocess());
        let time = |scope: &SubprocessScope| {
            scope.seconds().map_or(DEFAULT_TIME, |seconds| Duration::from_secs(seconds.into()))
        };
        Self {
            time: scopes().map(time).max().unwrap_or(DEFAULT_TIME),
            output_bytes: scopes()
                .map(|scope| scope.bytes().unwrap_or(DEFAULT_OUTPUT_BYTES))
                .max()
                .unwrap_or(DEFAULT_OUTPUT_BYTES),
            environment: scopes().flat_map(SubprocessScope::environment).collect(),
            confined: scopes().all(SubprocessScope::confined),
        }
    }
}

impl fmt::Display for Invocation<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", Excerpt::new(self.program))?;
        self.arguments.iter().try_for_each(|argument| write!(f, " {}", Excerpt::new(argument)))
    }
}

fn covers(scope: &Scope, request: &Invocation<'_>) -> bool {
    scope.as_subprocess().is_some_and(|scope| {
        scope.programs().iter().any(|program| program == request.program)
            && request.arguments.iter().all(|argument| scope.allows_argument(argument))
    })
}

/// A program that runs with other rights than the user's, or that others can change, is not what the user named.
fn check_program(path: &Path) -> Result<(), Refusal> {
    let shown = Excerpt::new(&path.to_string_lossy());
    let metadata = match fs::metadata(path) {
        Ok(metadata) => metadata,
        Err(error) if error.kind() == ErrorKind::NotFound => {
            return Err(unavailable(&format!("there is no program {shown}")));
        }
        Err(error) => return Err(unavailable(&format!("program {shown}: {error}"))),
    };
    let refused = |why: &str| Err(Refusal::denied(format!("Subprocess: program {shown} {why}")));
    if !metadata.is_file() {
        return refused("is no regular file");
    }
    if metadata.mode() & SET_ID != 0 {
        return refused("runs with the rights of another user or group");
    }
    if metadata.mode() & WRITABLE_BY_OTHERS != 0 || !is_of_user_or_system(&metadata) {
        return refused("can be changed by other users");
    }
    Ok(())
}

fn is_of_user_or_system(metadata: &Metadata) -> bool {
    metadata.uid() == 0 || metadata.uid() == rustix::process::geteuid().as_raw()
}

fn unavailable(why: &str) -> Refusal {
    Refusal::new(Status::Unavailable, format!("Subprocess is unavailable here, because {why}"))
}

/// Waiting for a program.
struct Watch<'w> {
    request: &'w Invocation<'w>,
    call: &'w Call<'w>,
    deadline: Instant,
    /// Most bytes of each output.
    max: usize,
    /// The plugin's own directory, where the program works in it.
    works_in: Option<PathBuf>,
}

impl Watch<'_> {
    /// Takes what the program prints until it ends, its time is over, or its grant is taken away.
    fn until_it_ends(&self, mut launched: Launched) -> Result<ProgramOutput, Refusal> {
        let failed = |error: io::Error| Refusal::failed(format!("the program is lost: {error}"));
        let (woken, wake) = rustix::pipe::pipe().map_err(|errno| failed(errno.into()))?;
        // The first look at the grants follows the subscription, so that no change falls in between.
        let _subscription = self.call.session.changes().subscribe(move || {
            let _ = rustix::io::write(&wake, &[0]);
        });
        self.still_granted()?;
        let (mut stdout, mut stderr) = (Output::new(self.max), Output::new(self.max));
        let mut has_ended = false;
        while !has_ended || !stdout.is_over || !stderr.is_over {
            let ready = {
                let mut waiting = [
                    PollFd::new(&woken, PollFlags::IN),
                    PollFd::new(
                        &launched.stdout,
                        if stdout.is_over { PollFlags::empty() } else { PollFlags::IN },
                    ),
                    PollFd::new(
                        &launched.stderr,
                        if stderr.is_over { PollFlags::empty() } else { PollFlags::IN },
                    ),
                    PollFd::from_borrowed_fd(
                        launched.channel().as_fd(),
                        if has_ended { PollFlags::empty() } else { PollFlags::IN },
                    ),
                ];
                self.wait(&mut waiting)?;
                let is_ready = |index: usize| waiting.get(index).is_some_and(|one| !one.revents().is_empty());
                [is_ready(0), is_ready(1), is_ready(2), is_ready(3)]
            };
            if ready[0] {
                let _ = rustix::io::read(&woken, &mut [0; 64]);
                self.still_granted()?;
            }
            if ready[1] && !stdout.is_over {
                stdout.take(&mut launched.stdout).map_err(failed)?;
            }
            if ready[2] && !stderr.is_over {
                stderr.take(&mut launched.stderr).map_err(failed)?;
            }
            has_ended |= ready[3];
        }
        let end = match launched.ended().map_err(failed)? {
            Ended::Exited(code) => ProgramEnd::Exited { code },
            Ended::Signalled(signal) => ProgramEnd::Signalled { signal },
            Ended::NotStarted(why) => return Err(unavailable(&why)),
        };
        Ok(ProgramOutput {
            end,
            stdout: stdout.bytes,
            stderr: stderr.bytes,
            cut: stdout.is_cut || stderr.is_cut,
        })
    }

    fn wait(&self, waiting: &mut [PollFd<'_>]) -> Result<(), Refusal> {
        loop {
            let left = self.deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Err(Refusal::timed_out(format!(
                    "{} did not end in time, and was ended",
                    self.request
                )));
            }
            let left = Timespec { tv_sec: left.as_secs() as i64, tv_nsec: left.subsec_nanos().into() };
            match poll(waiting, Some(&left)) {
                Ok(0) | Err(rustix::io::Errno::INTR) => {}
                Ok(_) => return Ok(()),
                Err(errno) => return Err(Refusal::failed(format!("the program is lost: {errno}"))),
            }
        }
    }

    fn still_granted(&self) -> Result<(), Refusal> {
        // It works among the plugin's files, which are no longer the plugin's.
        if self.works_in.is_some() && self.call.session.data_directory().is_none() {
            let request = self.request;
            return Err(Refusal::denied(format!("{request} was ended, because Filesystem was taken away")));
        }
        Run::check(self.request, granted(&self.call.session.grants(), Capability::Subprocess)?).map(drop)
    }
}

/// One output of a program.
struct Output {
    bytes: Vec<u8>,
    max: usize,
    is_cut: bool,
    is_over: bool,
}

impl Output {
    const fn new(max: usize) -> Self {
        Self { bytes: Vec::new(), max, is_cut: false, is_over: false }
    }

    /// Takes what has come, and drops what is too much.
    fn take(&mut self, from: &mut impl io::Read) -> io::Result<()> {
        let mut piece = [0; 16 * 1024];
        match from.read(&mut piece) {
            Ok(0) => self.is_over = true,
            Ok(count) => {
                let room = self.max.saturating_sub(self.bytes.len());
                self.bytes.extend(piece.iter().take(count.min(room)));
                self.is_cut |= count > room;
            }
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
        Ok(())
    }
}
