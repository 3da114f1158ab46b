//! The host's side: a plugin that talks to a peer as a harmless plugin would, another plugin that is served meanwhile,
//! and measurements of the process.

use std::collections::BTreeSet;
use std::fs;
use std::io::{self, BufRead as _, BufReader};
use std::net::{IpAddr, Ipv4Addr};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use conductor_abi::{
    CapabilityRequest, HttpOpened, HttpRead, HttpRequest, Op, Risk, Status, WebSocketMessage, WebSocketOpen,
    WebSocketOpened, WebSocketReceive, WebSocketSend,
};
use conductor_broker::devices::{Devices, NameResolver, RootCertificates};
use conductor_broker::{Broker, Session};
use conductor_call::Answer;
use conductor_call::{Limit, Limits};
use conductor_policy::grant::{Ceilings, Choices, Grants};
use conductor_signing::TrustLevel;

use crate::serve::NAME;
use crate::wrongs::{ALL, Speaks, Wrong};

/// Most memory that a peer may make the host take: bytes that wait for the plugin, the buffers of all its connections,
/// and what the allocator keeps.
const MAX_GROWTH_BYTES: u64 = 16 * 1024 * 1024;

/// Most descriptors that a peer may make the host take: the connections of the plugin and of the other plugin.
const MAX_DESCRIPTORS: usize = 64;

/// Longest time that the other plugin waits for an answer: ten times the value on a busy machine.
const MAX_LATENCY: Duration = Duration::from_secs(5);

/// Longest operation of a plugin that talks to a peer.
const PATIENCE: Duration = Duration::from_millis(150);

/// The body of the plugin's requests that have one.
const BODY: &[u8] = &[7; 200_000];

/// The process of the peers, and the host that they attack.
pub(crate) struct Peers {
    child: Child,
    ports: Vec<u16>,
    well: u16,
    broker: Broker,
}

/// Resolves every name to this machine.
struct Here;

impl NameResolver for Here {
    fn resolve(&self, _name: &str) -> io::Result<Vec<IpAddr>> {
        Ok(vec![Ipv4Addr::LOCALHOST.into()])
    }
}

impl Peers {
    pub(crate) fn start() -> Self {
        let mut child = Command::new(std::env::current_exe().expect("this program"))
            .arg("serve")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("the peers start");
        let mut said = BufReader::new(child.stdout.take().expect("a pipe"));
        let mut line = || {
            let mut line = String::new();
            said.read_line(&mut line).expect("the peers say where they are");
            line
        };
        let mut port = || line().trim().parse().expect("a port");
        let ports = ALL.iter().map(|_| port()).collect();
        let well = port();
        let mut pem = String::new();
        while !pem.contains("END CERTIFICATE") {
            pem += &line();
        }
        let http_roots = RootCertificates::from_pem(pem.as_bytes()).expect("an authority");
        let broker = Broker::new(Devices { names: Arc::new(Here), http_roots, ..Devices::default() });
        Self { child, ports, well, broker }
    }

    fn session(&self, name: &str, limits: &Limits) -> Arc<Session> {
        let request = CapabilityRequest { name: "Network".into(), scope: None, reason: None };
        let granted = format!("Network={NAME}:*;private=yes").parse().expect("a grant");
        let choices = Choices { configured: vec![granted], ..Choices::default() };
        let ceilings = Ceilings { unsigned: Risk::Medium, self_signed: Risk::Medium, trusted: None };
        let trust = TrustLevel::Trusted { key_name: "k".into() };
        let grants = Grants::resolve(&[request], &choices, &trust, ceilings).expect("grants");
        self.broker.session(name, grants, limits)
    }

    /// Lets a plugin talk to a peer for a while, and checks that the host stays within its bounds.
    pub(crate) fn suffer(&mut self, wrong: &'static Wrong, each: Duration) {
        let place = ALL.iter().position(|known| known.name == wrong.name).expect("a peer");
        let port = self.ports[place];
        let victim = self.session("victim", &Limits::default());
        let other = self.session("other", &Limits::default());
        let well = format!("http://{NAME}:{}/", self.well);
        assert_eq!(request(&other, "GET", &well, &[], MAX_LATENCY).status, Status::Ok, "before");
        let before = resident_bytes();

        let stop = Arc::new(AtomicBool::new(false));
        let talking = {
            let scheme = match wrong.speaks {
                Speaks::Http1 => "http",
                Speaks::WebSocket => "ws",
                Speaks::Http2 | Speaks::Tls | Speaks::Raw => "https",
            };
            let url = format!("{scheme}://{NAME}:{port}/");
            let mut victim = Victim { session: victim, url, met: BTreeSet::new() };
            let stop = Arc::clone(&stop);
            thread::spawn(move || {
                victim.forget(wrong);
                let mut operations = 0_u64;
                while !stop.load(Ordering::Acquire) {
                    victim.talk(wrong);
                    operations += 1;
                }
                (operations, victim.met)
            })
        };
        let begun = Instant::now();
        let (mut slowest, mut most_bytes, mut most_descriptors) = (Duration::ZERO, 0, 0);
        while begun.elapsed() < each {
            let asked = Instant::now();
            let answer = request(&other, "GET", &well, &[], MAX_LATENCY);
            assert_eq!(answer.status, Status::Ok, "{}", String::from_utf8_lossy(&answer.bytes));
            slowest = slowest.max(asked.elapsed());
            most_bytes = most_bytes.max(resident_bytes().saturating_sub(before));
            most_descriptors = most_descriptors.max(descriptors());
            thread::sleep(Duration::from_millis(5));
        }
        stop.store(true, Ordering::Release);
        let (operations, met) = talking.join().expect("the plugin goes on, whatever the peer does");
        println!(
            "{}: {operations} talks, {most_bytes} bytes, {most_descriptors} descriptors, {slowest:?}, met {met:?}",
            wrong.name
        );
        assert!(operations > 0);
        assert!(most_bytes < MAX_GROWTH_BYTES, "{most_bytes} bytes");
        assert!(most_descriptors < MAX_DESCRIPTORS, "{most_descriptors} descriptors");
        assert!(slowest < MAX_LATENCY, "{slowest:?}");
        if let Some(limit) = wrong.meets {
            assert!(met.contains(limit.key()), "{met:?}");
        }
    }
}

impl Drop for Peers {
    fn drop(&mut self) {
        // Both calls fail only if the process has ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The plugin, and the limits that it met.
struct Victim {
    session: Arc<Session>,
    url: String,
    met: BTreeSet<&'static str>,
}

impl Victim {
    /// Talks to a server as plugins do: asks, reads on, sends, waits, closes. Any answer is accepted.
    fn talk(&mut self, wrong: &Wrong) {
        if wrong.speaks == Speaks::WebSocket {
            let Some(socket) = self.open_socket() else { return };
            for _ in 0..4 {
                if wrong.posts {
                    self.ask(
                        Op::WebSocketSend,
                        &WebSocketSend { socket, message: WebSocketMessage::Binary(BODY) },
                    );
                }
                self.ask(Op::WebSocketReceive, &WebSocketReceive { socket, wait_ms: 10 });
            }
            thread::sleep(PATIENCE);
            self.ask(Op::WebSocketClose, &socket);
        } else {
            let url = self.url.clone();
            self.ask(Op::HttpRequest, &asked(wrong, &url));
            let Some(body) = self.open_body(wrong) else { return };
            for _ in 0..4 {
                self.ask(Op::HttpRead, &HttpRead { body, max: 4096 });
            }
            thread::sleep(PATIENCE);
            self.ask(Op::HttpClose, &body);
        }
    }

    /// Leaves something open, like a plugin that forgets to close it.
    fn forget(&mut self, wrong: &Wrong) {
        if wrong.speaks == Speaks::WebSocket {
            self.open_socket();
        } else {
            self.open_body(wrong);
        }
    }

    fn open_socket(&mut self) -> Option<u32> {
        let url = self.url.clone();
        let answer =
            self.ask(Op::WebSocketOpen, &WebSocketOpen { url: &url, protocols: "", headers: vec![] });
        let is_open = answer.status == Status::Ok;
        is_open.then(|| postcard::from_bytes::<WebSocketOpened>(&answer.bytes).expect("decodes").socket)
    }

    fn open_body(&mut self, wrong: &Wrong) -> Option<u32> {
        let url = self.url.clone();
        let answer = self.ask(Op::HttpOpen, &asked(wrong, &url));
        let is_open = answer.status == Status::Ok;
        is_open.then(|| postcard::from_bytes::<HttpOpened>(&answer.bytes).expect("decodes").body)
    }

    fn ask(&mut self, op: Op, request: &impl serde::Serialize) -> Answer {
        let answer = ask(&self.session, op, request, PATIENCE);
        self.met.extend(answer.refused_by.map(Limit::key));
        answer
    }
}

fn asked<'u>(wrong: &Wrong, url: &'u str) -> HttpRequest<'u> {
    let (method, body) = if wrong.posts { ("POST", BODY) } else { ("GET", &[][..]) };
    HttpRequest { method, url, headers: vec![], body }
}

fn request(session: &Session, method: &str, url: &str, body: &[u8], patience: Duration) -> Answer {
    ask(session, Op::HttpRequest, &HttpRequest { method, url, headers: vec![], body }, patience)
}

fn ask(session: &Session, op: Op, request: &impl serde::Serialize, patience: Duration) -> Answer {
    let wire = postcard::to_allocvec(request).expect("encodes");
    session.call(op.number(), &wire, Instant::now() + patience)
}

/// Resident memory of this process.
fn resident_bytes() -> u64 {
    let status = fs::read_to_string("/proc/self/status").expect("readable");
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("the kernel says so");
    let kibibytes: u64 =
        line.split_whitespace().next().and_then(|number| number.parse().ok()).expect("a number");
    kibibytes * 1024
}

fn descriptors() -> usize {
    fs::read_dir("/proc/self/fd").expect("readable").count()
}
