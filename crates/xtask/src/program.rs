//! Running other programs: their command lines are shown, stdin is empty, and cargo gets a clean environment.

use std::ffi::OsStr;
use std::io::{self, BufRead, BufReader, Read};
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use crate::error::TaskError;
use crate::quoting::quoted;

/// Variables that `cargo run` sets for this program. Some build scripts watch them. If the variables reached a cargo
/// that is started here, those scripts would run again, and everything that depends on their crates would be built
/// twice.
const SET_BY_CARGO_RUN: [&str; 17] = [
    "CARGO_MANIFEST_DIR",
    "CARGO_MANIFEST_PATH",
    "CARGO_PKG_AUTHORS",
    "CARGO_PKG_DESCRIPTION",
    "CARGO_PKG_HOMEPAGE",
    "CARGO_PKG_LICENSE",
    "CARGO_PKG_LICENSE_FILE",
    "CARGO_PKG_NAME",
    "CARGO_PKG_README",
    "CARGO_PKG_REPOSITORY",
    "CARGO_PKG_RUST_VERSION",
    "CARGO_PKG_VERSION",
    "CARGO_PKG_VERSION_MAJOR",
    "CARGO_PKG_VERSION_MINOR",
    "CARGO_PKG_VERSION_PATCH",
    "CARGO_PKG_VERSION_PRE",
    "OUT_DIR",
];

/// Time between two looks at a child with a deadline.
const POLL: Duration = Duration::from_millis(20);

/// A program with its arguments, not yet started.
pub(crate) struct Program {
    command: Command,
}

impl Program {
    /// A program that runs in `directory`.
    pub(crate) fn new(program: impl AsRef<OsStr>, directory: &Path) -> Self {
        let mut command = Command::new(program);
        command.current_dir(directory).stdin(Stdio::null());
        for name in SET_BY_CARGO_RUN {
            command.env_remove(name);
        }
        Self { command }
    }

    /// Cargo of the active toolchain.
    pub(crate) fn cargo(directory: &Path) -> Self {
        Self::new("cargo", directory)
    }

    /// Builds the programs of the workspace together with the tests. Without the tests, the engine would be built once
    /// more, with other features of its dependencies.
    pub(crate) fn build_as_for_tests(root: &Path) -> Result<(), TaskError> {
        Self::cargo(root).args(["build", "--locked", "--workspace", "--bins", "--tests"]).show_and_run()
    }

    /// Adds arguments.
    pub(crate) fn args<A: AsRef<OsStr>>(mut self, arguments: impl IntoIterator<Item = A>) -> Self {
        self.command.args(arguments);
        self
    }

    /// Sets a variable of the environment.
    pub(crate) fn env(mut self, name: &str, value: impl AsRef<OsStr>) -> Self {
        self.command.env(name, value);
        self
    }

    /// Replaces the whole environment.
    pub(crate) fn only_env<N: AsRef<OsStr>, V: AsRef<OsStr>>(
        mut self,
        variables: impl IntoIterator<Item = (N, V)>,
    ) -> Self {
        self.command.env_clear().envs(variables);
        self
    }

    /// The command line as a person would type it.
    pub(crate) fn line(&self) -> String {
        let words = std::iter::once(self.command.get_program()).chain(self.command.get_args());
        words.map(|word| quoted(&word.to_string_lossy())).collect::<Vec<_>>().join(" ")
    }

    /// Shows the command line, runs it with this program's stdout and stderr, and demands success.
    pub(crate) fn show_and_run(mut self) -> Result<(), TaskError> {
        println!("$ {}", self.line());
        let status = self.command.status().map_err(|source| self.start_error(source))?;
        self.demand(status)
    }

    /// As [`Program::show_and_run`], without showing the command line, for commands that would not interest the reader.
    pub(crate) fn run_unseen(mut self) -> Result<(), TaskError> {
        let status = self.command.status().map_err(|source| self.start_error(source))?;
        self.demand(status)
    }

    /// Shows the command line on stderr, runs the program with its output there too, and demands success. stdout stays
    /// free for data.
    pub(crate) fn say_and_run(mut self) -> Result<(), TaskError> {
        eprintln!("$ {}", self.line());
        let status = self.command.stdout(io::stderr()).status().map_err(|source| self.start_error(source))?;
        self.demand(status)
    }

    /// Starts the program with pipes for its stdout and stderr. The caller ends it.
    pub(crate) fn start(&mut self) -> Result<Child, TaskError> {
        let command = self.command.stdout(Stdio::piped()).stderr(Stdio::piped());
        command.spawn().map_err(|source| self.start_error(source))
    }

    /// Runs the program, demands success and returns its stdout. Its stderr is this program's.
    pub(crate) fn stdout(&mut self) -> Result<String, TaskError> {
        let output =
            self.command.stderr(Stdio::inherit()).output().map_err(|source| self.start_error(source))?;
        self.demand(output.status)?;
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    }

    /// The program's stdout, or nothing if the program fails or does not exist. For questions whose "no" is not an
    /// error.
    pub(crate) fn answer(&mut self) -> Option<String> {
        let output = self.command.stderr(Stdio::null()).output().ok()?;
        output.status.success().then(|| String::from_utf8_lossy(&output.stdout).into_owned())
    }

    /// Runs the program to its end, or ends it when `limit` has passed. Returns everything that it printed, whatever
    /// its status.
    pub(crate) fn capture(&mut self, limit: Duration) -> Result<Captured, TaskError> {
        self.follow(limit, |_, _| ())
    }

    /// Like [`Program::capture`], and hands every line to `each` as soon as the line is printed.
    pub(crate) fn follow(
        &mut self,
        limit: Duration,
        each: impl Fn(Stream, &str) + Sync,
    ) -> Result<Captured, TaskError> {
        let deadline = Instant::now() + limit;
        let command = self.command.stdout(Stdio::piped()).stderr(Stdio::piped());
        let child = command.spawn().map_err(|source| self.start_error(source))?;
        let mut child = EndedOnDrop(child);
        let (out, err) = (child.0.stdout.take(), child.0.stderr.take());
        let (status, stdout, stderr) = thread::scope(|scope| {
            let stdout = scope.spawn(|| lines(out, |line| each(Stream::Out, line)));
            let stderr = scope.spawn(|| lines(err, |line| each(Stream::Err, line)));
            let status = child.wait_until(deadline);
            // A child of the child may hold the pipes open, but the child itself has ended, and its output is complete.
            (status, stdout.join().unwrap_or_default(), stderr.join().unwrap_or_default())
        });
        match status.map_err(|source| self.start_error(source))? {
            Some(status) => Ok(Captured { status, stdout, stderr }),
            None => Err(TaskError::TimedOut { command: self.line(), seconds: limit.as_secs() }),
        }
    }

    fn start_error(&self, source: io::Error) -> TaskError {
        TaskError::Start { command: self.line(), source }
    }

    /// Fails unless the status, which is one of this program's, means success.
    pub(crate) fn demand(&self, status: ExitStatus) -> Result<(), TaskError> {
        if status.success() {
            return Ok(());
        }
        Err(TaskError::Status { command: self.line(), status: in_words(status) })
    }
}

/// The stream on which a program wrote a line.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stream {
    /// stdout.
    Out,
    /// stderr.
    Err,
}

/// What a program printed, and how it ended.
pub(crate) struct Captured {
    /// The program's exit status.
    pub(crate) status: ExitStatus,
    /// Everything that the program wrote to stdout.
    pub(crate) stdout: String,
    /// Everything that the program wrote to stderr.
    pub(crate) stderr: String,
}

/// A child that is ended, at the latest, when the function that started it returns.
struct EndedOnDrop(Child);

impl EndedOnDrop {
    /// Waits for the end. `None` if the deadline came first; the child is then ended.
    fn wait_until(&mut self, deadline: Instant) -> io::Result<Option<ExitStatus>> {
        loop {
            if let Some(status) = self.0.try_wait()? {
                return Ok(Some(status));
            }
            if Instant::now() >= deadline {
                self.0.kill()?;
                self.0.wait()?;
                return Ok(None);
            }
            thread::sleep(POLL);
        }
    }
}

impl Drop for EndedOnDrop {
    fn drop(&mut self) {
        // Both calls fail only if the child has ended already.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Reads lines to the end of a pipe.
fn lines(pipe: Option<impl Read>, mut each: impl FnMut(&str)) -> String {
    let mut all = String::new();
    let Some(pipe) = pipe else { return all };
    let mut reader = BufReader::new(pipe);
    let mut line = Vec::new();
    while reader.read_until(b'\n', &mut line).is_ok_and(|read| read > 0) {
        let text = String::from_utf8_lossy(&line);
        each(text.trim_end_matches('\n'));
        all.push_str(&text);
        line.clear();
    }
    all
}

/// Exit status or signal, in words.
pub(crate) fn in_words(status: ExitStatus) -> String {
    status.code().map_or_else(|| status.to_string(), |code| format!("exit status {code}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_can_be_typed_into_a_shell() {
        let program =
            Program::new("echo", Path::new("/")).args(["plain", "two words", "it's", "", "{\"a\":1}"]);
        assert_eq!(program.line(), r#"echo plain 'two words' 'it'\''s' '' '{"a":1}'"#);
    }

    #[test]
    fn a_program_that_does_not_end_is_ended() {
        let limit = Duration::from_millis(100);
        let started = Instant::now();
        let ended = Program::new("sleep", Path::new("/")).args(["30"]).capture(limit);
        assert!(matches!(ended, Err(TaskError::TimedOut { .. })));
        assert!(started.elapsed() < Duration::from_secs(10));
    }

    #[test]
    fn output_and_status_are_kept_apart() {
        let script = "echo out; echo err >&2; exit 3";
        let captured =
            Program::new("sh", Path::new("/")).args(["-c", script]).capture(Duration::from_secs(10));
        let captured = captured.expect("runs");
        assert_eq!((captured.stdout.as_str(), captured.stderr.as_str()), ("out\n", "err\n"));
        assert_eq!(in_words(captured.status), "exit status 3");
    }
}
