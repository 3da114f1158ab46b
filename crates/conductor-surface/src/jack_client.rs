//! This daemon as one client of a JACK server, with a port per JACK input and output.
//!
//! JACK calls the [`realtime`] half on a thread that must never wait. It only moves bytes between the ports and lock-free
//! ring buffers; everything else happens here, on ordinary threads.

mod frame;
mod realtime;

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::thread::{self, Thread};
use std::time::{Duration, Instant};

use jack::{
    AsyncClient, Client, ClientOptions, ClientStatus, LoggerType, MidiIn, MidiOut, RingBuffer,
    RingBufferReader,
};

use crate::event::Body;
use crate::input::{Emitter, InputError};
use crate::midi::Message;
use frame::{FrameReader, FrameWriter};
use realtime::Process;

/// Name that the server is asked to give this client; it appends a number if the name is taken.
const CLIENT: &str = "conductor";

/// Bytes of each ring buffer: a few of the longest messages, so that memory is bounded whatever is sent.
const RING_BYTES: usize = 256 * 1024;

/// How often ports are looked for, and a server that went away.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// Longest sleep of the delivering thread; bounds how late it notices that it shall end.
const SLEEP: Duration = Duration::from_millis(100);

/// Longest wait for messages that are still on their way when the client ends.
const FLUSH: Duration = Duration::from_millis(500);

/// A server whose process cycle has not run for this long is taken for dead.
const SILENCE: Duration = Duration::from_secs(3);

/// The daemon's JACK ports, whether or not a server is there.
pub struct JackClient {
    inputs: Vec<(Emitter, Option<String>)>,
    outputs: Vec<(Arc<JackOutput>, Option<String>)>,
    session: Option<Session>,
}

impl JackClient {
    /// A client with these ports, each with the port of another client that it is to be connected to.
    #[must_use]
    pub const fn new(
        inputs: Vec<(Emitter, Option<String>)>,
        outputs: Vec<(Arc<JackOutput>, Option<String>)>,
    ) -> Self {
        Self { inputs, outputs, session: None }
    }

    /// Becomes a client of the running server.
    ///
    /// # Errors
    ///
    /// Fails if the JACK library is not installed or no server is running.
    pub fn connect(&mut self) -> Result<(), InputError> {
        if self.session.is_none() {
            let session = Session::start(&self.inputs, &self.outputs);
            self.session = Some(session.map_err(|error| InputError::NoJack { cause: describe(&error) })?);
        }
        Ok(())
    }

    /// Delivers what comes in until `stopped` says so, then waits a moment for what is on its way out. Ports are connected when their counterparts appear, and the
    /// server is looked for again when it goes away.
    pub fn run(mut self, stopped: impl Fn() -> bool) {
        let mut next_look = Instant::now();
        while !stopped() {
            let now = Instant::now();
            if now >= next_look {
                next_look = now + LOOK_EVERY;
                self.look_after();
            }
            if let Some(session) = &mut self.session {
                session.wake.get_or_init(thread::current);
                session.deliver(&self.inputs);
            }
            thread::park_timeout(SLEEP);
        }
        self.flush();
    }

    /// Waits a moment until everything that was sent is on its way.
    pub fn flush(&self) {
        let deadline = Instant::now() + FLUSH;
        let Some(session) = &self.session else { return };
        let is_pending = || self.outputs.iter().any(|(output, _)| output.is_pending());
        while is_pending() && Instant::now() < deadline {
            thread::sleep(Duration::from_millis(1));
        }
        // What the last cycle took out of the rings reaches its receivers with the next one.
        let last = session.beats.load(Ordering::Relaxed);
        while session.beats.load(Ordering::Relaxed) < last + 2 && Instant::now() < deadline {
            thread::sleep(Duration::from_millis(1));
        }
    }

    fn look_after(&mut self) {
        if self.session.as_mut().is_some_and(|session| !session.is_alive()) {
            tracing::warn!("the JACK server went away; looking for it");
            self.session = None;
            self.outputs.iter().for_each(|(output, _)| output.detach());
        }
        if self.session.is_none() && self.connect().is_ok() {
            tracing::info!("connected to the JACK server");
        }
        if let Some(session) = &mut self.session {
            session.connect_ports();
        }
    }
}

/// A port that plugins send to.
#[derive(Default)]
pub struct JackOutput {
    name: String,
    ring: Mutex<Option<FrameWriter>>,
}

/// Why a message was not sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum JackSendError {
    /// There is no server.
    NoServer,
    /// Messages come faster than the server takes them.
    Full,
}

impl JackOutput {
    /// A port with this name.
    #[must_use]
    pub fn new(name: impl Into<String>) -> Self {
        Self { name: name.into(), ring: Mutex::new(None) }
    }

    /// Hands one complete message to the next process cycle. Never waits for the server.
    ///
    /// # Errors
    ///
    /// Says why it was not sent.
    pub fn send(&self, message: &[u8]) -> Result<(), JackSendError> {
        let mut ring = self.ring.lock().unwrap_or_else(PoisonError::into_inner);
        let ring = ring.as_mut().ok_or(JackSendError::NoServer)?;
        if ring.write(0, message) { Ok(()) } else { Err(JackSendError::Full) }
    }

    fn attach(&self, ring: FrameWriter) {
        *self.ring.lock().unwrap_or_else(PoisonError::into_inner) = Some(ring);
    }

    fn detach(&self) {
        *self.ring.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }

    fn is_pending(&self) -> bool {
        let mut ring = self.ring.lock().unwrap_or_else(PoisonError::into_inner);
        ring.as_mut().is_some_and(|ring| !ring.is_empty())
    }
}

/// One stay at a server.
struct Session {
    client: AsyncClient<(), Process>,
    incoming: FrameReader,
    wake: Arc<OnceLock<Thread>>,
    beats: Arc<AtomicU64>,
    dropped: Arc<AtomicU64>,
    dropped_said: u64,
    last_beat: (u64, Instant),
    wires: Vec<Wire>,
}

/// A connection that the configuration asks for, made whenever the other end appears.
struct Wire {
    from: String,
    to: String,
    other: String,
    was_present: bool,
}

impl Session {
    fn start(
        inputs: &[(Emitter, Option<String>)],
        outputs: &[(Arc<JackOutput>, Option<String>)],
    ) -> Result<Self, jack::Error> {
        if jack::jack_sys::library().is_ok() {
            // The library would write to standard output, which carries data.
            jack::set_logger(LoggerType::None);
        }
        let (client, _) = Client::new(CLIENT, ClientOptions::NO_START_SERVER)?;
        let own = |name: &str| format!("{}:{name}", client.name());
        let mut wires = Vec::new();
        let mut sources = Vec::new();
        for (emitter, connect) in inputs {
            sources.push(client.register_port(emitter.input(), MidiIn::default())?);
            wires.extend(connect.as_ref().map(|other| Wire {
                from: other.clone(),
                to: own(emitter.input()),
                other: other.clone(),
                was_present: false,
            }));
        }
        let mut sinks = Vec::new();
        let mut rings = Vec::new();
        for (output, connect) in outputs {
            let (reader, writer) = ring()?;
            sinks.push((client.register_port(&output.name, MidiOut::default())?, reader));
            rings.push((output, writer));
            wires.extend(connect.as_ref().map(|other| Wire {
                from: own(&output.name),
                to: other.clone(),
                other: other.clone(),
                was_present: false,
            }));
        }
        let (incoming, writer) = ring()?;
        let wake = Arc::new(OnceLock::new());
        let beats = Arc::new(AtomicU64::new(0));
        let dropped = Arc::new(AtomicU64::new(0));
        let process =
            Process::new(sources, writer, sinks, Arc::clone(&wake), Arc::clone(&beats), Arc::clone(&dropped));
        let client = client.activate_async((), process)?;
        for (output, writer) in rings {
            output.attach(writer);
        }
        let last_beat = (0, Instant::now());
        let mut session = Self { client, incoming, wake, beats, dropped, dropped_said: 0, last_beat, wires };
        session.connect_ports();
        Ok(session)
    }

    fn deliver(&mut self, inputs: &[(Emitter, Option<String>)]) {
        self.incoming.drain(|port, bytes| {
            if let (Some((emitter, _)), Some(message)) =
                (inputs.get(usize::from(port)), Message::from_bytes(bytes))
            {
                emitter.emit(Body::Midi(message));
            }
        });
        let dropped = self.dropped.load(Ordering::Relaxed);
        // Said again when there are twice as many.
        if dropped > self.dropped_said.saturating_mul(2) {
            tracing::warn!("JACK messages were dropped: {} in all", dropped);
            self.dropped_said = dropped;
        }
    }

    fn is_alive(&mut self) -> bool {
        let beats = self.beats.load(Ordering::Relaxed);
        if beats != self.last_beat.0 {
            self.last_beat = (beats, Instant::now());
        }
        self.last_beat.1.elapsed() < SILENCE
    }

    /// Connects what has newly appeared. What the user disconnects while both ends are there stays disconnected.
    fn connect_ports(&mut self) {
        let client = self.client.as_client();
        for wire in &mut self.wires {
            let is_present = client.port_by_name(&wire.other).is_some();
            if is_present && !wire.was_present {
                match client.connect_ports_by_name(&wire.from, &wire.to) {
                    Ok(()) | Err(jack::Error::PortAlreadyConnected(..)) => {
                        tracing::info!(from = wire.from, to = wire.to, "connected JACK ports");
                    }
                    Err(error) => tracing::warn!(%error, "cannot connect JACK ports"),
                }
            }
            wire.was_present = is_present;
        }
    }
}

fn ring() -> Result<(FrameReader, FrameWriter), jack::Error> {
    let mut ring = RingBuffer::new(RING_BYTES)?;
    ring.mlock();
    let (reader, writer): (RingBufferReader, _) = ring.into_reader_writer();
    Ok((FrameReader::new(reader), FrameWriter::new(writer)))
}

fn describe(error: &jack::Error) -> String {
    if let jack::Error::ClientError(status) = error
        && status.contains(ClientStatus::SERVER_FAILED)
    {
        return "no JACK server is running".to_owned();
    }
    if let jack::Error::LibraryError(cause) = error {
        return format!("the JACK library cannot be loaded: {cause}");
    }
    error.to_string()
}
