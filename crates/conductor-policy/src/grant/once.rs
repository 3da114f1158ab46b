//! Grants for once, which end with the first deed that begins under them, whatever becomes of the deed.

use std::num::NonZeroU64;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// Nothing has begun under the grant.
const UNUSED: u64 = 0;

/// The deed that began under the grant is over, and so is the grant.
const OVER: u64 = u64::MAX;

/// The state of a grant for once, shared by all copies of the grant, because several plugins may run from the same
/// file.
#[derive(Clone, Debug, Default)]
pub struct Once(Arc<AtomicU64>);

/// The number of a deed. No two deeds have the same number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DeedNumber(NonZeroU64);

/// The stage of a deed, which decides whether a grant for once permits it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Deed {
    /// The deed is about to begin.
    Beginning(DeedNumber),
    /// The deed has begun.
    Begun(DeedNumber),
    /// A deed that goes on with what an earlier deed has begun and left open.
    GoingOn,
}

impl Once {
    /// Uses the grant; `false` if it was used before.
    pub(super) fn begin(&self, deed: DeedNumber) -> bool {
        self.0.compare_exchange(UNUSED, deed.0.get(), Ordering::AcqRel, Ordering::Acquire).is_ok()
    }

    /// Takes [`Once::begin`] back, for a deed that did not begin after all.
    pub(super) fn take_back(&self, deed: DeedNumber) {
        // Nobody else changes what this deed has taken.
        let _ = self.0.compare_exchange(deed.0.get(), UNUSED, Ordering::AcqRel, Ordering::Acquire);
    }

    /// Ends the grant.
    pub fn end(&self) {
        self.0.store(OVER, Ordering::Release);
    }

    /// Whether the grant has ended.
    pub fn is_over(&self) -> bool {
        self.0.load(Ordering::Acquire) == OVER
    }

    /// Whether a deed may rely on the grant.
    pub fn is_open_to(&self, deed: Deed) -> bool {
        let user = self.0.load(Ordering::Acquire);
        match deed {
            Deed::Beginning(_) => user == UNUSED,
            Deed::Begun(number) => user == number.0.get(),
            Deed::GoingOn => user != UNUSED && user != OVER,
        }
    }
}

/// Two are the same if they are of one grant.
impl PartialEq for Once {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

impl Eq for Once {}

impl DeedNumber {
    /// The next number.
    pub fn next() -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(UNUSED + 1);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        // At a thousand million deeds a second, the numbers last for centuries.
        Self(NonZeroU64::new(number).unwrap_or(NonZeroU64::MIN))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_used_once_and_open_to_that_deed_alone() {
        let once = Once::default();
        let (first, second) = (DeedNumber::next(), DeedNumber::next());
        assert!(once.is_open_to(Deed::Beginning(first)) && once.is_open_to(Deed::Beginning(second)));
        assert!(!once.is_open_to(Deed::Begun(first)) && !once.is_open_to(Deed::GoingOn));
        assert!(once.begin(first) && !once.begin(second) && !once.begin(first));
        assert!(once.is_open_to(Deed::Begun(first)) && once.is_open_to(Deed::GoingOn));
        assert!(!once.is_open_to(Deed::Begun(second)) && !once.is_open_to(Deed::Beginning(second)));
        once.take_back(second);
        assert!(once.is_open_to(Deed::Begun(first)), "only who took it gives it back");
        once.take_back(first);
        assert!(once.begin(second));
        once.end();
        for deed in [Deed::Begun(second), Deed::Beginning(first), Deed::GoingOn] {
            assert!(once.is_over() && !once.is_open_to(deed));
        }
    }

    #[test]
    fn of_many_at_the_same_time_one_begins() {
        for _ in 0..200 {
            let once = Once::default();
            let began = std::thread::scope(|scope| {
                let begin = || once.begin(DeedNumber::next());
                let all: Vec<_> = (0..4).map(|_| scope.spawn(begin)).collect();
                all.into_iter().map(|one| one.join().expect("no panic")).filter(|began| *began).count()
            });
            assert_eq!(began, 1);
        }
    }
}
