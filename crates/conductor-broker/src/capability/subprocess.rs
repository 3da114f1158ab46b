//! Subprocess: running a program that the user named, with an argument vector and without a shell.

mod workplace;

use std::fmt;
use std::fs::{self, Metadata};
use std::io::{self, ErrorKind};
use std::os::fd::{AsFd as _, BorrowedFd};
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::time::{Duration, Instant};

use conductor_abi::{Capability, ProgramEnd, ProgramOutput, ProgramRun, Status};
use conductor_policy::grant::Grant;
use conductor_policy::scope::{Excerpt, Scope, SubprocessScope, written};
use rustix::event::{PollFd, PollFlags, Timespec, poll};

use super::waiting::Places;
use super::{Call, LOOK_FOR_CALLER_EVERY, Operation, Refusal, decode, encode, granted};
use crate::launcher::{End, Ended, Heard, Launched, Order};
use workplace::{Measurements, Workplace};

/// Longest run where the scope says nothing; a call's own time is mostly shorter.
const DEFAULT_TIME: Duration = Duration::from_secs(10);

/// Most bytes of each output where the scope says nothing. What is more is read and dropped, so that a program which
/// prints much is not held up, and costs no memory.
const DEFAULT_OUTPUT_BYTES: u64 = 64 * 1024;

/// Most arguments; each is compared with every pattern of the scope.
const MAX_ARGUMENTS: usize = 64;

/// Longest argument in bytes; a person who reads the audit wants to see what was run.
const MAX_ARGUMENT_BYTES: usize = 4096;

/// Most programs of a plugin at once that were told to end and have not; stops programs that wait for a device, which the
/// kernel cannot end, from becoming ever more.
const MAX_UNENDED: usize = 4;

/// How long a program that was told to end is seen to do so, for whoever is told what became of it. The call is not held up
/// longer by one that cannot end.
const END_WAIT: Duration = Duration::from_millis(250);

/// What is added to the standard error of a confined program that did not end well: it may have needed what it was refused.
const CONFINED_NOTE: &str = "conductor: this program ran confined, so it could use no socket and change no files but \
                             the plugin's own; one that needs more runs only if plugin and grant say confined=no\n";

/// Bytes of an answer that are kept for what is not output.
const ANSWER_OVERHEAD: usize = 512;

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
        // A declaration that names no program holds for every program; what it leaves out, it does not narrow.
        let declared: Vec<_> =
            grant.declared().iter().filter(|scope| scope.is_nothing() || covers(scope, request)).collect();
        let unlimited = Defaults { time: Duration::MAX, output_bytes: u64::MAX };
        let defaults =
            if declared.iter().all(|scope| scope.is_nothing()) { unlimited } else { Defaults::OF_SCOPES };
        let declared = Terms::of(&declared, &defaults);
        let granted: Vec<_> = covering.iter().map(|allowance| allowance.scope()).collect();
        let granted = Terms::of(&granted, &Defaults::OF_SCOPES);
        let output_bytes = declared.output_bytes.min(granted.output_bytes);
        Ok(Permit {
            time: declared.time.min(granted.time),
            output_bytes: usize::try_from(output_bytes).unwrap_or(usize::MAX),
            // What the program sees of the user's surroundings is for the user to say.
            environment: granted.environment,
            confined: declared.confined || granted.confined,
        })
    }

    fn act(request: &Invocation<'_>, permit: Permit, call: &Call<'_>) -> Result<Vec<u8>, Refusal> {
        let Some(launcher) = &call.session.devices().launcher else {
            return Err(unavailable("this host starts no programs"));
        };
        let program = Path::new(request.program);
        check_program(program)?;
        let deadline = call.deadline.min(Instant::now() + permit.time);
        let works_in = call.session.data_allowance();
        let works_in = works_in.map(|own| Workplace::of(own, request)).transpose()?;
        // One that is not confined may write elsewhere as well, where the user wants it to.
        let held = works_in.as_ref().filter(|_| permit.confined);
        let order = Order {
            program: program.to_owned(),
            arguments: request.arguments.iter().map(|argument| (*argument).to_owned()).collect(),
            environment: permit.environment,
            directory: works_in.as_ref().map_or(Path::new("/"), Workplace::directory).to_owned(),
            input: request.input.to_vec(),
            time: permit.time,
            max_file_bytes: held.map_or(u64::MAX, Workplace::max_file_bytes),
            confined: permit.confined,
        };
        let place = call.session.programs().take("an earlier program")?;
        let launched = launcher
            .launch(&order, Box::new(place))
            .map_err(|error| unavailable(&format!("no process starts: {error}")))?;
        let max = permit.output_bytes.min(room_for_output(call.session.max_message_bytes()));
        let watch = Watch { request, call, deadline, max, confined: permit.confined, works_in };
        let output = watch.until_it_ends(launched)?;
        encode(&output)
    }
}

/// Most bytes of each of the two outputs in an answer, which says a little beside them.
const fn room_for_output(max_message_bytes: usize) -> usize {
    (max_message_bytes / 2).saturating_sub(ANSWER_OVERHEAD)
}

/// What a scope gives, the most of several.
struct Terms {
    time: Duration,
    output_bytes: u64,
    environment: Vec<(String, String)>,
    confined: bool,
}

/// What a scope gives that does not say.
struct Defaults {
    time: Duration,
    output_bytes: u64,
}

impl Defaults {
    /// Those of a scope that names a program.
    const OF_SCOPES: Self = Self { time: DEFAULT_TIME, output_bytes: DEFAULT_OUTPUT_BYTES };
}

impl Terms {
    fn of(scopes: &[&Scope], defaults: &Defaults) -> Self {
        let scopes = || scopes.iter().filter_map(|scope| scope.as_subprocess());
        let time = |scope: &SubprocessScope| {
            scope.seconds().map_or(defaults.time, |seconds| Duration::from_secs(seconds.into()))
        };
        Self {
            time: scopes().map(time).max().unwrap_or(defaults.time),
            output_bytes: scopes()
                .map(|scope| scope.bytes().unwrap_or(defaults.output_bytes))
                .max()
                .unwrap_or(defaults.output_bytes),
            environment: scopes().flat_map(SubprocessScope::environment).collect(),
            confined: scopes().all(SubprocessScope::confined),
        }
    }
}

impl fmt::Display for Invocation<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", Excerpt::new(self.program))?;
        self.arguments.iter().try_for_each(|argument| write!(f, " {}", Excerpt::new(argument)))?;
        if self.input.is_empty() { Ok(()) } else { write!(f, " with {} bytes of input", self.input.len()) }
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

/// What a plugin has under way.
pub(crate) fn places() -> Places {
    Places::new(MAX_UNENDED)
}

/// Waiting for a program.
struct Watch<'w> {
    request: &'w Invocation<'w>,
    call: &'w Call<'w>,
    deadline: Instant,
    /// Most bytes of each output.
    max: usize,
    confined: bool,
    /// The plugin's own directory, where the program works in it.
    works_in: Option<Workplace>,
}

/// What a program that runs is watched by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Source {
    /// The user's grants changed.
    Changes,
    Stdout,
    Stderr,
    /// What its launcher and keeper say.
    Channel,
    /// The end of all its processes.
    End,
}

/// Why a program is watched no longer before it has ended.
enum Cut {
    /// Its time is over.
    Late,
    /// Anything else.
    Refused(Refusal),
}

impl From<Refusal> for Cut {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}

impl Watch<'_> {
    /// Takes what the program prints until nothing of it is left, its time is over, or its grant is taken away.
    fn until_it_ends(&self, mut launched: Launched) -> Result<ProgramOutput, Refusal> {
        match self.watch(&mut launched) {
            Ok(output) => Ok(output),
            Err(cut) => Err(self.told(cut, launched.end_within(END_WAIT))),
        }
    }

    /// What the plugin is told of a program that was ended.
    fn told(&self, cut: Cut, end: End) -> Refusal {
        let late = |what: &str| Refusal::timed_out(format!("{} did not {what}", self.request));
        match (cut, end) {
            (Cut::Late, End::NotStarted) => late("start in time, and was not started"),
            (Cut::Late, End::Ended) => late("end in time, and was ended"),
            (Cut::Late, End::Ending) => late("end in time, was told to end, and has not ended yet"),
            (Cut::Refused(refusal), End::NotStarted | End::Ended) => refusal,
            (Cut::Refused(mut refusal), End::Ending) => {
                refusal.reason.push_str("; the program was told to end, and has not ended yet");
                refusal
            }
        }
    }

    fn watch(&self, launched: &mut Launched) -> Result<ProgramOutput, Cut> {
        let (woken, wake) = rustix::pipe::pipe().map_err(|errno| lost(&errno.into()))?;
        // The first look at the grants follows the subscription, so that no change falls in between.
        let _subscription = self.call.session.changes().subscribe(move || {
            let _ = rustix::io::write(&wake, &[0]);
        });
        self.still_granted()?;
        let (mut stdout, mut stderr) = (Output::new(self.max), Output::new(self.max));
        let mut measurements = self.works_in.as_ref().map(Measurements::of);
        let mut ended = None;
        let mut speaks = true;
        loop {
            // What has come to its end is always ready, so it is not waited for.
            let mut sources = vec![(Source::Changes, woken.as_fd())];
            sources.extend((!stdout.is_over).then(|| (Source::Stdout, launched.stdout.as_fd())));
            sources.extend((!stderr.is_over).then(|| (Source::Stderr, launched.stderr.as_fd())));
            sources.extend(speaks.then(|| (Source::Channel, launched.channel())));
            sources.extend(launched.end().map(|end| (Source::End, end)));
            let ready = self.wait(&sources, measurements.as_mut())?;
            let is_over = ready.contains(&Source::End);
            let prints = ready.contains(&Source::Stdout) || ready.contains(&Source::Stderr);
            for source in ready {
                match source {
                    Source::Changes => {
                        let _ = rustix::io::read(&woken, &mut [0; 64]);
                        self.still_granted()?;
                    }
                    Source::Stdout => stdout.take(&mut launched.stdout).map_err(|error| lost(&error))?,
                    Source::Stderr => stderr.take(&mut launched.stderr).map_err(|error| lost(&error))?,
                    Source::Channel => match launched.hear() {
                        Ok(Heard::Started) => {}
                        Ok(Heard::Ended(Ended::NotStarted(why))) => return Err(unavailable(&why).into()),
                        Ok(Heard::Ended(how)) => ended = Some(how),
                        Ok(Heard::Nothing) => speaks = false,
                        Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                        Err(error) => return Err(lost(&error).into()),
                    },
                    Source::End => {}
                }
            }
            // What is in the outputs then is all that comes, even if somebody outside was handed them and keeps them open.
            let is_told = ended.is_some() || !speaks;
            if is_told && !prints && (is_over || launched.end().is_none()) {
                break;
            }
        }
        let end = match ended {
            Some(Ended::Exited(code)) => ProgramEnd::Exited { code },
            Some(Ended::Signalled(signal)) => ProgramEnd::Signalled { signal },
            Some(Ended::NotStarted(why)) => return Err(unavailable(&why).into()),
            None => return Err(lost(&io::Error::other("its keeper was ended by somebody else")).into()),
        };
        if self.confined && end != (ProgramEnd::Exited { code: 0 }) {
            stderr.add_note(CONFINED_NOTE);
        }
        let cut = stdout.is_cut || stderr.is_cut;
        Ok(ProgramOutput { end, stdout: stdout.bytes, stderr: stderr.bytes, cut })
    }

    /// Waits until something is ready, for as long as somebody waits for the program and its directory has room.
    fn wait(
        &self,
        sources: &[(Source, BorrowedFd<'_>)],
        mut measurements: Option<&mut Measurements<'_>>,
    ) -> Result<Vec<Source>, Cut> {
        let mut waiting: Vec<_> =
            sources.iter().map(|(_, file)| PollFd::from_borrowed_fd(*file, PollFlags::IN)).collect();
        loop {
            self.call.is_waited_for(self.request)?;
            measurements.as_mut().map_or(Ok(()), |measurements| measurements.look(self.request))?;
            let left = self.deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Err(Cut::Late);
            }
            let slice = left.min(LOOK_FOR_CALLER_EVERY);
            let slice =
                Timespec { tv_sec: slice.as_secs().cast_signed(), tv_nsec: slice.subsec_nanos().into() };
            match poll(&mut waiting, Some(&slice)) {
                Ok(0) | Err(rustix::io::Errno::INTR) => {}
                Ok(_) => break,
                Err(errno) => return Err(lost(&errno.into()).into()),
            }
        }
        let ready = sources.iter().zip(&waiting).filter(|(_, file)| !file.revents().is_empty());
        Ok(ready.map(|((source, _), _)| *source).collect())
    }

    fn still_granted(&self) -> Result<(), Refusal> {
        // It works among the plugin's files, which are no longer the plugin's.
        if self.works_in.is_some() && self.call.session.data_directory().is_none() {
            let request = self.request;
            return Err(Refusal::denied(format!("{request} was ended, because Filesystem was taken away")));
        }
        Run::check(self.request, granted(&self.call.grants(), Capability::Subprocess)?).map(drop)
    }
}

fn lost(error: &io::Error) -> Refusal {
    Refusal::failed(format!("the program is lost: {error}"))
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
            Err(error) if matches!(error.kind(), ErrorKind::Interrupted | ErrorKind::WouldBlock) => {}
            Err(error) => return Err(error),
        }
        Ok(())
    }

    /// Adds a line of the host's, which takes the place of the end of what was printed if there is no room.
    fn add_note(&mut self, note: &str) {
        let printed = self.bytes.len().min(self.max.saturating_sub(note.len() + 1));
        self.is_cut |= printed < self.bytes.len();
        self.bytes.truncate(printed);
        if self.bytes.last().is_some_and(|last| *last != b'\n') {
            self.bytes.push(b'\n');
        }
        self.bytes.extend(note.bytes().take(self.max.saturating_sub(self.bytes.len())));
    }
}

#[cfg(test)]
mod tests {
    use conductor_abi::{Capability, CapabilityRequest, Risk};
    use conductor_policy::grant::{Ceilings, Choices, Decision, Grants};
    use conductor_signing::TrustLevel;

    use super::*;

    /// What a run of `/bin/true` is permitted by one declaration and one grant.
    fn permit(declared: &str, granted: &str) -> Permit {
        let request =
            CapabilityRequest { name: "Subprocess".into(), scope: Some(declared.into()), reason: None };
        let choices = Choices {
            configured: vec![format!("Subprocess={granted}").parse().expect("a grant")],
            ..Choices::default()
        };
        let ceilings = Ceilings { unsigned: Risk::High, self_signed: Risk::High, trusted: None };
        let grants = Grants::resolve(&[request], &choices, &TrustLevel::Unsigned, ceilings).expect("grants");
        let Decision::Granted(grant) = grants.decision(Capability::Subprocess) else { panic!("granted") };
        let request = Invocation { program: "/bin/true", arguments: Vec::new(), input: b"" };
        <Run as Operation>::check(&request, grant).unwrap_or_else(|_| panic!("permitted"))
    }

    #[test]
    fn a_declaration_without_a_program_still_says_how_programs_run() {
        assert!(permit("confined=yes", "/bin/true").confined);
        assert!(permit("confined=yes;seconds=3", "/bin/true;confined=no;seconds=5").confined);
        assert_eq!(permit("seconds=3", "/bin/true;seconds=5").time, Duration::from_secs(3));
        assert_eq!(permit("bytes=1KiB", "/bin/true;bytes=1MiB").output_bytes, 1024);
        assert!(!permit("seconds=3", "/bin/true").confined);
    }

    #[test]
    fn what_a_declaration_leaves_out_is_for_the_grant_to_say() {
        let permit = permit("confined=yes", "/bin/true;seconds=60;bytes=1MiB");
        assert_eq!((permit.time, permit.output_bytes), (Duration::from_secs(60), 1024 * 1024));
        assert!(!self::permit("/bin/true", "/bin/true").confined);
        assert!(self::permit("/bin/true;confined=yes", "/bin/true").confined);
        assert_eq!(self::permit("/bin/true", "/bin/true;seconds=60").time, DEFAULT_TIME);
    }
}
