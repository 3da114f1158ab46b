//! What a user has decided, and what follows from that: written from the manual, by one who does not know the code.

use std::collections::{BTreeMap, BTreeSet};

use conductor_abi::{Capability, Risk};

use crate::step::{File, Lasts, Release, Signature, Taken, Typed};

/// Whose signature the user demands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Demand {
    /// Anybody's.
    Somebody,
    /// That of a key that the user trusts.
    Trusted,
}

/// Whether something has to happen, must not, or may.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Word {
    Must,
    MustNot(&'static str),
    May,
}

/// A user.
#[derive(Debug)]
pub(crate) struct User {
    pub(crate) demand: Demand,
    trusted: BTreeMap<u8, Trust>,
    revoked: BTreeSet<u8>,
    revoked_files: BTreeSet<File>,
    /// By name, from whom and at which version a plugin was loaded last.
    pins: BTreeMap<u8, (u8, u8)>,
    /// By slot, which name of which publisher was loaded there first or accepted.
    bound: BTreeMap<u8, (u8, u8)>,
    granted: BTreeMap<(u8, u8, Capability), Granted>,
    denied: BTreeMap<(u8, Capability), Denied>,
    /// Whether the audit log cannot be written.
    pub(crate) audit_fails: bool,
    /// Whether a file of decisions cannot be read.
    pub(crate) is_broken: bool,
}

#[derive(Debug)]
struct Trust {
    max_risk: Option<Risk>,
    has_ended: bool,
}

#[derive(Clone, Copy, Debug)]
struct Granted {
    lasts: Lasts,
    /// Nobody can say whether a use has begun.
    may_be_over: bool,
}

/// A denial of a plugin's name.
#[derive(Debug, Default)]
struct Denied {
    /// Publishers whose plugin of the name was granted the capability afterwards.
    lifted_for: BTreeSet<u8>,
}

impl User {
    pub(crate) const fn new(demand: Demand) -> Self {
        Self {
            demand,
            trusted: BTreeMap::new(),
            revoked: BTreeSet::new(),
            revoked_files: BTreeSet::new(),
            pins: BTreeMap::new(),
            bound: BTreeMap::new(),
            granted: BTreeMap::new(),
            denied: BTreeMap::new(),
            audit_fails: false,
            is_broken: false,
        }
    }

    /// Whether a key can be trusted now: it is not yet, and is not revoked.
    pub(crate) fn can_trust(&self, publisher: u8) -> bool {
        !self.trusted.contains_key(&publisher) && !self.revoked.contains(&publisher)
    }

    pub(crate) fn trusts(&mut self, publisher: u8, max_risk: Option<Risk>) {
        self.trusted.insert(publisher, Trust { max_risk, has_ended: false });
    }

    /// Whether a decision of this kind changes anything.
    pub(crate) fn can_take(&self, taken: Taken, file: impl Fn(u8) -> Option<File>) -> bool {
        match taken {
            Taken::Trust { publisher } => self.trusted.contains_key(&publisher),
            Taken::TrustByDate { publisher } => {
                self.trusted.contains_key(&publisher) && !self.revoked.contains(&publisher)
            }
            Taken::Key { publisher } => !self.revoked.contains(&publisher),
            Taken::File { slot } => file(slot).is_some_and(|file| !self.revoked_files.contains(&file)),
            Taken::Capability { .. } => true,
        }
    }

    /// Takes something away. `file` is what is behind a slot.
    pub(crate) fn takes(&mut self, taken: Taken, file: impl Fn(u8) -> Option<File>) {
        match taken {
            Taken::Trust { publisher } => {
                self.trusted.remove(&publisher);
            }
            Taken::TrustByDate { publisher } => {
                if let Some(trust) = self.trusted.get_mut(&publisher) {
                    trust.has_ended = true;
                }
            }
            Taken::Key { publisher } => {
                self.revoked.insert(publisher);
            }
            Taken::File { slot } => self.revoked_files.extend(file(slot)),
            Taken::Capability { slot, capability } => {
                if let Some(file) = file(slot) {
                    self.denies(file.name, capability);
                }
            }
        }
    }

    fn denies(&mut self, name: u8, capability: Capability) {
        self.denied.insert((name, capability), Denied::default());
        self.granted.retain(|(known, _, granted), _| (*known, *granted) != (name, capability));
    }

    /// The manual does not say whether a denial that was lifted for one publisher goes on for another one.
    fn may_deny(&mut self, name: u8, capability: Capability) {
        self.denied.entry((name, capability)).or_default().lifted_for.insert(u8::MAX);
        for ((known, _, granted), grant) in &mut self.granted {
            grant.may_be_over |= (*known, *granted) == (name, capability);
        }
    }

    pub(crate) fn is_revoked(&self, publisher: u8) -> bool {
        self.revoked.contains(&publisher)
    }

    pub(crate) fn unrevokes(&mut self, publisher: u8) {
        self.revoked.remove(&publisher);
    }

    pub(crate) fn is_file_revoked(&self, file: File) -> bool {
        self.revoked_files.contains(&file)
    }

    pub(crate) fn unrevokes_file(&mut self, file: File) {
        self.revoked_files.remove(&file);
    }

    /// Why a plugin may not run now, loaded or not.
    pub(crate) fn objection(&self, release: &Release) -> Option<&'static str> {
        let trust = self.trusted.get(&release.publisher);
        if release.signature != Signature::Good {
            Some("nobody signed these bytes")
        } else if self.revoked.contains(&release.publisher) {
            Some("the key is revoked")
        } else if self.revoked_files.contains(&release.file) {
            Some("the file is revoked")
        } else if self.demand == Demand::Trusted && trust.is_none_or(|trust| trust.has_ended) {
            Some("the key is not trusted")
        } else {
            None
        }
    }

    /// Whether a plugin is loaded into a slot, unless the user accepts it there.
    pub(crate) fn loads(&self, slot: u8, release: &Release) -> Word {
        let file = release.file;
        if self.is_broken {
            return Word::MustNot("decisions cannot be read");
        }
        if let Some(objection) = self.objection(release) {
            return Word::MustNot(objection);
        }
        if self.bound.get(&slot).is_some_and(|bound| *bound != (file.name, release.publisher)) {
            return Word::MustNot("the slot is bound to another plugin");
        }
        match self.pins.get(&file.name) {
            Some((publisher, _)) if *publisher != release.publisher => {
                Word::MustNot("a plugin of this name came from another publisher")
            }
            Some((_, version)) if *version > file.version => Word::MustNot("a later version was loaded"),
            _ if self.audit_fails => Word::May,
            _ => Word::Must,
        }
    }

    /// Whether a plugin was loaded into a slot before.
    pub(crate) fn is_bound(&self, slot: u8) -> bool {
        self.bound.contains_key(&slot)
    }

    /// Whether accepting a plugin in a slot lets it in.
    pub(crate) fn accepts(&self, slot: u8, release: &Release) -> Word {
        if self.is_broken {
            return Word::MustNot("decisions cannot be read");
        }
        if let Some(objection) = self.objection(release) {
            return Word::MustNot(objection);
        }
        let is_another =
            self.bound.get(&slot).is_some_and(|bound| *bound != (release.file.name, release.publisher));
        let later =
            self.pins.get(&release.file.name).is_some_and(|(_, version)| *version > release.file.version);
        // To go back to an earlier version is another decision.
        if is_another && !later { Word::Must } else { Word::May }
    }

    /// A plugin was let into a slot.
    pub(crate) fn has_loaded(&mut self, slot: u8, release: &Release) {
        let Release { file, publisher, .. } = *release;
        if let Some((before, _)) = self.bound.insert(slot, (file.name, publisher))
            && before != file.name
        {
            // Denials go on with what is accepted in the place of a plugin.
            for capability in crate::step::CAPABILITIES {
                match self.denied.get(&(before, capability)) {
                    Some(denied) if denied.lifted_for.is_empty() => self.denies(file.name, capability),
                    Some(_) => self.may_deny(file.name, capability),
                    None => {}
                }
            }
        }
        self.pins.insert(file.name, (publisher, file.version));
    }

    /// Whether the name of a running plugin now stands for another publisher's plugin.
    pub(crate) fn is_displaced(&self, release: &Release) -> bool {
        self.pins.get(&release.file.name).is_some_and(|(publisher, _)| *publisher != release.publisher)
    }

    /// Highest risk that a plugin may be granted.
    fn ceiling(&self, publisher: u8) -> Option<Risk> {
        match self.trusted.get(&publisher) {
            Some(trust) if !trust.has_ended => trust.max_risk,
            // Trust that has ended gives no more than it gave.
            Some(Trust { max_risk: Some(risk), .. }) => Some(Risk::Medium.min(*risk)),
            _ => Some(Risk::Medium),
        }
    }

    fn is_above_ceiling(&self, publisher: u8, capability: Capability) -> bool {
        self.ceiling(publisher).is_some_and(|ceiling| capability.risk() > ceiling)
    }

    /// Whether a plugin that is called can use a capability.
    pub(crate) fn uses(&self, release: &Release, capability: Capability) -> Word {
        let Release { file, publisher, .. } = *release;
        if !file.declares(capability) {
            return Word::MustNot("it was not declared");
        }
        if self.is_above_ceiling(publisher, capability) {
            return Word::MustNot("it is above the ceiling");
        }
        if self.audit_fails && capability.risk() == Risk::High {
            return Word::MustNot("it could not be recorded");
        }
        let is_uncertain = self.audit_fails || self.is_broken;
        let word = |must: Word| if is_uncertain { Word::May } else { must };
        let granted = self.granted.get(&(file.name, publisher, capability));
        match (granted, self.denied.get(&(file.name, capability))) {
            (Some(granted), _) if granted.may_be_over => Word::May,
            (Some(_), _) => word(Word::Must),
            (None, Some(denied)) if denied.lifted_for.is_empty() => Word::MustNot("it was denied"),
            _ if capability.risk() > Risk::Low => Word::MustNot("it was not granted"),
            (None, Some(_)) => Word::May,
            (None, None) => word(Word::Must),
        }
    }

    /// A plugin has used a capability, or was called where it would have.
    pub(crate) fn has_used(&mut self, release: &Release, capability: Capability, has_worked: bool) {
        let key = (release.file.name, release.publisher, capability);
        if let Some(granted) = self.granted.get_mut(&key).filter(|granted| granted.lasts == Lasts::Once) {
            if has_worked {
                self.granted.remove(&key);
            } else {
                granted.may_be_over = true;
            }
        }
    }

    /// Whether the user can grant a capability to a plugin that runs.
    pub(crate) fn can_grant(&self, release: &Release, capability: Capability, typed: Typed) -> Word {
        if capability.risk() == Risk::High && typed != Typed::Name {
            Word::MustNot("its name was not typed")
        } else if self.audit_fails {
            Word::MustNot("it cannot be recorded")
        } else if !release.file.declares(capability) {
            Word::MustNot("it was not declared")
        } else if self.is_above_ceiling(release.publisher, capability) {
            // The decision may stand for when the ceiling is higher; it has no effect now.
            Word::May
        } else {
            Word::Must
        }
    }

    pub(crate) fn grants(&mut self, release: &Release, capability: Capability, lasts: Lasts) {
        let Release { file, publisher, .. } = *release;
        if let Some(denied) = self.denied.get_mut(&(file.name, capability)) {
            denied.lifted_for.insert(publisher);
        }
        self.granted.insert((file.name, publisher, capability), Granted { lasts, may_be_over: false });
    }

    /// The session ends, and what was granted for it.
    pub(crate) fn session_ends(&mut self) {
        self.granted.retain(|_, granted| granted.lasts != Lasts::Session);
        for granted in self.granted.values_mut().filter(|granted| granted.lasts == Lasts::Once) {
            granted.may_be_over = true;
        }
    }
}
