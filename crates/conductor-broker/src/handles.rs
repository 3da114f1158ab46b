//! What a plugin keeps open between its calls: sockets, sounds, subscriptions.

use std::any::Any;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use conductor_abi::Status;
use conductor_call::Refusal;
use conductor_policy::grant::{Deed, Grants};

/// Most things that one plugin keeps open; each may cost a thread, a socket and buffers.
const MAX_HANDLES: usize = 16;

/// Something that goes on after the operation that began it.
pub(crate) trait Live: Any + Send + Sync {
    /// Whether these grants still allow it.
    fn is_covered(&self, grants: &Grants) -> bool;

    /// Ends it, for good. It runs on the thread that changes the grants, so it must not wait.
    fn end(&self);

    /// Whether it came to its end by itself; its place is given away then.
    fn has_ended(&self) -> bool;

    /// Whether it comes to its end by itself, and has not yet.
    fn is_ending(&self) -> bool {
        false
    }
}

/// The things that one plugin keeps open, by number. A number is not used twice.
#[derive(Default)]
pub(crate) struct Handles(Mutex<Table>);

#[derive(Default)]
struct Table {
    next: u32,
    by_number: BTreeMap<u32, Open>,
}

/// Something open, and what began it: a grant for once covers what was begun under it.
#[derive(Clone)]
struct Open {
    live: Arc<dyn Live>,
    deed: Deed,
}

impl Open {
    fn is_covered(&self, grants: &Arc<Grants>) -> bool {
        self.live.is_covered(&grants.open_to(self.deed))
    }
}

impl Handles {
    /// Keeps `live`, unless `grants`, read when its table is locked, no longer cover it: a revocation between the check
    /// and this would miss it.
    pub(crate) fn insert(
        &self,
        live: Arc<dyn Live>,
        deed: Deed,
        grants: impl Fn() -> Arc<Grants>,
    ) -> Result<u32, Refusal> {
        let mut table = self.lock();
        table.by_number.retain(|_, open| !open.live.has_ended());
        let open = Open { live, deed };
        if !open.is_covered(&grants()) {
            open.live.end();
            return Err(Refusal::denied("the capability was taken away"));
        }
        if table.by_number.len() >= MAX_HANDLES {
            open.live.end();
            let reason = format!("more than {MAX_HANDLES} things open at once; close one");
            return Err(Refusal::new(Status::RateLimited, reason));
        }
        let number = table.next;
        table.next = number.checked_add(1).ok_or_else(|| Refusal::failed("no handle number is left"))?;
        table.by_number.insert(number, open);
        Ok(number)
    }

    /// What has this number, if it is a `T`.
    pub(crate) fn get<T: Live>(&self, number: u32) -> Result<Arc<T>, Refusal> {
        self.find(number).map(|(live, _)| live)
    }

    /// What has this number, if it is a `T`, and whether these grants still cover it.
    pub(crate) fn get_with<T: Live>(
        &self,
        number: u32,
        grants: &Arc<Grants>,
    ) -> Result<(Arc<T>, bool), Refusal> {
        let (live, open) = self.find(number)?;
        Ok((live, open.is_covered(grants)))
    }

    fn find<T: Live>(&self, number: u32) -> Result<(Arc<T>, Open), Refusal> {
        let open = self.lock().by_number.get(&number).cloned().ok_or_else(|| unknown(number))?;
        let live = Arc::clone(&open.live) as Arc<dyn Any + Send + Sync>;
        live.downcast().map(|live| (live, open)).map_err(|_| unknown(number))
    }

    /// Ends what has this number, if it is a `T`.
    pub(crate) fn close<T: Live>(&self, number: u32) -> Result<Arc<T>, Refusal> {
        let live = self.get::<T>(number)?;
        self.lock().by_number.remove(&number);
        live.end();
        Ok(live)
    }

    /// Ends what these grants do not cover.
    pub(crate) fn keep_covered(&self, grants: &Arc<Grants>) {
        self.lock().by_number.retain(|_, open| {
            let stays = open.is_covered(grants);
            if !stays {
                open.live.end();
            }
            stays
        });
    }

    /// Whether something comes to its end by itself, and has not yet.
    pub(crate) fn are_ending(&self) -> bool {
        self.lock().by_number.values().any(|open| open.live.is_ending())
    }

    /// Ends everything: the instance that knew the numbers is gone.
    pub(crate) fn end_all(&self) {
        let ended = std::mem::take(&mut self.lock().by_number);
        for open in ended.values() {
            open.live.end();
        }
    }

    /// Ends everything that does not come to its end by itself.
    pub(crate) fn end_all_but_ending(&self) {
        self.lock().by_number.retain(|_, open| {
            let stays = open.live.is_ending();
            if !stays {
                open.live.end();
            }
            stays
        });
    }

    fn lock(&self) -> MutexGuard<'_, Table> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Handles {
    fn drop(&mut self) {
        self.end_all();
    }
}

fn unknown(number: u32) -> Refusal {
    Refusal::invalid(format!("nothing is open under the number {number}; it was closed, ended or taken away"))
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicBool, Ordering};

    use conductor_abi::{Capability, Risk};
    use conductor_policy::grant::{Ceilings, Choices};
    use conductor_signing::TrustLevel;

    use super::*;

    /// Covered by whatever grants anything.
    #[derive(Default)]
    struct Thing(AtomicBool);

    /// Of another kind.
    struct Other;

    impl Live for Thing {
        fn is_covered(&self, grants: &Grants) -> bool {
            !grants.decisions().is_empty()
        }

        fn end(&self) {
            self.0.store(true, Ordering::SeqCst);
        }

        fn has_ended(&self) -> bool {
            self.0.load(Ordering::SeqCst)
        }
    }

    impl Live for Other {
        fn is_covered(&self, _grants: &Grants) -> bool {
            true
        }

        fn end(&self) {}

        fn has_ended(&self) -> bool {
            false
        }
    }

    fn some() -> Arc<Grants> {
        let ceilings = Ceilings { unsigned: Risk::Low, self_signed: Risk::Low, trusted: None };
        let choices = Choices { denied: vec![Capability::Midi], ..Choices::default() };
        let grants = Grants::resolve(&[], &choices, &TrustLevel::Unsigned, ceilings);
        Arc::new(grants.expect("resolved"))
    }

    /// Comes to its end by itself.
    #[derive(Default)]
    struct Ending(Thing);

    impl Live for Ending {
        fn is_covered(&self, grants: &Grants) -> bool {
            self.0.is_covered(grants)
        }

        fn end(&self) {
            self.0.end();
        }

        fn has_ended(&self) -> bool {
            self.0.has_ended()
        }

        fn is_ending(&self) -> bool {
            !self.has_ended()
        }
    }

    #[test]
    fn what_an_instance_leaves_open_ends_but_for_what_ends_by_itself() {
        let handles = Handles::default();
        let (thing, ending) = (Arc::<Thing>::default(), Arc::<Ending>::default());
        handles.insert(thing.clone(), Deed::GoingOn, some).expect("kept");
        let number = handles.insert(ending.clone(), Deed::GoingOn, some).expect("kept");
        handles.end_all_but_ending();
        assert!(thing.has_ended() && !ending.has_ended());
        assert!(handles.get::<Ending>(number).is_ok());
        handles.end_all();
        assert!(ending.has_ended());
    }

    #[test]
    fn handles_are_numbered_and_typed() {
        let handles = Handles::default();
        let number = handles.insert(Arc::<Thing>::default(), Deed::GoingOn, some).expect("kept");
        assert!(handles.get::<Thing>(number).is_ok());
        assert!(handles.get::<Other>(number).is_err());
        assert!(handles.close::<Other>(number).is_err());
        assert!(handles.close::<Thing>(number).expect("closed").has_ended());
        assert!(handles.get::<Thing>(number).is_err());
        assert_ne!(handles.insert(Arc::<Thing>::default(), Deed::GoingOn, some).expect("kept"), number);
    }

    #[test]
    fn handles_are_bounded_and_what_ended_makes_room() {
        let handles = Handles::default();
        let things: Vec<_> = (0..MAX_HANDLES).map(|_| Arc::<Thing>::default()).collect();
        for thing in &things {
            handles.insert(Arc::clone(thing) as _, Deed::GoingOn, some).expect("kept");
        }
        let refused = handles.insert(Arc::<Thing>::default(), Deed::GoingOn, some).expect_err("too many");
        assert_eq!(refused.status, Status::RateLimited);
        things[3].end();
        handles.insert(Arc::<Thing>::default(), Deed::GoingOn, some).expect("kept");
    }

    #[test]
    fn what_is_not_covered_ends() {
        let handles = Handles::default();
        let thing = Arc::<Thing>::default();
        let number = handles.insert(Arc::clone(&thing) as _, Deed::GoingOn, some).expect("kept");
        handles.keep_covered(&some());
        assert!(!thing.has_ended());
        handles.keep_covered(&Arc::new(Grants::none()));
        assert!(thing.has_ended() && handles.get::<Thing>(number).is_err());
        let late = Arc::<Thing>::default();
        let refused = handles.insert(Arc::clone(&late) as _, Deed::GoingOn, || Arc::new(Grants::none()));
        assert_eq!(refused.expect_err("taken away").status, Status::Denied);
        assert!(late.has_ended());
    }

    #[test]
    fn nothing_outlives_the_table() {
        let thing = Arc::<Thing>::default();
        let handles = Handles::default();
        handles.insert(Arc::clone(&thing) as _, Deed::GoingOn, some).expect("kept");
        drop(handles);
        assert!(thing.has_ended());
    }
}
