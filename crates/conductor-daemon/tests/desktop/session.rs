//! A separate desktop session: directories, a bus, and the programs that run in it, all of which end with the test.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::Value;
use tempfile::TempDir;

use crate::wasm;

/// Longest wait for things that should happen at once. Generous, because machines that run tests are busy.
pub(super) const PATIENCE: Duration = Duration::from_secs(60);

/// A session with a bus and nothing on it.
pub(super) struct Session {
    directory: TempDir,
    programs: Vec<Child>,
    environment: Vec<(&'static str, String)>,
}

impl Session {
    pub(super) fn start() -> Self {
        let directory = tempfile::tempdir().expect("directory");
        let environment = vec![("PATH", "/usr/local/bin:/usr/bin:/bin".to_owned())];
        let mut session = Self { directory, programs: Vec::new(), environment };
        for (variable, name) in
            [("HOME", "home"), ("XDG_RUNTIME_DIR", "run"), ("XDG_CONFIG_HOME", "home/.config")]
        {
            let path = session.path(name);
            fs::create_dir_all(&path).expect("directory");
            fs::set_permissions(&path, fs::Permissions::from_mode(0o700)).expect("permissions");
            session.set(variable, path.to_str().expect("UTF-8").to_owned());
        }
        let bus = session.bus("bus");
        session.set("DBUS_SESSION_BUS_ADDRESS", bus);
        // The machine may have a system bus, which the tests must not use.
        session.set("DBUS_SYSTEM_BUS_ADDRESS", format!("unix:path={}", session.path("no-bus").display()));
        session
    }

    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// Sets a variable for the programs that are started from now on.
    pub(super) fn set(&mut self, variable: &'static str, value: impl Into<String>) {
        self.environment.retain(|(name, _)| *name != variable);
        self.environment.push((variable, value.into()));
    }

    /// Starts a bus; returns its address.
    pub(super) fn bus(&mut self, name: &str) -> String {
        let address = format!("unix:path={}", self.path(name).display());
        let mut bus = self.command("dbus-daemon");
        bus.args(["--session", "--nofork", "--nopidfile", "--print-address=1", "--address", &address]);
        let mut bus = spawn(bus.stdout(Stdio::piped()), "dbus-daemon");
        let mut line = String::new();
        let printed = BufReader::new(bus.stdout.take().expect("stdout")).read_line(&mut line);
        assert!(printed.expect("an address") > 0, "the bus does not start");
        self.programs.push(bus);
        address
    }

    /// A program with the environment of the session and none of the tester's environment.
    pub(super) fn command(&self, program: impl AsRef<Path>) -> Command {
        let mut command = Command::new(program.as_ref());
        command.env_clear().envs(self.environment.iter().cloned());
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        command
    }

    /// Starts a program. Its output goes to a file named after it.
    pub(super) fn run(&mut self, program: &'static str, package: &str, arguments: &[&str]) {
        let printed = fs::File::create(self.path(program)).expect("file");
        let mut command = self.command(program);
        command.args(arguments).stdout(printed.try_clone().expect("descriptor")).stderr(printed);
        self.programs.push(spawn(&mut command, package));
    }

    /// Asks the program that was started last to end, and waits until it has.
    pub(super) fn finish_last(&mut self) {
        let mut program = self.programs.pop().expect("a program");
        rustix::process::kill_process(
            rustix::process::Pid::from_child(&program),
            rustix::process::Signal::INT,
        )
        .expect("the program runs");
        program.wait().expect("the program ends");
    }

    /// Ends the program that was started last.
    pub(super) fn end_last(&mut self) {
        end(self.programs.pop().expect("a program"));
    }

    /// What a program printed so far.
    pub(super) fn printed(&self, program: &str) -> String {
        fs::read_to_string(self.path(program)).unwrap_or_default()
    }

    /// Waits until `is_so` returns true.
    #[track_caller]
    pub(super) fn wait(&self, what: &str, mut is_so: impl FnMut() -> bool) {
        let deadline = Instant::now() + PATIENCE;
        while !is_so() {
            assert!(Instant::now() < deadline, "{what}");
            thread::sleep(Duration::from_millis(20));
        }
    }

    /// Makes one call with `conductor exec`. Returns its exit status and its report.
    pub(super) fn exec(
        &self,
        plugin: &str,
        grants: &[&str],
        action: &str,
        parameters: &Value,
    ) -> (Option<i32>, Value) {
        let mut command = self.command(env!("CARGO_BIN_EXE_conductor"));
        command.arg("exec").arg(wasm::plugin(plugin)).args(["--json", "--unsigned-ok", "--action", action]);
        command.args(["--params", &parameters.to_string()]);
        command.args(grants.iter().flat_map(|grant| ["--grant", grant]));
        let output =
            command.stdout(Stdio::piped()).stderr(Stdio::piped()).output().expect("conductor starts");
        let words = String::from_utf8_lossy(&output.stderr);
        let report = serde_json::from_slice(&output.stdout)
            .unwrap_or_else(|error| panic!("{error} in {:?}\n{words}", output.stdout.escape_ascii()));
        (output.status.code(), report)
    }

    /// Makes a call that must succeed. Returns its reply.
    #[track_caller]
    pub(super) fn reply(&self, plugin: &str, grants: &[&str], action: &str, parameters: &Value) -> Value {
        let (status, report) = self.exec(plugin, grants, action, parameters);
        assert_eq!(status, Some(0), "{report:#}");
        report["reply"].clone()
    }

    /// Makes a call that must fail for this reason.
    #[track_caller]
    pub(super) fn refused(&self, plugin: &str, grant: &str, action: &str, parameters: &Value, reason: &str) {
        let (status, report) = self.exec(plugin, &[grant], action, parameters);
        assert_eq!(status, Some(1), "{report:#}");
        assert!(report.to_string().contains(reason), "{reason}: {report:#}");
    }
}

impl Drop for Session {
    /// Programs are ended in reverse order, because later ones use earlier ones.
    fn drop(&mut self) {
        while let Some(program) = self.programs.pop() {
            end(program);
        }
    }
}

fn end(mut program: Child) {
    // Both calls fail only if the program has ended already.
    let _ = program.kill();
    let _ = program.wait();
}

fn spawn(command: &mut Command, package: &str) -> Child {
    command.spawn().unwrap_or_else(|error| {
        panic!("{command:?} cannot be started: {error}; to install it: apt-get install -y --no-install-recommends {package}")
    })
}
