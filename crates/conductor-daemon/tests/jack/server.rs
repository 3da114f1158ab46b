//! A JACK server without hardware, with a name of its own.

use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use crate::scratch::PATIENCE;

/// A running server; it is ended with the test.
pub(super) struct Server {
    child: Child,
    name: String,
}

impl Server {
    /// Starts a server and waits until clients can connect to it.
    pub(super) fn start() -> Self {
        let name = format!("conductor-test-{}", std::process::id());
        let server = Self { child: spawn(&name), name };
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
        self.child = spawn(&self.name);
        self.wait();
    }

    fn wait(&self) {
        let deadline = Instant::now() + PATIENCE;
        while jack::Client::new("probe", jack::ClientOptions::NO_START_SERVER).is_err() {
            assert!(Instant::now() < deadline, "jackd does not accept clients");
            thread::sleep(Duration::from_millis(50));
        }
    }
}

fn spawn(name: &str) -> Child {
    let mut jackd = Command::new("jackd");
    jackd.args(["--no-realtime", "--name", name, "-d", "dummy", "-r", "48000", "-p", "256"]);
    jackd.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    jackd.spawn().unwrap_or_else(|error| {
        panic!("jackd cannot be started: {error}; to install it: apt-get install -y --no-install-recommends jackd2")
    })
}

impl Drop for Server {
    fn drop(&mut self) {
        // Both fail only if it has ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
