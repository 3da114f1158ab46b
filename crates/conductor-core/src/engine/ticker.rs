//! The thread that makes time limits pass.
//!
//! Code that WebAssembly compiles to checks an epoch counter; a thread that adds one to it every millisecond is what
//! brings a call that never yields back to the host, where its deadline is compared with the clock. The thread ticks
//! while calls run and for a while after, and sleeps otherwise, so that an idle host wakes nobody up and a busy one
//! does not pay for waking the thread on every call.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use wasmtime::EngineWeak;

/// Time between two ticks: how far past its deadline a computing call may run.
pub(crate) const TICK: Duration = Duration::from_millis(1);

/// Ticks without a running call after which the thread goes to sleep.
const IDLE_TICKS: u32 = 1_000;

pub(super) struct Ticker {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Default)]
struct Shared {
    running: AtomicUsize,
    asleep: AtomicBool,
    stopped: AtomicBool,
}

impl Ticker {
    pub(super) fn start(engine: EngineWeak) -> io::Result<Self> {
        let shared = Arc::new(Shared::default());
        let thread = std::thread::Builder::new().name("conductor-epoch".into()).spawn({
            let shared = Arc::clone(&shared);
            move || shared.run(&engine)
        })?;
        Ok(Self { shared, thread: Some(thread) })
    }

    pub(super) fn ticking(&self) -> Ticking<'_> {
        self.shared.running.fetch_add(1, Ordering::SeqCst);
        if self.shared.asleep.load(Ordering::SeqCst)
            && let Some(thread) = &self.thread
        {
            thread.thread().unpark();
        }
        Ticking { running: &self.shared.running }
    }
}

impl Drop for Ticker {
    fn drop(&mut self) {
        self.shared.stopped.store(true, Ordering::SeqCst);
        if let Some(thread) = self.thread.take() {
            thread.thread().unpark();
            // The last owner of an engine may be the ticker's own upgrade of it: a thread cannot join itself.
            if thread.thread().id() != std::thread::current().id() {
                let _ = thread.join();
            }
        }
    }
}

impl Shared {
    fn run(&self, engine: &EngineWeak) {
        let mut idle = 0;
        while !self.stopped.load(Ordering::SeqCst) {
            if self.running.load(Ordering::SeqCst) > 0 {
                idle = 0;
            } else {
                idle += 1;
            }
            if idle > IDLE_TICKS {
                self.sleep_until_needed();
                idle = 0;
                continue;
            }
            std::thread::sleep(TICK);
            match engine.upgrade() {
                Some(engine) => engine.increment_epoch(),
                None => return,
            }
        }
    }

    /// Announces the sleep before looking once more, so that a call that starts in between either sees the
    /// announcement and unparks, or is seen.
    fn sleep_until_needed(&self) {
        self.asleep.store(true, Ordering::SeqCst);
        while self.running.load(Ordering::SeqCst) == 0 && !self.stopped.load(Ordering::SeqCst) {
            std::thread::park();
        }
        self.asleep.store(false, Ordering::SeqCst);
    }
}

/// Keeps the ticker ticking; see [`super::Engine::ticking`].
pub(crate) struct Ticking<'a> {
    running: &'a AtomicUsize,
}

impl Drop for Ticking<'_> {
    fn drop(&mut self) {
        self.running.fetch_sub(1, Ordering::SeqCst);
    }
}
