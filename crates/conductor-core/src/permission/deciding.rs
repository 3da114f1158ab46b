//! A decision in progress.

use std::ops::{Deref, DerefMut};
use std::sync::{Arc, MutexGuard, PoisonError, RwLock};

use conductor_policy::grant::Decided;

/// The decision, held by the thread that decides; shown to all threads when the value is dropped.
pub(super) struct Deciding<'p> {
    pub(super) decided: MutexGuard<'p, Decided>,
    pub(super) shown: &'p RwLock<Arc<Decided>>,
}

impl Deref for Deciding<'_> {
    type Target = Decided;

    fn deref(&self) -> &Decided {
        &self.decided
    }
}

impl DerefMut for Deciding<'_> {
    fn deref_mut(&mut self) -> &mut Decided {
        &mut self.decided
    }
}

impl Drop for Deciding<'_> {
    fn drop(&mut self) {
        *self.shown.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(self.decided.clone());
    }
}
