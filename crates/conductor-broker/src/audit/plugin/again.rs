//! What a plugin does again and again in one call.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use conductor_abi::{Capability, Risk};

use crate::audit::{AuditText, RequestCode};

/// Most different uses of one call and risk that are told apart to be summed up; each takes memory until the call ends.
const MAX_TOLD_APART: usize = 64;

/// What was recorded of the call that is under way, by what it was asked with in full. Risks are kept apart, so that what is
/// of low risk takes no place of what is of high risk.
#[derive(Default)]
pub(super) struct Seen {
    /// Whether there are any; changed under their lock, and read without it after each call.
    are_any: AtomicBool,
    uses: Mutex<BTreeMap<Risk, BTreeMap<RequestCode, Repeated>>>,
}

/// A use, and what came after the first that was the same.
pub(super) struct Repeated {
    pub(super) capability: Capability,
    pub(super) operation: &'static str,
    pub(super) request: AuditText,
    /// How often it was done and is still to be summed up.
    pub(super) times: u64,
    pub(super) bytes: u64,
    /// How often it was done in all.
    uses: u64,
}

impl Repeated {
    pub(super) const fn new(capability: Capability, operation: &'static str, request: AuditText) -> Self {
        Self { capability, operation, request, times: 0, bytes: 0, uses: 1 }
    }

    /// Whether its next use is recorded by itself. A sum is lost if the host is killed, so of what is of high risk the 2nd,
    /// 4th, 8th and so on are: at least half of what was done is on record whatever happens.
    fn is_due(&self, risk: Risk) -> bool {
        risk == Risk::High && (self.uses + 1).is_power_of_two()
    }
}

impl Seen {
    /// Counts a use, if the same is recorded already in this call, this one is not due to be recorded as well, and `admit`
    /// allows it, which is told whether this is the first to be summed up.
    pub(super) fn repeat<E>(
        &self,
        risk: Risk,
        code: &RequestCode,
        admit: impl FnOnce(bool) -> Result<(), E>,
    ) -> Result<bool, E> {
        let mut seen = self.lock();
        let Some(repeated) = seen.get_mut(&risk).and_then(|seen| seen.get_mut(code)) else {
            return Ok(false);
        };
        if repeated.is_due(risk) {
            return Ok(false);
        }
        admit(repeated.times == 0)?;
        repeated.times += 1;
        repeated.uses += 1;
        Ok(true)
    }

    /// Takes note of a use that was recorded.
    pub(super) fn remember(&self, risk: Risk, code: RequestCode, repeated: Repeated) {
        let mut seen = self.lock();
        self.are_any.store(true, Ordering::Release);
        let seen = seen.entry(risk).or_default();
        if let Some(known) = seen.get_mut(&code) {
            known.uses += 1;
        } else if seen.len() < MAX_TOLD_APART {
            seen.insert(code, repeated);
        }
    }

    /// Adds to the bytes of the answers to the same uses.
    pub(super) fn answered(&self, risk: Risk, code: &RequestCode, bytes: u64) {
        if let Some(repeated) = self.lock().get_mut(&risk).and_then(|seen| seen.get_mut(code)) {
            repeated.bytes = repeated.bytes.saturating_add(bytes);
        }
    }

    /// What was done again, at the end of the call.
    pub(super) fn take(&self) -> impl Iterator<Item = (Risk, RequestCode, Repeated)> + use<> {
        let seen = if self.are_any.load(Ordering::Acquire) { self.take_all() } else { BTreeMap::new() };
        let all = seen
            .into_iter()
            .flat_map(|(risk, seen)| seen.into_iter().map(move |(code, repeated)| (risk, code, repeated)));
        all.filter(|(_, _, repeated)| repeated.times > 0)
    }

    fn take_all(&self) -> BTreeMap<Risk, BTreeMap<RequestCode, Repeated>> {
        let mut seen = self.lock();
        self.are_any.store(false, Ordering::Release);
        std::mem::take(&mut *seen)
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<Risk, BTreeMap<RequestCode, Repeated>>> {
        self.uses.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
