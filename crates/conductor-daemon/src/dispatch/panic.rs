//! Panic: silences everything at once. Plugins do nothing from then on until the user resumes them.
//!
//! Nothing here waits for a plugin, for a disk, or for an output: what is taken from plugins is taken by a flag, and each
//! output is silenced on a thread of its own.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::Builder;

use conductor_core::audit::AuditRecord;
use conductor_core::{AuditSink, MidiOutputs as _, Sounding};
use conductor_signing::escape::terminal;
use conductor_surface::output::CurrentPorts;

use super::Roster;

/// Why an event or a call is refused after a panic, in words.
pub(crate) const WHY_PAUSED: &str =
    "everything was silenced by panic, and plugins do nothing until they are resumed";

/// The switch for everything.
pub(crate) struct Panic {
    sounding: Sounding,
    ports: Arc<CurrentPorts>,
    roster: Arc<Roster>,
    audit: Option<Arc<dyn AuditSink>>,
    /// Outputs that are being silenced.
    under_way: Arc<AtomicUsize>,
}

/// What a panic did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Silenced {
    /// The outputs that took everything.
    pub(crate) outputs: Vec<String>,
    /// The outputs that did not.
    pub(crate) unreached: Vec<String>,
}

/// The outcome of a panic, sent when it is dropped by whoever works on it last.
struct Outcome {
    silenced: Mutex<Silenced>,
    reply: Sender<Silenced>,
}

impl Drop for Outcome {
    fn drop(&mut self) {
        let mut silenced = std::mem::take(self.silenced.get_mut().unwrap_or_else(PoisonError::into_inner));
        silenced.outputs.sort();
        silenced.unreached.sort();
        for output in &silenced.unreached {
            tracing::warn!(output = %terminal(output), "panic: the output takes no messages, so what sounds there is not known");
        }
        // Whoever asked may have stopped waiting.
        let _ = self.reply.send(silenced);
    }
}

impl Panic {
    /// A switch for the plugins in `roster`, whose sounds are `sounding` and go to `ports`.
    pub(crate) fn new(
        sounding: Sounding,
        ports: Arc<CurrentPorts>,
        roster: Arc<Roster>,
        audit: Arc<dyn AuditSink>,
    ) -> Self {
        Self { sounding, ports, roster, audit: Some(audit), under_way: Arc::default() }
    }

    /// Whether plugins do nothing until they are resumed.
    pub(crate) fn is_on(&self) -> bool {
        self.sounding.is_paused()
    }

    /// Silences everything. The outcome comes when each output has taken everything or has failed to.
    pub(crate) fn now(&self) -> Receiver<Silenced> {
        self.sounding.pause();
        for plugin in self.roster.everyone() {
            plugin.drop_waiting();
        }
        let (reply, outcome) = channel();
        let shared = Arc::new(Outcome { silenced: Mutex::default(), reply });
        for name in self.ports.ports() {
            let (ledger, shared) = (self.sounding.ledger().clone(), Arc::clone(&shared));
            let busy = Busy::new(&self.under_way);
            let silence = move || {
                let _busy = busy;
                let is_silent = ledger.silence(&name);
                let mut silenced = shared.silenced.lock().unwrap_or_else(PoisonError::into_inner);
                if is_silent { silenced.outputs.push(name) } else { silenced.unreached.push(name) }
            };
            if let Err(error) = Builder::new().name("panic".into()).spawn(silence) {
                tracing::error!("panic: an output is not silenced, because no thread starts: {error}");
            }
        }
        tracing::warn!(
            "panic: everything is silenced, and plugins do nothing; to go on: conductorctl resume"
        );
        outcome
    }

    /// As [`Panic::now`], for an event of an input, which does not wait for the record of it. Nothing is done while an
    /// earlier panic is still at work.
    pub(crate) fn by_mapping(&self, input: &str) {
        if self.is_on() && self.under_way.load(Ordering::SeqCst) > 0 {
            return;
        }
        let was_on = self.is_on();
        let _outcome = self.now();
        if was_on {
            return;
        }
        if let Some(audit) = self.audit.clone() {
            let record = AuditRecord::decision_asked("panic", input, "mapping", None, None);
            record_later(audit, record);
        }
    }

    /// Lets plugins go on. Returns whether they had been paused.
    pub(crate) fn resume(&self) -> bool {
        let was_on = self.is_on();
        self.sounding.resume();
        if was_on {
            tracing::info!("resumed: plugins go on");
        }
        was_on
    }
}

/// Writes the record of a panic without waiting for the disk.
pub(crate) fn record_later(audit: Arc<dyn AuditSink>, record: AuditRecord) {
    let write = move || {
        // The audit log says itself when it cannot be written.
        let _ = audit.record(&record);
    };
    if let Err(error) = Builder::new().name("panic".into()).spawn(write) {
        tracing::error!("panic: it is not recorded, because no thread starts: {error}");
    }
}

/// An output that is being silenced.
struct Busy(Arc<AtomicUsize>);

impl Busy {
    fn new(count: &Arc<AtomicUsize>) -> Self {
        count.fetch_add(1, Ordering::SeqCst);
        Self(Arc::clone(count))
    }
}

impl Drop for Busy {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

#[cfg(test)]
impl Panic {
    /// A switch of a daemon without plugins and outputs.
    pub(crate) fn of_nothing() -> Arc<Self> {
        let ports = conductor_surface::output::MidiPorts::new(&[], Vec::new());
        let ports = Arc::new(CurrentPorts::new(Arc::new(ports)));
        let midi = Arc::clone(&ports) as Arc<dyn conductor_core::MidiOutputs>;
        Arc::new(Self {
            sounding: Sounding::new(&midi),
            ports,
            roster: Arc::default(),
            audit: None,
            under_way: Arc::default(),
        })
    }
}
