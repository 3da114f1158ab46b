//! Raw MIDI bytes from a FIFO, a device file or a plain file.

use std::fs::{File, OpenOptions};
use std::io::{self, Read as _};
use std::os::unix::fs::{FileTypeExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use rustix::fs::OFlags;

use super::{Emitter, InputError, OpenInput, RETRY_AFTER};
use crate::event::Body;
use crate::midi::Parser;
use crate::stop::{Stop, Wake};

/// Bytes read at once.
const BUFFER_BYTES: usize = 4096;

/// Opens a FIFO or device file. A FIFO is opened again when its writer leaves, a device when it was unplugged; a plain
/// file is read to its end.
pub(super) fn open(path: &Path) -> Result<OpenInput, InputError> {
    let path = path.to_owned();
    let fail = |source| InputError::Read { path: path.clone(), source };
    let file = open_file(&path).map_err(fail)?;
    let kind = file.metadata().map_err(fail)?.file_type();
    if kind.is_dir() {
        return Err(InputError::Directory { path });
    }
    if kind.is_file() {
        return Ok(OpenInput::new(true, move |emitter, stop| {
            match read_to_end(&file, &mut Parser::new(), emitter, stop) {
                Ended::Stopped | Ended::WriterLeft => Ok(()),
                Ended::Failed(source) => Err(InputError::Read { path, source }),
            }
        }));
    }
    let is_fifo = kind.is_fifo();
    Ok(OpenInput::endless(move |emitter, stop| {
        keep_reading(path, file, is_fifo, emitter, stop);
        Ok(())
    }))
}

fn open_file(path: &Path) -> io::Result<File> {
    let flags = (OFlags::NONBLOCK | OFlags::NOCTTY).bits();
    OpenOptions::new().read(true).custom_flags(flags.cast_signed()).open(path)
}

fn keep_reading(path: PathBuf, first: File, is_fifo: bool, emitter: &Emitter, stop: &Stop) {
    let mut file = first;
    loop {
        // Half a message of a writer that left says nothing about the next one.
        match read_to_end(&file, &mut Parser::new(), emitter, stop) {
            Ended::Stopped => return,
            Ended::WriterLeft => tracing::debug!(input = emitter.input(), "the writer left"),
            Ended::Failed(error) => {
                tracing::warn!(input = emitter.input(), path = %path.display(), %error, "cannot read, trying again");
            }
        }
        // The old descriptor stays open until the new one is, so that nothing written in between is lost. A FIFO is
        // there again at once; a device comes back when it is plugged in.
        let mut reopened = if is_fifo { open_file(&path) } else { Err(io::ErrorKind::NotFound.into()) };
        while reopened.is_err() {
            if stop.wait_for(RETRY_AFTER) == Wake::Stopped {
                return;
            }
            reopened = open_file(&path);
        }
        if let Ok(again) = reopened {
            file = again;
        }
    }
}

enum Ended {
    Stopped,
    WriterLeft,
    Failed(io::Error),
}

fn read_to_end(mut file: &File, parser: &mut Parser, emitter: &Emitter, stop: &Stop) -> Ended {
    let mut buffer = [0; BUFFER_BYTES];
    loop {
        if stop.wait_readable(file) == Wake::Stopped {
            return Ended::Stopped;
        }
        match file.read(&mut buffer) {
            Ok(0) => return Ended::WriterLeft,
            Ok(read) => {
                for message in buffer.iter().take(read).filter_map(|byte| parser.push(*byte)) {
                    emitter.emit(Body::Midi(message));
                }
            }
            Err(error) if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted) => {}
            Err(error) => return Ended::Failed(error),
        }
    }
}
