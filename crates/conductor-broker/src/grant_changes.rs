//! Telling calls under way that the grants of their plugin changed.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

type Listener = Box<dyn Fn() + Send>;

/// Who wants to know. At most one entry for each call under way.
#[derive(Default)]
pub(crate) struct GrantChanges {
    listeners: Mutex<Listeners>,
}

#[derive(Default)]
struct Listeners {
    next: u64,
    by_number: BTreeMap<u64, Listener>,
}

/// Unsubscribes when it is dropped.
pub(crate) struct Subscription<'a> {
    changes: &'a GrantChanges,
    number: u64,
}

impl GrantChanges {
    /// Calls `listener` at every change until the subscription is dropped. It runs on the thread that changes the
    /// grants, so it only leaves a message.
    pub(crate) fn subscribe(&self, listener: impl Fn() + Send + 'static) -> Subscription<'_> {
        let mut listeners = self.listeners.lock().unwrap_or_else(PoisonError::into_inner);
        let number = listeners.next;
        listeners.next = number.wrapping_add(1);
        listeners.by_number.insert(number, Box::new(listener));
        Subscription { changes: self, number }
    }

    /// Tells all who want to know.
    pub(crate) fn announce(&self) {
        let listeners = self.listeners.lock().unwrap_or_else(PoisonError::into_inner);
        for listener in listeners.by_number.values() {
            listener();
        }
    }
}

impl Drop for Subscription<'_> {
    fn drop(&mut self) {
        let mut listeners = self.changes.listeners.lock().unwrap_or_else(PoisonError::into_inner);
        listeners.by_number.remove(&self.number);
    }
}
