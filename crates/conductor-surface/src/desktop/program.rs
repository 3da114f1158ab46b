//! Programs of the desktop, each with a time limit.

use std::io::{self, Read};
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use conductor_broker::devices::DesktopError;

use super::{failed, unavailable};

/// Longest that a program may take.
const MAX_TIME: Duration = Duration::from_secs(2);

/// How long the opener is watched for an error. A browser that it starts may run for as long as the user likes.
const MAX_START: Duration = Duration::from_millis(500);

/// Time between two looks whether a program has ended.
const LOOK: Duration = Duration::from_millis(2);

/// Most bytes of a program's output that are read.
const MAX_OUTPUT_BYTES: u64 = 4096;

/// A program that is run to its end.
pub(super) struct Program {
    /// The program's name in `PATH`.
    pub(super) name: &'static str,
    /// The package that has the program.
    pub(super) package: &'static str,
}

/// What a program printed, and how it ended.
pub(super) struct Printed {
    pub(super) status: ExitStatus,
    pub(super) stdout: String,
    pub(super) stderr: String,
}

impl Program {
    /// Runs the program.
    pub(super) fn run(&self, arguments: &[&str]) -> Result<Printed, DesktopError> {
        let mut command = Command::new(self.name);
        // A program reads the texts, so they must not be translated.
        command.args(arguments).env("LC_ALL", "C");
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = self.spawn(&mut command)?;
        let Some(status) = ended_within(&mut child, MAX_TIME)? else {
            // This fails if the program has ended.
            let _ = child.kill();
            let _ = child.wait();
            return Err(failed(format!("{} did not end in {} s", self.name, MAX_TIME.as_secs())));
        };
        let (stdout, stderr) = (text(child.stdout.take())?, text(child.stderr.take())?);
        Ok(Printed { status, stdout, stderr })
    }

    fn spawn(&self, command: &mut Command) -> Result<Child, DesktopError> {
        command.spawn().map_err(|error| {
            if error.kind() == io::ErrorKind::NotFound {
                unavailable(format!("{} is not installed (package {})", self.name, self.package))
            } else {
                failed(format!("{} cannot be started: {error}", self.name))
            }
        })
    }
}

/// Opens a URL in the browser of the user's choice.
pub(super) fn open_url(url: &str) -> Result<(), DesktopError> {
    let program = Program { name: "xdg-open", package: "xdg-utils" };
    let mut command = Command::new(program.name);
    command.arg(url).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    // The browser gets its own process group, so that it goes on when Ctrl-C ends this program.
    command.process_group(0);
    let mut child = program.spawn(&mut command)?;
    match ended_within(&mut child, MAX_START)? {
        None => {
            // If no thread can be started, the ended process stays in the process table until this program ends. The
            // browser runs.
            let _ = thread::Builder::new().name("conductor-browser".to_owned()).spawn(move || child.wait());
            Ok(())
        }
        Some(status) if status.success() => Ok(()),
        Some(status) if matches!(status.code(), Some(3 | 4)) => {
            Err(unavailable(format!("xdg-open finds no browser ({status})")))
        }
        Some(status) => Err(failed(format!("xdg-open ended with {status}"))),
    }
}

fn ended_within(child: &mut Child, limit: Duration) -> Result<Option<ExitStatus>, DesktopError> {
    let deadline = Instant::now() + limit;
    loop {
        let ended =
            child.try_wait().map_err(|error| failed(format!("a program cannot be watched: {error}")))?;
        if ended.is_some() || Instant::now() >= deadline {
            return Ok(ended);
        }
        thread::sleep(LOOK);
    }
}

fn text(pipe: Option<impl Read>) -> Result<String, DesktopError> {
    let mut bytes = Vec::new();
    if let Some(pipe) = pipe {
        let read = pipe.take(MAX_OUTPUT_BYTES).read_to_end(&mut bytes);
        read.map_err(|error| failed(format!("a program's output cannot be read: {error}")))?;
    }
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}
