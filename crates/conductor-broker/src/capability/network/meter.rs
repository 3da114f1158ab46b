//! What all connections of a plugin count together.

use std::sync::atomic::{AtomicUsize, Ordering};

use conductor_call::Limits;
use tokio::sync::Notify;

use super::frames::Frames;
use super::traffic::Traffic;

/// Bytes, frames, and what waits for the plugin.
pub(super) struct Meter {
    traffic: Traffic,
    frames: Frames,
    waiting: Waiting,
}

/// Bytes that came for a plugin and that it has not taken yet.
pub(super) struct Waiting {
    max: usize,
    bytes: AtomicUsize,
    taken: Notify,
}

impl Meter {
    pub(super) fn new(limits: &Limits) -> Self {
        Self {
            traffic: Traffic::new(limits.max_network_bytes_per_minute),
            frames: Frames::new(limits.max_network_frames_per_second),
            waiting: Waiting {
                max: usize::try_from(limits.max_network_buffered_bytes).unwrap_or(usize::MAX),
                bytes: AtomicUsize::new(0),
                taken: Notify::new(),
            },
        }
    }

    pub(super) const fn traffic(&self) -> &Traffic {
        &self.traffic
    }

    pub(super) const fn frames(&self) -> &Frames {
        &self.frames
    }

    pub(super) const fn waiting(&self) -> &Waiting {
        &self.waiting
    }
}

impl Waiting {
    /// Waits until more may wait, by this and by what `also` says.
    pub(super) async fn has_room(&self, also: impl Fn() -> bool) {
        loop {
            // Listened for before the look, so that nothing is taken in between unheard.
            let taken = self.taken.notified();
            if also() && self.bytes.load(Ordering::Acquire) < self.max {
                return;
            }
            taken.await;
        }
    }

    pub(super) fn add(&self, bytes: usize) {
        self.bytes.fetch_add(bytes, Ordering::AcqRel);
    }

    pub(super) fn take(&self, bytes: usize) {
        self.bytes.fetch_sub(bytes, Ordering::AcqRel);
        self.taken.notify_waiters();
    }
}
