//! What a server may send, section by section of RFC 6455: the table `tests/vectors/websocket/frames.toml`.

use std::io;

use conductor_call::Limits;
use serde::Deserialize;

use super::*;
use crate::{notation, table};

/// What a server sends, with the verdict.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Vector {
    name: String,
    clause: String,
    /// Why, where the section leaves it open or this program is stricter.
    #[serde(default)]
    why: String,
    frames: Vec<String>,
    /// The messages that the plugin receives, each `text` or `binary` and its bytes.
    #[serde(default)]
    receives: Vec<String>,
    /// The pongs that the server receives.
    #[serde(default)]
    answers: Vec<String>,
    verdict: Verdict,
    code: Option<u16>,
    reason: Option<String>,
}

#[derive(Clone, Copy, Debug, Deserialize, PartialEq)]
#[serde(rename_all = "kebab-case")]
enum Verdict {
    /// The server parts with this code and reason, and gets the code back.
    Closed,
    /// The connection fails, and nothing that follows is read.
    Failed,
    /// The server parts with a code that nobody may send.
    Forbidden,
    /// The server is gone without having parted.
    Lost,
}

/// A frame that the server received, all of whose bytes were masked.
#[derive(Debug, PartialEq)]
struct Received {
    first: u8,
    payload: Vec<u8>,
}

/// The largest message; the table says so.
const MAX_VECTOR: u32 = 128 * 1024;

const PONG: u8 = 0x8a;
const CLOSE: u8 = 0x88;

/// A message by its kind and bytes.
type Message = (&'static str, Vec<u8>);

impl table::Named for Vector {
    fn name(&self) -> &str {
        &self.name
    }
}

impl Received {
    /// The next frame; none at the end, in order or not.
    fn read(stream: &mut impl Read) -> io::Result<Option<Self>> {
        let mut head = [0; 2];
        match stream.read(&mut head[..1]) {
            Ok(0) => return Ok(None),
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::ConnectionReset => return Ok(None),
            Err(error) => return Err(error),
        }
        stream.read_exact(&mut head[1..])?;
        assert!(head[1] >= 0x80, "a client masks every frame");
        assert!(head[1] < 0x80 + 126, "a control frame is short");
        let mut mask = [0; 4];
        stream.read_exact(&mut mask)?;
        let mut payload = vec![0; usize::from(head[1] & 0x7f)];
        stream.read_exact(&mut payload)?;
        payload.iter_mut().zip(mask.iter().cycle()).for_each(|(byte, mask)| *byte ^= mask);
        Ok(Some(Self { first: head[0], payload }))
    }
}

impl Vector {
    fn bytes(&self) -> Vec<u8> {
        self.frames.iter().flat_map(|frame| notation::bytes(frame)).collect()
    }

    /// Sends the frames, and reads what comes back until the other side has parted or ended; an error if it does neither.
    fn serve(&self, peer: &mut Peer) -> io::Result<Vec<Received>> {
        let stream = peer.get_mut();
        let mut bytes = self.bytes();
        if self.verdict == Verdict::Failed {
            // Must not arrive.
            bytes.extend(b"\x81\x05after");
        }
        // The other side may have ended before it has all; what it did shows when it is read.
        let _ = stream.write_all(&bytes).and_then(|()| stream.flush());
        let mut received = Vec::new();
        if self.verdict != Verdict::Lost {
            while let Some(frame) = Received::read(stream)? {
                let is_over = frame.first == CLOSE && self.verdict != Verdict::Failed;
                received.push(frame);
                if is_over {
                    break;
                }
            }
        }
        Ok(received)
    }

    /// What the plugin receives, and the code and reason of the end.
    fn receive(session: &Session, url: &str) -> (Vec<Message>, (u16, String)) {
        let socket = opened(&open(session, url, "")).socket;
        let mut messages = Vec::new();
        loop {
            match event(&receive(session, socket, 5_000)) {
                WebSocketEvent::Text(text) => messages.push(("text", text.into_bytes())),
                WebSocketEvent::Binary(bytes) => messages.push(("binary", bytes)),
                WebSocketEvent::Closed { code, reason } => return (messages, (code, reason)),
                WebSocketEvent::Nothing => panic!("nothing comes: {messages:?}"),
            }
        }
    }

    /// What is wrong; empty if nothing is.
    fn judge(self: &Arc<Self>) -> Vec<String> {
        let vector = Arc::clone(self);
        let (address, served) = serve(None, move |peer| vector.serve(peer));
        let limits = Limits { max_message_bytes: MAX_VECTOR, ..limits() };
        let grant = format!("Network={address}");
        let session = broker(names(&[]), None).session("test", grants(None, &[&grant]), &limits);
        let url = format!("ws://{address}/live");
        let (messages, (code, reason)) = Self::receive(&session, &url);
        let mut wrong = Vec::new();
        let expected: Vec<_> = self.receives.iter().map(|message| named(message)).collect();
        if !messages
            .iter()
            .map(|(kind, bytes)| (*kind, bytes))
            .eq(expected.iter().map(|(kind, bytes)| (*kind, bytes)))
        {
            wrong.push(format!("the plugin receives {messages:?}"));
        }
        // The plugin has not closed its handle: the end of a connection that failed is up to the host.
        let received = match served.recv_timeout(2 * PATIENCE).expect("a server") {
            Ok(received) => received,
            Err(error) => {
                return [wrong, vec![format!("the host does not end the connection: {error}")]].concat();
            }
        };
        let (closes, others): (Vec<_>, Vec<_>) = received.into_iter().partition(|frame| frame.first == CLOSE);
        let pongs: Vec<_> = self.answers.iter().map(|answer| named(answer)).collect();
        let is_pong = |(frame, (kind, bytes)): (&Received, &(&str, Vec<u8>))| {
            *kind == "pong" && frame.first == PONG && frame.payload == *bytes
        };
        if others.len() != pongs.len() || !others.iter().zip(&pongs).all(is_pong) {
            wrong.push(format!("the server receives {others:?}"));
        }
        let answered = closes.first().and_then(|close| close.payload.first_chunk::<2>());
        let answered = answered.map(|code| u16::from_be_bytes(*code));
        let is_right = match self.verdict {
            Verdict::Closed => {
                let told = (Some(code), reason.as_str());
                let expected = self.reason.as_deref().map(notation::bytes).unwrap_or_default();
                let is_answer =
                    if self.code == Some(1005) { answered.is_none() } else { answered == self.code };
                told == (self.code, &String::from_utf8_lossy(&expected)) && closes.len() == 1 && is_answer
            }
            Verdict::Failed => code == 1006 && !reason.is_empty(),
            Verdict::Forbidden => {
                Some(code) != self.code && answered.is_some_and(|code| self.code != Some(code))
            }
            Verdict::Lost => code == 1006,
        };
        if !is_right {
            wrong.push(format!("the plugin is told {code} {reason:?}, and the server {closes:?}"));
        }
        wrong
    }
}

/// A word, and bytes behind it.
fn named(text: &str) -> (&str, Vec<u8>) {
    let (word, bytes) = text.split_once(' ').expect("a word and bytes");
    (word, notation::bytes(bytes))
}

#[test]
fn frames_are_read_as_the_standard_says() {
    let mut wrong = Vec::new();
    for vector in table::read::<Vector>("websocket/frames.toml", 170) {
        let vector = Arc::new(vector);
        let Vector { name, clause, why, .. } = &*vector;
        wrong.extend(vector.judge().iter().map(|text| format!("{name} ({clause}; {why}): {text}")));
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
