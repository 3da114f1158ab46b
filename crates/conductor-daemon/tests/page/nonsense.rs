//! A program of the user's own that says anything at random, to the control socket and to the page: requests with a part
//! changed, cut off or put twice, decisions about what was never shown, other methods, hosts and tokens. Whatever it says,
//! nothing is decided, every other client is served, and what is kept is as it was.

use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::Shutdown;
use std::os::unix::net::UnixStream;
use std::path::PathBuf;

use serde_json::{Value as Json, json};

use super::browser::{Page, SILENT, ctl, written};
use crate::scratch::{LENIENT, PATIENCE, Scratch, plugin};
use crate::wasm;

/// What is said to each of the two.
const ROUNDS: u64 = 600;

/// Most descriptors that the daemon may have more than before, for connections that it has not noticed the end of yet.
const MORE_DESCRIPTORS: usize = 64;

/// Numbers that are the same in every run (xorshift64*).
struct Chance(u64);

impl Chance {
    fn below(&mut self, end: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33) as usize % end
    }

    fn one_in(&mut self, count: usize) -> bool {
        self.below(count) == 0
    }

    fn of<'a, T: ?Sized>(&mut self, all: &[&'a T]) -> &'a T {
        all[self.below(all.len())]
    }

    fn byte(&mut self) -> u8 {
        self.below(256) as u8
    }

    fn bytes(&mut self, most: usize) -> Vec<u8> {
        (0..self.below(most)).map(|_| self.byte()).collect()
    }

    fn hex(&mut self) -> String {
        (0..32).map(|_| format!("{:02x}", self.byte())).collect()
    }

    /// A request. Those that decide about a plugin that is there say that something else was shown; all that needs no such
    /// word is about what is not there.
    fn request(&mut self) -> Json {
        let plugin = self.of(&["hostile", "nobody", "", "../hostile", "hostile\u{0}"]);
        let nobody = self.of(&["nobody", "", "hostile ", "HOSTILE2", "../../etc/passwd"]);
        let capability = self.of(&["Midi", "Network=*:*", "Subprocess=/bin/sh", "Filesystem", "?"]);
        let path = self.of(&["/dev/zero", "/proc/self/mem", "/nowhere", ".", "/etc/passwd"]);
        let lasts = [json!("always"), json!("once"), json!({ "until": "9999-01-01T00:00:00Z" })];
        let lasts = &lasts[self.below(3)];
        let (shown, key, other) = (self.hex(), self.hex(), self.hex());
        let many: Vec<&str> = (0..self.below(3)).map(|_| shown.as_str()).collect();
        match self.below(17) {
            0 => json!("status"),
            1 => json!("plugin-list"),
            2 => json!("plugin-pending"),
            3 => json!("trust-list"),
            4 => json!("reload"),
            5 => json!({ "plugin-show": { "plugin": plugin } }),
            6 => {
                json!({ "plugin-grant": { "plugin": plugin, "grant": capability, "shown": many, "lasts": lasts, "typed_name": plugin } })
            }
            7 => json!({ "plugin-accept": { "plugin": plugin, "shown": shown } }),
            8 => json!({ "plugin-install": { "plugin": plugin, "path": path, "shown": shown } }),
            9 => json!({ "plugin-preview": { "plugin": plugin, "path": path } }),
            10 => json!({ "plugin-revoke": { "plugin": nobody, "capability": capability } }),
            11 => json!({ "plugin-remove": { "plugin": nobody, "with_data": true } }),
            12 => json!({ "plugin-disable": { "plugin": nobody } }),
            13 => json!({ "trust-add": { "name": plugin, "public_key": key, "fingerprint": other } }),
            14 => json!({ "trust-revoke": { "public_key": plugin, "reason": "" } }),
            15 => json!({ "audit": { "last": self.below(1 << 30) } }),
            _ => json!({ "trigger": { "plugin": nobody, "action": "go", "parameters": [[[]]] } }),
        }
    }

    /// What is sent as a request: one as it is written, or with something wrong.
    fn line(&mut self) -> Vec<u8> {
        let version =
            [json!(1), json!(1), json!(1), json!(2), json!("1"), json!(null)][self.below(6)].clone();
        let mut line = json!({ "version": version, "request": self.request() }).to_string().into_bytes();
        let place = self.below(line.len());
        match self.below(9) {
            0 => line.truncate(place),
            1 => line[place] ^= 1 << self.below(8),
            2 => drop(line.splice(place..place, self.bytes(40))),
            3 => line = self.bytes(400),
            4 => line = [&b"["[..]; 1].repeat(1 + self.below(60_000)).concat(),
            5 => line = [&line[..line.len() - 1], b",", &line[1..]].concat(),
            6 => line.extend(vec![b' '; self.below(70_000)]),
            _ => {}
        }
        if !self.one_in(8) {
            line.push(b'\n');
        }
        line
    }
}

/// Every file of the user's decisions, configuration and plugins.
fn kept(scratch: &Scratch) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut found = BTreeMap::new();
    let mut left = vec![scratch.path("config"), scratch.path("data")];
    while let Some(next) = left.pop() {
        for entry in fs::read_dir(&next).expect("readable") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                left.push(path);
            } else {
                #[expect(clippy::disallowed_methods, reason = "files of this test's own")]
                let bytes = fs::read(&path).expect("readable");
                found.insert(path, bytes);
            }
        }
    }
    found
}

/// What was decided, as the daemon tells it in the session of the page.
fn decided(page: &Page) -> Vec<Json> {
    let told = |request: &Json| page.ask(request).response();
    let shown = told(&json!({ "plugin-show": { "plugin": "hostile" } }));
    let plugin = &shown["plugin-show"];
    assert!(plugin["requested"].is_array(), "{shown}");
    let parts = ["grants", "requested", "state"].map(|part| plugin[part].clone());
    [&parts[..], &[told(&json!("plugin-pending")), told(&json!("trust-list"))]].concat()
}

/// Says something at random to the control socket, and waits for what comes back.
fn say_to_socket(scratch: &Scratch, line: &[u8]) {
    let mut stream = UnixStream::connect(scratch.path("state/conductor.sock")).expect("connected");
    stream.set_read_timeout(Some(PATIENCE)).expect("timeout");
    // The daemon may refuse a request before it has read all of it.
    let _ = stream.write_all(line);
    let _ = stream.shutdown(Shutdown::Write);
    let mut answer = Vec::new();
    match BufReader::new(stream).read_until(b'\n', &mut answer) {
        Ok(0) => {}
        Ok(_) => {
            let answer: Json = serde_json::from_slice(&answer).expect("a response");
            assert!(answer["response"].is_object(), "{answer}");
        }
        Err(error) if error.kind() == std::io::ErrorKind::ConnectionReset => {}
        Err(error) => panic!("no answer to {:?}: {error}", String::from_utf8_lossy(line)),
    }
}

/// Says something at random to the page, never with the token of a session.
fn say_to_page(page: &Page, chance: &mut Chance) {
    let method = chance.of(&["GET", "POST", "PUT", "DELETE", "OPTIONS", "CONNECT", "get", "\u{1}", "PRI"]);
    let path = chance.of(&[
        "/",
        "/api/status",
        "/api/requests",
        "/api/session",
        "/api/uploads",
        "/api/events",
        "//api//requests",
        "/api/../api/requests",
        "/%61pi/requests",
        "http://127.0.0.1/api/requests",
        "*",
        "/api/requests?token=1#x",
    ]);
    let (host, token, body) = (page.host(), chance.hex(), chance.line());
    let bearers = [format!("Bearer {token}"), "Bearer".to_owned(), "Basic YTpi".to_owned(), token];
    let length = if chance.one_in(3) { chance.below(1 << 20) } else { body.len() }.to_string();
    let all = [
        ("host", host.as_str()),
        ("host", "localhost"),
        ("host", "example.org"),
        ("authorization", bearers[chance.below(4)].as_str()),
        ("content-type", "application/json"),
        ("content-length", length.as_str()),
        ("transfer-encoding", "chunked"),
        ("origin", "http://example.org"),
        ("expect", "100-continue"),
        ("upgrade", "h2c"),
        ("x", "\u{0}"),
    ];
    let mut head: Vec<(&str, &str)> = if chance.one_in(6) { Vec::new() } else { vec![all[0]] };
    head.extend((0..chance.below(6)).map(|_| all[chance.below(all.len())]));
    let bytes = if chance.one_in(8) { chance.bytes(4000) } else { written(method, path, &head, &body) };
    let mut stream = page.connect();
    let _ = stream.write_all(&bytes);
    let _ = stream.shutdown(Shutdown::Write);
    let mut answer = Vec::new();
    match stream.read_to_end(&mut answer) {
        Ok(_) => {}
        Err(error) if error.kind() == std::io::ErrorKind::ConnectionReset => {}
        Err(error) => panic!("no end after {:?}: {error}", String::from_utf8_lossy(&bytes)),
    }
    let answer = String::from_utf8_lossy(&answer);
    let is_told = answer.starts_with("HTTP/1.1 200") && answer.contains("\"response\"");
    assert!(!is_told, "{:?} was answered with {answer}", String::from_utf8_lossy(&bytes));
}

#[test]
fn whatever_is_said_nothing_is_decided() {
    let scratch = Scratch::new();
    let hostile = plugin("hostile", &wasm::fixture("hostile"), "");
    let page = Page::open(&scratch, &format!("{LENIENT}{SILENT}{hostile}"));
    let (before, told) = (kept(&scratch), decided(&page));
    let descriptors =
        || fs::read_dir(format!("/proc/{}/fd", page.daemon.pid())).expect("descriptors").count();
    let open = descriptors();
    let mut chance = Chance(0x5eed);
    for round in 0..ROUNDS {
        let line = chance.line();
        say_to_socket(&scratch, &line);
        say_to_page(&page, &mut chance);
        if round.is_multiple_of(100) {
            assert_eq!(page.get("/api/status").status, 200);
            assert_eq!(ctl(&scratch, &["status"]).code, 0);
        }
    }
    assert_eq!(decided(&page), told);
    assert_eq!(kept(&scratch), before);
    assert!(descriptors() <= open + MORE_DESCRIPTORS, "{} descriptors, {open} before", descriptors());
    page.daemon.stop();
}
