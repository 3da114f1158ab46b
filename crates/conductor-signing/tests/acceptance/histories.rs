//! Random histories of what users and publishers do; each step is compared with a second judge that was written from
//! the manual.

mod reference;

use std::fmt::Write as _;
use std::path::Path;

use conductor_abi::Risk;
use conductor_signing::{
    KeyRole, NewKey, PublicKey, RevocationKind, RevocationList, Revoked, RotationChain, SignaturePolicy,
    SignerRule, TrustLevel, TrustStore, UnverifiedPlugin, UtcTime, VerificationPolicy,
};
use serde_json::json;

use self::reference::{Cosigner, Demand, Kind, Release, Rotation, Stated, Trust, Verdict, World};
use super::other::{self, Party};

const STEPS: usize = 10_000;

/// Number of steps in one history, after which a new user begins.
const LENGTH: usize = 100;

/// Number of parties in a history.
const PARTIES: u64 = 6;

/// A date before the day of all rotations. `ROTATED` is that day, and `LATE` is after it; all three are past. `AHEAD`
/// lies ahead.
const EARLY: &str = "2026-01-01T00:00:00Z";
const ROTATED: &str = "2026-03-01T00:00:00Z";
const LATE: &str = "2026-06-01T00:00:00Z";
const AHEAD: &str = "9999-12-31T23:59:59Z";

/// Random numbers that are the same in every run (xorshift64*).
struct Chance(u64);

impl Chance {
    fn below(&mut self, end: u64) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33) % end
    }

    fn one_in(&mut self, count: u64) -> bool {
        self.below(count) == 0
    }

    fn party(&mut self) -> u8 {
        u8::try_from(self.below(PARTIES)).expect("small")
    }
}

/// A user's files, and what the second judge knows of them.
struct History {
    directory: tempfile::TempDir,
    world: World,
    told: String,
}

fn key(party: u8) -> PublicKey {
    Party::of(party).key().parse().expect("a key")
}

impl History {
    fn new() -> Self {
        // The test does not depend on a disk, so it runs faster on a file system in memory, where there is one.
        let memory = Path::new("/dev/shm");
        let directory = if memory.is_dir() { tempfile::tempdir_in(memory) } else { tempfile::tempdir() };
        Self { directory: directory.expect("a directory"), world: World::default(), told: String::new() }
    }

    fn config(&self) -> &Path {
        self.directory.path()
    }

    fn tell(&mut self, step: impl std::fmt::Debug) {
        writeln!(self.told, "{step:?}").expect("written");
    }

    fn agree(&self, ours: bool, theirs: bool, what: impl std::fmt::Display) {
        assert_eq!(ours, theirs, "{what}\n{}\n{:#?}", self.told, self.world);
    }

    fn step(&mut self, chance: &mut Chance) -> Option<bool> {
        match chance.below(12) {
            0 => self.trust(chance),
            1 => self.end_trust(chance),
            2 => self.revoke(chance),
            3 => self.rotate(chance),
            4 => self.import(chance),
            _ => return Some(self.release(chance)),
        }
        None
    }

    fn trust(&mut self, chance: &mut Chance) {
        let party = chance.party();
        let cap = u8::try_from(1 + chance.below(4)).expect("small");
        let role = KeyRole::ALL[chance.below(5).saturating_sub(2) as usize % 3];
        let role = if chance.one_in(3) { role } else { KeyRole::Both };
        let max_risk = [Some(Risk::Low), Some(Risk::Medium), Some(Risk::High), None][usize::from(cap) - 1];
        self.tell(("trust", party, role, cap));
        let new = NewKey { role, max_risk, ..NewKey::new(&format!("key {party}"), key(party)) };
        let ours = TrustStore::add_despite_resemblance(self.config(), new).is_ok();
        let theirs = !self.world.trusted.contains_key(&party) && self.world.revoked(party).is_none();
        self.agree(ours, theirs, "trust");
        if theirs {
            self.world.trusted.insert(party, Trust { role: role.name(), ended: false, cap });
        }
    }

    fn end_trust(&mut self, chance: &mut Chance) {
        let (party, remove, past) = (chance.party(), chance.one_in(2), chance.one_in(2));
        self.tell(("end trust", party, remove, past));
        let selector = key(party).to_string().parse().expect("a key");
        let is_there = self.world.trusted.contains_key(&party);
        if remove {
            self.agree(TrustStore::remove(self.config(), &selector).is_ok(), is_there, "remove");
            self.world.trusted.remove(&party);
        } else {
            let until: UtcTime = if past { EARLY } else { AHEAD }.parse().expect("a time");
            let ours = TrustStore::renew(self.config(), &selector, Some(until)).is_ok();
            let theirs = is_there && self.world.revoked(party).is_none();
            self.agree(ours, theirs, "renew");
            if let Some(trust) = self.world.trusted.get_mut(&party).filter(|_| theirs) {
                trust.ended = past;
            }
        }
    }

    fn revoke(&mut self, chance: &mut Chance) {
        let (party, back) = (chance.party(), !chance.one_in(3));
        let kind = if chance.one_in(2) { Kind::Superseded } else { Kind::Compromised };
        self.tell(("revoke", party, back, kind));
        if back {
            let ours = TrustStore::unrevoke(self.config(), Revoked::Key(key(party))).is_ok();
            self.agree(ours, self.world.revoked(party).is_some(), "unrevoke");
            self.world.own.remove(&party);
            self.world.listed.retain(|(_, about), _| *about != party);
            return;
        }
        let ours = TrustStore::revoke(self.config(), Revoked::Key(key(party)), kind_of(kind), "gone").is_ok();
        let theirs = self.world.own.get(&party).is_none_or(|known| *known < kind);
        self.agree(ours, theirs, "revoke");
        if theirs {
            self.world.own.insert(party, kind);
        }
    }

    fn rotate(&mut self, chance: &mut Chance) {
        let (old, new) = (chance.party(), chance.party());
        if old == new {
            return;
        }
        let force = chance.one_in(2);
        let rotation = Rotation {
            old,
            new,
            ahead: chance.one_in(5),
            keeps_signing: chance.one_in(4),
            keeps_revoking: chance.one_in(4),
        };
        self.tell(("rotate", rotation, force));
        let keeps: Vec<&str> = [(rotation.keeps_signing, "sign"), (rotation.keeps_revoking, "revoke")]
            .into_iter()
            .filter_map(|(keeps, word)| keeps.then_some(word))
            .collect();
        let from = if rotation.ahead { AHEAD } else { ROTATED };
        let link = Party::of(old).passes_on_to(&Party::of(new), self.world.depth(old) + 1, from, &keeps);
        let chain = RotationChain::parse(other::chain(vec![link]).to_string().as_bytes()).expect("a chain");
        let accepted = TrustStore::import_rotations(self.config(), &chain, force);
        self.agree(accepted.is_ok(), self.world.accepts(rotation, force), format!("{accepted:?}"));
        if accepted.is_ok_and(|accepted| !accepted.added.is_empty()) {
            self.world.rotations.push(rotation);
        }
    }

    fn import(&mut self, chance: &mut Chance) {
        let (issuer, about, early) = (chance.party(), chance.party(), chance.one_in(2));
        let kind = if chance.one_in(2) { Kind::Superseded } else { Kind::Compromised };
        let sequence = 1 + chance.below(6);
        self.tell(("import", issuer, about, early, kind, sequence));
        let entry = json!([{
            "public_key": Party::of(about).key(), "kind": kind_of(kind).name(), "revoked_at": EARLY, "reason": "listed",
        }]);
        // Two lists with the same number are never equal here, because each names its own time.
        let at = if early { EARLY } else { LATE };
        let at = at
            .replace("00:00:00", &format!("00:{:02}:{:02}", self.told.len() / 60 % 60, self.told.len() % 60));
        let list = Party::of(issuer).revokes(sequence, &at, entry).to_string();
        let list = RevocationList::parse(list.as_bytes()).expect("a list");
        let imported = TrustStore::import_revocations(self.config(), &list, false);
        let is_next = self.world.lists.get(&issuer).is_none_or(|last| sequence > *last);
        let theirs = self.world.may_revoke(issuer) && is_next;
        self.agree(imported.is_ok(), theirs, format!("{imported:?}"));
        if theirs {
            self.world.lists.insert(issuer, sequence);
            if self.world.revoked(about).is_none_or(|known| known < kind) {
                self.world.listed.insert((issuer, about), kind);
            }
        }
    }

    /// Makes a release, judges it, and loads it if it is let in and chance decides so. Returns whether it was let in.
    fn release(&mut self, chance: &mut Chance) -> bool {
        let release = self.some_release(chance);
        let demand =
            Demand { trusted_signer: !chance.one_in(3), signers: if chance.one_in(4) { 2 } else { 0 } };
        self.tell(("release", &release, demand));
        if chance.one_in(300) {
            let file = Revoked::Digest(other::hash(&wasm_of(&release)).parse().expect("a digest"));
            TrustStore::revoke(self.config(), file, RevocationKind::Compromised, "bad")
                .unwrap_or_else(|_| panic!("once"));
            self.world.files.insert(release.file);
        }
        let plugin =
            UnverifiedPlugin::from_parts("chord.wasm", wasm_of(&release), Some(document_of(&release)));
        let signature =
            if demand.trusted_signer { SignaturePolicy::TrustedSigner } else { SignaturePolicy::AnySigner };
        let rules = match demand.signers {
            0 => Vec::new(),
            signers => vec![SignerRule::new(vec![], vec![], signers, vec![], None).expect("a rule")],
        };
        let policy = VerificationPolicy { rules, ..VerificationPolicy::from(signature) };
        let trust = TrustStore::load(self.config()).expect("loads");
        let verified = plugin.verify(&policy, &trust);
        let ours = match &verified {
            Ok(plugin) => Verdict::LetIn {
                trusted: matches!(plugin.trust(), TrustLevel::Trusted { .. }),
                cap: plugin.max_risk().map_or(4, |risk| risk as u8 + 1),
            },
            Err(error) => Verdict::Refused(error.exit_code()),
        };
        let theirs = self.world.judge(&release, demand);
        let why = verified.as_ref().err().map(ToString::to_string);
        assert_eq!(ours, theirs, "{why:?}\n{}\n{:#?}", self.told, self.world);
        if let Ok(verified) = verified
            && !chance.one_in(3)
        {
            self.tell("loaded");
            if let Some(pin) = trust.new_pin(&verified) {
                pin.record(self.config()).expect("recorded");
            }
            self.world.load(&release);
            return true;
        }
        false
    }

    fn some_release(&self, chance: &mut Chance) -> Release {
        // Mostly a known party, so that some releases are let in.
        let known = self.world.pin.as_ref().map(|pin| pin.publisher).filter(|_| !chance.one_in(3));
        let trusted: Vec<u8> = self.world.trusted.keys().copied().collect();
        let some = |chance: &mut Chance| match trusted.len() as u64 {
            0 => chance.party(),
            count if chance.one_in(4) => chance.party().max(u8::try_from(count).expect("small") - 1),
            count => trusted[usize::try_from(chance.below(count)).expect("small")],
        };
        let publisher = known.unwrap_or_else(|| some(chance));
        let floor = self.world.pin.as_ref().map_or(1, |pin| pin.version);
        let version = match chance.below(8) {
            0 => floor.saturating_sub(1).max(1),
            1 => floor + 1,
            _ => floor,
        };
        let mut parties: Vec<u8> = self.world.pin.iter().flat_map(|pin| pin.signers.clone()).collect();
        parties.retain(|_| !chance.one_in(6));
        parties.extend((0..chance.below(3)).map(|_| some(chance)));
        parties.sort_unstable();
        parties.dedup();
        parties.retain(|party| *party != publisher);
        let cosigners = parties
            .into_iter()
            .map(|party| Cosigner { party, early: !chance.one_in(3), ended: chance.one_in(40) })
            .collect();
        let statement = (!chance.one_in(8)).then(|| Stated {
            early: !chance.one_in(3),
            ended: chance.one_in(30),
            demands: if chance.one_in(6) { vec![some(chance)] } else { Vec::new() },
        });
        let statement = statement.map(|mut stated| {
            stated.demands.retain(|party| *party != publisher);
            stated
        });
        let filler = chance.below(4);
        Release { file: u64::from(version) * 16 + filler, version, publisher, statement, cosigners }
    }
}

fn kind_of(kind: Kind) -> RevocationKind {
    match kind {
        Kind::Superseded => RevocationKind::Superseded,
        Kind::Compromised => RevocationKind::Compromised,
    }
}

fn wasm_of(release: &Release) -> Vec<u8> {
    other::module(&format!("{}.0", release.version), u8::try_from(release.file % 16).expect("small"))
}

fn document_of(release: &Release) -> Vec<u8> {
    let (wasm, publisher) = (wasm_of(release), Party::of(release.publisher));
    let date = |early: bool| if early { EARLY } else { LATE };
    let end =
        |ended: bool| if ended { json!({ "expires_at": LATE }) } else { json!({ "expires_at": AHEAD }) };
    let document = match &release.statement {
        None => publisher.document(&wasm, "Ada"),
        Some(stated) => {
            let mut more = end(stated.ended);
            more["signed_at"] = date(stated.early).into();
            if !stated.demands.is_empty() {
                let keys: Vec<String> = stated.demands.iter().map(|party| Party::of(*party).key()).collect();
                more["cosigners"] = keys.into();
            }
            publisher.release(&wasm, more)
        }
    };
    let cosignature = |it: &Cosigner| {
        let mut more = end(it.ended);
        more["signed_at"] = date(it.early).into();
        more["plugin_name"] = "chord".into();
        Party::of(it.party).cosignature(&publisher, &wasm, more)
    };
    let cosignatures = release.cosigners.iter().map(cosignature).collect();
    other::with(document, cosignatures).to_string().into_bytes()
}

#[test]
fn ten_thousand_steps_are_judged_as_the_manual_says() {
    let mut chance = Chance(0x05ee_d0f5_1610_0e25);
    let (mut loaded, mut judged) = (0, 0);
    for _ in 0..STEPS / LENGTH {
        let mut history = History::new();
        for _ in 0..LENGTH {
            if let Some(was_loaded) = history.step(&mut chance) {
                judged += 1;
                loaded += usize::from(was_loaded);
            }
        }
    }
    // Histories in which nearly everything or nearly nothing is let in would test little.
    assert!(loaded > judged / 20 && judged - loaded > judged / 20, "{loaded} of {judged} were loaded");
}
