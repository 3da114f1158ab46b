//! `conductorctl` in a test's home, and helpers that several tests use.

use std::io::{BufRead as _, BufReader, Write as _};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;

use conductor_daemon::control::{Request, Response};
use serde_json::Value as Json;

use crate::scratch::{Daemon, Ended, LENIENT, PATIENCE, Scratch, plugin};
use crate::wasm;

/// An input that never says anything during a test.
pub(super) const SILENT: &str = "[[inputs]]\nname = \"clock\"\ntype = \"interval\"\nevery = \"1h\"\n";

/// Runs `conductorctl` to its end.
pub(super) fn ctl(scratch: &Scratch, arguments: &[&str]) -> Ended {
    let output = scratch.program(env!("CARGO_BIN_EXE_conductorctl"), arguments).output();
    Ended::of(output.expect("conductorctl starts"))
}

/// What `conductorctl` prints. It must succeed and write nothing to standard error, except for what it decides about.
pub(super) fn shown(scratch: &Scratch, arguments: &[&str]) -> String {
    let ended = ctl(scratch, arguments);
    let begins_with = match arguments {
        ["plugin", "grant", ..] => "Plugin:     ",
        ["plugin", "install", ..] => "Name:       ",
        [..] => "",
    };
    let says_the_like = if begins_with.is_empty() {
        ended.stderr.is_empty()
    } else {
        ended.stderr.starts_with(begins_with) && !ended.stderr.contains("error: ")
    };
    assert!(ended.code == 0 && says_the_like, "{ended:?}");
    ended.stdout
}

/// What `conductorctl … --json` prints.
pub(super) fn json(scratch: &Scratch, arguments: &[&str]) -> Json {
    serde_json::from_str(&shown(scratch, &[arguments, &["--json"]].concat())).expect("JSON")
}

/// The socket of the daemon in this home.
pub(super) fn socket(scratch: &Scratch) -> PathBuf {
    scratch.path("state/conductor.sock")
}

/// A connection to the daemon.
pub(super) fn connect(scratch: &Scratch) -> UnixStream {
    let stream = UnixStream::connect(socket(scratch)).expect("connected");
    stream.set_read_timeout(Some(PATIENCE)).expect("timeout");
    stream
}

/// Sends bytes and reads the line that comes back; none if the connection ends without a line.
pub(super) fn exchange(stream: &mut UnixStream, bytes: &[u8]) -> Option<Response> {
    // The daemon may refuse a request before it has read all of it.
    let _ = stream.write_all(bytes);
    let mut line = Vec::new();
    match BufReader::new(stream).read_until(b'\n', &mut line) {
        Ok(0) => None,
        Ok(_) => Response::from_line(&line).expect("a response"),
        Err(error) if error.kind() == std::io::ErrorKind::ConnectionReset => None,
        Err(error) => panic!("no answer: {error}"),
    }
}

/// Checks that the daemon answers a well-behaved client.
pub(super) fn assert_served(scratch: &Scratch) {
    let response = exchange(&mut connect(scratch), Request::Status.to_line().as_bytes());
    assert!(matches!(response, Some(Response::Status(_))), "{response:?}");
}

/// A running daemon with one plugin that no event is mapped to.
pub(super) fn quiet_daemon(scratch: &Scratch) -> Daemon {
    quiet_daemon_with(scratch, &[])
}

/// As [`quiet_daemon`], with further environment variables.
pub(super) fn quiet_daemon_with(scratch: &Scratch, variables: &[(&str, &str)]) -> Daemon {
    scratch.config(&format!("{LENIENT}{}{SILENT}", plugin("hostile", &wasm::fixture("hostile"), "")));
    let mut daemon = scratch.start_with(&[], variables);
    daemon.wait_for_log("ready");
    daemon
}
