//! Machines on the other end of links, each in a network namespace of its own.

use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;

use nix::sched::{CloneFlags, unshare};

/// Runs `ip` with these arguments, in the namespace of the calling thread.
pub(crate) fn ip(words: &str) {
    let output = Command::new("ip").args(words.split(' ')).output().expect("ip runs; install iproute2");
    assert!(output.status.success(), "ip {words}: {}", String::from_utf8_lossy(&output.stderr));
}

/// A machine at the other end of links: a thread in a network namespace of its own, with a web server that answers on
/// every address of the machine.
pub(crate) struct Machine {
    thread: i32,
    /// Number of connections that were made to the machine.
    connections: Arc<AtomicUsize>,
    commands: Sender<Vec<String>>,
    done: Receiver<()>,
}

impl Machine {
    pub(crate) fn start() -> Self {
        let (commands, commanded) = channel::<Vec<String>>();
        let (report, done) = channel();
        let (number, numbered) = channel();
        let connections = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&connections);
        thread::spawn(move || {
            unshare(CloneFlags::CLONE_NEWNET).expect("a network namespace");
            ip("link set lo up");
            let listener = TcpListener::bind("[::]:80").expect("port 80 of this namespace");
            thread::spawn(move || serve(&listener, &counted));
            number.send(rustix::thread::gettid().as_raw_nonzero().get()).expect("the scene goes on");
            for words in commanded {
                words.iter().for_each(|words| ip(words));
                report.send(()).expect("the scene goes on");
            }
        });
        Self { thread: numbered.recv().expect("a machine"), connections, commands, done }
    }

    /// Number of connections that were made to the machine.
    pub(crate) fn connections(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
    }

    /// Links this process, with the interface `link`, to the machine, with the interface `peer`.
    pub(crate) fn link(&self, link: &str, peer: &str) {
        ip(&format!("link add {link} type veth peer name {peer} netns {}", self.thread));
        ip(&format!("link set {link} up"));
        self.ip(&[&format!("link set {peer} up")]);
    }

    /// Links both as a tunnel does: by an interface without neighbour discovery, like those of tun and WireGuard.
    pub(crate) fn tunnel(&self, link: &str, peer: &str) {
        let address = "address 02:00:00:00:00:01";
        ip(&format!("link add {link} {address} type veth peer name {peer} netns {}", self.thread));
        self.ip(&[&format!("link set {peer} {address} arp off up")]);
        ip(&format!("link set {link} arp off up"));
    }

    /// Runs `ip` on the machine.
    pub(crate) fn ip(&self, words: &[&str]) {
        self.commands
            .send(words.iter().map(|words| (*words).to_owned()).collect())
            .expect("the machine runs");
        self.done.recv().expect("the machine did so");
    }
}

/// Answers each request with the same page, for as long as the process runs.
fn serve(listener: &TcpListener, connections: &AtomicUsize) {
    for stream in listener.incoming() {
        let mut stream = stream.expect("a connection");
        connections.fetch_add(1, Ordering::SeqCst);
        thread::spawn(move || {
            // A client may send further requests over the same connection.
            let mut has_more = true;
            while has_more {
                let (mut head, mut byte) = (Vec::new(), [0]);
                while !head.ends_with(b"\r\n\r\n") && has_more {
                    has_more = stream.read(&mut byte).is_ok_and(|count| count == 1);
                    head.push(byte[0]);
                }
                let answer = "HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello";
                // A client that only tests whether somebody answers does not read the answer.
                has_more &= stream.write_all(answer.as_bytes()).is_ok();
            }
        });
    }
}
