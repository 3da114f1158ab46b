//! The accepted rotations, joined with the rotations that a plugin brings.

use std::collections::HashMap;

use jiff::Timestamp;

use super::{MAX_ROTATION_LINKS, RotationChain, RotationError, RotationLink, check_follows};
use crate::key::PublicKey;

/// How keys follow from each other. A lineage has no contradiction: each key has at most one successor and one
/// predecessor.
#[derive(Clone, Debug, Default)]
pub struct Lineage<'a> {
    by_old: HashMap<PublicKey, Ancestor<'a>>,
    by_new: HashMap<PublicKey, Ancestor<'a>>,
}

/// One step back from a key, along the rotation that led to it.
#[derive(Clone, Copy, Debug)]
pub struct Ancestor<'a> {
    /// The rotation.
    pub link: &'a RotationLink,
    /// Whether the rotation was accepted before.
    pub accepted: bool,
}

impl<'a> Lineage<'a> {
    /// Joins accepted and offered rotations. Where both have the same rotation, the accepted one counts, even if the
    /// rest of their statements differs. An offered rotation that contradicts another is ignored if its old key is
    /// compromised, because a thief may have made it; trust in its new key then needs an entry of its own.
    pub(crate) fn join(
        accepted: &'a [RotationLink],
        offered: Option<&'a RotationChain>,
        is_compromised: impl Fn(&PublicKey) -> bool,
    ) -> Result<Self, RotationError> {
        let mut lineage = Self::default();
        for link in accepted {
            lineage.insert(Ancestor { link, accepted: true });
        }
        for link in offered.map_or(&[][..], RotationChain::links) {
            match lineage.add(Ancestor { link, accepted: false }) {
                Ok(_) => {}
                Err(_) if is_compromised(&link.old) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(lineage)
    }

    /// Adds a rotation unless it contradicts the lineage; returns whether it was new.
    pub(crate) fn add(&mut self, step: Ancestor<'a>) -> Result<bool, RotationError> {
        let link = step.link;
        let (old, new) = (link.old, link.new);
        if let Some((known, _)) = self.successor(&old) {
            if known.new != new {
                return Err(RotationError::Fork { old, accepted: known.new, offered: new });
            }
            if known.sequence != link.sequence {
                let (expected, found) = (known.sequence, link.sequence);
                return Err(RotationError::Gap { old, new, expected, found });
            }
            return Ok(false);
        }
        if let Some(known) = self.predecessor(&new) {
            return Err(RotationError::TwoOrigins { new, accepted: known.link.old, offered: old });
        }
        if self.ancestors(&old).any(|ancestor| ancestor.link.old == new) {
            return Err(RotationError::Loop { key: new });
        }
        if let Some(before) = self.predecessor(&old) {
            check_follows(before.link, link)?;
        }
        if let Some((after, _)) = self.successor(&new) {
            check_follows(link, after)?;
        }
        self.insert(step);
        Ok(true)
    }

    fn insert(&mut self, step: Ancestor<'a>) {
        self.by_old.insert(step.link.old, step);
        self.by_new.insert(step.link.new, step);
    }

    /// The steps back from a key, nearest first, at most 64.
    pub fn ancestors(&self, key: &PublicKey) -> impl Iterator<Item = Ancestor<'a>> {
        let mut key = *key;
        let next = move || {
            let step = self.predecessor(&key)?;
            key = step.link.old;
            Some(step)
        };
        std::iter::from_fn(next).take(MAX_ROTATION_LINKS)
    }

    /// The oldest key that a key follows from, by all known rotations. Keys with the same origin belong to the same
    /// holder.
    #[must_use]
    pub fn origin(&self, key: &PublicKey) -> PublicKey {
        self.ancestors(key).last().map_or(*key, |step| step.link.old)
    }

    /// The rotation whose old key is `key`, and whether the rotation was accepted before.
    #[must_use]
    pub fn successor(&self, key: &PublicKey) -> Option<(&'a RotationLink, bool)> {
        self.by_old.get(key).map(|step| (step.link, step.accepted))
    }

    /// The rotations that lead on from a key, nearest first, at most 64.
    pub fn descendants(&self, key: &PublicKey) -> impl Iterator<Item = &'a RotationLink> {
        let mut key = *key;
        let next = move || {
            let (link, _) = self.successor(&key)?;
            key = link.new;
            Some(link)
        };
        std::iter::from_fn(next).take(MAX_ROTATION_LINKS)
    }

    /// The key that is in use at `now` in place of `key`: the new key of the last rotation that is valid by then.
    #[must_use]
    pub fn active(&self, key: &PublicKey, now: Timestamp) -> PublicKey {
        let holds = |link: &&RotationLink| link.valid_from.is_past(now);
        self.descendants(key).take_while(holds).last().map_or(*key, |link| link.new)
    }

    /// Whether this exact step was accepted before.
    pub(crate) fn has_accepted(&self, link: &RotationLink) -> bool {
        self.successor(&link.old).is_some_and(|(known, accepted)| accepted && known.new == link.new)
    }

    fn predecessor(&self, key: &PublicKey) -> Option<Ancestor<'a>> {
        self.by_new.get(key).copied()
    }
}
