//! Raw MIDI bytes appended to a file, FIFO or device file.

use std::fs::{File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use rustix::fs::OFlags;
use rustix::io::Errno;

use super::SendError;

/// Most bytes of a plain file that is an output. MIDI is granted automatically, and must not fill a disk.
const MAX_FILE_BYTES: u64 = 64 * 1024 * 1024;

/// A file that is opened when it is first used, and again when its reader or device comes back. Writing never waits:
/// the pipe's own buffer is the queue, and messages are refused when it is full.
pub(super) struct FileOutput {
    path: PathBuf,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    file: Option<File>,
    /// Bytes that a plain file still has room for; `None` for a FIFO or device file.
    room: Option<u64>,
    /// The end of a message whose beginning was written. It must be written next, or the reader would see a torn
    /// message. At most as long as one request.
    rest: Vec<u8>,
    /// Whether the path was a FIFO or device file. When that is gone, no plain file is created in its place.
    is_special: bool,
}

impl State {
    fn close(&mut self) {
        *self = Self { is_special: self.is_special, ..Self::default() };
    }
}

impl FileOutput {
    pub(super) fn new(path: &Path) -> Self {
        Self { path: path.to_owned(), state: Mutex::default() }
    }

    pub(super) fn open(&self) -> Result<(), SendError> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        self.opened(&mut state).map(drop)
    }

    pub(super) fn send(&self, bytes: &[u8]) -> Result<(), SendError> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        match self.try_send(&mut state, bytes) {
            // The reader left. Another one may have come since.
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => {
                state.close();
                self.opened(&mut state)?;
                self.try_send(&mut state, bytes).map_err(|error| self.failed(&error))
            }
            Err(error) => {
                // After a device was unplugged, or a full file was moved away, opening the path gives another file.
                if error.kind() != io::ErrorKind::WouldBlock {
                    state.close();
                }
                Err(self.failed(&error))
            }
            Ok(()) => Ok(()),
        }
    }

    fn try_send(&self, state: &mut State, bytes: &[u8]) -> io::Result<()> {
        self.opened(state).map_err(|error| io::Error::other(error.to_string()))?;
        let State { file: Some(file), room, rest, .. } = state else { return Ok(()) };
        if room.is_some_and(|room| room < (rest.len() + bytes.len()) as u64) {
            return Err(io::ErrorKind::FileTooLarge.into());
        }
        let taken = write(file, rest)?;
        use_up(room, taken);
        rest.drain(..taken);
        if !rest.is_empty() {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        match write(file, bytes)? {
            0 if !bytes.is_empty() => Err(io::ErrorKind::WouldBlock.into()),
            taken => {
                use_up(room, taken);
                rest.extend_from_slice(bytes.get(taken..).unwrap_or_default());
                Ok(())
            }
        }
    }

    fn opened<'s>(&self, state: &'s mut State) -> Result<&'s File, SendError> {
        if state.file.is_none() {
            let flags = (OFlags::NONBLOCK | OFlags::NOCTTY).bits().cast_signed();
            // A plain file among the devices would be mistaken for a device.
            let create = !(state.is_special || self.path.starts_with("/dev"));
            let file = OpenOptions::new().append(true).create(create).custom_flags(flags).open(&self.path);
            let unavailable = |error: io::Error| SendError::Unavailable(self.unavailable(&error));
            let file = file.map_err(unavailable)?;
            let metadata = file.metadata().map_err(unavailable)?;
            state.room = metadata.is_file().then(|| MAX_FILE_BYTES.saturating_sub(metadata.len()));
            state.is_special = !metadata.is_file();
            state.file = Some(file);
        }
        state.file.as_ref().ok_or_else(|| SendError::Failed(format!("{} is closed", self.path.display())))
    }

    fn unavailable(&self, error: &io::Error) -> String {
        let path = self.path.display();
        if error.raw_os_error() == Some(Errno::NXIO.raw_os_error()) {
            format!("nobody reads {path}")
        } else {
            format!("cannot open {path}: {error}")
        }
    }

    fn failed(&self, error: &io::Error) -> SendError {
        let path = self.path.display();
        SendError::Failed(if error.kind() == io::ErrorKind::WouldBlock {
            format!("the reader of {path} does not keep up")
        } else if error.kind() == io::ErrorKind::FileTooLarge {
            format!("{path} is full: it may have {MAX_FILE_BYTES} bytes; move it away and a new one is begun")
        } else {
            format!("cannot write to {path}: {error}")
        })
    }
}

fn use_up(room: &mut Option<u64>, taken: usize) {
    if let Some(room) = room {
        *room = room.saturating_sub(taken as u64);
    }
}

/// Writes as much as possible without waiting. Returns how many bytes were written.
fn write(mut file: &File, bytes: &[u8]) -> io::Result<usize> {
    let mut taken = 0;
    while let Some(left) = bytes.get(taken..).filter(|left| !left.is_empty()) {
        match file.write(left) {
            Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
            Ok(wrote) => taken += wrote,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
            Err(error) => return Err(error),
        }
    }
    Ok(taken)
}

#[cfg(test)]
mod tests {
    use std::io::Read as _;

    use rustix::fs::{CWD, FileType, Mode, mknodat};

    use super::*;

    fn fifo(directory: &Path) -> PathBuf {
        let path = directory.join("midi");
        mknodat(CWD, &path, FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).expect("fifo");
        path
    }

    #[test]
    fn a_plain_file_is_appended_to() {
        let directory = tempfile::tempdir().expect("directory");
        let path = directory.path().join("out.mid.raw");
        FileOutput::new(&path).send(&[0x90, 60, 1]).expect("sends");
        FileOutput::new(&path).send(&[0x80, 60, 0]).expect("sends");
        let mut bytes = Vec::new();
        File::open(&path).expect("opens").read_to_end(&mut bytes).expect("reads");
        assert_eq!(bytes, [0x90, 60, 1, 0x80, 60, 0]);
    }

    #[test]
    fn a_fifo_without_reader_says_so_and_one_that_is_full_never_blocks() {
        let directory = tempfile::tempdir().expect("directory");
        let path = fifo(directory.path());
        let output = FileOutput::new(&path);
        let error = output.send(&[0xf8]).expect_err("refused");
        assert!(error.to_string().contains("nobody reads"), "{error}");

        let open_reader = || {
            let flags = OFlags::NONBLOCK.bits().cast_signed();
            OpenOptions::new().read(true).custom_flags(flags).open(&path).expect("reader")
        };
        let reader = open_reader();
        let mut sent = 0;
        let refused = loop {
            match output.send(&[0x90, 60, 1]) {
                Ok(()) => sent += 1,
                Err(error) => break error,
            }
            assert!(sent < 1_000_000, "the pipe never fills");
        };
        assert!(refused.to_string().contains("does not keep up"), "{refused}");

        drop(reader);
        let error = output.send(&[0xf8]).expect_err("refused");
        assert!(error.to_string().contains("nobody reads"), "{error}");
        let mut reader = open_reader();
        output.send(&[0x80, 60, 0]).expect("sends to the next reader");
        let mut bytes = [0; 3];
        reader.read_exact(&mut bytes).expect("reads");
        assert_eq!(bytes, [0x80, 60, 0]);
    }

    #[test]
    fn a_plain_file_grows_only_so_far() {
        let directory = tempfile::tempdir().expect("directory");
        let path = directory.path().join("out.raw");
        File::create(&path).expect("file").set_len(MAX_FILE_BYTES - 4).expect("length");
        let output = FileOutput::new(&path);
        output.send(&[0x90, 60, 1]).expect("fits");
        for _ in 0..2 {
            let error = output.send(&[0x80, 60, 0]).expect_err("refused");
            assert!(error.to_string().contains("is full: it may have 67108864 bytes"), "{error}");
        }
        output.send(&[0xf8]).expect("fits");
        assert!(output.send(&[0xf8]).is_err());
        assert_eq!(std::fs::metadata(&path).expect("file").len(), MAX_FILE_BYTES);
        std::fs::rename(&path, directory.path().join("old.raw")).expect("moved away");
        output.send(&[0x80, 60, 0]).expect("begins a new file");
        assert_eq!(std::fs::metadata(&path).expect("file").len(), 3);
    }

    #[test]
    fn a_device_that_fails_is_opened_again() {
        let directory = tempfile::tempdir().expect("directory");
        let path = directory.path().join("midi");
        // Writing to `/dev/full` fails with ENOSPC, as writing to an unplugged device fails with ENODEV.
        std::os::unix::fs::symlink("/dev/full", &path).expect("link");
        let output = FileOutput::new(&path);
        let error = output.send(&[0xf8]).expect_err("fails");
        assert!(error.to_string().contains("cannot write to"), "{error}");
        std::fs::remove_file(&path).expect("unplugged");
        let error = output.send(&[0xf8]).expect_err("fails");
        assert!(error.to_string().contains("cannot open"), "{error}");
        assert!(!path.exists(), "a plain file took the place of the device");
        File::create(&path).expect("plugged in again");
        output.send(&[0x80, 60, 0]).expect("sends");
        assert_eq!(std::fs::metadata(&path).expect("file").len(), 3);
    }

    #[test]
    fn a_long_message_is_never_torn() {
        let directory = tempfile::tempdir().expect("directory");
        let path = fifo(directory.path());
        let flags = OFlags::NONBLOCK.bits().cast_signed();
        let mut reader = OpenOptions::new().read(true).custom_flags(flags).open(&path).expect("reader");
        let output = FileOutput::new(&path);
        let mut long = vec![1; 200_000];
        long[0] = 0xf0;
        *long.last_mut().expect("end") = 0xf7;
        output.send(&long).expect("its beginning is taken");
        assert!(output.send(&[0xf8]).is_err(), "its end must go first");
        let mut seen = Vec::new();
        while seen.len() < long.len() + 1 {
            let mut buffer = [0; 65_536];
            if let Ok(read) = reader.read(&mut buffer) {
                seen.extend(&buffer[..read]);
            }
            if seen.len() < long.len() || seen.last() == Some(&0xf7) {
                let _ = output.send(&[0xf8]);
            }
        }
        assert_eq!(seen[..long.len()], long);
        assert_eq!(seen[long.len()], 0xf8);
    }
}
