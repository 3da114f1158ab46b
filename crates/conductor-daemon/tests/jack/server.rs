//! A JACK server without hardware, with its own name.
//!
//! All JACK servers of a machine share a register with eight places. A server that was killed keeps its place until a
//! server of the same name is started. So the name is the same in every run, and the last server is asked to end.

use std::fs::File;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io::{Read, Seek};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use crate::scratch::PATIENCE;

/// A running server, which is ended with the test.
pub(super) struct Server {
    child: Child,
    name: String,
    stderr: File,
}

/// Name of the server for this target directory, so that two checkouts that are tested at once use two names.
pub(super) fn name() -> String {
    let mut hasher = DefaultHasher::new();
    env!("CARGO_TARGET_TMPDIR").hash(&mut hasher);
    format!("conductor-test-{:08x}", hasher.finish() as u32)
}

impl Server {
    /// Starts a server and waits until clients can connect to it.
    pub(super) fn start() -> Self {
        let name = name();
        // A file, because a pipe that nobody reads would stop a server that prints many complaints.
        let stderr = tempfile::tempfile().expect("temporary file");
        let mut server = Self { child: spawn(&name, &stderr), name, stderr };
        server.wait();
        server
    }

    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// Ends the server as a crash would.
    pub(super) fn kill(&mut self) {
        self.child.kill().expect("jackd killed");
        self.child.wait().expect("jackd ended");
    }

    /// Starts the server again under its name.
    pub(super) fn restart(&mut self) {
        self.child = spawn(&self.name, &self.stderr);
        self.wait();
    }

    fn wait(&mut self) {
        let deadline = Instant::now() + PATIENCE;
        while jack::Client::new("probe", jack::ClientOptions::NO_START_SERVER).is_err() {
            let ended = self.child.try_wait().expect("jackd is a child");
            assert!(
                ended.is_none() && Instant::now() < deadline,
                "jackd does not accept clients: {}",
                self.end()
            );
            thread::sleep(Duration::from_millis(50));
        }
    }

    /// Asks the server to end, so that it gives up its place in the register. Returns its complaints.
    fn end(&mut self) -> String {
        if let Ok(None) = self.child.try_wait() {
            // This fails only if the server has ended already.
            let _ = kill_process(Pid::from_child(&self.child), Signal::TERM);
        }
        let deadline = Instant::now() + PATIENCE;
        while matches!(self.child.try_wait(), Ok(None)) {
            if Instant::now() > deadline {
                let _ = self.child.kill();
            }
            thread::sleep(Duration::from_millis(10));
        }
        let mut complaints = String::new();
        self.stderr.rewind().expect("a file");
        self.stderr.read_to_string(&mut complaints).expect("text");
        complaints
    }
}

fn spawn(name: &str, stderr: &File) -> Child {
    let mut jackd = Command::new("jackd");
    // Otherwise a client that misses its cycle on a busy machine is heard again with what it sent before.
    jackd.arg("--sync");
    jackd.args(["--no-realtime", "--name", name, "-d", "dummy", "-r", "48000", "-p", "256"]);
    jackd.stdin(Stdio::null()).stdout(Stdio::null()).stderr(stderr.try_clone().expect("descriptor"));
    jackd.spawn().unwrap_or_else(|error| {
        panic!("jackd cannot be started: {error}; to install it: apt-get install -y --no-install-recommends jackd2")
    })
}

impl Drop for Server {
    fn drop(&mut self) {
        self.end();
    }
}
