//! Where events come from: one file per kind of input.

mod alsa;
mod interval;
mod midi_file;
mod osc;
mod pace;
mod raw;
mod state;
mod tap;

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use crate::config::{InputConfig, InputKind, MidiSource};
use crate::event::{Body, Event};
use crate::sequencer;
use crate::stop::Stop;

pub use state::{Condition, InputState, InputStates};
pub use tap::Taps;

/// How long an input waits before it looks again for a device or file that is gone.
const RETRY_AFTER: Duration = Duration::from_secs(1);

/// Takes the events of one input.
#[derive(Clone)]
pub struct Emitter {
    state: Arc<InputState>,
    sink: Sink,
}

/// Takes an event of an input; must not block.
pub type Sink = Arc<dyn Fn(Event, &InputState) + Send + Sync>;

impl Emitter {
    /// An emitter for the events of one input.
    #[must_use]
    pub const fn new(state: Arc<InputState>, sink: Sink) -> Self {
        Self { state, sink }
    }

    /// How the input is.
    pub(crate) fn state(&self) -> &InputState {
        &self.state
    }

    /// Name of the input.
    #[must_use]
    pub fn input(&self) -> &str {
        self.state.name()
    }

    /// Hands on what happened just now.
    pub fn emit(&self, body: Body) {
        (self.sink)(Event::now(Arc::clone(self.state.name()), body), &self.state);
    }
}

/// An input that has what it needs and waits to be run on a thread of its own.
pub struct OpenInput {
    run: Run,
    ends: bool,
}

type Run = Box<dyn FnOnce(&Emitter, &Stop) -> Result<(), InputError> + Send>;

impl OpenInput {
    /// An input that goes on until it is told to stop.
    fn endless(run: impl FnOnce(&Emitter, &Stop) -> Result<(), InputError> + Send + 'static) -> Self {
        Self { run: Box::new(run), ends: false }
    }

    /// An input that ends of itself if `ends` says so.
    fn new(ends: bool, run: impl FnOnce(&Emitter, &Stop) -> Result<(), InputError> + Send + 'static) -> Self {
        Self { run: Box::new(run), ends }
    }

    /// Whether the input ends of itself.
    #[must_use]
    pub const fn ends(&self) -> bool {
        self.ends
    }

    /// Delivers events until the input ends of itself or `stop` is given.
    ///
    /// # Errors
    ///
    /// Fails if the input breaks while it runs.
    pub fn run(self, emitter: &Emitter, stop: &Stop) -> Result<(), InputError> {
        (self.run)(emitter, stop)
    }
}

/// Opens an input. `None` for a port of the JACK client, which serves all its ports together.
///
/// # Errors
///
/// Fails if something that the input needs is missing or unusable here.
pub fn open(config: &InputConfig) -> Result<Option<OpenInput>, InputError> {
    match &config.kind {
        InputKind::MidiFile { path, speed, repeat, strict } => {
            midi_file::open(path, *speed, *repeat, *strict).map(Some)
        }
        InputKind::MidiPort { source: MidiSource::Alsa { port } } => alsa::open(port).map(Some),
        InputKind::MidiPort { source: MidiSource::Jack { .. } } => Ok(None),
        InputKind::MidiRaw { path } => raw::open(path).map(Some),
        InputKind::Osc { listen } => osc::open(*listen).map(Some),
        InputKind::Interval { every, count } => Ok(Some(interval::open(*every, *count))),
    }
}

/// Why an input cannot deliver.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum InputError {
    /// A file cannot be opened or read.
    #[error("cannot read {}: {source}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A MIDI file is larger than the host reads.
    #[error("{} is larger than {max} bytes", path.display())]
    TooLarge {
        /// The file.
        path: PathBuf,
        /// Most bytes.
        max: u64,
    },
    /// A FIFO, a device or a directory was named where a file is read as a whole.
    #[error("{} is not a plain file", path.display())]
    NotAFile {
        /// What was named.
        path: PathBuf,
    },
    /// A file is not a Standard MIDI File.
    #[error("{} is not a MIDI file: {cause}", path.display())]
    NotMidi {
        /// The file.
        path: PathBuf,
        /// What the parser said.
        cause: String,
    },
    /// A MIDI file is damaged, and is to be played as it was meant or not at all.
    #[error(
        "{} is damaged ({damage}), which `strict` refuses; mend it, or leave out `strict` to play what can be read",
        path.display()
    )]
    Damaged {
        /// The file.
        path: PathBuf,
        /// Where, and what is wrong there.
        damage: String,
    },
    /// A MIDI file is to be repeated faster than anybody listens.
    #[error(
        "{} takes {length:?}, which is too short to be repeated: at least {min:?}; leave out `loop`, or play it slower",
        path.display()
    )]
    ShortLoop {
        /// The file.
        path: PathBuf,
        /// How long it takes at its speed.
        length: Duration,
        /// How long it has to take.
        min: Duration,
    },
    /// A directory was named where a FIFO or device file is read.
    #[error("{} is a directory", path.display())]
    Directory {
        /// The directory.
        path: PathBuf,
    },
    /// What is neither a FIFO, a device file that is read byte by byte nor a plain file was named where bytes are read.
    #[error("{} is neither a FIFO, a character device nor a plain file", path.display())]
    NoStream {
        /// What was named.
        path: PathBuf,
    },
    /// A UDP port cannot be listened on.
    #[error("cannot listen on {address}: {source}")]
    Listen {
        /// The address and port.
        address: SocketAddr,
        /// What the system said.
        source: io::Error,
    },
    /// Receiving failed for good.
    #[error("cannot receive on {address}: {source}")]
    Receive {
        /// The address and port.
        address: SocketAddr,
        /// What the system said.
        source: io::Error,
    },
    /// There is no ALSA sequencer.
    #[error("{}", sequencer::MISSING)]
    NoSequencer,
    /// There is no JACK server.
    #[error("no JACK client can be opened: {cause}")]
    NoJack {
        /// What the JACK library said.
        cause: String,
    },
}
