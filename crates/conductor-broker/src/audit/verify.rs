//! Whether a log is whole: every line tied to the one before, and nothing missing at its end.

use std::fs::File;
use std::io::{BufRead as _, BufReader, ErrorKind, Read as _};
use std::path::{Path, PathBuf};

use conductor_signing::{Digest, escape};

use super::chain::{Link, MAX_LINE_BYTES};
use super::checkpoint::{self, Checkpoint};
use super::paths::previous;
use super::{AuditError, Head};

/// Most faults that are named; a log of nothing but faults would have millions.
const MAX_FAULTS: usize = 100;

/// What was found in a log.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Verification {
    /// Lines of the chain.
    pub records: u64,
    /// Lines from before there was a chain, which nothing protects.
    pub unprotected: u64,
    /// The first line that is there.
    pub first: Option<u64>,
    /// The last line that is there.
    pub last: Option<Head>,
    /// Where the chain stood when that was last signed.
    pub checkpoint: Option<Checkpoint>,
    /// What is wrong, at most 100 faults; none if the log is whole.
    pub faults: Vec<Fault>,
}

/// Something that is wrong with a log.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Fault {
    /// A line is no record.
    #[error("{}: line {line} is no record", escape::path(path))]
    NotARecord {
        /// The file.
        path: PathBuf,
        /// The line, from 1.
        line: u64,
    },
    /// A line was changed, or what stood before it was.
    #[error("{}: line {line} (record {sequence}) does not follow from the one before it", escape::path(path))]
    Broken {
        /// The file.
        path: PathBuf,
        /// The line, from 1.
        line: u64,
        /// The number that the line gives itself.
        sequence: u64,
    },
    /// Records are missing, or stand elsewhere.
    #[error("{}: line {line} is record {found}, where {expected} should be", escape::path(path))]
    Sequence {
        /// The file.
        path: PathBuf,
        /// The line, from 1.
        line: u64,
        /// The number that was to come.
        expected: u64,
        /// The number that came.
        found: u64,
    },
    /// A file is missing: the one beside it says that there is one.
    #[error("{} is missing", escape::path(path))]
    FileMissing {
        /// The file.
        path: PathBuf,
    },
    /// The first line of a file does not say what it follows.
    #[error("{}: its beginning is missing", escape::path(path))]
    NoBeginning {
        /// The file.
        path: PathBuf,
    },
    /// The log ends before the point that was signed.
    #[error(
        "the log ends at record {found}, and had come to {expected} when that was last signed: its end is missing"
    )]
    Truncated {
        /// The record that was signed.
        expected: u64,
        /// The last one that is there.
        found: u64,
    },
    /// A record is another one than the one that was signed, or that who writes the log wrote.
    #[error("record {sequence} is not the one that was written")]
    OtherHistory {
        /// The record.
        sequence: u64,
    },
    /// The checkpoint cannot be believed.
    #[error("{cause}")]
    Checkpoint {
        /// Why.
        cause: String,
    },
    /// There is a log and no checkpoint.
    #[error("there is no checkpoint, so nothing shows whether the end of the log is missing")]
    NoCheckpoint,
}

impl Verification {
    /// Whether nothing is wrong.
    #[must_use]
    pub const fn is_whole(&self) -> bool {
        self.faults.is_empty()
    }

    fn fault(&mut self, fault: Fault) {
        if self.faults.len() < MAX_FAULTS {
            self.faults.push(fault);
        }
    }
}

/// Verifies the log at `path`, with the previous one beside it. `live` is where the chain stands according to who is
/// writing it.
///
/// # Errors
///
/// Fails if a file cannot be read.
pub fn verify(path: &Path, live: Option<Head>) -> Result<Verification, AuditError> {
    let mut walk = Walk { found: Verification::default(), before: None, marks: Vec::new() };
    match checkpoint::read(path) {
        Ok(checkpoint) => {
            if let (Some(checkpoint), Some(key)) = (&checkpoint, checkpoint::public_key(path))
                && checkpoint.key != key
            {
                let cause = "the checkpoint was signed by another key than the log's own".to_owned();
                walk.found.fault(Fault::Checkpoint { cause });
            }
            walk.marks.extend(checkpoint.as_ref().map(|checkpoint| (checkpoint.head, None)));
            walk.found.checkpoint = checkpoint;
        }
        Err(cause) => walk.found.fault(Fault::Checkpoint { cause }),
    }
    walk.marks.extend(live.map(|live| (live, None)));
    let has_previous = walk.file(&previous(path))?;
    if !walk.file(path)? && has_previous {
        walk.found.fault(Fault::FileMissing { path: path.into() });
    }
    // A log that does not begin with the first record of all goes on from another file, which only a third one replaces.
    if !has_previous && walk.found.first.is_some_and(|first| first > 1) {
        walk.found.fault(Fault::FileMissing { path: previous(path) });
    }
    let Walk { mut found, marks, .. } = walk;
    let last = found.last.map_or(0, |head| head.sequence);
    for (mark, chain) in marks {
        let sequence = mark.sequence;
        if sequence > last {
            found.fault(Fault::Truncated { expected: sequence, found: last });
        } else if chain.is_some_and(|chain| chain != mark.chain) {
            found.fault(Fault::OtherHistory { sequence });
        }
    }
    if found.checkpoint.is_none() && live.is_none() && found.records > 0 && found.faults.is_empty() {
        found.fault(Fault::NoCheckpoint);
    }
    Ok(found)
}

/// The way through the lines.
struct Walk {
    found: Verification,
    /// The last line of the chain.
    before: Option<Head>,
    /// Where the chain is known to have stood, and the values of those lines in the log.
    marks: Vec<(Head, Option<Digest>)>,
}

impl Walk {
    /// Goes through a file; `false` if there is none.
    fn file(&mut self, path: &Path) -> Result<bool, AuditError> {
        let unusable = |source| AuditError::Unusable { path: path.into(), source };
        let file = match File::open(path) {
            Ok(file) => file,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(false),
            Err(error) => return Err(unusable(error)),
        };
        let mut reader = BufReader::new(file);
        let mut torn: Option<(u64, Digest)> = None;
        for number in 1.. {
            let mut line = Vec::new();
            let limit = MAX_LINE_BYTES as u64 + 1;
            (&mut reader).take(limit).read_until(b'\n', &mut line).map_err(unusable)?;
            if line.is_empty() {
                break;
            }
            let link = std::str::from_utf8(&line).ok().and_then(Link::read);
            match (link, torn.take()) {
                (Some(link), torn) => {
                    // A first line that was cut short is written again.
                    let is_mended = |line, digest| {
                        link.mended() == Some(digest) || (line == 1 && link.previous().is_some())
                    };
                    if let Some((line, digest)) = torn
                        && !is_mended(line, digest)
                    {
                        self.found.fault(Fault::NotARecord { path: path.into(), line });
                    }
                    self.link(path, number, &link);
                }
                // What is being written right now has no end yet.
                (None, None) if !line.ends_with(b"\n") && line.len() < MAX_LINE_BYTES => break,
                (None, None) if self.before.is_none() => self.found.unprotected += 1,
                (None, None) => {
                    let text = line.strip_suffix(b"\n").unwrap_or(&line);
                    torn = Some((number, Digest::from_bytes(text)));
                }
                (None, Some((line, _))) => {
                    self.found.fault(Fault::NotARecord { path: path.into(), line });
                    self.found.fault(Fault::NotARecord { path: path.into(), line: number });
                }
            }
        }
        if let Some((line, _)) = torn {
            self.found.fault(Fault::NotARecord { path: path.into(), line });
        }
        Ok(true)
    }

    fn link(&mut self, path: &Path, line: u64, link: &Link) {
        let found = link.head;
        let before = match (self.before, link.previous()) {
            (Some(before), _) => before,
            // The oldest line that is there says what it follows: that is gone, and was when it was written.
            (None, Some(chain)) => Head { sequence: found.sequence.saturating_sub(1), chain },
            (None, None) => {
                self.found.fault(Fault::NoBeginning { path: path.into() });
                self.step(found);
                return;
            }
        };
        if found.sequence != before.sequence + 1 {
            let expected = before.sequence + 1;
            self.found.fault(Fault::Sequence { path: path.into(), line, expected, found: found.sequence });
        } else if !link.follows(&before) {
            self.found.fault(Fault::Broken { path: path.into(), line, sequence: found.sequence });
        }
        self.step(found);
    }

    fn step(&mut self, found: Head) {
        self.found.records += 1;
        self.found.first.get_or_insert(found.sequence);
        self.found.last = Some(found);
        self.before = Some(found);
        for (mark, chain) in &mut self.marks {
            if mark.sequence == found.sequence {
                *chain = Some(found.chain);
            }
        }
    }
}

#[cfg(test)]
mod tests;
