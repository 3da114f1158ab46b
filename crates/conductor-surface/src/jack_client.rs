//! This daemon as one client of a JACK server, with one port for each JACK input and output.
//!
//! JACK calls the [`realtime`] half on a thread that must never wait. That half only moves bytes between the ports and
//! lock-free ring buffers. Everything else happens here, on ordinary threads.

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

/// Name that this client asks the server for. The server appends a number if the name is taken.
const CLIENT: &str = "conductor";

/// Bytes of each ring buffer: a few of the longest messages. Bounds the memory, whatever is sent.
const RING_BYTES: usize = 256 * 1024;

/// Time between two looks for ports, and for a server that has ended.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// Longest sleep of the delivering thread. Bounds how late it notices that it is to end.
const SLEEP: Duration = Duration::from_millis(100);

/// Longest wait for messages that are still in the rings when the client ends.
const FLUSH: Duration = Duration::from_millis(500);

/// A server whose process cycle has not run for this long is taken to be dead.
const SILENCE: Duration = Duration::from_secs(3);

/// Longest wait for the server to notice that an earlier client of this name has ended. Until then it goes on playing the
/// last buffers of a client that was killed, and notes that this client ends would sound again.
const DEPARTURE: Duration = Duration::from_secs(1);

/// Time between two attempts to get the name of a client that has ended.
const ASK_EVERY: Duration = Duration::from_millis(10);

/// The daemon's JACK ports, with or without a server.
pub struct JackClient {
    inputs: Vec<(Emitter, Option<String>)>,
    outputs: Vec<(Arc<JackOutput>, Option<String>)>,
    session: Option<Session>,
}

impl JackClient {
    /// A client with these ports, each with the port of another client to connect it to.
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

    /// Delivers messages until `stopped` returns true, then waits for messages that are on their way out, for a limited
    /// time. Ports are connected when their counterparts appear, and the server is looked for again when it has ended.
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
        self.let_go();
        self.flush();
    }

    /// Ends what the inputs left sounding.
    fn let_go(&self) {
        self.inputs.iter().for_each(|(emitter, _)| emitter.let_go());
    }

    /// Waits until everything that was sent is on its way, for a limited time.
    pub fn flush(&self) {
        let deadline = Instant::now() + FLUSH;
        let Some(session) = &self.session else { return };
        let is_pending = || self.outputs.iter().any(|(output, _)| output.is_pending());
        while is_pending() && Instant::now() < deadline {
            thread::sleep(Duration::from_millis(1));
        }
        // What the last cycle took out of the rings reaches its receivers in the next cycle.
        let last = session.beats.load(Ordering::Relaxed);
        while session.beats.load(Ordering::Relaxed) < last + 2 && Instant::now() < deadline {
            thread::sleep(Duration::from_millis(1));
        }
    }

    fn look_after(&mut self) {
        if self.session.as_mut().is_some_and(|session| !session.is_alive()) {
            tracing::warn!("the JACK server went away; looking for it");
            self.session = None;
            self.let_go();
            self.outputs.iter().for_each(|(output, _)| output.detach());
        }
        if self.session.is_none() && self.connect().is_ok() {
            tracing::info!("connected to the JACK server");
        }
        if let Some(session) = &mut self.session {
            session.connect_ports();
            session.let_go_of_unplugged(&self.inputs);
        }
    }
}

/// A port that plugins send through.
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
    /// Says why the message was not sent.
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

/// A connection to a server, until it ends.
struct Session {
    client: AsyncClient<(), Process>,
    incoming: FrameReader,
    wake: Arc<OnceLock<Thread>>,
    beats: Arc<AtomicU64>,
    dropped: Arc<AtomicU64>,
    dropped_said: u64,
    last_beat: (u64, Instant),
    wires: Vec<Wire>,
    /// The input ports, and whether anything was connected to each.
    plugged: Vec<(String, bool)>,
}

/// A connection between ports that the configuration asks for. It is made whenever the other end appears.
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
            // The library would write to standard output, which is reserved for data.
            jack::set_logger(LoggerType::None);
        }
        let client = open()?;
        let own = |name: &str| format!("{}:{name}", client.name());
        let mut wires = Vec::new();
        let mut sources = Vec::new();
        let plugged = inputs.iter().map(|(emitter, _)| (own(emitter.input()), false)).collect();
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
        let mut session =
            Self { client, incoming, wake, beats, dropped, dropped_said: 0, last_beat, wires, plugged };
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
        // Logged again when the number has doubled.
        if dropped > self.dropped_said.saturating_mul(2) {
            tracing::warn!("JACK messages were dropped: {} in all", dropped);
            self.dropped_said = dropped;
        }
    }

    /// Ends what an input left sounding from which the last connection was taken. What had come before is delivered
    /// first.
    fn let_go_of_unplugged(&mut self, inputs: &[(Emitter, Option<String>)]) {
        let client = self.client.as_client();
        let mut unplugged = Vec::new();
        for ((port, was_plugged), (emitter, _)) in self.plugged.iter_mut().zip(inputs) {
            let is_plugged = is_plugged(client, port);
            if std::mem::replace(was_plugged, is_plugged) && !is_plugged {
                unplugged.push(emitter);
            }
        }
        if !unplugged.is_empty() {
            self.deliver(inputs);
            unplugged.iter().for_each(|emitter| emitter.let_go());
        }
    }

    fn is_alive(&mut self) -> bool {
        let beats = self.beats.load(Ordering::Relaxed);
        if beats != self.last_beat.0 {
            self.last_beat = (beats, Instant::now());
        }
        self.last_beat.1.elapsed() < SILENCE
    }

    /// Connects ports that have newly appeared. A connection that the user removes while both ends exist is not made
    /// again.
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

/// Whether anything is connected to a port of this client.
fn is_plugged(client: &Client, port: &str) -> bool {
    let count = client.port_by_name(port).and_then(|port| port.connected_count().ok());
    count.is_some_and(|count| count > 0)
}

/// Opens a client by the plain name, or by a numbered one where another program keeps the plain name.
fn open() -> Result<Client, jack::Error> {
    let deadline = Instant::now() + DEPARTURE;
    loop {
        let (client, status) = Client::new(CLIENT, ClientOptions::NO_START_SERVER)?;
        if !status.contains(ClientStatus::NAME_NOT_UNIQUE) || Instant::now() >= deadline {
            return Ok(client);
        }
        drop(client);
        thread::sleep(ASK_EVERY);
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
