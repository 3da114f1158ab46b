//! What a browser sends, and what it never would send: requests byte by byte.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::ops::Deref;

use serde_json::{Value as Json, json};

use crate::scratch::{Daemon, Ended, PATIENCE, Scratch};

/// An input that sends nothing during a test, and a page at any free port.
pub(super) const SILENT: &str =
    "[ui]\nport = 0\n[[inputs]]\nname = \"clock\"\ntype = \"interval\"\nevery = \"1h\"\n";

/// A daemon that serves the page, and a session.
pub(super) struct Page {
    pub(super) daemon: Daemon,
    session: Session,
}

/// A session of a page.
pub(super) struct Session {
    pub(super) port: u16,
    pub(super) token: String,
}

impl Deref for Page {
    type Target = Session;

    fn deref(&self) -> &Session {
        &self.session
    }
}

/// An answer.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) head: Vec<(String, String)>,
    pub(super) body: Vec<u8>,
}

impl Answer {
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        self.head.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    pub(super) fn text(&self) -> &str {
        std::str::from_utf8(&self.body).expect("text")
    }

    pub(super) fn json(&self) -> Json {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    /// The response of the control interface in this answer.
    pub(super) fn response(&self) -> Json {
        let answer = self.json();
        assert_eq!(answer["version"], 1, "{self:?}");
        answer["response"].clone()
    }

    /// The cause of a refusal.
    pub(super) fn cause(&self) -> String {
        self.response()["refused"]["cause"]
            .as_str()
            .unwrap_or_else(|| panic!("not refused: {self:?}"))
            .to_owned()
    }
}

impl Page {
    /// Starts a daemon with a configuration and opens a session.
    pub(super) fn open(scratch: &Scratch, config: &str) -> Self {
        scratch.config(config);
        let mut daemon = scratch.start(&[]);
        daemon.wait_for_log("ready");
        let (port, invitation) = invite(scratch);
        let mut session = Session { port, token: String::new() };
        let opened = session.redeem(&invitation);
        assert_eq!(opened.status, 200, "{opened:?}");
        session.token = opened.json()["token"].as_str().expect("a token").to_owned();
        Self { daemon, session }
    }
}

impl Session {
    /// Exchanges a one-time token.
    pub(super) fn redeem(&self, token: &str) -> Answer {
        let body = json!({ "token": token }).to_string();
        self.send("POST", "/api/session", &[("content-type", "application/json")], body.as_bytes())
    }

    /// The value of `Host` for this server.
    pub(super) fn host(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// The value of the header that proves the session.
    pub(super) fn bearer(&self) -> String {
        format!("Bearer {}", self.token)
    }

    /// Asks for a path within the session.
    pub(super) fn get(&self, path: &str) -> Answer {
        self.send("GET", path, &[("authorization", &self.bearer())], b"")
    }

    /// Sends a request of the control protocol within the session.
    pub(super) fn ask(&self, request: &Json) -> Answer {
        let body = json!({ "version": 1, "request": request }).to_string();
        let head = [("authorization", self.bearer()), ("content-type", "application/json".to_owned())];
        let head = head.each_ref().map(|(name, value)| (*name, value.as_str()));
        self.send("POST", "/api/requests", &head, body.as_bytes())
    }

    /// Sends a request to this host, with its length.
    pub(super) fn send(&self, method: &str, path: &str, head: &[(&str, &str)], body: &[u8]) -> Answer {
        let host = self.host();
        let length = body.len().to_string();
        let mut all = vec![("host", host.as_str())];
        all.extend(head);
        if !body.is_empty() || method == "POST" {
            all.push(("content-length", &length));
        }
        self.exchange(&written(method, path, &all, body))
    }

    /// Sends bytes and reads the answer.
    pub(super) fn exchange(&self, bytes: &[u8]) -> Answer {
        let mut stream = self.connect();
        // The server may refuse a request before it has read all of it.
        let _ = stream.write_all(bytes);
        answer(stream).unwrap_or_else(|| panic!("no answer to {:?}", String::from_utf8_lossy(bytes)))
    }

    pub(super) fn connect(&self) -> TcpStream {
        let stream = TcpStream::connect(("127.0.0.1", self.port)).expect("connected");
        stream.set_read_timeout(Some(PATIENCE)).expect("timeout");
        stream
    }
}

/// Asks for a link. Returns the port of the page and the one-time token.
pub(super) fn invite(scratch: &Scratch) -> (u16, String) {
    let ended = ctl(scratch, &["ui", "--print"]);
    assert_eq!((ended.code, ended.stderr.as_str()), (0, ""), "{ended:?}");
    let (page, token) = ended.stdout.trim().split_once("/#token=").expect("an address with a token");
    let port = page.strip_prefix("http://127.0.0.1:").expect("the loopback interface");
    (port.parse().expect("a port"), token.to_owned())
}

/// Runs `conductorctl` to its end.
pub(super) fn ctl(scratch: &Scratch, arguments: &[&str]) -> Ended {
    let output = scratch.program(env!("CARGO_BIN_EXE_conductorctl"), arguments).output();
    Ended::of(output.expect("conductorctl starts"))
}

/// The bytes of a request.
pub(super) fn written(method: &str, path: &str, head: &[(&str, &str)], body: &[u8]) -> Vec<u8> {
    let mut bytes = format!("{method} {path} HTTP/1.1\r\n").into_bytes();
    for (name, value) in head {
        bytes.extend_from_slice(format!("{name}: {value}\r\n").as_bytes());
    }
    bytes.extend_from_slice(b"\r\n");
    bytes.extend_from_slice(body);
    bytes
}

/// Reads an answer to the end of the connection; `None` if there is none.
pub(super) fn answer(stream: TcpStream) -> Option<Answer> {
    let mut reader = BufReader::new(stream);
    let (status, head) = head_of(&mut reader)?;
    let mut body = Vec::new();
    match reader.read_to_end(&mut body) {
        Ok(_) => {}
        Err(error) if error.kind() == std::io::ErrorKind::ConnectionReset => {}
        Err(error) => panic!("the connection does not end: {error}"),
    }
    Some(Answer { status, head, body })
}

/// Reads the head of an answer.
pub(super) fn head_of(reader: &mut BufReader<TcpStream>) -> Option<(u16, Vec<(String, String)>)> {
    let mut line = String::new();
    if matches!(reader.read_line(&mut line), Ok(0) | Err(_)) {
        return None;
    }
    let status = line.split(' ').nth(1).expect("a status").parse().expect("a status");
    let mut head = Vec::new();
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).expect("a head");
        let Some((name, value)) = line.trim_end().split_once(':') else { break };
        head.push((name.to_lowercase(), value.trim().to_owned()));
    }
    Some((status, head))
}
