//! Decisions that end with the host, and denials that could not be written.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use conductor_abi::Capability;
use conductor_signing::PluginName;
use conductor_signing::keeper::Keeper;

use super::store::{DenialKept, GrantStore, StoredGrant, Subject};
use super::unkept::{FROM_BEFORE, Notes};
use super::{ApprovalError, MAX_SESSION_GRANTS, Once};
use crate::scope::Scope;

/// Decisions that end with the host, for all of its plugins.
#[derive(Clone, Debug, Default)]
pub struct SessionGrants(Arc<Mutex<Session>>, Arc<Mutex<Notes>>);

#[derive(Debug, Default)]
struct Session {
    grants: Vec<SessionGrant>,
    /// Denials that could not be written, and so are only in memory.
    unkept: Vec<UnkeptDenial>,
}

/// A denial that could not be written. It holds until the host ends and, if it could be noted elsewhere, afterwards
/// too.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnkeptDenial {
    /// Name of the plugin.
    pub plugin: PluginName,
    /// The capability.
    pub capability: Capability,
    /// Why it could not be written.
    pub cause: String,
}

impl std::fmt::Display for UnkeptDenial {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { plugin, capability, cause } = self;
        write!(f, "{capability} of {plugin}: {cause}")
    }
}

#[derive(Clone, Debug)]
pub(super) struct SessionGrant {
    pub(super) stored: StoredGrant,
    /// The state of the grant, if it is for once.
    pub(super) once: Option<Once>,
}

impl SessionGrants {
    pub(super) fn of(&self, subject: &Subject) -> Vec<SessionGrant> {
        self.lock().grants.iter().filter(|grant| !grant.is_over() && grant.is_of(subject)).cloned().collect()
    }

    pub(super) fn add(&self, stored: Vec<StoredGrant>, once: Option<&Once>) -> Result<(), ApprovalError> {
        let grants = &mut self.lock().grants;
        grants.retain(|grant| !grant.is_over());
        if grants.len() + stored.len() > MAX_SESSION_GRANTS {
            return Err(ApprovalError::TooMany);
        }
        grants.extend(stored.into_iter().map(|stored| SessionGrant { stored, once: once.cloned() }));
        Ok(())
    }

    /// Denies a capability to plugins of a name from now on. The denial holds until the host ends even if it cannot be
    /// written.
    pub fn deny(
        &self,
        keeper: Option<&Keeper>,
        plugin: &PluginName,
        capability: Capability,
    ) -> Result<DenialKept, ApprovalError> {
        let is_of = |grant: &SessionGrant| {
            (&grant.stored.plugin, grant.stored.grant.capability()) == (plugin, capability)
        };
        self.lock().grants.retain(|grant| !is_of(grant));
        let keeper = keeper.ok_or(ApprovalError::NoDirectory);
        let kept = keeper.and_then(|keeper| Ok(GrantStore::deny(keeper, plugin, capability)?));
        match &kept {
            Ok(_) => self.is_kept(plugin, capability),
            Err(cause) => {
                let (plugin, cause) = (plugin.clone(), cause.to_string());
                self.cannot_keep(UnkeptDenial { plugin, capability, cause });
            }
        }
        kept
    }

    /// Forgets and returns what was decided about a capability of a plugin.
    pub(super) fn forget(
        &self,
        subject: &Subject,
        capability: Capability,
    ) -> (Vec<SessionGrant>, Vec<UnkeptDenial>) {
        let mut session = self.lock();
        let grants = session
            .grants
            .extract_if(.., |grant| grant.stored.grant.capability() == capability && grant.is_of(subject));
        let grants = grants.collect();
        let is_of =
            |denial: &mut UnkeptDenial| (&denial.plugin, denial.capability) == (&subject.name, capability);
        let unkept: Vec<UnkeptDenial> = session.unkept.extract_if(.., is_of).collect();
        drop(session);
        if !unkept.is_empty() {
            self.note();
        }
        (grants, unkept)
    }

    pub(super) fn put_back(&self, (grants, unkept): (Vec<SessionGrant>, Vec<UnkeptDenial>)) {
        let is_noted = unkept.is_empty();
        let mut session = self.lock();
        session.grants.extend(grants);
        session.unkept.extend(unkept);
        drop(session);
        if !is_noted {
            self.note();
        }
    }

    /// Notes unwritten denials in these directories from now on, and takes over and returns those that an earlier host
    /// noted there.
    pub fn recall(&self, directories: &[PathBuf]) -> Vec<UnkeptDenial> {
        let notes = Notes::in_directories(directories);
        let before = notes.read().into_iter().map(|(plugin, capability)| UnkeptDenial {
            plugin,
            capability,
            cause: FROM_BEFORE.to_owned(),
        });
        let before: Vec<UnkeptDenial> = before.collect();
        *self.1.lock().unwrap_or_else(PoisonError::into_inner) = notes;
        self.lock().unkept.extend(before.iter().cloned());
        before
    }

    /// Notes the denials that are only in memory. Returns whether they could be noted.
    pub fn note(&self) -> bool {
        let notes = self.1.lock().unwrap_or_else(PoisonError::into_inner);
        let unkept: Vec<_> =
            self.unkept().into_iter().map(|denial| (denial.plugin, denial.capability)).collect();
        notes.write(&unkept)
    }

    /// Keeps a denial in memory only.
    pub(super) fn cannot_keep(&self, denial: UnkeptDenial) {
        let mut session = self.lock();
        let is_same =
            |known: &UnkeptDenial| (&known.plugin, known.capability) == (&denial.plugin, denial.capability);
        session.unkept.retain(|known| !is_same(known));
        session.unkept.push(denial);
        drop(session);
        self.note();
    }

    /// Notes that a denial was written to a file.
    fn is_kept(&self, plugin: &PluginName, capability: Capability) {
        let is_of = |known: &mut UnkeptDenial| (&known.plugin, known.capability) == (plugin, capability);
        let was_unkept = self.lock().unkept.extract_if(.., is_of).count() > 0;
        if was_unkept {
            self.note();
        }
    }

    /// The capabilities that are denied to plugins of a name by denials that could not be written.
    pub fn unkept_of(&self, plugin: &PluginName) -> Vec<Capability> {
        let session = self.lock();
        let of_plugin = session.unkept.iter().filter(|denial| denial.plugin == *plugin);
        of_plugin.map(|denial| denial.capability).collect()
    }

    /// Denies to plugins of the name `to` what unwritten denials deny to plugins of the name `from`.
    pub fn carry_denials(&self, from: &PluginName, to: &PluginName) {
        let of_old: Vec<_> =
            self.lock().unkept.iter().filter(|denial| denial.plugin == *from).cloned().collect();
        for denial in of_old {
            self.cannot_keep(UnkeptDenial { plugin: to.clone(), ..denial });
        }
    }

    /// The denials that could not be written.
    pub fn unkept(&self) -> Vec<UnkeptDenial> {
        self.lock().unkept.clone()
    }

    fn lock(&self) -> MutexGuard<'_, Session> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl SessionGrant {
    fn is_of(&self, subject: &Subject) -> bool {
        subject.is(&self.stored.plugin, &self.stored.holder)
    }

    /// Whether the grant was for once, and is over.
    fn is_over(&self) -> bool {
        self.once.as_ref().is_some_and(Once::is_over)
    }

    /// The scope and state of the grant, if it is for once.
    pub(super) fn for_once(&self) -> Option<(Scope, Once)> {
        Some((self.stored.grant.scope()?.clone(), self.once.clone()?))
    }
}
