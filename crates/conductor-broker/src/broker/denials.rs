//! What a plugin was denied, for whoever is to grant it.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use conductor_abi::{Capability, Status};
use conductor_call::{Denial, Refusal};
use conductor_policy::grant::Decision;

use super::Session;
use crate::audit::AuditText;
use crate::capability::granted;

/// Operations that were denied.
#[derive(Default)]
pub(super) struct Denials {
    count: AtomicU64,
    /// The last of each capability since somebody looked.
    last: Mutex<Vec<Denial>>,
    /// Whether there are any; changed under their lock, and looked at without it before and after each call.
    are_new: AtomicBool,
}

impl Session {
    /// Operations that were denied so far.
    #[must_use]
    pub fn denials(&self) -> u64 {
        self.denials.count.load(Ordering::Relaxed)
    }

    /// What was denied since this was last called, the last denial of each capability.
    pub fn take_denied(&self) -> Vec<Denial> {
        if !self.denials.are_new.load(Ordering::Acquire) {
            return Vec::new();
        }
        let mut last = self.denials.last.lock().unwrap_or_else(PoisonError::into_inner);
        self.denials.are_new.store(false, Ordering::Release);
        std::mem::take(&mut *last)
    }

    /// That files are not granted, where the plugin declares that it wants some.
    #[must_use]
    pub fn denied_files(&self) -> Option<Denial> {
        let (capability, grants) = (Capability::Filesystem, self.grants());
        match grants.decision(capability) {
            Decision::Granted(_) | Decision::NotDeclared => None,
            Decision::NotGranted { .. }
            | Decision::Denied
            | Decision::AboveCeiling { .. }
            | Decision::NothingToGrant => {
                let refusal = granted(&grants, capability).err()?;
                Some(Denial { capability, of_everything: true, reason: refusal.reason })
            }
        }
    }

    /// Takes note of a refusal, if it is a denial.
    pub(super) fn note_denial(&self, capability: Capability, refusal: Option<&Refusal>) {
        let Some(refusal) = refusal.filter(|refusal| refusal.status == Status::Denied) else { return };
        self.denials.count.fetch_add(1, Ordering::Relaxed);
        let of_everything = granted(&self.grants(), capability).is_err();
        let reason = AuditText::of(&refusal.reason).as_str().to_owned();
        let mut last = self.denials.last.lock().unwrap_or_else(PoisonError::into_inner);
        last.retain(|denial| denial.capability != capability);
        last.push(Denial { capability, of_everything, reason });
        self.denials.are_new.store(true, Ordering::Release);
    }
}
