//! Server-sent events (WHATWG HTML, section 9.2): calls as they end, and notices that something else has changed.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use hyper::body::Bytes;
use tokio::time::{Interval, MissedTickBehavior, interval};

use super::access::{Access, Session};
use super::ticket::Ticket;
use crate::calls::{CallRow, Follower};
use crate::control::Interface;

/// Time between two looks for something to send.
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// Longest time without an event, so that a reader knows that the daemon lives.
const BEAT_EVERY: Duration = Duration::from_secs(5);

/// Longest that a client may take nothing; stops a client that does not read from keeping its place.
const DEAF_WAIT: Duration = Duration::from_secs(30);

/// Most calls that are sent at once, the latest ones. A plugin can end calls faster than a person or a browser can
/// read.
const MAX_AT_ONCE: usize = 50;

/// Most calls that are taken out at one look, because other readers wait meanwhile.
const MAX_LOOKED_AT: usize = 10_000;

/// Most readers at once. Each reader has a buffer of calls, and there are fewer sessions than this.
const MAX_READERS: usize = 32;

/// Counts the changes that readers of events are told of beside calls.
#[derive(Default)]
pub(super) struct Changes {
    /// How many readers there are.
    readers: AtomicUsize,
    /// The interface's fingerprint at the last look.
    seen: AtomicU64,
    /// How often the fingerprint has changed.
    count: AtomicU64,
}

impl Changes {
    /// Whether there are as many readers as there may be.
    pub(super) fn are_read_enough(&self) -> bool {
        self.readers.load(Ordering::Relaxed) >= MAX_READERS
    }

    /// Looks whether something has changed, if there are readers.
    pub(super) fn look(&self, interface: &Interface) {
        if self.readers.load(Ordering::Relaxed) > 0 {
            let now = interface.fingerprint();
            if self.seen.swap(now, Ordering::Relaxed) != now {
                self.count.fetch_add(1, Ordering::Relaxed);
            }
        }
    }
}

/// The events of one reader, for as long as it reads.
pub(super) struct EventBody {
    calls: Follower,
    changes: Arc<Changes>,
    /// The number of changes that this reader was told of.
    told: u64,
    tick: Interval,
    next_beat: Instant,
    session: (Arc<Access>, Session),
    ticket: Arc<Ticket>,
}

impl EventBody {
    pub(super) fn new(
        calls: Follower,
        changes: &Arc<Changes>,
        session: (Arc<Access>, Session),
        ticket: &Arc<Ticket>,
    ) -> Self {
        changes.readers.fetch_add(1, Ordering::Relaxed);
        let told = changes.count.load(Ordering::Relaxed);
        let mut tick = interval(LOOK_EVERY);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        ticket.extend(DEAF_WAIT);
        let (changes, ticket) = (Arc::clone(changes), Arc::clone(ticket));
        Self { calls, changes, told, tick, next_beat: Instant::now(), session, ticket }
    }

    /// The next bytes; none once the session is over.
    pub(super) fn poll_next(&mut self, context: &mut Context<'_>) -> Poll<Option<Bytes>> {
        loop {
            ready!(self.tick.poll_tick(context));
            let mut text = String::new();
            let now = Instant::now();
            if self.next_beat <= now {
                let (access, session) = &self.session;
                if !access.goes_on(*session, now) {
                    return Poll::Ready(None);
                }
                self.next_beat = now + BEAT_EVERY;
                text += ":\n\n";
            }
            let count = self.changes.count.load(Ordering::Relaxed);
            if std::mem::replace(&mut self.told, count) != count {
                text += "event: changed\ndata: {}\n\n";
            }
            for row in self.latest() {
                // JSON escapes line ends, so the row is one line whatever a plugin wrote.
                let row = serde_json::to_string(&*row).unwrap_or_default();
                text += &format!("event: call\ndata: {row}\n\n");
            }
            if !text.is_empty() {
                // The connection asks for more only once it has room for more.
                self.ticket.extend(DEAF_WAIT);
                return Poll::Ready(Some(Bytes::from(text)));
            }
        }
    }
}

impl EventBody {
    /// The latest of the calls that ended since the last look.
    fn latest(&self) -> VecDeque<Arc<CallRow>> {
        let mut rows = VecDeque::with_capacity(MAX_AT_ONCE);
        // Calls may end faster than this loop takes them out.
        for _ in 0..MAX_LOOKED_AT {
            let Ok(row) = self.calls.try_recv() else { break };
            if rows.len() == MAX_AT_ONCE {
                rows.pop_front();
            }
            rows.push_back(Arc::clone(&row));
        }
        rows
    }
}

impl Drop for EventBody {
    fn drop(&mut self) {
        self.changes.readers.fetch_sub(1, Ordering::Relaxed);
    }
}
