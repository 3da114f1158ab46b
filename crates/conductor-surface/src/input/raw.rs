//! Raw MIDI bytes from a FIFO, a device file or a plain file.

use std::fs::{File, FileType, OpenOptions};
use std::io::{self, Read as _};
use std::os::unix::fs::{FileTypeExt as _, OpenOptionsExt as _};
use std::path::Path;
use std::time::Instant;

use rustix::fs::OFlags;
use tracing::Level;

use super::pace::Pace;
use super::{Condition, Emitter, InputError, OpenInput, RETRY_AFTER};
use crate::event::Body;
use crate::midi::Parser;
use crate::stop::{Stop, Wake};

/// Bytes read at once.
const BUFFER_BYTES: usize = 1024;

/// Most bytes that are read in a fiftieth of a second, 200 KiB in a second: 60 times what a MIDI cable carries. A device that never
/// runs dry, and a writer that never rests, keep no processor busy; a writer waits meanwhile.
const MAX_BYTES_AT_ONCE: usize = 4 * BUFFER_BYTES;

/// What bytes are read from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    /// Opened again when its writer leaves.
    Fifo,
    /// Opened again when it was unplugged.
    Device,
    /// Read to its end.
    Plain,
}

/// Opens a FIFO or device file. A FIFO is opened again when its writer leaves, a device when it was unplugged; a plain
/// file is read to its end.
pub(super) fn open(path: &Path) -> Result<OpenInput, InputError> {
    let path = path.to_owned();
    let fail = |source| InputError::Read { path: path.clone(), source };
    let file = open_file(&path).map_err(fail)?;
    let found = file.metadata().map_err(fail)?.file_type();
    if found.is_dir() {
        return Err(InputError::Directory { path });
    }
    let Some(kind) = Kind::of(found) else { return Err(InputError::NoStream { path }) };
    let mut reader = Reader { parser: Parser::new(), pace: Pace::new(MAX_BYTES_AT_ONCE, Instant::now()) };
    if kind == Kind::Plain {
        return Ok(OpenInput::new(true, move |emitter, stop| {
            match reader.read_to_end(&file, emitter, stop) {
                Ended::Stopped | Ended::WriterLeft => Ok(()),
                Ended::Failed(source) => Err(InputError::Read { path, source }),
            }
        }));
    }
    Ok(OpenInput::endless(move |emitter, stop| {
        keep_reading(&path, file, kind, &mut reader, emitter, stop);
        Ok(())
    }))
}

impl Kind {
    /// The kind of a file; none of one that no bytes come from, such as a disk.
    fn of(file: FileType) -> Option<Self> {
        if file.is_fifo() {
            Some(Self::Fifo)
        } else if file.is_char_device() {
            Some(Self::Device)
        } else {
            file.is_file().then_some(Self::Plain)
        }
    }

    const fn name(self) -> &'static str {
        match self {
            Self::Fifo => "FIFO",
            Self::Device => "device file",
            Self::Plain => "plain file",
        }
    }
}

fn open_file(path: &Path) -> io::Result<File> {
    let flags = (OFlags::NONBLOCK | OFlags::NOCTTY).bits();
    OpenOptions::new().read(true).custom_flags(flags.cast_signed()).open(path)
}

/// Opens what was read before again. What has taken its place meanwhile is not read: a plain file would be played again and again.
fn reopen(path: &Path, kind: Kind) -> Result<File, String> {
    let fail = |error: io::Error| format!("{} cannot be opened: {error}", path.display());
    let file = open_file(path).map_err(fail)?;
    let found = file.metadata().map_err(fail)?.file_type();
    if Kind::of(found) == Some(kind) {
        Ok(file)
    } else {
        Err(format!("{} is no {} any more", path.display(), kind.name()))
    }
}

fn keep_reading(path: &Path, first: File, kind: Kind, reader: &mut Reader, emitter: &Emitter, stop: &Stop) {
    let mut file = first;
    loop {
        // Half a message of a writer that left says nothing about the next one.
        reader.parser = Parser::new();
        // A FIFO is there again at once; a device comes back when it is plugged in.
        let mut is_due = kind == Kind::Fifo;
        match reader.read_to_end(&file, emitter, stop) {
            Ended::Stopped => return,
            Ended::WriterLeft => emitter.state().log(Level::DEBUG, format_args!("the writer left")),
            Ended::Failed(error) => {
                emitter.state().waits(format!("{} cannot be read: {error}", path.display()));
                is_due = false;
            }
        }
        // The old descriptor stays open until the new one is, so that nothing written in between is lost.
        file = loop {
            if !std::mem::replace(&mut is_due, true) && stop.wait_for(RETRY_AFTER) == Wake::Stopped {
                return;
            }
            match reopen(path, kind) {
                Ok(file) => break file,
                Err(why) => {
                    emitter.state().waits(why);
                    is_due = false;
                }
            }
        };
        emitter.state().is_now(Condition::Delivers);
    }
}

/// Reads messages, not too many at once.
struct Reader {
    parser: Parser,
    pace: Pace,
}

enum Ended {
    Stopped,
    WriterLeft,
    Failed(io::Error),
}

impl Reader {
    fn read_to_end(&mut self, mut file: &File, emitter: &Emitter, stop: &Stop) -> Ended {
        let mut buffer = [0; BUFFER_BYTES];
        loop {
            if stop.wait_readable(file) == Wake::Stopped {
                return Ended::Stopped;
            }
            match file.read(&mut buffer) {
                Ok(0) => return Ended::WriterLeft,
                Ok(read) => {
                    if let Some(room) = self.pace.next(read, Instant::now())
                        && stop.wait_until(room) == Wake::Stopped
                    {
                        return Ended::Stopped;
                    }
                    for message in buffer.iter().take(read).filter_map(|byte| self.parser.push(*byte)) {
                        emitter.emit(Body::Midi(message));
                    }
                }
                Err(error)
                    if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted) => {}
                Err(error) => return Ended::Failed(error),
            }
        }
    }
}
