//! The descent of a key: the keys that it follows from by rotations. One walk back along the descent decides whether a
//! key has the user's trust, is the pinned publisher, or may issue revocations.

use conductor_store::UtcTime;
use jiff::Timestamp;

use super::standing::Standing;
use super::{TrustStore, TrustedKey};
use crate::key::PublicKey;
use crate::text::PluginName;
use crate::trust::rotation::{Ancestor, Lineage, Purpose, RotationLink};

/// The descent of a key.
pub(crate) struct Descent<'l> {
    /// The valid rotations, nearest first.
    steps: Vec<Ancestor<'l>>,
    /// The first rotation that is not valid, and why; `None` if all rotations are valid.
    end: Option<(Ancestor<'l>, Doubt)>,
}

/// Why a rotation is not valid.
#[derive(Clone, Copy)]
enum Doubt {
    /// The rotation becomes valid at a later time.
    NotYetActive,
    /// The old key was revoked as compromised, so a thief may have made the rotation.
    FromCompromised,
}

impl Descent<'_> {
    /// The keys that the key follows from by valid rotations, nearest first.
    pub(crate) fn predecessors(&self) -> impl Iterator<Item = &PublicKey> {
        self.steps.iter().map(|step| &step.link.old)
    }
}

/// The act that a key is used for.
#[derive(Clone, Copy)]
pub(crate) enum Act<'a> {
    /// Publishing a plugin; the name is given if it is signed.
    Publish(Option<&'a PluginName>),
    /// Endorsing a release that another key published; the name is given if it is signed.
    Cosign(Option<&'a PluginName>),
    /// Issuing revocations for all plugins.
    Revoke,
}

impl Act<'_> {
    /// Whether the old key of a rotation may go on doing this.
    fn is_kept(self, link: &RotationLink) -> bool {
        let purpose = match self {
            Self::Publish(_) | Self::Cosign(_) => Purpose::Sign,
            Self::Revoke => Purpose::Revoke,
        };
        link.keeps.contains(&purpose)
    }
}

/// The time at which a key did something, as far as it is known.
#[derive(Clone, Copy)]
pub(crate) enum Done<'a> {
    /// The time is not known.
    Unknown,
    /// The key's holder states this time.
    AsStated(&'a UtcTime),
    /// Before every rotation that was learnt since, because this host saw it.
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
    /// Walks back from a key. A rotation from a key that was revoked as compromised is valid only if it was accepted
    /// before and the user trusts the key at which the walk begins.
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

    /// The standing of a key for an act, and the entry that decides it. What a key did before its rotation became valid
    /// stays valid.
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
    /// The standing that the entry gives for an act of its key or of a key that follows from it.
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
