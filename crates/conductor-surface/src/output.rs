//! MIDI outputs that plugins may be granted: one file per kind.
//!
//! No output ever waits. A port that cannot take a message at once refuses it, so that a dead reader cannot hold up a
//! plugin.

mod alsa;
mod file;

use std::sync::{Arc, Mutex, PoisonError, RwLock};

use conductor_broker::devices::{MidiError, MidiOutputs};

use crate::config::{OutputConfig, OutputTarget};
use crate::input::{Emitter, InputError};
use crate::jack_client::{JackClient, JackOutput, JackSendError};
use alsa::AlsaOutput;
use file::FileOutput;

/// The outputs of the configuration. Each is opened when it is first used, or by [`MidiPorts::open`].
pub struct MidiPorts {
    ports: Vec<(String, Port)>,
    jack: Mutex<Option<JackClient>>,
}

enum Port {
    Alsa(AlsaOutput),
    Jack(Arc<JackOutput>),
    File(FileOutput),
}

/// Why bytes were not sent.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum SendError {
    /// Something that the output needs is missing.
    #[error("{0}")]
    Unavailable(String),
    /// Sending was tried and failed.
    #[error("{0}")]
    Failed(String),
}

impl MidiPorts {
    /// The outputs of `configs`, and the JACK inputs that share a client with the JACK outputs.
    #[must_use]
    pub fn new(configs: &[OutputConfig], jack_inputs: Vec<(Emitter, Option<String>)>) -> Self {
        let mut jack_outputs = Vec::new();
        let ports = configs.iter().map(|config| {
            let port = match &config.target {
                OutputTarget::Alsa { port } => Port::Alsa(AlsaOutput::new(port)),
                OutputTarget::File { path } => Port::File(FileOutput::new(path)),
                OutputTarget::Jack { connect } => {
                    let output = Arc::new(JackOutput::new(config.name.as_str()));
                    jack_outputs.push((Arc::clone(&output), connect.clone()));
                    Port::Jack(output)
                }
            };
            (config.name.clone(), port)
        });
        let ports = ports.collect();
        let needs_jack = !(jack_outputs.is_empty() && jack_inputs.is_empty());
        let jack = needs_jack.then(|| JackClient::new(jack_inputs, jack_outputs));
        Self { ports, jack: Mutex::new(jack) }
    }

    /// Opens the output called `name` now.
    ///
    /// # Errors
    ///
    /// Says why the output is not available on this machine.
    pub fn open(&self, name: &str) -> Result<(), String> {
        let Some((_, port)) = self.ports.iter().find(|(known, _)| known == name) else { return Ok(()) };
        let opened = match port {
            Port::Alsa(alsa) => alsa.open(),
            Port::File(file) => file.open(),
            Port::Jack(_) => self.connect_jack().map_err(|error| SendError::Unavailable(error.to_string())),
        };
        opened.map_err(|error| error.to_string())
    }

    /// Connects the JACK client, if there is one that is not connected yet.
    ///
    /// # Errors
    ///
    /// Fails if there is no JACK server.
    pub fn connect_jack(&self) -> Result<(), InputError> {
        match self.jack.lock().unwrap_or_else(PoisonError::into_inner).as_mut() {
            Some(jack) => jack.connect(),
            None => Ok(()),
        }
    }

    /// Takes the JACK client out, for the thread that runs it.
    #[must_use]
    pub fn take_jack(&self) -> Option<JackClient> {
        self.jack.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    /// Waits for messages that are still on their way out, for a limited time.
    pub fn flush(&self) {
        if let Some(jack) = self.jack.lock().unwrap_or_else(PoisonError::into_inner).as_ref() {
            jack.flush();
        }
    }

    fn send_to_jack(&self, output: &JackOutput, bytes: &[u8]) -> Result<(), SendError> {
        let mut sent = output.send(bytes);
        if sent == Err(JackSendError::NoServer) && self.connect_jack().is_ok() {
            sent = output.send(bytes);
        }
        sent.map_err(|error| match error {
            JackSendError::NoServer => SendError::Unavailable("no JACK server is running".into()),
            JackSendError::Full => SendError::Failed("the JACK server does not keep up".into()),
        })
    }
}

/// The current outputs. A reload replaces them while plugins send to them.
pub struct CurrentPorts(RwLock<Arc<MidiPorts>>);

impl CurrentPorts {
    /// Holds these outputs at first.
    #[must_use]
    pub const fn new(ports: Arc<MidiPorts>) -> Self {
        Self(RwLock::new(ports))
    }

    /// The current outputs.
    #[must_use]
    pub fn get(&self) -> Arc<MidiPorts> {
        Arc::clone(&self.0.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Replaces the outputs.
    pub fn set(&self, ports: Arc<MidiPorts>) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = ports;
    }
}

impl MidiOutputs for CurrentPorts {
    fn ports(&self) -> Vec<String> {
        self.get().ports()
    }

    fn has(&self, port: &str) -> bool {
        self.get().has(port)
    }

    fn send(&self, port: &str, bytes: &[u8]) -> Result<(), MidiError> {
        self.get().send(port, bytes)
    }
}

impl MidiOutputs for MidiPorts {
    fn ports(&self) -> Vec<String> {
        self.ports.iter().map(|(name, _)| name.clone()).collect()
    }

    fn has(&self, port: &str) -> bool {
        self.ports.iter().any(|(name, _)| name == port)
    }

    fn send(&self, port: &str, bytes: &[u8]) -> Result<(), MidiError> {
        let Some((_, output)) = self.ports.iter().find(|(name, _)| name == port) else {
            return Err(MidiError::UnknownPort { port: port.to_owned() });
        };
        let sent = match output {
            Port::Alsa(alsa) => alsa.send(bytes),
            Port::File(file) => file.send(bytes),
            Port::Jack(jack) => self.send_to_jack(jack, bytes),
        };
        sent.map_err(|error| match error {
            SendError::Unavailable(reason) => MidiError::Unavailable { reason },
            SendError::Failed(reason) => MidiError::Failed { port: port.to_owned(), reason },
        })
    }
}
