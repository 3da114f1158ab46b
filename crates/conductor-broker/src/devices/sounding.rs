//! What plugins leave sounding, and silencing all of it.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use conductor_sounding::{Ledger, Left, Outputs, Record};

use super::MidiOutputs;

/// What the plugins of all hosts that share it leave sounding, on MIDI outputs and elsewhere. Clones share it.
#[derive(Clone)]
pub struct Sounding {
    ledger: Ledger,
    sessions: Arc<Mutex<Vec<Weak<dyn Pausable>>>>,
}

/// A session of a plugin, from which everything can be taken for a while.
pub(crate) trait Pausable: Send + Sync {
    /// Ends what the plugin has begun, now that it may do nothing. It waits for nobody.
    fn is_paused_now(&self);
}

/// The MIDI outputs as the ledger sees them.
struct Wires(Arc<dyn MidiOutputs>);

impl Outputs for Wires {
    fn has(&self, output: &str) -> bool {
        self.0.has(output)
    }

    fn send(&self, output: &str, message: &[u8]) -> bool {
        self.0.send(output, message).is_ok()
    }
}

impl fmt::Debug for Sounding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.ledger.fmt(f)
    }
}

impl Sounding {
    /// What sounds at these outputs. It is forgotten with the process.
    #[must_use]
    pub fn new(midi: &Arc<dyn MidiOutputs>) -> Self {
        Self::of(Ledger::new(Box::new(Wires(Arc::clone(midi)))))
    }

    /// What sounds at these outputs, kept in a record, beginning with what was left there.
    #[must_use]
    pub fn kept_in(record: Record, left: Left, midi: &Arc<dyn MidiOutputs>) -> Self {
        Self::of(Ledger::kept_in(record, left, Box::new(Wires(Arc::clone(midi)))))
    }

    fn of(ledger: Ledger) -> Self {
        Self { ledger, sessions: Arc::default() }
    }

    /// What sounds at the MIDI outputs.
    #[must_use]
    pub const fn ledger(&self) -> &Ledger {
        &self.ledger
    }

    /// Takes everything from all plugins until [`Sounding::resume`]: what they ask for is refused, and what they have
    /// begun ends, such as sounds, programs and connections. The instances stay. Outputs are silenced by
    /// [`Ledger::silence`]. This waits for no plugin and for no disk.
    pub fn pause(&self) {
        self.ledger.pause();
        for session in self.sessions() {
            session.is_paused_now();
        }
    }

    /// Takes [`Sounding::pause`] back.
    pub fn resume(&self) {
        self.ledger.resume();
    }

    /// Whether everything is taken from all plugins.
    #[must_use]
    pub fn is_paused(&self) -> bool {
        self.ledger.is_paused()
    }

    pub(crate) fn add(&self, session: Weak<dyn Pausable>) {
        let mut sessions = self.sessions.lock().unwrap_or_else(PoisonError::into_inner);
        sessions.retain(|session| session.strong_count() > 0);
        sessions.push(session);
    }

    fn sessions(&self) -> Vec<Arc<dyn Pausable>> {
        let sessions = self.sessions.lock().unwrap_or_else(PoisonError::into_inner);
        sessions.iter().filter_map(Weak::upgrade).collect()
    }
}
