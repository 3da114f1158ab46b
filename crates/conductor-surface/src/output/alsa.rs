//! An ALSA sequencer port that messages are sent to.

use std::sync::{Mutex, PoisonError};

use midir::{MidiOutput, MidiOutputConnection};

use super::SendError;
use crate::sequencer::{self, CLIENT};

/// The first port whose name contains a text. It is connected when it is first used, and again after it failed.
pub(super) struct AlsaOutput {
    port: String,
    connection: Mutex<Option<MidiOutputConnection>>,
}

impl AlsaOutput {
    pub(super) fn new(port: &str) -> Self {
        Self { port: port.to_owned(), connection: Mutex::new(None) }
    }

    pub(super) fn open(&self) -> Result<(), SendError> {
        let mut connection = self.connection.lock().unwrap_or_else(PoisonError::into_inner);
        if connection.is_none() {
            *connection = Some(self.connect()?);
        }
        Ok(())
    }

    pub(super) fn send(&self, message: &[u8]) -> Result<(), SendError> {
        self.open()?;
        let mut connection = self.connection.lock().unwrap_or_else(PoisonError::into_inner);
        let sent = match connection.as_mut() {
            Some(connection) => connection.send(message),
            None => Ok(()),
        };
        sent.map_err(|error| {
            *connection = None;
            SendError::Failed(error.to_string())
        })
    }

    fn connect(&self) -> Result<MidiOutputConnection, SendError> {
        let missing = || SendError::Unavailable(sequencer::MISSING.into());
        if !sequencer::is_present() {
            return Err(missing());
        }
        let client = MidiOutput::new(CLIENT).map_err(|_| missing())?;
        let is_wanted = |name: String| name.contains(&self.port) && !name.starts_with(CLIENT);
        let port = client.ports().into_iter().find(|port| client.port_name(port).is_ok_and(is_wanted));
        let port = port
            .ok_or_else(|| SendError::Unavailable(format!("no ALSA port is named like `{}`", self.port)))?;
        client.connect(&port, "out").map_err(|error| SendError::Unavailable(error.to_string()))
    }
}
