//! The way back from a key through those that it follows from: the one walk by which a key has the user's trust, is the
//! publisher that was pinned, or may issue revocations.

use conductor_store::UtcTime;
use jiff::Timestamp;

use super::standing::Standing;
use super::{TrustStore, TrustedKey};
use crate::key::PublicKey;
use crate::text::PluginName;
use crate::trust::rotation::{Ancestor, Lineage, Purpose, RotationLink};

/// The way back from a key.
pub(crate) struct Descent<'l> {
    /// The rotations that hold, nearest first.
    steps: Vec<Ancestor<'l>>,
    /// The rotation behind them that does not hold, and why; `None` if there is none.
    end: Option<(Ancestor<'l>, Doubt)>,
}

/// Why a rotation does not hold.
#[derive(Clone, Copy)]
enum Doubt {
    /// It holds from a later time on.
    NotYetActive,
    /// A thief may have made it.
    FromCompromised,
}

impl Descent<'_> {
    /// The keys that the key follows from, nearest first.
    pub(crate) fn predecessors(&self) -> impl Iterator<Item = &PublicKey> {
        self.steps.iter().map(|step| &step.link.old)
    }
}

/// What a key is used for.
#[derive(Clone, Copy)]
pub(crate) enum Act<'a> {
    /// Publishing a plugin, by its name if that is signed.
    Publish(Option<&'a PluginName>),
    /// Endorsing what another key publishes.
    Cosign(Option<&'a PluginName>),
    /// Issuing revocations for all plugins.
    Revoke,
}

impl Act<'_> {
    /// Whether a key that has passed on may go on doing this.
    fn is_kept(self, link: &RotationLink) -> bool {
        let purpose = match self {
            Self::Publish(_) | Self::Cosign(_) => Purpose::Sign,
            Self::Revoke => Purpose::Revoke,
        };
        link.keeps.contains(&purpose)
    }
}

/// When a key did something.
#[derive(Clone, Copy)]
pub(crate) enum Done<'a> {
    /// Nobody says.
    Unknown,
    /// At this time, as its holder states.
    AsStated(&'a UtcTime),
    /// Before anything that was learnt since: the host was there.
    Before,
}

impl Done<'_> {
    fn is_before(self, time: &UtcTime) -> bool {
        match self {
            Self::Unknown => false,
            Self::AsStated(at) => at.timestamp() < time.timestamp(),
            Self::Before => true,
        }
    }
}

impl TrustStore {
    /// Walks back from a key. A rotation from a key that a thief may have holds only if it was accepted before and the user
    /// trusts the key at the end.
    pub(crate) fn descent<'l>(&self, lineage: &Lineage<'l>, key: &PublicKey, now: Timestamp) -> Descent<'l> {
        let has_users_word = self.get(key).is_some();
        let mut steps = Vec::new();
        for step in lineage.ancestors(key) {
            if !step.link.valid_from.is_past(now) {
                return Descent { steps, end: Some((step, Doubt::NotYetActive)) };
            }
            if self.is_compromised(&step.link.old) && !(step.accepted && has_users_word) {
                return Descent { steps, end: Some((step, Doubt::FromCompromised)) };
            }
            steps.push(step);
        }
        Descent { steps, end: None }
    }

    /// Where a key stands that does something, and the entry that says so. What was done before the key passed on stays good.
    pub(crate) fn standing(
        &self,
        lineage: &Lineage<'_>,
        key: &PublicKey,
        act: Act<'_>,
        done: Done<'_>,
        now: Timestamp,
    ) -> (Standing, Option<&TrustedKey>) {
        if let Some((link, _)) = lineage.successor(key)
            && link.valid_from.is_past(now)
            && !act.is_kept(link)
            && !done.is_before(&link.valid_from)
        {
            return (Standing::Superseded { by: link.new, since: link.valid_from.clone() }, None);
        }
        let descent = self.descent(lineage, key, now);
        let entry = self.get(key).or_else(|| descent.predecessors().find_map(|key| self.get(key)));
        if let Some(entry) = entry {
            return (entry.standing(act, now), Some(entry));
        }
        let standing = match descent.end {
            None => Standing::Untrusted,
            Some((Ancestor { link, .. }, Doubt::NotYetActive)) => {
                Standing::NotYetActive { old: link.old, from: link.valid_from.clone() }
            }
            Some((Ancestor { link, accepted }, Doubt::FromCompromised)) => {
                Standing::FromCompromised { old: link.old, accepted }
            }
        };
        (standing, None)
    }
}

impl TrustedKey {
    /// What the entry says about a key that does something, be it this one or one that follows from it.
    fn standing(&self, act: Act<'_>, now: Timestamp) -> Standing {
        let key_name = self.name.clone();
        if let Some(at) = self.expires_at.as_ref().filter(|at| at.is_past(now)) {
            return Standing::TrustExpired { key_name, at: at.clone(), max_risk: self.max_risk };
        }
        let (plugin, has_role) = match act {
            Act::Publish(name) => (name, self.role.publishes()),
            Act::Cosign(name) => (name, self.role.cosigns()),
            Act::Revoke => (None, true),
        };
        if !has_role {
            return Standing::OtherRole { key_name, role: self.role };
        }
        if !self.may_sign(plugin) {
            return Standing::OtherPlugins { key_name, max_risk: self.max_risk };
        }
        Standing::Trusted { key_name, root: self.public_key, max_risk: self.max_risk }
    }
}
