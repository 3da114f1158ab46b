//! The half that JACK calls on its real-time thread: it does not allocate, lock or wait.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::thread::Thread;

use jack::{Client, Control, MidiIn, MidiOut, Port, ProcessHandler, ProcessScope, RawMidi};

use super::frame::{FrameReader, FrameWriter};

/// Moves messages between ports and ring buffers. Everything that it uses was allocated before it was handed to JACK.
pub(super) struct Process {
    sources: Vec<Port<MidiIn>>,
    incoming: FrameWriter,
    sinks: Vec<(Port<MidiOut>, FrameReader)>,
    wake: Arc<OnceLock<Thread>>,
    beats: Arc<AtomicU64>,
    dropped: Arc<AtomicU64>,
}

impl Process {
    pub(super) const fn new(
        sources: Vec<Port<MidiIn>>,
        incoming: FrameWriter,
        sinks: Vec<(Port<MidiOut>, FrameReader)>,
        wake: Arc<OnceLock<Thread>>,
        beats: Arc<AtomicU64>,
        dropped: Arc<AtomicU64>,
    ) -> Self {
        Self { sources, incoming, sinks, wake, beats, dropped }
    }

    fn take_in(&mut self, scope: &ProcessScope) {
        let mut came = false;
        for (port, source) in (0..).zip(&self.sources) {
            for message in source.iter(scope) {
                if self.incoming.write(port, message.bytes) {
                    came = true;
                } else {
                    self.dropped.fetch_add(1, Ordering::Relaxed);
                }
            }
        }
        if came && let Some(thread) = self.wake.get() {
            // Waking costs an atomic exchange and at most one futex call.
            thread.unpark();
        }
    }

    fn give_out(&mut self, scope: &ProcessScope) {
        for (sink, ring) in &mut self.sinks {
            let mut writer = sink.writer(scope);
            let mut wrote = false;
            while let Some(len) = ring.next_len() {
                // A message that does not fit into this cycle waits for the next one. If the cycle is still empty, the
                // message fits into none and is dropped.
                if len > writer.max_event_size() && wrote {
                    break;
                }
                if let Some((_, bytes)) = ring.next() {
                    if writer.write(&RawMidi { time: 0, bytes }).is_ok() {
                        wrote = true;
                    } else {
                        self.dropped.fetch_add(1, Ordering::Relaxed);
                    }
                }
            }
        }
    }
}

impl ProcessHandler for Process {
    fn process(&mut self, _: &Client, scope: &ProcessScope) -> Control {
        self.beats.fetch_add(1, Ordering::Relaxed);
        self.take_in(scope);
        self.give_out(scope);
        Control::Continue
    }
}
