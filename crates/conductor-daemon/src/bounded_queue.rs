//! A queue between threads that is bounded in bytes, and whose sending side never waits.
//!
//! The queue stands before everything that somebody else reads: the log, the table of calls, the followers of calls. A
//! reader that stops costs no more than the bytes of its own queue, and they are given back when the reader leaves.

use std::ops::Deref;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::mpsc;

/// A queue for items of at most `max` bytes together.
pub(crate) fn channel<T>(max: usize) -> (Sender<T>, Receiver<T>) {
    let (sender, receiver) = mpsc::channel();
    let room = Arc::new(Room { max, used: AtomicUsize::new(0), left_out: AtomicU64::new(0) });
    (Sender { items: sender, room: Arc::clone(&room) }, Receiver { items: receiver, room })
}

/// The sending end. Clones put items into the same queue.
pub(crate) struct Sender<T> {
    items: mpsc::Sender<Held<T>>,
    room: Arc<Room>,
}

/// The receiving end. Dropping it gives back the bytes of the items that are still in the queue.
pub(crate) struct Receiver<T> {
    items: mpsc::Receiver<Held<T>>,
    room: Arc<Room>,
}

/// An item that is in the queue or was taken out. Its bytes are given back when it is dropped.
pub(crate) struct Held<T> {
    item: T,
    bytes: usize,
    room: Arc<Room>,
}

/// What became of an item that was sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Sent {
    /// The item is in the queue.
    Queued,
    /// There was no room: the item was left out and counted.
    LeftOut,
    /// The receiver is gone.
    Gone,
}

struct Room {
    max: usize,
    used: AtomicUsize,
    left_out: AtomicU64,
}

impl<T> Sender<T> {
    /// Puts in an item that takes `bytes` bytes, if there is room for the item.
    pub(crate) fn send(&self, item: T, bytes: usize) -> Sent {
        self.send_within(self.room.max, item, bytes)
    }

    /// As [`Sender::send`], but the item is left out if the queue would hold more than `max` bytes with it.
    pub(crate) fn send_within(&self, max: usize, item: T, bytes: usize) -> Sent {
        let Some(held) = self.room.hold(max, item, bytes) else {
            self.room.left_out.fetch_add(1, Ordering::Relaxed);
            return Sent::LeftOut;
        };
        match self.items.send(held) {
            Ok(()) => Sent::Queued,
            Err(_) => Sent::Gone,
        }
    }

    /// Bytes that were put in and not given back yet.
    pub(crate) fn used(&self) -> usize {
        self.room.used.load(Ordering::Acquire)
    }

    /// How many items were left out so far.
    #[cfg(test)]
    pub(crate) fn left_out(&self) -> u64 {
        self.room.left_out.load(Ordering::Relaxed)
    }
}

impl<T> Clone for Sender<T> {
    fn clone(&self) -> Self {
        Self { items: self.items.clone(), room: Arc::clone(&self.room) }
    }
}

impl<T> Receiver<T> {
    /// Waits for the next item; `None` once every sender is gone and the queue is empty.
    pub(crate) fn recv(&self) -> Option<Held<T>> {
        self.items.recv().ok()
    }

    /// The next item, if there is one.
    pub(crate) fn try_recv(&self) -> Result<Held<T>, mpsc::TryRecvError> {
        self.items.try_recv()
    }

    /// How many items were left out so far.
    pub(crate) fn left_out(&self) -> u64 {
        self.room.left_out.load(Ordering::Relaxed)
    }
}

impl Room {
    fn hold<T>(self: &Arc<Self>, max: usize, item: T, bytes: usize) -> Option<Held<T>> {
        let add = |used: usize| used.checked_add(bytes).filter(|used| *used <= max);
        self.used.fetch_update(Ordering::AcqRel, Ordering::Acquire, add).ok()?;
        Some(Held { item, bytes, room: Arc::clone(self) })
    }
}

impl<T> Held<T> {
    /// Whether this item is the only one whose bytes are not given back yet.
    pub(crate) fn is_last(&self) -> bool {
        self.room.used.load(Ordering::Acquire) == self.bytes
    }
}

impl<T> Deref for Held<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.item
    }
}

impl<T> Drop for Held<T> {
    fn drop(&mut self) {
        self.room.used.fetch_sub(self.bytes, Ordering::AcqRel);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reader_that_stops_costs_so_many_bytes_and_gives_them_back_when_it_leaves() {
        let (sender, receiver) = channel(100);
        assert_eq!([sender.send("a", 60), sender.send("b", 41), sender.send("c", 40)], {
            [Sent::Queued, Sent::LeftOut, Sent::Queued]
        });
        assert_eq!((sender.used(), sender.left_out()), (100, 1));
        let first = receiver.recv().expect("an item");
        assert_eq!((*first, sender.used()), ("a", 100), "it is held until it is dropped");
        drop(first);
        assert_eq!(sender.used(), 40);
        assert_eq!(sender.send_within(50, "d", 20), Sent::LeftOut);
        assert_eq!(sender.send("d", usize::MAX), Sent::LeftOut);
        drop(receiver);
        assert_eq!(sender.used(), 0);
        assert_eq!((sender.send("e", 1), sender.used()), (Sent::Gone, 0));
    }
}
