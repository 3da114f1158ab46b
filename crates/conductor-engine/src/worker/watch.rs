//! Observes workers from outside, for what only an observer can see: that a worker is gone, computes although nobody
//! called it, has files beyond its quota, or sleeps in a turn that others wait for. Nothing in this file asks a file
//! system that a plugin writes to.

use std::io;
use std::sync::mpsc::{Receiver, TryRecvError};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::thread;
use std::time::{Duration, Instant};

use conductor_call::WorkerFault;
use conductor_confine::measuring::{Answer, Measurer, PATIENCE, Question};

use super::handle::Handle;
use crate::clock::Clock;

/// Time between two looks at all workers.
const LOOK_EVERY: Duration = Duration::from_millis(250);

/// Looks between two measurements of the files of a worker that was called or was busy.
const LOOKS_PER_MEASUREMENT: u32 = 8;

/// Looks between two measurements of any worker's files: writing takes so little time that a worker which was taken
/// over could write while it seems to sleep.
const LOOKS_PER_IDLE_MEASUREMENT: u32 = 32;

/// Processor time that a worker may take between two looks without a call, generously more than the end of a call and
/// the engine's ticker need; stops a worker that was taken over from computing for its own purposes.
const MAX_IDLE_TIME: Duration = Duration::from_millis(100);

/// Looks in a row at which a worker may exceed that time before it is ended.
const MAX_BUSY_LOOKS: u32 = 4;

/// Processor time without a call that is forgiven at each look: a hundredth of the time between looks.
const FORGOTTEN_IDLE_TIME: Duration = Duration::from_micros(2_500);

/// Sum of the processor time without a call that was not forgiven, beyond which a worker is ended; stops a worker that
/// was taken over from computing for its own purposes so little at a time that no single look shows it. A fiftieth of a
/// processor is noticed within four minutes.
const MAX_SUMMED_IDLE_TIME: Duration = Duration::from_secs(2);

/// Processor time that a call costs its worker before the call begins and after it ends.
const TIME_BESIDE_A_CALL: Duration = Duration::from_micros(20);

/// Looks in a row at which a worker sleeps instead of compiling, after which its turn is given to another.
const MAX_SLEEPING_LOOKS: u32 = 2;

/// Looks at all workers of a host, on a thread of its own.
pub(super) struct Watch {
    watched: Arc<Mutex<Vec<Watched>>>,
}

struct Watched {
    handle: Weak<Handle>,
    /// State at the last look: number of calls, their total time, and processor time.
    calls: u64,
    in_calls: Duration,
    used: Duration,
    idle: IdleTime,
    sleeping_looks: u32,
    looks: u32,
    measured_at_call: u64,
    measurement: Measurement,
}

/// State of the measurement of a worker's files.
#[derive(Default)]
struct Measurement {
    /// Since when a measurement is due or under way.
    since: Option<Instant>,
    /// Receiver of the answer of a measurement that was begun.
    answer: Option<Receiver<Answer>>,
}

/// Processor time that a worker takes although nobody calls it.
#[derive(Default)]
struct IdleTime {
    busy_looks: u32,
    /// In microseconds, less what was forgiven. The kernel's account is coarse, so the sum may be negative for a look
    /// or two.
    sum: i64,
}

impl Watch {
    pub(super) fn start(clock: Arc<dyn Clock>, measurer: Measurer) -> io::Result<Self> {
        let watched: Arc<Mutex<Vec<Watched>>> = Arc::default();
        let weak = Arc::downgrade(&watched);
        thread::Builder::new().name("conductor-watch".into()).spawn(move || {
            while let Some(watched) = weak.upgrade() {
                // The list is taken out during the look, so that nobody waits for the look to add a worker.
                let mut all = std::mem::take(&mut *watched.lock().unwrap_or_else(PoisonError::into_inner));
                let now = clock.now();
                all.retain_mut(|worker| worker.look(&measurer, now));
                watched.lock().unwrap_or_else(PoisonError::into_inner).append(&mut all);
                drop(watched);
                clock.sleep(LOOK_EVERY);
            }
        })?;
        Ok(Self { watched })
    }

    pub(super) fn add(&self, handle: &Arc<Handle>) {
        self.watched.lock().unwrap_or_else(PoisonError::into_inner).push(Watched {
            handle: Arc::downgrade(handle),
            calls: 0,
            in_calls: Duration::ZERO,
            used: Duration::ZERO,
            idle: IdleTime::default(),
            sleeping_looks: 0,
            looks: 0,
            measured_at_call: u64::MAX,
            measurement: Measurement::default(),
        });
    }
}

impl Watched {
    /// Looks at one worker; returns whether to look at it again.
    fn look(&mut self, measurer: &Measurer, now: Instant) -> bool {
        let Some(handle) = self.handle.upgrade() else { return false };
        if handle.is_over() {
            return false;
        }
        let Ok(used) = handle.processor_time() else { return true };
        let is_busy = if handle.is_starting() {
            self.look_at_turn(&handle, used);
            self.used = used;
            false
        } else {
            self.look_at_idle_time(&handle, used)
        };
        if self.idle.is_too_much() {
            handle.end(WorkerFault::Busy);
            return false;
        }
        self.looks = self.looks.wrapping_add(1);
        if self.looks.is_multiple_of(LOOKS_PER_MEASUREMENT) {
            let calls = handle.calls();
            let due = calls != self.measured_at_call
                || is_busy
                || self.looks.is_multiple_of(LOOKS_PER_IDLE_MEASUREMENT);
            self.measured_at_call = calls;
            if due {
                self.measurement.is_due(now);
            }
        }
        if let Err(fault) = self.measurement.look(&handle, measurer, now) {
            handle.end(fault);
            return false;
        }
        true
    }

    /// Gives the turn of a worker to others if the worker does not use it.
    fn look_at_turn(&mut self, handle: &Handle, used: Duration) {
        if !handle.has_turn() {
            return;
        }
        let is_asleep = used == self.used && handle.is_asleep().unwrap_or(false);
        self.sleeping_looks = if is_asleep { self.sleeping_looks + 1 } else { 0 };
        if self.sleeping_looks >= MAX_SLEEPING_LOOKS {
            handle.give_back_turn();
        }
    }

    /// Records the processor time that the worker took beside its calls; returns whether that was much.
    fn look_at_idle_time(&mut self, handle: &Handle, used: Duration) -> bool {
        // The next look includes what this look leaves out.
        let Some(in_calls) = handle.time_in_calls() else { return false };
        let calls = handle.calls();
        let called = in_calls.saturating_sub(self.in_calls);
        let count = u32::try_from(calls.saturating_sub(self.calls)).unwrap_or(u32::MAX);
        let taken = used.saturating_sub(self.used);
        (self.calls, self.in_calls, self.used) = (calls, in_calls, used);
        self.idle.add(taken, called, count)
    }
}

impl Measurement {
    /// Makes a measurement due; if one is due already, its time stays.
    fn is_due(&mut self, now: Instant) {
        self.since.get_or_insert(now);
    }

    /// Begins a measurement that is due, or takes its answer; the error says why the worker is to end.
    fn look(&mut self, handle: &Handle, measurer: &Measurer, now: Instant) -> Result<(), WorkerFault> {
        let (Some(since), Some(directory)) = (self.since, handle.directory()) else { return Ok(()) };
        if self.answer.is_none() {
            self.answer = measurer.begin(directory, Question::IsKept);
        }
        match self.answer.as_ref().map_or(Err(TryRecvError::Empty), Receiver::try_recv) {
            Ok(Ok(_)) => {
                *self = Self::default();
                Ok(())
            }
            Ok(Err(_)) => Err(WorkerFault::OverQuota),
            Err(TryRecvError::Empty) if now.saturating_duration_since(since) < PATIENCE => Ok(()),
            Err(TryRecvError::Empty | TryRecvError::Disconnected) => Err(WorkerFault::Unmeasured),
        }
    }
}

impl IdleTime {
    /// Adds the numbers of one look: the processor time taken, and the total time and the number of the calls in it.
    /// Returns whether the processor time beside the calls was much.
    fn add(&mut self, taken: Duration, called: Duration, calls: u32) -> bool {
        // During calls, threads of the engine compute beside the plugin.
        let allowed = called + called / 4 + TIME_BESIDE_A_CALL.saturating_mul(calls);
        let is_busy = taken > allowed + MAX_IDLE_TIME;
        self.busy_looks = if is_busy { self.busy_looks + 1 } else { 0 };
        let (taken, allowed) = (micros(taken), micros(allowed + FORGOTTEN_IDLE_TIME));
        self.sum = self.sum.saturating_add(taken.saturating_sub(allowed)).max(-micros(MAX_IDLE_TIME));
        is_busy
    }

    fn is_too_much(&self) -> bool {
        self.busy_looks >= MAX_BUSY_LOOKS || self.sum > micros(MAX_SUMMED_IDLE_TIME)
    }
}

fn micros(time: Duration) -> i64 {
    i64::try_from(time.as_micros()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const NONE: Duration = Duration::ZERO;

    /// Number of looks after which a worker that takes this much at each look is ended, up to an hour of looks.
    fn looks_until_too_much(taken: Duration, called: Duration, calls: u32) -> Option<u32> {
        let mut idle = IdleTime::default();
        (1..=60 * 60 * 4).find(|_| {
            idle.add(taken, called, calls);
            idle.is_too_much()
        })
    }

    #[test]
    fn much_at_a_time_is_noticed_in_a_second_and_little_in_minutes() {
        let ms = Duration::from_millis;
        assert_eq!(looks_until_too_much(ms(250), NONE, 0), Some(MAX_BUSY_LOOKS));
        assert_eq!(looks_until_too_much(ms(101), NONE, 0), Some(MAX_BUSY_LOOKS));
        // This is less than a single look would notice.
        assert_eq!(looks_until_too_much(ms(99), NONE, 0), Some(21));
        let minutes = 4 * 60;
        assert!(looks_until_too_much(ms(5), NONE, 0).is_some_and(|looks| looks < 4 * minutes));
        assert_eq!(looks_until_too_much(ms(2), NONE, 0), None, "as little as the engine's own threads take");
    }

    #[test]
    fn calls_may_compute_and_what_hides_between_them_is_noticed() {
        let ms = Duration::from_millis;
        assert_eq!(looks_until_too_much(ms(250), ms(250), 1), None, "one call that goes on");
        assert_eq!(looks_until_too_much(ms(260), ms(240), 10_000), None, "many short ones");
        assert!(
            looks_until_too_much(ms(60), ms(3), 3).is_some(),
            "calls that take little, and much beside them"
        );
    }

    #[test]
    fn an_account_that_is_coarse_adds_up_to_nothing() {
        let mut idle = IdleTime::default();
        for look in 0..100_000 {
            // Five milliseconds in calls, which the kernel reports only at every second look.
            let taken = Duration::from_millis(if look % 2 == 0 { 10 } else { 0 });
            idle.add(taken, Duration::from_millis(5), 1);
            assert!(!idle.is_too_much());
        }
    }
}
