//! Raw MIDI bytes from a FIFO, a device file or a plain file.

use std::fs::{File, FileType, OpenOptions};
use std::io::{self, Read as _};
use std::os::unix::fs::{FileTypeExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
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

/// Most bytes that are read in a fiftieth of a second, which is 200 KiB in a second: 60 times what a MIDI cable
/// carries. Stops a device or writer that delivers without pause from keeping a processor busy; a writer waits
/// meanwhile.
const MAX_BYTES_AT_ONCE: usize = 4 * BUFFER_BYTES;

/// What bytes are read from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    /// A FIFO, which is opened again when its writer leaves.
    Fifo,
    /// A device, which is opened again after it was unplugged.
    Device,
    /// A plain file, which is read to its end.
    Plain,
}

/// Opens a FIFO, a device file or a plain file. A FIFO is opened again when its writer leaves, and a device after it
/// was unplugged. A plain file is read once, to its end.
pub(super) fn open(path: &Path) -> Result<OpenInput, InputError> {
    let path = path.to_owned();
    let fail = |source| InputError::Read { path: path.clone(), source };
    let file = open_file(&path).map_err(fail)?;
    let found = file.metadata().map_err(fail)?.file_type();
    if found.is_dir() {
        return Err(InputError::Directory { path });
    }
    let Some(kind) = Kind::of(found) else { return Err(InputError::NoStream { path }) };
    if kind == Kind::Plain {
        let mut reader = Reader::new();
        return Ok(OpenInput::new(true, move |emitter, stop| {
            match reader.read_to_end(&file, emitter, stop) {
                Ended::Stopped | Ended::WriterLeft => Ok(()),
                Ended::Failed(source) => Err(InputError::Read { path, source }),
            }
        }));
    }
    Ok(stream(path, file, kind))
}

/// An input that reads a FIFO or a device until `stop` is given.
fn stream(path: PathBuf, file: File, kind: Kind) -> OpenInput {
    let mut reader = Reader::new();
    let run = move |emitter: &Emitter, stop: &Stop| {
        keep_reading(&path, file, kind, &mut reader, emitter, stop);
        Ok(())
    };
    if kind == Kind::Device { OpenInput::instrument(run) } else { OpenInput::endless(run) }
}

impl Kind {
    /// The kind of a file; none for a file that gives no bytes, such as a disk.
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

/// Opens the file again. Another kind of file in its place is not read: a plain file would be played again and again.
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
        // Half a message of a writer that left is dropped.
        reader.parser = Parser::new();
        // A FIFO can be opened again at once. A device comes back when it is plugged in.
        let mut is_due = kind == Kind::Fifo;
        match reader.read_to_end(&file, emitter, stop) {
            Ended::Stopped => return,
            Ended::WriterLeft => emitter.state().log(Level::DEBUG, format_args!("the writer left")),
            Ended::Failed(error) => {
                emitter.state().waits(format!("{} cannot be read: {error}", path.display()));
                is_due = false;
            }
        }
        if kind == Kind::Device {
            emitter.let_go();
        }
        // The old descriptor stays open until the new one is open, so that nothing written in between is lost.
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
    fn new() -> Self {
        Self { parser: Parser::new(), pace: Pace::new(MAX_BYTES_AT_ONCE, Instant::now()) }
    }

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

#[cfg(test)]
mod tests {
    use std::io::Write as _;
    use std::sync::Arc;
    use std::sync::mpsc::channel;
    use std::thread;
    use std::time::Duration;

    use rustix::fs::{CWD, FileType as Type, Mode, mknodat};

    use super::super::InputState;
    use super::*;
    use crate::event::Event;

    const PATIENCE: Duration = Duration::from_secs(60);

    /// What is played, and what the player would send to let go of what is down then.
    const PLAYED: [u8; 15] = [0x91, 60, 9, 0xb1, 64, 127, 0x91, 62, 9, 0x81, 60, 0, 0xe1, 0, 0];
    const LET_GO: [[u8; 3]; 3] = [[0x81, 62, 64], [0xb1, 64, 0], [0xe1, 0, 64]];

    fn bytes(event: Event) -> Vec<u8> {
        let Body::Midi(message) = event.body else { panic!("{event:?} is no message") };
        message.to_bytes()
    }

    /// What an input delivers after what is played, if its source goes away first or not. A FIFO stands for a device too.
    fn left_behind(kind: Kind, goes_away: bool) -> Vec<Vec<u8>> {
        let directory = tempfile::tempdir().expect("directory");
        let path = directory.path().join("midi");
        mknodat(CWD, &path, Type::Fifo, Mode::RUSR | Mode::WUSR, 0).expect("FIFO made");
        let input = stream(path.clone(), open_file(&path).expect("opened"), kind);
        let (sink, events) = channel();
        let emitter = Emitter::new(
            Arc::new(InputState::new("keys".into())),
            Arc::new(move |event, _: &InputState| sink.send(event).expect("the test listens")),
        );
        let mut writer = OpenOptions::new().write(true).open(&path).expect("opened");
        writer.write_all(&PLAYED).expect("written");
        let stop = Stop::new().expect("a pipe");
        let end = stop.clone();
        let reading = thread::spawn(move || input.run(&emitter, &end));
        let played: Vec<u8> =
            (0..5).flat_map(|_| bytes(events.recv_timeout(PATIENCE).expect("an event"))).collect();
        assert_eq!(played, PLAYED);
        let writer = (!goes_away).then_some(writer);
        stop.stop();
        reading.join().expect("no panic").expect("it can be read");
        drop(writer);
        events.iter().map(bytes).collect()
    }

    #[test]
    fn what_is_down_when_a_device_goes_away_or_is_not_read_any_more_is_let_go_once() {
        for goes_away in [true, false] {
            assert_eq!(left_behind(Kind::Device, goes_away), LET_GO, "{goes_away}");
        }
    }

    #[test]
    fn a_fifo_says_itself_what_ends() {
        for goes_away in [true, false] {
            assert_eq!(left_behind(Kind::Fifo, goes_away), Vec::<Vec<u8>>::new(), "{goes_away}");
        }
    }
}
