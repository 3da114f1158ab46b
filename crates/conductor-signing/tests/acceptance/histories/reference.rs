//! A second judge, written from the chapter "What a signature tells you" of the manual. It knows parties by numbers,
//! and knows no files, signatures or formats. Instead of making checks in order, it looks for any objection to a
//! release.

use std::collections::{BTreeMap, BTreeSet};

pub(super) type Party = u8;

/// The decisions of a user, and what the user's host has seen.
#[derive(Clone, Debug, Default)]
pub(super) struct World {
    pub(super) trusted: BTreeMap<Party, Trust>,
    pub(super) own: BTreeMap<Party, Kind>,
    pub(super) listed: BTreeMap<(Party, Party), Kind>,
    pub(super) files: BTreeSet<u64>,
    pub(super) lists: BTreeMap<Party, u64>,
    pub(super) rotations: Vec<Rotation>,
    pub(super) pin: Option<Pin>,
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Trust {
    pub(super) role: &'static str,
    pub(super) ended: bool,
    /// Highest risk: 1 low, 2 medium, 3 high, 4 no limit.
    pub(super) cap: u8,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Kind {
    Superseded,
    Compromised,
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Rotation {
    pub(super) old: Party,
    pub(super) new: Party,
    pub(super) ahead: bool,
    pub(super) keeps_signing: bool,
    pub(super) keeps_revoking: bool,
}

#[derive(Clone, Debug)]
pub(super) struct Pin {
    pub(super) publisher: Party,
    pub(super) version: u8,
    pub(super) files: Vec<u64>,
    pub(super) signers: BTreeSet<Party>,
    pub(super) statement: bool,
}

/// A file with its document.
#[derive(Clone, Debug)]
pub(super) struct Release {
    pub(super) file: u64,
    pub(super) version: u8,
    pub(super) publisher: Party,
    pub(super) statement: Option<Stated>,
    pub(super) cosigners: Vec<Cosigner>,
}

#[derive(Clone, Debug)]
pub(super) struct Stated {
    /// Whether the statement is dated before the day of the rotations.
    pub(super) early: bool,
    pub(super) ended: bool,
    pub(super) demands: Vec<Party>,
}

#[derive(Clone, Debug)]
pub(super) struct Cosigner {
    pub(super) party: Party,
    pub(super) early: bool,
    pub(super) ended: bool,
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Demand {
    pub(super) trusted_signer: bool,
    pub(super) signers: usize,
}

/// A release is let in, with a trusted signer or not and up to a highest risk, or is refused with an exit status.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    LetIn { trusted: bool, cap: u8 },
    Refused(u8),
}

/// The user's trust in a party for a role: a highest risk, or an exit status.
type Standing = Result<u8, u8>;

impl World {
    pub(super) fn revoked(&self, party: Party) -> Option<Kind> {
        let listed = self.listed.iter().filter(|((_, about), _)| *about == party).map(|(_, kind)| *kind);
        self.own.get(&party).copied().into_iter().chain(listed).max()
    }

    fn stolen(&self, party: Party) -> bool {
        self.revoked(party) == Some(Kind::Compromised)
    }

    fn before(&self, party: Party) -> Option<Rotation> {
        self.rotations.iter().copied().find(|rotation| rotation.new == party)
    }

    pub(super) fn after(&self, party: Party) -> Option<Rotation> {
        self.rotations.iter().copied().find(|rotation| rotation.old == party)
    }

    /// Number of rotations that led to a party.
    pub(super) fn depth(&self, party: Party) -> u64 {
        self.before(party).map_or(0, |rotation| 1 + self.depth(rotation.old))
    }

    pub(super) fn oldest(&self, party: Party) -> Party {
        self.before(party).map_or(party, |rotation| self.oldest(rotation.old))
    }

    /// The parties that a party follows from by valid rotations, and why the next rotation is not valid.
    fn past(&self, party: Party) -> (Vec<Party>, u8) {
        let has_word = self.trusted.contains_key(&party);
        let mut past = Vec::new();
        let mut at = party;
        while let Some(rotation) = self.before(at) {
            if rotation.ahead || (self.stolen(rotation.old) && !has_word) {
                return (past, 3);
            }
            past.push(rotation.old);
            at = rotation.old;
        }
        (past, 3)
    }

    fn follows(&self, party: Party, from: Party) -> bool {
        self.past(party).0.contains(&from)
    }

    /// Whether a party has stated that it no longer signs, or no longer revokes, and does not state that this act was
    /// before.
    fn has_stopped(&self, party: Party, early: bool, kept: impl Fn(&Rotation) -> bool) -> bool {
        self.after(party).is_some_and(|rotation| !rotation.ahead && !kept(&rotation) && !early)
    }

    fn vouching(&self, party: Party) -> Option<Trust> {
        let (past, _) = self.past(party);
        std::iter::once(party).chain(past).find_map(|party| self.trusted.get(&party).copied())
    }

    fn standing(&self, party: Party, early: bool, role: &str) -> Standing {
        if self.has_stopped(party, early, |rotation| rotation.keeps_signing) {
            return Err(6);
        }
        match self.vouching(party) {
            None => Err(3),
            Some(trust) if trust.ended => Err(6),
            Some(trust) if trust.role != "both" && trust.role != role => Err(30),
            Some(trust) => Ok(trust.cap),
        }
    }

    /// Whether a list of this party counts, whatever the date of the list is.
    pub(super) fn may_revoke(&self, party: Party) -> bool {
        self.revoked(party).is_none()
            && !self.has_stopped(party, false, |rotation| rotation.keeps_revoking)
            && self.vouching(party).is_some_and(|trust| !trust.ended)
    }

    pub(super) fn judge(&self, release: &Release, demand: Demand) -> Verdict {
        self.objection(release, demand).map_or_else(
            || {
                let standings = self.standings(release);
                // Expired trust allows no higher risk than it did before.
                let counted = self.counted(release);
                let caps = counted.iter().filter_map(|party| Some(self.vouching(*party)?.cap));
                Verdict::LetIn { trusted: standings[0].1.is_ok(), cap: caps.min().unwrap_or(4) }
            },
            Verdict::Refused,
        )
    }

    /// All signers, the publisher first, and the standing of each.
    fn standings(&self, release: &Release) -> Vec<(Party, Standing)> {
        let early = release.statement.as_ref().is_some_and(|stated| stated.early);
        let publisher = (release.publisher, self.standing(release.publisher, early, "publish"));
        let cosigner = |it: &Cosigner| {
            let late = self.is_late(release, it.party);
            (it.party, if late { Err(6) } else { self.standing(it.party, it.early, "cosign") })
        };
        std::iter::once(publisher).chain(release.cosigners.iter().map(cosigner)).collect()
    }

    /// Whether a cosigner no longer signs, and only its own claim says that it endorsed this release before.
    fn is_late(&self, release: &Release, cosigner: Party) -> bool {
        self.pin.as_ref().is_some_and(|pin| {
            let is_known_later = pin.signers.iter().any(|key| self.follows(*key, cosigner));
            self.has_stopped(cosigner, false, |rotation| rotation.keeps_signing)
                && !pin.files.contains(&release.file)
                && (release.version <= pin.version || is_known_later)
        })
    }

    /// The publisher, and the cosigners whose signatures count.
    fn counted(&self, release: &Release) -> Vec<Party> {
        let counts = |it: &&Cosigner| {
            !self.is_late(release, it.party)
                && !self.has_stopped(it.party, it.early, |rotation| rotation.keeps_signing)
                && self.standing(it.party, it.early, "cosign") != Err(30)
        };
        let cosigners = release.cosigners.iter().filter(counts).map(|it| it.party);
        std::iter::once(release.publisher).chain(cosigners).collect()
    }

    /// The exit status for the first objection to a release.
    fn objection(&self, release: &Release, demand: Demand) -> Option<u8> {
        let standings = self.standings(release);
        let everybody: Vec<Party> = standings.iter().map(|(party, _)| *party).collect();
        let present = self.counted(release);
        let stated = release.statement.as_ref();
        let demands = stated.map_or(&[][..], |stated| &stated.demands);
        let publisher = release.publisher;
        let has_ended =
            stated.is_some_and(|stated| stated.ended) || release.cosigners.iter().any(|it| it.ended);
        let first = match (standings[0].1, demand.trusted_signer) {
            (Err(30), _) => Some(3),
            (Err(status), true) => Some(status),
            (Err(_), false)
                if self.has_stopped(publisher, stated.is_some_and(|it| it.early), |it| it.keeps_signing) =>
            {
                Some(6)
            }
            _ => None,
        };
        let signed = |party: &Party| present.iter().any(|it| it == party || self.follows(*it, *party));
        let signed_or_before =
            |party: &Party| signed(party) || present.iter().any(|it| self.follows(*party, *it));
        let against = [
            (self.files.contains(&release.file), 6),
            (everybody.iter().any(|party| self.revoked(*party).is_some()), 6),
            (has_ended, 6),
            (self.pin.as_ref().is_some_and(|pin| pin.statement) && stated.is_none(), 4),
            (first.is_some(), first.unwrap_or(0)),
            (
                self.pin.as_ref().is_some_and(|pin| {
                    let known = pin.publisher;
                    publisher != known && !self.follows(publisher, known) && !self.follows(known, publisher)
                }),
                3,
            ),
            (!demands.iter().all(signed), 4),
            (self.pin.as_ref().is_some_and(|pin| !pin.signers.iter().all(signed_or_before)), 4),
            (self.pin.as_ref().is_some_and(|pin| release.version < pin.version), 1),
            (self.pin.as_ref().is_some_and(|pin| self.brings_news(release, pin)), 6),
            (self.lines(release, &standings) < demand.signers, 3),
        ];
        against.into_iter().find(|(speaks, _)| *speaks).map(|(_, status)| status)
    }

    /// Whether a key that no longer signs brings a new file.
    fn brings_news(&self, release: &Release, pin: &Pin) -> bool {
        let has_passed_on = self.has_stopped(release.publisher, false, |rotation| rotation.keeps_signing);
        let is_pinned_still =
            pin.publisher == release.publisher || self.follows(release.publisher, pin.publisher);
        has_passed_on
            && !pin.files.contains(&release.file)
            && (release.version == pin.version || !is_pinned_still)
    }

    /// Number of holders of trusted keys who state that they signed.
    fn lines(&self, release: &Release, standings: &[(Party, Standing)]) -> usize {
        let counts = |(place, (party, standing)): (usize, &(Party, Standing))| {
            let states = place > 0 || release.statement.is_some();
            (states && standing.is_ok()).then(|| self.oldest(*party))
        };
        standings.iter().enumerate().filter_map(counts).collect::<BTreeSet<_>>().len()
    }

    /// Remembers a release that was loaded.
    pub(super) fn load(&mut self, release: &Release) {
        let standings = self.standings(release);
        let old = self.pin.clone();
        let pinned = old.as_ref().map(|pin| pin.signers.clone()).unwrap_or_default();
        let demanded: BTreeSet<Party> =
            release.statement.iter().flat_map(|it| it.demands.clone()).chain(pinned.clone()).collect();
        let present = self.counted(release);
        let wanted = |(party, standing): &&(Party, Standing)| {
            present.contains(party)
                && (standing.is_ok() || demanded.iter().any(|it| it == party || self.follows(*party, *it)))
        };
        let seen: BTreeSet<Party> = std::iter::once(release.publisher)
            .chain(standings[1..].iter().filter(wanted).map(|(party, _)| *party))
            .collect();
        let signed = |party: &Party| present.iter().any(|it| it == party || self.follows(*it, *party));
        let signers = if pinned.iter().all(signed) { seen } else { pinned.clone() };
        let publisher = match &old {
            Some(pin) if self.follows(pin.publisher, release.publisher) => pin.publisher,
            Some(_) | None => release.publisher,
        };
        let mut files = old.as_ref().map(|pin| pin.files.clone()).unwrap_or_default();
        if !files.contains(&release.file) {
            files.push(release.file);
            files = files.split_off(files.len().saturating_sub(8));
        }
        let statement = release.statement.is_some() || old.is_some_and(|pin| pin.statement);
        self.pin = Some(Pin { publisher, version: release.version, files, signers, statement });
    }

    /// Whether a rotation is accepted.
    pub(super) fn accepts(&self, rotation: Rotation, force: bool) -> bool {
        let Rotation { old, new, ahead, .. } = rotation;
        let is_known = self.after(old).is_some_and(|known| known.new == new);
        let contradicts = self.after(old).is_some_and(|known| known.new != new)
            || self.before(new).is_some_and(|known| known.old != old)
            || std::iter::successors(Some(old), |at| self.before(*at).map(|it| it.old)).any(|at| at == new)
            || (!is_known && self.before(old).is_some_and(|known| known.ahead && !ahead));
        let is_a_start = self.trusted.contains_key(&old)
            || self.pin.as_ref().is_some_and(|pin| pin.publisher == old)
            || self.before(old).is_some();
        !contradicts
            && self.after(new).is_none()
            && (is_known || ((force || is_a_start) && !self.stolen(old)))
    }
}
