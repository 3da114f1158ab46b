//! A separate home for every test, and `conductor` running in it.

use std::io::{BufRead as _, BufReader, Read, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::thread;
use std::time::{Duration, Instant};

use conductor_daemon::paths::Paths;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value as Json;
use tempfile::TempDir;

/// Longest wait for things that should happen at once. Generous, because machines that run tests are busy.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// A policy under which tests run the plugins that they build, unsigned.
pub(crate) const LENIENT: &str = "[wasm]\nrequire_signature = false\nunsigned_max_risk = \"medium\"\n";

/// A home directory that is deleted when the test ends.
pub(crate) struct Scratch {
    directory: TempDir,
}

/// A program that ended.
#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) code: i32,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Ended {
    /// How a program ended, from what it printed.
    pub(crate) fn of(output: Output) -> Self {
        Self {
            code: output.status.code().expect("exit status"),
            stdout: String::from_utf8(output.stdout).expect("text"),
            stderr: String::from_utf8(output.stderr).expect("text"),
        }
    }
}

impl Scratch {
    pub(crate) fn new() -> Self {
        let directory = tempfile::tempdir().expect("directory");
        for name in ["config", "data", "state"] {
            std::fs::create_dir(directory.path().join(name)).expect("directory");
        }
        Self { directory }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    pub(crate) fn config_file(&self) -> PathBuf {
        self.path("config/config.toml")
    }

    /// Writes the configuration.
    pub(crate) fn config(&self, text: &str) {
        std::fs::write(self.config_file(), text).expect("configuration written");
    }

    /// What the plugin `notes` has written.
    pub(crate) fn notes(&self) -> String {
        std::fs::read_to_string(self.path("data/plugin-data/notes/notes.txt")).unwrap_or_default()
    }

    /// The directories that the program uses.
    pub(crate) fn paths(&self) -> Paths {
        Paths::new(self.path("config"), self.path("data"), self.path("state"), self.path("cache"))
    }

    /// `conductor` with these arguments and none of the tester's environment.
    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        self.program(env!("CARGO_BIN_EXE_conductor"), arguments)
    }

    /// Runs `conductor-sign`, which must succeed.
    pub(crate) fn conductor_sign(&self, arguments: &[&str]) {
        let output = self.program(env!("CARGO_BIN_EXE_conductor-sign"), arguments).output();
        let output = output.expect("conductor-sign starts");
        assert!(output.status.success(), "{arguments:?}: {output:?}");
    }

    /// A program with these arguments and none of the tester's environment.
    pub(crate) fn program(&self, program: &str, arguments: &[&str]) -> Command {
        let mut command = Command::new(program);
        command.args(arguments).current_dir(self.directory.path()).env_clear();
        command.env("HOME", self.directory.path()).env("NO_COLOR", "1");
        for (variable, name) in [
            ("CONDUCTOR_CONFIG_DIR", "config"),
            ("CONDUCTOR_DATA_DIR", "data"),
            ("CONDUCTOR_STATE_DIR", "state"),
        ] {
            command.env(variable, self.path(name));
        }
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    /// Runs `conductor` to its end.
    pub(crate) fn conductor(&self, arguments: &[&str]) -> Ended {
        self.conductor_with_input(arguments, "")
    }

    /// Runs `conductor` to its end with `input` on standard input.
    pub(crate) fn conductor_with_input(&self, arguments: &[&str], input: &str) -> Ended {
        let mut child = self.command(arguments).stdin(Stdio::piped()).spawn().expect("conductor starts");
        // Writing fails if the program closed its input without reading it.
        let _ = child.stdin.take().expect("standard input").write_all(input.as_bytes());
        let output = child.wait_with_output().expect("conductor ends");
        Ended::of(output)
    }

    /// Starts the daemon, which prints its calls as JSON lines.
    pub(crate) fn start(&self, more: &[&str]) -> Daemon {
        self.start_with(more, &[])
    }

    /// Starts the daemon with further environment variables.
    pub(crate) fn start_with(&self, more: &[&str], variables: &[(&str, &str)]) -> Daemon {
        let arguments = [&["run", "--events", "--json"], more].concat();
        let mut command = self.command(&arguments);
        command.envs(variables.iter().copied());
        self.spawn(command)
    }

    /// Starts the daemon with a command that the test made.
    pub(crate) fn spawn(&self, mut command: Command) -> Daemon {
        command.current_dir(self.directory.path());
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().expect("conductor starts");
        let calls = lines(child.stdout.take().expect("standard output"));
        let log = lines(child.stderr.take().expect("standard error"));
        Daemon { child, calls, log, seen: Vec::new() }
    }
}

/// A running daemon, which is killed when the test ends.
pub(crate) struct Daemon {
    child: Child,
    calls: Receiver<(Instant, String)>,
    log: Receiver<(Instant, String)>,
    seen: Vec<String>,
}

impl Daemon {
    /// Waits for a line of the log that contains `text`.
    pub(crate) fn wait_for_log(&mut self, text: &str) -> String {
        if let Some(line) = self.seen.iter().find(|line| line.contains(text)) {
            return line.clone();
        }
        self.next_log(text)
    }

    /// Waits for the next line of the log that contains `text`.
    pub(crate) fn next_log(&mut self, text: &str) -> String {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            match self.log.recv_timeout(left) {
                Ok((_, line)) => {
                    self.seen.push(line.clone());
                    if line.contains(text) {
                        return line;
                    }
                }
                Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => {
                    panic!("`{text}` is not in the log:\n{}", self.seen.join("\n"))
                }
            }
        }
    }

    /// Waits for the next call to end. Returns when its row was seen, and the row.
    pub(crate) fn next_call(&mut self) -> (Instant, Json) {
        match self.calls.recv_timeout(PATIENCE) {
            Ok((at, line)) => (at, serde_json::from_str(&line).expect("a JSON line")),
            Err(error) => {
                let log: Vec<String> = self.log.try_iter().map(|(_, line)| line).collect();
                panic!("no call: {error}; log:\n{}\n{}", self.seen.join("\n"), log.join("\n"))
            }
        }
    }

    /// Process identifier.
    #[allow(dead_code, reason = "each test program uses what it needs")]
    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Waits until the daemon has a thread of this name.
    #[allow(dead_code, reason = "each test program uses what it needs")]
    pub(crate) fn wait_for_thread(&self, name: &str) {
        let deadline = Instant::now() + PATIENCE;
        let tasks = format!("/proc/{}/task", self.pid());
        let is_called_so = |task: std::fs::DirEntry| {
            std::fs::read_to_string(task.path().join("comm")).is_ok_and(|comm| comm.trim_end() == name)
        };
        while !std::fs::read_dir(&tasks).expect("threads").flatten().any(is_called_so) {
            assert!(Instant::now() < deadline, "there is no thread `{name}`");
            thread::sleep(Duration::from_millis(1));
        }
    }

    /// Sends a signal.
    pub(crate) fn signal(&self, signal: Signal) {
        let pid = Pid::from_raw(i32::try_from(self.child.id()).expect("process id")).expect("process id");
        kill_process(pid, signal).expect("signal sent");
    }

    /// Waits for the daemon to end. Returns its exit status, the remaining calls and the whole log.
    pub(crate) fn wait(mut self) -> (i32, Vec<Json>, String) {
        let deadline = Instant::now() + PATIENCE;
        let status = loop {
            if let Some(status) = self.child.try_wait().expect("waits") {
                break status;
            }
            assert!(Instant::now() < deadline, "the daemon does not end");
            thread::sleep(Duration::from_millis(5));
        };
        let calls =
            self.calls.iter().map(|(_, line)| serde_json::from_str(&line).expect("a JSON line")).collect();
        let mut log = std::mem::take(&mut self.seen);
        log.extend(self.log.iter().map(|(_, line)| line));
        (status.code().unwrap_or(-1), calls, log.join("\n"))
    }

    /// Asks the daemon to end, and checks that it ends in an orderly way.
    pub(crate) fn stop(self) -> (Vec<Json>, String) {
        self.signal(Signal::TERM);
        let (code, calls, log) = self.wait();
        assert_eq!(code, 0, "{log}");
        (calls, log)
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        // Both calls fail only if the daemon has ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The lines of a stream, as they are written.
fn lines(stream: impl Read + Send + 'static) -> Receiver<(Instant, String)> {
    let (sender, receiver) = channel();
    thread::spawn(move || {
        for line in BufReader::new(stream).lines().map_while(Result::ok) {
            if sender.send((Instant::now(), line)).is_err() {
                return;
            }
        }
    });
    receiver
}

/// A disk that hangs under whoever writes decisions about trust, until the returned function is called: opening the file of
/// the lock waits for a reader.
#[allow(dead_code, reason = "each test program uses what it needs")]
pub(crate) fn hang_trust(scratch: &Scratch) -> impl FnOnce() -> std::fs::File + use<> {
    use rustix::fs::{CWD, FileType, Mode, OFlags, mknodat};
    let lock = scratch.path("config/.trust.lock");
    // There may be none yet.
    let _ = std::fs::remove_file(&lock);
    mknodat(CWD, &lock, FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).expect("FIFO made");
    move || {
        let flags = OFlags::RDONLY | OFlags::NONBLOCK;
        rustix::fs::open(&lock, flags, Mode::empty()).expect("FIFO opened").into()
    }
}

/// Runs a program of the system, which must be installed.
pub(crate) fn run(program: &str, arguments: &[&str], package: &str) {
    let install = format!("apt-get install -y --no-install-recommends {package}");
    match Command::new(program).args(arguments).output() {
        Ok(output) => assert!(output.status.success(), "{program} {arguments:?}: {output:?}"),
        Err(error) => panic!("{program} cannot be started: {error}; to install it: {install}"),
    }
}

/// A table `[plugins.NAME]` for a module.
pub(crate) fn plugin(alias: &str, module: &Path, more: &str) -> String {
    format!("[plugins.{alias}]\npath = '{}'\n{more}\n", module.display())
}

/// A table `[[inputs]]` of a clock that ticks each time that a duration such as `20ms` has passed.
pub(crate) fn interval(name: &str, every: &str, more: &str) -> String {
    format!("[[inputs]]\nname = \"{name}\"\ntype = \"interval\"\nevery = \"{every}\"\n{more}\n")
}
