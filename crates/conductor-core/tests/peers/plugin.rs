//! The host: a plugin that talks to a peer as a plugin would that means no harm, another one that is served meanwhile, and what
//! the process takes.

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
use conductor_core::Limits;
use conductor_core::broker::{Answer, Broker, Session};
use conductor_core::devices::{Devices, NameResolver, RootCertificates};
use conductor_core::grant::{Ceilings, Choices, Grants};
use conductor_signing::TrustLevel;

use crate::serve::NAME;
use crate::wrongs::{ALL, Speaks, Wrong};

/// Most memory that a peer makes the host take: what may wait for a plugin, the buffers of all of its connections, and what the
/// allocator keeps.
const MAX_GROWTH_BYTES: u64 = 48 * 1024 * 1024;

/// Most descriptors that a peer makes the host take: a plugin's connections, and those of the other one.
const MAX_DESCRIPTORS: usize = 64;

/// Longest time that the other plugin waits for an answer; it is ten times what a busy machine shows.
const MAX_LATENCY: Duration = Duration::from_secs(5);

/// Longest operation of a plugin that talks to a peer.
const PATIENCE: Duration = Duration::from_millis(150);

/// What the plugin sends where it has something to send.
const BODY: &[u8] = &[7; 200_000];

/// The peers, and the host that they are tried on.
pub(crate) struct Peers {
    child: Child,
    ports: Vec<u16>,
    well: u16,
    broker: Broker,
}

/// Every name leads to this machine.
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

    /// Lets a plugin talk to a peer for a while, and holds the host to its bounds.
    pub(crate) fn suffer(&mut self, wrong: &Wrong, each: Duration) {
        let place = ALL.iter().position(|known| known.name == wrong.name).expect("a peer");
        let port = self.ports[place];
        let victim = self.session("victim", &Limits::default());
        let other = self.session("other", &Limits::default());
        let well = format!("http://{NAME}:{}/", self.well);
        assert_eq!(request(&other, "GET", &well, &[], MAX_LATENCY).status, Status::Ok, "before");
        let before = resident_bytes();

        let stop = Arc::new(AtomicBool::new(false));
        let talking = {
            let (victim, stop) = (Arc::clone(&victim), Arc::clone(&stop));
            let (speaks, posts) = (wrong.speaks, wrong.posts);
            thread::spawn(move || {
                let mut operations = 0_u64;
                while !stop.load(Ordering::Acquire) {
                    talk(&victim, speaks, posts, port);
                    operations += 1;
                }
                operations
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
        let operations = talking.join().expect("the plugin goes on, whatever the peer does");
        println!(
            "{}: {operations} talks, {most_bytes} bytes, {most_descriptors} descriptors, {slowest:?}",
            wrong.name
        );
        assert!(operations > 0);
        assert!(most_bytes < MAX_GROWTH_BYTES, "{most_bytes} bytes");
        assert!(most_descriptors < MAX_DESCRIPTORS, "{most_descriptors} descriptors");
        assert!(slowest < MAX_LATENCY, "{slowest:?}");
    }
}

impl Drop for Peers {
    fn drop(&mut self) {
        // Both fail only if it has ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// What a plugin does with a server: asks, reads on, sends, waits, closes. Whatever comes of it is an answer.
fn talk(session: &Session, speaks: Speaks, posts: bool, port: u16) {
    let (method, body) = if posts { ("POST", BODY) } else { ("GET", &[][..]) };
    match speaks {
        Speaks::Http1 => http(session, method, &format!("http://{NAME}:{port}/"), body),
        Speaks::Http2 | Speaks::Tls | Speaks::Raw => {
            http(session, method, &format!("https://{NAME}:{port}/"), body)
        }
        Speaks::WebSocket => websocket(session, &format!("ws://{NAME}:{port}/"), posts),
    }
}

fn http(session: &Session, method: &str, url: &str, body: &[u8]) {
    request(session, method, url, body, PATIENCE);
    let asked = HttpRequest { method, url, headers: vec![], body };
    let answer = ask(session, Op::HttpOpen, &asked, PATIENCE);
    let Ok(HttpOpened { body, .. }) = postcard::from_bytes(&answer.bytes) else { return };
    if answer.status == Status::Ok {
        for _ in 0..4 {
            ask(session, Op::HttpRead, &HttpRead { body, max: 4096 }, PATIENCE);
        }
        // Left open for a while by a plugin that forgets it.
        thread::sleep(PATIENCE);
        ask(session, Op::HttpClose, &body, PATIENCE);
    }
}

fn websocket(session: &Session, url: &str, posts: bool) {
    let opening = WebSocketOpen { url, protocols: "", headers: vec![] };
    let answer = ask(session, Op::WebSocketOpen, &opening, PATIENCE);
    let Ok(WebSocketOpened { socket, .. }) = postcard::from_bytes(&answer.bytes) else { return };
    if answer.status == Status::Ok {
        for _ in 0..4 {
            if posts {
                ask(
                    session,
                    Op::WebSocketSend,
                    &WebSocketSend { socket, message: WebSocketMessage::Binary(BODY) },
                    PATIENCE,
                );
            }
            ask(session, Op::WebSocketReceive, &WebSocketReceive { socket, wait_ms: 10 }, PATIENCE);
        }
        thread::sleep(PATIENCE);
        ask(session, Op::WebSocketClose, &socket, PATIENCE);
    }
}

fn request(session: &Session, method: &str, url: &str, body: &[u8], patience: Duration) -> Answer {
    ask(session, Op::HttpRequest, &HttpRequest { method, url, headers: vec![], body }, patience)
}

fn ask(session: &Session, op: Op, request: &impl serde::Serialize, patience: Duration) -> Answer {
    let wire = postcard::to_allocvec(request).expect("encodes");
    session.call(op.number(), &wire, Instant::now() + patience)
}

/// Memory that this process has resident.
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
