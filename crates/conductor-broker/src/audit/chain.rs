//! What ties every line of the log to the one before: a line that was changed, left out or moved breaks the chain.
//!
//! The value of a line is SHA-256 over the prefix `conductor audit v1` with a line feed, the value of the line before as 32
//! bytes, and the line itself without its last member, which is `chain` and holds that value.

use conductor_signing::Digest;
use serde::Deserialize;

/// What the hash of every line begins with, so that it means nothing elsewhere.
const PREFIX: &[u8] = b"conductor audit v1\n";

/// Longest line; every text in a record is much shorter than that together.
pub(super) const MAX_LINE_BYTES: usize = 64 * 1024;

/// How a line ends after its value: `"}`.
const END: &str = "\"}";

/// What the value of a line stands behind.
const MEMBER: &str = ",\"chain\":\"";

/// Where a chain stands: its last line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Head {
    /// Number of the line, from 1; 0 before the first.
    pub sequence: u64,
    /// Its value.
    pub chain: Digest,
}

impl Head {
    /// Before the first line ever.
    #[must_use]
    pub fn genesis() -> Self {
        Self { sequence: 0, chain: Digest::from_bytes(PREFIX) }
    }

    /// Ties a line to the chain, with its number and its value in it.
    pub(super) fn tie(self, line: &str) -> (String, Self) {
        let sequence = self.sequence + 1;
        let line = line.trim_end().strip_suffix('}').unwrap_or_default();
        let body = format!("{line},\"seq\":{sequence}}}");
        let chain = self.value(&body);
        let open = body.strip_suffix('}').unwrap_or_default();
        (format!("{open}{MEMBER}{chain}{END}\n"), Self { sequence, chain })
    }

    /// The value of a line that follows.
    fn value(self, body: &str) -> Digest {
        Digest::from_bytes(&[PREFIX, self.chain.as_bytes(), body.as_bytes()].concat())
    }
}

/// A line that says where it stands in a chain.
pub(super) struct Link {
    pub(super) head: Head,
    body: String,
}

impl Link {
    /// Reads a line; `None` if it is none of a chain.
    pub(super) fn read(line: &str) -> Option<Self> {
        #[derive(Deserialize)]
        struct Line {
            seq: u64,
        }
        let (open, chain) = line.trim_end_matches('\n').strip_suffix(END)?.rsplit_once(MEMBER)?;
        let body = format!("{open}}}");
        let sequence = serde_json::from_str::<Line>(&body).ok()?.seq;
        Some(Self { head: Head { sequence, chain: chain.parse().ok()? }, body })
    }

    /// Whether the line is what its value says, if it stands behind `before`.
    pub(super) fn follows(&self, before: &Head) -> bool {
        before.value(&self.body) == self.head.chain
    }

    /// The value of the line before, where this line says so: the first of a file does.
    pub(super) fn previous(&self) -> Option<Digest> {
        #[derive(Deserialize)]
        struct Begun {
            event: String,
            previous: String,
        }
        let begun: Begun = serde_json::from_str(&self.body).ok()?;
        (begun.event == "log-begun").then(|| begun.previous.parse().ok()).flatten()
    }

    /// The line that this one says was cut short, by its digest.
    pub(super) fn mended(&self) -> Option<Digest> {
        #[derive(Deserialize)]
        struct Mended {
            event: String,
            torn: String,
        }
        let mended: Mended = serde_json::from_str(&self.body).ok()?;
        (mended.event == "log-mended").then(|| mended.torn.parse().ok()).flatten()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_follow_each_other_and_nothing_else() {
        let (first, head) = Head::genesis().tie("{\"a\":1}\n");
        let (second, last) = head.tie("{\"b\":\"}\\\"\"}\n");
        assert_eq!((head.sequence, last.sequence), (1, 2));
        let read = |line: &str| Link::read(line).expect("a link");
        assert!(read(&first).follows(&Head::genesis()) && read(&second).follows(&head));
        assert!(!read(&second).follows(&Head::genesis()) && !read(&first).follows(&head));
        assert_eq!(read(&second).head, last);
        for (from, to) in [("\"b\"", "\"c\""), ("\"seq\":2", "\"seq\":3")] {
            let changed = second.replace(from, to);
            assert_ne!(changed, second);
            assert!(!read(&changed).follows(&head), "{changed}");
        }
        for line in [
            "",
            "{}",
            "{\"seq\":1}",
            "{\"seq\":1,\"chain\":\"ab\"}",
            "{\"chain\":\"",
            first.trim_end_matches("}\n"),
        ] {
            assert!(Link::read(line).is_none(), "{line}");
        }
    }
}
