//! Where events come from: one file per kind of input.

mod alsa;
mod held;
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

use tracing::Level;

use crate::config::{InputConfig, InputKind, MidiSource};
use crate::event::{Body, Event};
use crate::sequencer;
use crate::stop::Stop;

use held::Held;
pub use state::{Condition, InputState, InputStates};
pub use tap::Taps;

/// How long an input waits before it looks again for a device or file that is gone.
const RETRY_AFTER: Duration = Duration::from_secs(1);

/// Hands on the events of one input. Clones share what the input holds.
#[derive(Clone)]
pub struct Emitter {
    state: Arc<InputState>,
    sink: Sink,
    held: Arc<Held>,
}

/// Takes the events of inputs; must not block.
pub type Sink = Arc<dyn Fn(Event, &InputState) + Send + Sync>;

impl Emitter {
    /// An emitter for the events of one input.
    #[must_use]
    pub fn new(state: Arc<InputState>, sink: Sink) -> Self {
        Self { state, sink, held: Arc::default() }
    }

    /// The state of the input.
    pub(crate) fn state(&self) -> &InputState {
        &self.state
    }

    /// Name of the input.
    #[must_use]
    pub fn input(&self) -> &str {
        self.state.name()
    }

    /// Hands on an event that happens now.
    pub fn emit(&self, body: Body) {
        if let Body::Midi(message) = &body {
            self.held.hears(message);
        }
        self.pass(body);
    }

    /// Ends what the input left sounding, by events like those of a player who lets go of everything: the instrument is
    /// gone. Called after the last event of an instrument, and not for files and FIFOs, which say themselves what ends.
    pub fn let_go(&self) {
        let ends = self.held.let_go();
        if !ends.is_empty() {
            let count = ends.len();
            self.state.log(Level::INFO, format_args!("lets go of what it held: {count} messages"));
        }
        ends.into_iter().for_each(|message| self.pass(Body::Midi(message)));
    }

    fn pass(&self, body: Body) {
        (self.sink)(Event::now(Arc::clone(self.state.name()), body), &self.state);
    }
}

/// An input that was opened and waits to be run on its own thread.
pub struct OpenInput {
    run: Run,
    ends: bool,
    is_played: bool,
}

type Run = Box<dyn FnOnce(&Emitter, &Stop) -> Result<(), InputError> + Send>;

impl OpenInput {
    /// An input that goes on until `stop` is given.
    fn endless(run: impl FnOnce(&Emitter, &Stop) -> Result<(), InputError> + Send + 'static) -> Self {
        Self { run: Box::new(run), ends: false, is_played: false }
    }

    /// An instrument, which goes on until `stop` is given. What its player holds then is let go.
    fn instrument(run: impl FnOnce(&Emitter, &Stop) -> Result<(), InputError> + Send + 'static) -> Self {
        Self { is_played: true, ..Self::endless(run) }
    }

    /// An input that ends of itself if `ends` is set.
    fn new(ends: bool, run: impl FnOnce(&Emitter, &Stop) -> Result<(), InputError> + Send + 'static) -> Self {
        Self { run: Box::new(run), ends, is_played: false }
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
        let _end = self.is_played.then(|| End(emitter));
        (self.run)(emitter, stop)
    }
}

/// The end of an instrument's input, however it ends, through a bug as well: nothing that it began goes on.
struct End<'e>(&'e Emitter);

impl Drop for End<'_> {
    fn drop(&mut self) {
        self.0.let_go();
    }
}

/// Opens an input. `None` for a port of the JACK client, which serves all its ports together.
///
/// # Errors
///
/// Fails if something that the input needs is missing or unusable on this machine.
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
    /// A FIFO, a device or a directory was named in place of a plain file.
    #[error("{} is not a plain file", path.display())]
    NotAFile {
        /// The path that was named.
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
    /// A MIDI file is damaged, and the configuration accepts only undamaged ones.
    #[error(
        "{} is damaged ({damage}), which `strict` refuses; mend it, or leave out `strict` to play what can be read",
        path.display()
    )]
    Damaged {
        /// The file.
        path: PathBuf,
        /// Where the damage is, and what is wrong there.
        damage: String,
    },
    /// A MIDI file is too short to be repeated.
    #[error(
        "{} takes {length:?}, which is too short to be repeated: at least {min:?}; leave out `loop`, or play it slower",
        path.display()
    )]
    ShortLoop {
        /// The file.
        path: PathBuf,
        /// How long the file takes at its speed.
        length: Duration,
        /// The least time that a repeated file must take.
        min: Duration,
    },
    /// A directory was named in place of a FIFO or device file.
    #[error("{} is a directory", path.display())]
    Directory {
        /// The directory.
        path: PathBuf,
    },
    /// The path is neither a FIFO, a character device nor a plain file, and so gives no bytes.
    #[error("{} is neither a FIFO, a character device nor a plain file", path.display())]
    NoStream {
        /// The path that was named.
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
    /// Receiving failed, and cannot be repeated.
    #[error("cannot receive on {address}: {source}")]
    Receive {
        /// The address and port.
        address: SocketAddr,
        /// What the system said.
        source: io::Error,
    },
    /// The machine has no ALSA sequencer.
    #[error("{}", sequencer::MISSING)]
    NoSequencer,
    /// There is no JACK server.
    #[error("no JACK client can be opened: {cause}")]
    NoJack {
        /// What the JACK library said.
        cause: String,
    },
}
