//! The file that is being appended to, and where its chain stands.

use std::fs::{File, OpenOptions};
use std::io::{self, ErrorKind, Write as _};
use std::os::unix::fs::{FileExt as _, MetadataExt as _, OpenOptionsExt as _};
use std::path::Path;

use conductor_signing::{Digest, FileError, atomic_file};
use jiff::Timestamp;
use rustix::fs::OFlags;
use rustix::io::Errno;

use super::check_file;
use crate::audit::chain::{Link, MAX_LINE_BYTES};
use crate::audit::paths::previous;
use crate::audit::synced::Unsynced;
use crate::audit::{AuditError, AuditEvent, AuditRecord, Head};

pub(super) struct Current {
    file: File,
    size: u64,
    /// What there is of a last line that has no end, because only a part of it could be written.
    torn: Option<Vec<u8>>,
    pub(super) head: Head,
    /// Records that could not be written, until that is told.
    lost: Option<Lost>,
    /// Whether the file was made the previous one, and there is no other yet.
    pub(super) is_previous: bool,
    /// Files that the chain ran through before this one, and that may not be on the disk yet.
    unsynced: Vec<File>,
}

/// Most files that wait to be synchronised; each is open.
const MAX_UNSYNCED: usize = 4;

/// Records that could not be written.
#[derive(Clone, Copy)]
struct Lost {
    count: u64,
    /// The time of the first.
    since: Timestamp,
}

impl Current {
    pub(super) fn open(path: &Path) -> Result<Self, AuditError> {
        let unusable = |source| AuditError::Unusable { path: path.into(), source };
        let file = options().create(true).open(path).map_err(|source| {
            if source.raw_os_error() == Some(Errno::LOOP.raw_os_error()) {
                AuditError::Unsafe { source: FileError::Symlink { path: path.into() } }
            } else {
                unusable(source)
            }
        })?;
        check_file(path, &file.metadata().map_err(unusable)?)?;
        let size = file.metadata().map_err(unusable)?.len();
        let (last, torn) = tail(&file, size).map_err(unusable)?;
        let head = match last {
            Some(head) => Some(head),
            None => last_of_previous(path).map_err(unusable)?,
        };
        let torn = (!torn.is_empty()).then_some(torn);
        let mut current = Self {
            file,
            size,
            torn,
            head: head.unwrap_or_else(Head::genesis),
            lost: None,
            is_previous: false,
            unsynced: Vec::new(),
        };
        if last.is_none() {
            current.begin().map_err(unusable)?;
        }
        Ok(current)
    }

    /// Goes on in another file, which is empty. The one before waits to be synchronised.
    pub(super) fn go_on_in(&mut self, file: File) -> io::Result<()> {
        self.unsynced.push(std::mem::replace(&mut self.file, file));
        if self.unsynced.len() > MAX_UNSYNCED {
            // Whoever synchronises cannot follow.
            for file in self.unsynced.drain(..) {
                file.sync_data()?;
            }
        }
        (self.size, self.torn, self.is_previous) = (0, None, false);
        self.begin()
    }

    /// What must be on the disk before anybody signs for where the chain stands now.
    pub(super) fn unsynced(&mut self) -> io::Result<Unsynced> {
        let mut files = std::mem::take(&mut self.unsynced);
        files.push(self.file.try_clone()?);
        Ok(Unsynced::new(files, self.head))
    }

    /// Looks whether the file is still where it is written to, and as long as it was left. Where it is gone another is begun,
    /// where lines are missing at its end they stay missing, and either is recorded.
    ///
    /// Fails if something else stands in its place, or if nothing can be written.
    pub(super) fn look_after(&mut self, path: &Path) -> io::Result<()> {
        let own = self.file.metadata()?;
        match std::fs::symlink_metadata(path) {
            Ok(there) if (there.dev(), there.ino()) != (own.dev(), own.ino()) => {
                return Err(io::Error::other("another file stands in its place"));
            }
            Ok(_) if own.len() == self.size => return Ok(()),
            Ok(_) => {}
            Err(error) if error.kind() == ErrorKind::NotFound => return self.begin_again(path),
            Err(error) => return Err(error),
        }
        if own.len() > self.size {
            return Err(io::Error::other("somebody else has written to it"));
        }
        let (last, torn) = tail(&self.file, own.len())?;
        let found = last.map_or(0, |head| head.sequence);
        let signed = self.head.sequence;
        tracing::error!(written = signed, found, "lines are missing at the end of the audit log");
        (self.size, self.torn) = (own.len(), (!torn.is_empty()).then_some(torn));
        if self.size == 0 {
            self.begin()?;
        }
        self.append_line(&AuditRecord::now(None, AuditEvent::LogTruncated { signed, found }).to_line())
    }

    /// Begins another file where the one that was written is gone.
    fn begin_again(&mut self, path: &Path) -> io::Result<()> {
        let last = self.head.sequence;
        if self.is_previous {
            return self.go_on_in(options().create_new(true).open(path)?);
        }
        tracing::error!(last, "the audit log was moved or deleted while it was written");
        self.go_on_in(options().create_new(true).open(path)?)?;
        self.append_line(&AuditRecord::now(None, AuditEvent::LogGone { last }).to_line())
    }

    /// Says what the lines of this file follow.
    fn begin(&mut self) -> io::Result<()> {
        if self.torn.take().is_some() {
            self.write(b"\n")?;
        }
        let previous = self.head.chain.to_string();
        self.append_line(&AuditRecord::now(None, AuditEvent::LogBegun { previous }).to_line())
    }

    pub(super) const fn is_full(&self, more: usize, max: u64) -> bool {
        self.size > 0 && self.size.saturating_add(more as u64 + MAX_LINK_BYTES) > max
    }

    /// Appends a record, and before it, in one of its own, how many could not be written.
    pub(super) fn append(&mut self, line: &str) -> io::Result<()> {
        self.tell_lost()?;
        self.append_line(line)
    }

    /// Takes note that a record could not be written.
    pub(super) fn lose(&mut self, record: &AuditRecord) {
        self.lost.get_or_insert(Lost { count: 0, since: record.time }).count += 1;
    }

    /// Records how many records could not be written, if any.
    pub(super) fn tell_lost(&mut self) -> io::Result<()> {
        let Some(Lost { count, since }) = self.lost else { return Ok(()) };
        let event = AuditEvent::RecordsLost { lost: count, since: format!("{since:.6}") };
        self.append_line(&AuditRecord::now(None, event).to_line())?;
        self.lost = None;
        Ok(())
    }

    fn append_line(&mut self, line: &str) -> io::Result<()> {
        if let Some(torn) = self.torn.clone() {
            self.write(b"\n")?;
            self.torn = None;
            let torn = Digest::from_bytes(&torn).to_string();
            self.tie(&AuditRecord::now(None, AuditEvent::LogMended { torn }).to_line())?;
        }
        self.tie(line)
    }

    /// Writes a line tied to the one before.
    fn tie(&mut self, line: &str) -> io::Result<()> {
        let (line, head) = self.head.tie(line);
        self.write(line.as_bytes())?;
        self.head = head;
        Ok(())
    }

    /// Writes all or remembers which part was written.
    fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        let written = loop {
            match self.file.write(bytes) {
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                written => break written?,
            }
        };
        self.size += written as u64;
        if written < bytes.len() {
            self.torn = bytes.get(..written).map(<[u8]>::to_vec).filter(|torn| !torn.is_empty());
            return Err(ErrorKind::WriteZero.into());
        }
        Ok(())
    }
}

/// Most bytes that the number and the value of a line add to it.
const MAX_LINK_BYTES: u64 = 128;

/// The last whole line of a file, if it is one of a chain, and what stands behind it without an end.
fn tail(file: &File, size: u64) -> io::Result<(Option<Head>, Vec<u8>)> {
    let start = size.saturating_sub(2 * MAX_LINE_BYTES as u64);
    let mut bytes = vec![0; usize::try_from(size - start).unwrap_or_default()];
    file.read_exact_at(&mut bytes, start)?;
    let end = bytes.iter().rposition(|byte| *byte == b'\n').map_or(0, |place| place + 1);
    let torn = bytes.split_off(end);
    let line = bytes.strip_suffix(b"\n").and_then(|lines| lines.rsplit(|byte| *byte == b'\n').next());
    let link = line.and_then(|line| std::str::from_utf8(line).ok()).and_then(Link::read);
    Ok((link.map(|link| link.head), torn))
}

/// Where the chain stood at the end of the previous log.
fn last_of_previous(path: &Path) -> io::Result<Option<Head>> {
    let flags = (OFlags::NOFOLLOW | OFlags::NONBLOCK).bits().cast_signed();
    match OpenOptions::new().read(true).custom_flags(flags).open(previous(path)) {
        Ok(file) if file.metadata()?.is_file() => Ok(tail(&file, file.metadata()?.len())?.0),
        Ok(_) => Ok(None),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// How a log is opened: read only to see whether its last line has an end; never through a link, never waiting.
pub(super) fn options() -> OpenOptions {
    let flags = OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::NOCTTY;
    let mut options = OpenOptions::new();
    options.read(true).append(true).mode(atomic_file::PRIVATE).custom_flags(flags.bits().cast_signed());
    options
}
