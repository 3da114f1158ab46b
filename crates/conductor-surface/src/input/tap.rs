//! MIDI inputs that plugins listen to, beside the mappings.

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use conductor_broker::devices::{MidiError, MidiInputs, MidiSink};

use crate::config::{InputConfig, InputKind};
use crate::event::{Body, Event};

/// The MIDI inputs of the configuration, each with its listeners.
#[derive(Default)]
pub struct Taps {
    listeners: Mutex<HashMap<String, Vec<Weak<Listener>>>>,
    /// How many listeners there are, so that nobody takes the lock where there are none.
    count: Arc<AtomicUsize>,
}

/// A listener, which listens until it is dropped.
struct Listener {
    sink: MidiSink,
    count: Arc<AtomicUsize>,
}

impl Drop for Listener {
    fn drop(&mut self) {
        self.count.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Taps {
    /// Replaces the inputs. Listeners to an input that stays go on; the others hear nothing from now on.
    pub fn set(&self, configs: &[InputConfig]) {
        let mut before = self.lock();
        let midi = configs.iter().filter(|config| is_midi(&config.kind));
        let now = midi.map(|config| {
            let listeners = before.remove(&*config.name).unwrap_or_default();
            (config.name.to_string(), listeners)
        });
        *before = now.collect();
    }

    /// Hands an event on to the listeners of its input.
    pub fn pass(&self, event: &Event) {
        if self.count.load(Ordering::Relaxed) == 0 {
            return;
        }
        let Body::Midi(message) = &event.body else { return };
        let mut listeners = self.lock();
        let Some(listeners) = listeners.get_mut(&*event.input) else { return };
        let bytes = message.to_bytes();
        listeners.retain(|listener| {
            let listener = listener.upgrade();
            listener.iter().for_each(|listener| (listener.sink)(event.timestamp, &bytes));
            listener.is_some()
        });
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, Vec<Weak<Listener>>>> {
        self.listeners.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

const fn is_midi(kind: &InputKind) -> bool {
    match kind {
        InputKind::MidiFile { .. } | InputKind::MidiPort { .. } | InputKind::MidiRaw { .. } => true,
        InputKind::Osc { .. } | InputKind::Interval { .. } => false,
    }
}

impl MidiInputs for Taps {
    fn ports(&self) -> Vec<String> {
        let mut ports: Vec<String> = self.lock().keys().cloned().collect();
        ports.sort();
        ports
    }

    fn subscribe(&self, port: &str, sink: MidiSink) -> Result<Box<dyn Send + Sync>, MidiError> {
        let mut listeners = self.lock();
        if listeners.is_empty() {
            let reason = "no MIDI input is configured, or this program reads none".to_owned();
            return Err(MidiError::Unavailable { reason });
        }
        let unknown = || MidiError::UnknownPort { port: port.to_owned() };
        let of_port = listeners.get_mut(port).ok_or_else(unknown)?;
        self.count.fetch_add(1, Ordering::Relaxed);
        let listener = Arc::new(Listener { sink, count: Arc::clone(&self.count) });
        of_port.retain(|other| other.strong_count() > 0);
        of_port.push(Arc::downgrade(&listener));
        Ok(Box::new(listener))
    }
}
