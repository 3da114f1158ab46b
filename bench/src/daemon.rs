//! Runs the daemon itself, in a separate home.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::Value as Json;

use crate::stage::{Result, Stage};

/// Longest wait for the daemon to do what it was started for.
const PATIENCE: Duration = Duration::from_secs(300);

/// A daemon that runs until this value is dropped.
pub(crate) struct Daemon {
    child: Child,
    socket: PathBuf,
}

impl Daemon {
    /// Starts the daemon with this configuration, and with the plugins and the trust store of the stage.
    pub(crate) fn start(stage: &Stage, config: &str) -> Result<Self> {
        fs::write(stage.config_dir().join("config.toml"), config)?;
        let runtime = stage.path().join("runtime");
        let mut command = Command::new(&stage.built.conductor);
        command.arg("run").env_clear().env("HOME", stage.path());
        command.env("CONDUCTOR_CONFIG_DIR", stage.config_dir()).env("CONDUCTOR_RUNTIME_DIR", &runtime);
        for (variable, name) in [("CONDUCTOR_DATA_DIR", "data"), ("CONDUCTOR_STATE_DIR", "state")] {
            command.env(variable, stage.path().join(name));
        }
        command
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(fs::File::create(stage.path().join("log"))?);
        Ok(Self { child: command.spawn()?, socket: runtime.join("conductor.sock") })
    }

    /// Waits until `plugins` plugins run.
    pub(crate) fn wait_for(&mut self, plugins: u64, stage: &Stage) -> Result<()> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let status = self.ask("status").ok();
            let counts = status.as_ref().map(|status| &status["plugins"]);
            if counts.is_some_and(|counts| counts["running"] == plugins) {
                return Ok(());
            }
            if Instant::now() > deadline || self.child.try_wait()?.is_some() {
                let log = fs::read_to_string(stage.path().join("log"))?;
                return Err(format!("the daemon did not start {plugins} plugins: {status:?}\n{log}").into());
            }
            thread::sleep(Duration::from_millis(2));
        }
    }

    /// Sends a request over the control socket and returns the response.
    pub(crate) fn ask(&self, request: &str) -> Result<Json> {
        let mut stream = UnixStream::connect(&self.socket)?;
        writeln!(stream, r#"{{"version":1,"request":"{request}"}}"#)?;
        let mut line = String::new();
        BufReader::new(stream).read_line(&mut line)?;
        let mut answer: Json = serde_json::from_str(&line)?;
        Ok(answer["response"][request].take())
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        let pid = i32::try_from(self.child.id()).ok().and_then(rustix::process::Pid::from_raw);
        if let Some(pid) = pid {
            let _ = rustix::process::kill_process(pid, rustix::process::Signal::TERM);
        }
        let _ = self.child.wait();
    }
}

/// The proportional set size of a process in bytes: its own memory, and its part of each page that it shares.
pub(crate) fn proportional_bytes(pid: u64) -> Result<f64> {
    let rollup = fs::read_to_string(format!("/proc/{pid}/smaps_rollup"))?;
    let line = rollup.lines().find_map(|line| line.strip_prefix("Pss:")).ok_or("no Pss")?;
    Ok(line.trim().trim_end_matches(" kB").trim().parse::<f64>()? * 1024.0)
}
