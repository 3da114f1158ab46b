//! The signal that has a daemon read its configuration again.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use signal_hook::consts::SIGHUP;

/// Whether SIGHUP came. Clones are the same.
#[derive(Clone, Debug, Default)]
pub struct Hangup(Arc<AtomicBool>);

impl Hangup {
    /// Takes note of the signal from now on, which would end the process otherwise.
    ///
    /// # Errors
    ///
    /// Fails if it cannot be caught.
    pub fn watched() -> io::Result<Self> {
        let hangup = Self::default();
        signal_hook::flag::register(SIGHUP, Arc::clone(&hangup.0))?;
        Ok(hangup)
    }

    /// Whether it came since this was last called.
    pub(crate) fn take(&self) -> bool {
        self.0.load(Ordering::Relaxed) && self.0.swap(false, Ordering::SeqCst)
    }
}
