//! SIGHUP, at which a daemon reads its configuration again.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use signal_hook::consts::SIGHUP;

/// Whether SIGHUP came. Clones share one state.
#[derive(Clone, Debug, Default)]
pub struct Hangup(Arc<AtomicBool>);

impl Hangup {
    /// Catches SIGHUP from now on. Without this, the signal would end the process.
    ///
    /// # Errors
    ///
    /// Fails if the signal cannot be caught.
    pub fn watched() -> io::Result<Self> {
        let hangup = Self::default();
        signal_hook::flag::register(SIGHUP, Arc::clone(&hangup.0))?;
        Ok(hangup)
    }

    /// Whether the signal came since the last call of this function.
    pub(crate) fn take(&self) -> bool {
        self.0.load(Ordering::Relaxed) && self.0.swap(false, Ordering::SeqCst)
    }
}
