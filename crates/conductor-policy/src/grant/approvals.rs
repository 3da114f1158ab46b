//! Decides about a plugin's capabilities when it is loaded, and again whenever the user decides.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use conductor_abi::{Capability, CapabilityRequest, Risk};
use conductor_signing::keeper::Keeper;
use conductor_signing::{Digest, PluginName, UtcTime};
use jiff::Timestamp;

use super::pending::{Requested, requested};
use super::session::{SessionGrant, SessionGrants, UnkeptDenial};
use super::store::{DenialKept, FirstDeclared, GrantStore, StoredGrant, Subject};
use super::{ApprovalError, Choices, GrantSpec, Grants, Judge, Once, Vouched, declared_scope};
use crate::scope::Scope;

/// How long a grant lasts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Duration {
    /// For the first deed that begins under the grant, whatever becomes of the deed, and for what the deed leaves open
    /// for the rest of its call. Files are reached without asking the host, so a grant of Filesystem lasts for the next
    /// call, whatever that call does.
    Once,
    /// Until the host ends.
    Session,
    /// Until a date.
    Until(UtcTime),
    /// Until the user revokes it.
    Always,
}

impl std::fmt::Display for Duration {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Once => f.write_str("for one use"),
            Self::Session => f.write_str("for this session"),
            Self::Until(until) => write!(f, "until {until}"),
            Self::Always => f.write_str("until it is revoked"),
        }
    }
}

/// Everything that decides about one plugin.
#[derive(Clone)]
pub struct Approvals {
    /// The plugin's name.
    pub name: PluginName,
    /// SHA-256 of the plugin's file.
    pub digest: Digest,
    /// Judges how far somebody vouches for the plugin.
    pub judge: Arc<Judge>,
    /// The plugin's version, if it has one.
    pub version: Option<String>,
    /// What the plugin declares.
    pub requests: Vec<CapabilityRequest>,
    /// What the configuration grants.
    pub configured: Vec<GrantSpec>,
    /// What the configuration denies, which outranks every grant.
    pub denied: Vec<Capability>,
    /// Whether a bare name in `configured` grants what was declared when it was first read, and never more.
    pub standing: bool,
    /// Whether `configured` may exceed the ceiling of the plugin's trust.
    pub lift_ceiling: bool,
    /// Stores lasting decisions. Without it, there are none.
    pub keeper: Option<Keeper>,
    /// Decisions that end with the host.
    pub session: SessionGrants,
    /// The lasting decisions as last read.
    pub known: Arc<Mutex<GrantStore>>,
}

/// The state of all decisions about a plugin at one moment.
#[derive(Clone, Debug, Default)]
pub struct Decided {
    /// Whether a decision was made yet.
    pub is_decided: bool,
    /// How far somebody vouched for the plugin at that moment, if somebody did.
    pub vouched: Option<Vouched>,
    /// What the plugin may do.
    pub grants: Grants,
    /// What the plugin asks for.
    pub requested: Vec<Requested>,
    /// Decisions of the user that hold.
    pub stored: Vec<StoredGrant>,
    /// When the first of these decisions ends.
    pub next_end: Option<Timestamp>,
    /// The grants for once among these decisions.
    pub once: Vec<Once>,
}

/// A grant that the user has asked for and that is not made yet.
pub struct Approval {
    subject: Subject,
    capability: Capability,
    stored: Vec<StoredGrant>,
    duration: Duration,
    /// The result that the grant will have.
    pub approved: Approved,
}

/// The result of a grant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Approved {
    /// What is granted from now on.
    pub granted: Vec<GrantSpec>,
    /// The highest risk among these grants.
    pub risk: Risk,
}

impl Decided {
    /// The decision about a plugin for which nobody vouches: nothing is granted.
    pub fn nothing() -> Self {
        Self { is_decided: true, ..Self::default() }
    }
}

impl Approvals {
    /// The subject that grants are bound to, if the plugin is vouched for in this way.
    pub fn subject(&self, vouched: &Vouched) -> Subject {
        let (name, publisher) = (self.name.clone(), vouched.publisher.clone());
        Subject { name, publisher, digest: self.digest }
    }

    /// Decides by the decisions on disk and in memory.
    pub fn decide(&self) -> Result<Decided, ApprovalError> {
        self.decide_for(self.judge.now()?)
    }

    /// Decides about a plugin that is vouched for in this way.
    pub fn decide_for(&self, vouched: Vouched) -> Result<Decided, ApprovalError> {
        let store = self.store()?;
        let decided = self.decide_by(vouched, &store, Timestamp::now());
        *self.known() = store;
        decided
    }

    /// The user's decisions about all plugins, as they are on disk now.
    pub fn store(&self) -> Result<GrantStore, ApprovalError> {
        match &self.keeper {
            Some(keeper) => Ok(GrantStore::load(keeper)?),
            None => Ok(GrantStore::default()),
        }
    }

    /// Decides where the trust store or the lasting decisions cannot be read, so that grants end nevertheless: by the lasting
    /// decisions as they are, or else as last read.
    /// `vouched` is how far somebody last vouched for the plugin; without it, nothing is granted.
    pub fn decide_by_known(&self, vouched: Option<Vouched>) -> Result<Decided, ApprovalError> {
        let Some(vouched) = vouched else { return Ok(Decided::nothing()) };
        if let Ok(store) = self.store() {
            *self.known() = store;
        }
        let mut known = self.known().clone();
        if let Some(keeper) = &self.keeper {
            known.take_over_journal(keeper);
        }
        self.decide_by(vouched, &known, Timestamp::now())
    }

    fn known(&self) -> MutexGuard<'_, GrantStore> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn decide_by(
        &self,
        vouched: Vouched,
        store: &GrantStore,
        now: Timestamp,
    ) -> Result<Decided, ApprovalError> {
        let subject = self.subject(&vouched);
        let (lasting, ended): (Vec<_>, Vec<_>) =
            store.grants_of(&subject).cloned().partition(|grant| grant.holds(now));
        let passing = self.session.of(&subject);
        let (for_once, for_session): (Vec<_>, Vec<_>) =
            passing.into_iter().partition(|grant| grant.once.is_some());
        let standing: Vec<StoredGrant> =
            lasting.into_iter().chain(for_session.into_iter().map(|grant| grant.stored)).collect();
        let unkept = self.session.unkept_of(&self.name);
        let denials = store.denials_of(&self.name).map(|denial| denial.capability).chain(unkept);
        let first = self.bare().filter_map(|capability| store.first_declared(&subject, capability));
        let choices = Choices {
            configured: self.configured.clone(),
            first_declared: first.flat_map(|first| &first.declared).filter_map(scope_of).collect(),
            approved: standing.iter().filter_map(|stored| scope_of(&stored.grant)).collect(),
            once: for_once.iter().filter_map(SessionGrant::for_once).collect(),
            ended: ended.iter().map(|ended| ended.grant.capability()).collect(),
            denied: self.denied.iter().copied().chain(denials).collect(),
            lift_ceiling: self.lift_ceiling,
        };
        let once: Vec<Once> = for_once.iter().filter_map(|grant| grant.once.clone()).collect();
        let stored: Vec<StoredGrant> =
            standing.into_iter().chain(for_once.into_iter().map(|grant| grant.stored)).collect();
        let grants = Grants::resolve_below(&self.requests, &choices, vouched.ceiling)?;
        let requested = requested(&self.requests, &grants, &stored)?;
        let next_end = stored.iter().filter_map(|grant| grant.until.as_ref()).map(UtcTime::timestamp).min();
        Ok(Decided { is_decided: true, vouched: Some(vouched), grants, requested, stored, next_end, once })
    }

    /// Rewrites old grants of Network without hosts, which granted every port when they were made, to what they grant
    /// now.
    pub fn narrow(&self, subject: &Subject) -> Result<(), ApprovalError> {
        Ok(GrantStore::narrow(self.keeper()?, subject)?)
    }

    /// Stores what the bare names of the configuration stand for, so that a later version that declares more gets no
    /// more.
    pub fn remember(&self, subject: &Subject, store: &GrantStore) -> Result<(), ApprovalError> {
        let Some(keeper) = &self.keeper else { return Ok(()) };
        let mut first = Vec::new();
        for capability in self.bare().filter(|bare| store.first_declared(subject, *bare).is_none()) {
            let declared = self.declared(capability)?;
            if declared.is_empty() {
                continue;
            }
            let declared = as_granted(&declared);
            let (plugin, holder, seen_at) = (self.name.clone(), subject.holder(), UtcTime::now());
            first.push(FirstDeclared { plugin, holder, capability, declared, seen_at });
        }
        if first.is_empty() { Ok(()) } else { Ok(GrantStore::remember(keeper, first)?) }
    }

    /// Prepares a grant of everything that the plugin declares of a capability, or of one scope.
    ///
    /// `name` is the plugin's name as the user typed it. Without it, nothing of high risk is granted.
    pub fn prepare(
        &self,
        capability: Capability,
        scope: Option<&Scope>,
        duration: &Duration,
        name: Option<&str>,
    ) -> Result<Approval, ApprovalError> {
        let vouched = self.judge.now()?;
        let subject = self.subject(&vouched);
        let declared = self.declared(capability)?;
        if declared.is_empty() {
            return Err(ApprovalError::NotDeclared { capability });
        }
        if self.denied.contains(&capability) {
            return Err(ApprovalError::DeniedByConfiguration { capability });
        }
        let granted = match scope {
            Some(scope) => vec![GrantSpec::of(scope.clone().granted())],
            None => as_granted(&declared),
        };
        if granted.iter().filter_map(GrantSpec::scope).any(Scope::is_nothing) {
            return Err(ApprovalError::NothingNamed { capability });
        }
        let risk = granted.iter().filter_map(GrantSpec::scope).map(Scope::risk).max();
        let risk = risk.unwrap_or(capability.risk());
        if let Some(ceiling) = vouched.ceiling.filter(|ceiling| risk > *ceiling && !self.lift_ceiling) {
            return Err(ApprovalError::AboveCeiling { capability, risk, ceiling });
        }
        if risk == Risk::High && name != Some(self.name.as_str()) {
            return Err(ApprovalError::NameNotTyped { capability });
        }
        let stored = granted.iter().map(|grant| StoredGrant {
            plugin: self.name.clone(),
            holder: subject.holder(),
            grant: grant.clone(),
            declared: declared.clone(),
            version: self.version.clone(),
            granted_at: UtcTime::now(),
            until: if let Duration::Until(until) = duration { Some(until.clone()) } else { None },
        });
        let (stored, duration) = (stored.collect(), duration.clone());
        Ok(Approval { subject, capability, stored, duration, approved: Approved { granted, risk } })
    }

    /// Makes the prepared grant, which replaces other grants of the capability. Returns what was decided before.
    pub fn commit(&self, approval: &Approval) -> Result<Before, ApprovalError> {
        let Approval { subject, capability, stored, duration, approved: _ } = approval;
        let (subject, capability, stored) = (subject.clone(), *capability, stored.clone());
        let (lasting, passing) = match duration {
            Duration::Once | Duration::Session => (Vec::new(), stored),
            Duration::Until(_) | Duration::Always => (stored, Vec::new()),
        };
        let stored_before = match &self.keeper {
            Some(keeper) => {
                let before = GrantStore::load(keeper)?;
                GrantStore::grant(keeper, &subject, capability, lasting)?;
                before
            }
            None if lasting.is_empty() => GrantStore::default(),
            None => return Err(ApprovalError::NoDirectory),
        };
        let session = self.session.forget(&subject, capability);
        let before = Before { subject, capability, stored: stored_before, session };
        let once = (*duration == Duration::Once).then(Once::default);
        match self.session.add(passing, once.as_ref()) {
            Ok(()) => Ok(before),
            Err(error) => {
                self.undo(before)?;
                Err(error)
            }
        }
    }

    /// Puts back what was decided before [`Approvals::commit`].
    pub fn undo(&self, before: Before) -> Result<(), ApprovalError> {
        let Before { subject, capability, stored, session } = before;
        self.session.forget(&subject, capability);
        self.session.put_back(session);
        let Some(keeper) = &self.keeper else { return Ok(()) };
        GrantStore::put_back(keeper, &subject, capability, &stored).map_err(|error| {
            // The present decision must not be left in place, because it was not to be granted.
            let (plugin, cause) = (self.name.clone(), error.to_string());
            self.session.cannot_keep(UnkeptDenial { plugin, capability, cause });
            error.into()
        })
    }

    /// Denies a capability from now on to plugins of this name, whoever publishes them.
    pub fn deny(&self, capability: Capability) -> Result<DenialKept, ApprovalError> {
        self.session.deny(self.keeper.as_ref(), &self.name, capability)
    }

    /// Tries again to store denials that could not be written, even those of plugins that are not loaded.
    pub fn keep_unkept(&self) {
        for denial in self.session.unkept() {
            // A denial that cannot be written still holds.
            let _ = self.session.deny(self.keeper.as_ref(), &denial.plugin, denial.capability);
        }
    }

    /// What the plugin declares of a capability, as grants.
    fn declared(&self, capability: Capability) -> Result<Vec<GrantSpec>, ApprovalError> {
        let scopes = self.requests.iter().map(declared_scope).collect::<Result<Vec<_>, _>>()?;
        Ok(scopes.into_iter().filter(|scope| scope.capability() == capability).map(GrantSpec::of).collect())
    }

    /// Capabilities that the configuration grants by bare names, if `standing` is set.
    fn bare(&self) -> impl Iterator<Item = Capability> {
        let bare = self.configured.iter().filter(|spec| self.standing && spec.scope().is_none());
        bare.map(GrantSpec::capability)
    }

    fn keeper(&self) -> Result<&Keeper, ApprovalError> {
        self.keeper.as_ref().ok_or(ApprovalError::NoDirectory)
    }
}

/// What was decided about a capability of a plugin before a grant was made.
pub struct Before {
    subject: Subject,
    capability: Capability,
    stored: GrantStore,
    session: (Vec<SessionGrant>, Vec<UnkeptDenial>),
}

/// What a grant of these declared scopes grants.
fn as_granted(declared: &[GrantSpec]) -> Vec<GrantSpec> {
    declared.iter().filter_map(scope_of).map(|scope| GrantSpec::of(scope.granted())).collect()
}

fn scope_of(spec: &GrantSpec) -> Option<Scope> {
    spec.scope().cloned()
}
