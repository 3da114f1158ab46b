//! What a plugin did since the daemon started, and what became of its events. The counts go on when a reload replaces
//! the plugin.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use conductor_core::CallReport;

use super::samples::{Sample, Samples};

/// Events that were not handed to a plugin.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Values of a continuous controller that a later value of the same controller replaced.
    pub coalesced: u64,
    /// Events that found a full queue, that name an action which the plugin lacks, or whose plugin does not run.
    pub refused: u64,
}

/// The counters of one alias, whichever plugins were behind it. They never go back.
#[derive(Debug, Default)]
pub(crate) struct Counters {
    calls: AtomicU64,
    failures: AtomicU64,
    refused: AtomicU64,
    coalesced: AtomicU64,
    /// Fuel that calls used.
    fuel: AtomicU64,
    /// Microseconds that calls took.
    micros: AtomicU64,
    /// The most memory that the plugin has had so far, in bytes.
    memory: AtomicU64,
    samples: Mutex<Samples>,
}

impl Counters {
    pub(crate) fn calls(&self) -> u64 {
        self.calls.load(Ordering::Relaxed)
    }

    pub(crate) fn failures(&self) -> u64 {
        self.failures.load(Ordering::Relaxed)
    }

    pub(crate) fn fuel(&self) -> u64 {
        self.fuel.load(Ordering::Relaxed)
    }

    pub(crate) fn memory(&self) -> u64 {
        self.memory.load(Ordering::Relaxed)
    }

    /// Events that led to no call.
    pub(crate) fn tally(&self) -> Tally {
        let (coalesced, refused) = (&self.coalesced, &self.refused);
        Tally { coalesced: coalesced.load(Ordering::Relaxed), refused: refused.load(Ordering::Relaxed) }
    }

    /// The latest samples, the oldest first.
    pub(crate) fn samples(&self) -> Vec<Sample> {
        self.lock_samples().all()
    }

    /// Takes a sample of what the plugin does.
    pub(crate) fn sample(&self) {
        let micros = self.micros.load(Ordering::Relaxed);
        let (calls, failures, fuel, memory) = (self.calls(), self.failures(), self.fuel(), self.memory());
        self.lock_samples().look(Sample { calls, failures, fuel, micros, memory });
    }

    /// Counts events that were refused.
    pub(super) fn refused(&self, events: u64) {
        self.refused.fetch_add(events, Ordering::Relaxed);
    }

    /// Counts a value that a later value replaced.
    pub(super) fn coalesced(&self) {
        self.coalesced.fetch_add(1, Ordering::Relaxed);
    }

    /// Counts a call.
    pub(super) fn called(&self, is_ok: bool) {
        self.calls.fetch_add(1, Ordering::Relaxed);
        if !is_ok {
            self.failures.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Adds what a call used.
    pub(super) fn measured(&self, report: &CallReport) {
        let micros = u64::try_from(report.elapsed.as_micros()).unwrap_or(u64::MAX);
        self.fuel.fetch_add(report.fuel_used, Ordering::Relaxed);
        self.micros.fetch_add(micros, Ordering::Relaxed);
        self.memory.fetch_max(report.peak_memory_bytes, Ordering::Relaxed);
    }

    fn lock_samples(&self) -> MutexGuard<'_, Samples> {
        self.samples.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
