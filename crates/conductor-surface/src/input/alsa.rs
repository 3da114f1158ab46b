//! A port of the ALSA sequencer.

use midir::{MidiInput, MidiInputConnection};

use super::{Condition, Emitter, InputError, OpenInput, RETRY_AFTER};
use crate::event::Body;
use crate::midi::Message;
use crate::sequencer::{self, CLIENT};
use crate::stop::Wake;

/// Reads the first port whose name contains `port`. The sequencer must exist. The port may appear later, and is
/// connected again whenever it comes back.
pub(super) fn open(port: &str) -> Result<OpenInput, InputError> {
    client()?;
    let port = port.to_owned();
    Ok(OpenInput::instrument(move |emitter, stop| {
        let mut connection: Option<(String, MidiInputConnection<()>)> = None;
        loop {
            if let Some((id, _)) = &connection
                && !is_present(id)?
            {
                emitter.state().waits("the MIDI port is gone");
                connection = None;
                emitter.let_go();
            }
            if connection.is_none() {
                connection = connect(&port, emitter)?;
                if connection.is_none() {
                    emitter
                        .state()
                        .waits(format!("no MIDI port is named like `{port}`; present are {}", names()?));
                } else {
                    emitter.state().is_now(Condition::Delivers);
                }
            }
            if stop.wait_for(RETRY_AFTER) == Wake::Stopped {
                return Ok(());
            }
        }
    }))
}

fn client() -> Result<MidiInput, InputError> {
    if !sequencer::is_present() {
        return Err(InputError::NoSequencer);
    }
    MidiInput::new(CLIENT).map_err(|_| InputError::NoSequencer)
}

fn is_present(id: &str) -> Result<bool, InputError> {
    let client = client()?;
    Ok(client.find_port_by_id(id).is_some())
}

fn names() -> Result<String, InputError> {
    let client = client()?;
    let names: Vec<String> = client.ports().iter().filter_map(|port| client.port_name(port).ok()).collect();
    Ok(if names.is_empty() { "none".to_owned() } else { names.join(", ") })
}

fn connect(port: &str, emitter: &Emitter) -> Result<Option<(String, MidiInputConnection<()>)>, InputError> {
    let client = client()?;
    let wanted = client.ports().into_iter().find(|candidate| {
        client.port_name(candidate).is_ok_and(|name| name.contains(port) && !name.starts_with(CLIENT))
    });
    let Some(wanted) = wanted else { return Ok(None) };
    let target = emitter.clone();
    let deliver = move |_: u64, bytes: &[u8], (): &mut ()| {
        if let Some(message) = Message::from_bytes(bytes) {
            target.emit(Body::Midi(message));
        }
    };
    // The port may vanish between the look-up and the connection. Then it is looked for again.
    let connection = client.connect(&wanted, emitter.input(), deliver, ()).ok();
    if connection.is_some() {
        tracing::info!(input = emitter.input(), port, "connected to the MIDI port");
    }
    Ok(connection.map(|connection| (wanted.id(), connection)))
}
