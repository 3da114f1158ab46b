//! Clients that are slow, long-winded or many: each is bounded, and others are served meanwhile.

use std::io::{Read as _, Write as _};
use std::os::unix::net::UnixStream;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use conductor_daemon::control::{
    EXCHANGE_WAIT, MAX_CONNECTIONS, MAX_REQUEST_BYTES, RefusalCause, Request, Response,
};
use rustix::process::{Resource, getrlimit, setrlimit};

use super::ctl::{assert_served, connect, exchange, quiet_daemon, shown, socket};
use crate::scratch::{PATIENCE, Scratch};

fn cause(response: Option<Response>) -> RefusalCause {
    match response {
        Some(Response::Refused(refusal)) => refusal.cause,
        other => panic!("not refused: {other:?}"),
    }
}

/// Waits until the daemon ends the connection. Returns what the daemon sent.
fn ended(stream: &mut UnixStream) -> Vec<u8> {
    stream.set_read_timeout(Some(PATIENCE)).expect("timeout");
    let mut said = Vec::new();
    match stream.read_to_end(&mut said) {
        Ok(_) => said,
        Err(error) if error.kind() == std::io::ErrorKind::ConnectionReset => said,
        Err(error) => panic!("the connection does not end: {error}"),
    }
}

#[test]
fn what_is_no_request_is_refused_with_its_cause() {
    let scratch = Scratch::new();
    let daemon = quiet_daemon(&scratch);
    for (bytes, expected) in [
        (&b"\n"[..], RefusalCause::Malformed),
        (b"{}\n", RefusalCause::Malformed),
        (b"\xff\xfe\n", RefusalCause::Malformed),
        (b"{\"version\":1,\"request\":\"stop\"}\n", RefusalCause::Malformed),
        (b"{\"version\":7,\"request\":\"status\"}\n", RefusalCause::UnknownVersion),
    ] {
        assert_eq!(cause(exchange(&mut connect(&scratch), bytes)), expected);
    }
    // One line is one request; bytes after it are ignored.
    let two = Request::PluginList.to_line() + &Request::Status.to_line();
    let mut stream = connect(&scratch);
    assert!(matches!(exchange(&mut stream, two.as_bytes()), Some(Response::PluginList { .. })));
    assert_eq!(ended(&mut stream), b"");
    daemon.stop();
}

#[test]
fn a_request_of_a_gibibyte_is_refused_at_its_64th_kibibyte() {
    let scratch = Scratch::new();
    let daemon = quiet_daemon(&scratch);
    let mut stream = connect(&scratch);
    let chunk = vec![b'x'; 64 * 1024];
    let mut sent = 0_usize;
    while sent < 1024 * 1024 * 1024 {
        match stream.write(&chunk) {
            Ok(count) => sent += count,
            Err(_) => break,
        }
    }
    // The socket's buffers take some bytes more than the daemon reads.
    assert!(sent < MAX_REQUEST_BYTES + 4 * 1024 * 1024, "{sent} bytes were taken");
    assert_eq!(cause(exchange(&mut stream, b"")), RefusalCause::TooLarge);

    let longest = |padding: usize| {
        let line = Request::Status.to_line();
        let line = " ".repeat(padding - line.len()) + &line;
        exchange(&mut connect(&scratch), line.as_bytes())
    };
    assert!(matches!(longest(MAX_REQUEST_BYTES), Some(Response::Status(_))));
    assert_eq!(cause(longest(MAX_REQUEST_BYTES + 1)), RefusalCause::TooLarge);
    daemon.stop();
}

#[test]
fn slow_clients_and_half_lines_end_and_delay_nobody() {
    let scratch = Scratch::new();
    let daemon = quiet_daemon(&scratch);
    let line = Request::Status.to_line();
    let mut silent = connect(&scratch);
    let mut half = connect(&scratch);
    half.write_all(&line.as_bytes()[..line.len() / 2]).expect("sent");
    let mut cut = connect(&scratch);
    cut.write_all(line.trim_end().as_bytes()).expect("sent");
    cut.shutdown(std::net::Shutdown::Write).expect("shut down");
    assert_eq!(ended(&mut cut), b"", "a line without its end is none");

    // A client that sends one byte at a time does not make a connection last longer.
    let started = Instant::now();
    let mut slow = connect(&scratch);
    let drips = thread::spawn(move || {
        while slow.write_all(b" ").is_ok() {
            assert!(started.elapsed() < PATIENCE, "the connection does not end");
            thread::sleep(Duration::from_millis(20));
        }
    });
    while !drips.is_finished() {
        assert_served(&scratch);
        thread::sleep(Duration::from_millis(50));
    }
    drips.join().expect("ended by the daemon");
    assert!(started.elapsed() >= EXCHANGE_WAIT, "ended after {:?}", started.elapsed());
    assert_eq!(ended(&mut silent), b"");
    assert_eq!(ended(&mut half), b"");

    // A client that asks and does not read the answer.
    let mut deaf = connect(&scratch);
    deaf.write_all(Request::PluginList.to_line().as_bytes()).expect("sent");
    assert_served(&scratch);
    daemon.stop();
}

#[test]
fn a_thousand_connections_are_bounded_and_another_client_is_served() {
    const MANY: usize = 1000;
    let scratch = Scratch::new();
    let daemon = quiet_daemon(&scratch);
    let mut limit = getrlimit(Resource::Nofile);
    limit.current = limit.maximum;
    setrlimit(Resource::Nofile, limit).expect("descriptors for a thousand connections");
    let files = || std::fs::read_dir(format!("/proc/{}/fd", daemon.pid())).expect("descriptors").count();
    let before = files();

    let connections: Vec<UnixStream> = (0..MANY).map(|_| connect(&scratch)).collect();
    assert_served(&scratch);
    assert!(files() <= before + MAX_CONNECTIONS + 1, "{} descriptors, {before} before", files());
    shown(&scratch, &["plugin", "list"]);
    drop(connections);

    // The same while further such clients connect all the time.
    let (is_over, opened) = (AtomicBool::new(false), AtomicU64::new(0));
    let path = socket(&scratch);
    thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                let mut held = Vec::new();
                while !is_over.load(Ordering::Relaxed) {
                    held.extend(UnixStream::connect(&path));
                    if held.len() > MAX_CONNECTIONS * 4 {
                        held.clear();
                    }
                    opened.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
        while opened.load(Ordering::Relaxed) < MANY as u64 {
            shown(&scratch, &["status"]);
        }
        is_over.store(true, Ordering::Relaxed);
    });
    daemon.stop();
}
