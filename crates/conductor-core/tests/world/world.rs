//! One user's history, done for real and in the model; the two must agree after every step.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::atomic::Ordering;

use conductor_abi::{Capability, Risk};
use conductor_core::binding::Alias;
use conductor_core::grant::GrantDuration;
use conductor_core::{Host, LoadError, Outcome, Permission, Plugin, PluginOptions};
use conductor_signing::{KeySelector, NewKey, PluginName, RevocationKind, Revoked, TrustStore, UtcTime};

use crate::place::{Place, Publishers, Recorded};
use crate::step::{CAPABILITIES, File, Lasts, NAMES, Release, Step, Taken, Typed};
use crate::user::{Demand, User, Word};

/// A request that the plugins take.
const REQUEST: &[u8] = b"{}";

/// A date that is past.
const PAST: &str = "2026-01-01T00:00:00Z";

/// What happened in a world, so that a run in which nothing does is seen.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Tally {
    pub(crate) loads: u64,
    pub(crate) refusals: u64,
    pub(crate) uses: u64,
    pub(crate) denials: u64,
    pub(crate) grants: u64,
    pub(crate) stops: u64,
}

/// The real thing and the model disagree.
pub(crate) type Disagreement = String;

/// A user, and what is done for the user.
pub(crate) struct World<'p> {
    publishers: &'p Publishers,
    user: RefCell<User>,
    place: Place,
    host: Host,
    /// What lies in each slot's file.
    released: BTreeMap<u8, Release>,
    running: BTreeMap<u8, Running>,
    pub(crate) tally: Tally,
}

/// A plugin that was loaded.
struct Running {
    release: Release,
    plugin: Box<dyn Plugin>,
    /// Whether it was stopped and not let go on since.
    is_stopped: bool,
    /// Whether nobody can say if it was stopped: decisions could not be read, or its name is another plugin's now.
    may_be_stopped: bool,
}

impl<'p> World<'p> {
    pub(crate) fn new(publishers: &'p Publishers, demand: Demand) -> Self {
        let place = Place::new(demand);
        let host = place.host();
        let (released, running) = (BTreeMap::new(), BTreeMap::new());
        Self {
            publishers,
            user: RefCell::new(User::new(demand)),
            place,
            host,
            released,
            running,
            tally: Tally::default(),
        }
    }

    /// Does one step.
    pub(crate) fn step(&mut self, step: Step) -> Result<(), Disagreement> {
        // While decisions cannot be read, nobody makes others but to take something away.
        if self.user.borrow().is_broken
            && !matches!(
                step,
                Step::Load { .. }
                    | Step::Call { .. }
                    | Step::Mend
                    | Step::Unload { .. }
                    | Step::TakeAway(Taken::Capability { .. })
            )
        {
            return Ok(());
        }
        match step {
            Step::Trust { publisher, max_risk } => self.trust(publisher, max_risk),
            Step::TakeAway(taken) => {
                let permissions = self.permissions();
                self.take_away(taken, &permissions)?;
                self.expect_stopped()
            }
            Step::Unrevoke { publisher } => self.unrevoke(publisher),
            Step::UnrevokeFile { slot } => self.unrevoke_file(slot),
            Step::Publish { slot, release } => {
                self.released.insert(slot, release);
                Ok(())
            }
            Step::Load { slot, meanwhile } => self.load(slot, meanwhile),
            Step::Accept { slot, swapped } => self.accept(slot, swapped),
            Step::Unload { slot } => {
                self.running.remove(&slot);
                Ok(())
            }
            Step::Call { slot } => self.call(slot),
            Step::Resume { slot } => self.resume(slot),
            Step::Grant { slot, capability, lasts, typed } => self.grant(slot, capability, lasts, typed),
            Step::Reload => {
                let next = self.place.host().in_place_of(&self.host);
                self.running.clear();
                self.host = next;
                Ok(())
            }
            Step::Restart => {
                self.running.clear();
                self.user.borrow_mut().session_ends();
                self.host = self.place.host();
                Ok(())
            }
            Step::Audit { fails } => self.audit(fails),
            Step::Break { file, by } => {
                self.user.borrow_mut().is_broken = self.place.damage(file, by);
                Ok(())
            }
            Step::Mend => self.mend(),
        }
    }

    fn permissions(&self) -> Vec<Permission> {
        self.running.values().map(|running| running.plugin.permission()).collect()
    }

    /// What a daemon does when the trust store has changed.
    fn watch(&self, permissions: &[Permission]) {
        if let Ok(trust) = TrustStore::load(&self.place.config()) {
            for permission in permissions {
                permission.check(&trust);
            }
        }
    }

    fn selector(&self, publisher: u8) -> KeySelector {
        self.publishers.key(publisher).to_string().parse().expect("a key")
    }

    fn trust(&mut self, publisher: u8, max_risk: Option<Risk>) -> Result<(), Disagreement> {
        let new =
            NewKey { max_risk, ..NewKey::new(&format!("key {publisher}"), self.publishers.key(publisher)) };
        let done = TrustStore::add_despite_resemblance(&self.place.config(), new);
        let mut user = self.user.borrow_mut();
        agree("trust a key", user.can_trust(publisher), &done)?;
        if done.is_ok() {
            user.trusts(publisher, max_risk);
        }
        drop(user);
        self.watch(&self.permissions());
        Ok(())
    }

    /// Takes something away, for real and in the model; `permissions` are those of the plugins that are loaded or being loaded.
    fn take_away(&self, taken: Taken, permissions: &[Permission]) -> Result<(), Disagreement> {
        let (config, file) = (self.place.config(), |slot: u8| self.behind(slot));
        if let Taken::Capability { slot, capability } = taken {
            let Some(file) = file(slot) else { return Ok(()) };
            return self.deny(taken, file, capability, permissions);
        }
        let revoke = |what| TrustStore::revoke(&config, what, RevocationKind::Compromised, "gone").map(drop);
        let done = match taken {
            Taken::Trust { publisher } => TrustStore::remove(&config, &self.selector(publisher)).map(drop),
            Taken::TrustByDate { publisher } => {
                let past: UtcTime = PAST.parse().expect("a time");
                TrustStore::renew(&config, &self.selector(publisher), Some(past)).map(drop)
            }
            Taken::Key { publisher } => revoke(Revoked::Key(self.publishers.key(publisher))),
            Taken::File { slot } => match file(slot) {
                Some(file) => revoke(Revoked::Digest(self.publishers.digest(file))),
                None => return Ok(()),
            },
            Taken::Capability { .. } => Ok(()),
        };
        let mut user = self.user.borrow_mut();
        agree("take away", user.can_take(taken, file), &done)?;
        if done.is_ok() {
            user.takes(taken, file);
        }
        drop(user);
        self.watch(permissions);
        Ok(())
    }

    /// Denies a capability, as a daemon does: to what runs, or by name.
    fn deny(
        &self,
        taken: Taken,
        file: File,
        capability: Capability,
        permissions: &[Permission],
    ) -> Result<(), Disagreement> {
        let _ = self.place.log.news();
        let name: PluginName = file.name().parse().expect("a name");
        let of_name: Vec<&Permission> =
            permissions.iter().filter(|permission| *permission.plugin_name() == name).collect();
        // A denial that cannot be kept holds until the host ends, which says so.
        let is_kept = match of_name.first() {
            Some(first) => first.deny(capability).is_ok(),
            None => self.host.denials().deny(&name, capability).is_ok(),
        };
        for permission in of_name.iter().skip(1) {
            let _ = permission.refresh();
        }
        if !is_kept && !self.user.borrow().is_broken {
            return Err(format!("the denial of {capability} to {name} was not kept"));
        }
        self.user.borrow_mut().takes(taken, |slot| self.behind(slot));
        self.expect_record(Recorded::Revoked(capability), &format!("the denial of {capability}"))
    }

    /// The file that a user means by a slot: of the plugin that runs there, or else what lies there.
    fn behind(&self, slot: u8) -> Option<File> {
        let running = self.running.get(&slot).map(|running| running.release);
        running.or_else(|| self.released.get(&slot).copied()).map(|release| release.file)
    }

    /// Notes which of the running plugins the user has just stopped, and looks whether they are.
    fn expect_stopped(&mut self) -> Result<(), Disagreement> {
        let user = self.user.borrow();
        for (slot, running) in &mut self.running {
            running.may_be_stopped |= user.is_displaced(&running.release);
            if running.is_stopped {
                continue;
            }
            if let Some(objection) = user.objection(&running.release) {
                if running.plugin.permission().withdrawn_for().is_none() {
                    return Err(format!("the plugin in slot {slot} goes on, although {objection}"));
                }
                running.is_stopped = true;
                self.tally.stops += 1;
            } else if !running.may_be_stopped
                && let Some(cause) = running.plugin.permission().withdrawn_for()
            {
                return Err(format!("the plugin in slot {slot} was stopped for no reason: {cause}"));
            }
        }
        Ok(())
    }

    fn unrevoke(&self, publisher: u8) -> Result<(), Disagreement> {
        let done = TrustStore::unrevoke(&self.place.config(), Revoked::Key(self.publishers.key(publisher)));
        let mut user = self.user.borrow_mut();
        agree("withdraw a revocation", user.is_revoked(publisher), &done)?;
        user.unrevokes(publisher);
        drop(user);
        self.watch(&self.permissions());
        Ok(())
    }

    fn unrevoke_file(&self, slot: u8) -> Result<(), Disagreement> {
        let Some(file) = self.behind(slot) else { return Ok(()) };
        let done = TrustStore::unrevoke(&self.place.config(), Revoked::Digest(self.publishers.digest(file)));
        let mut user = self.user.borrow_mut();
        agree("withdraw a revocation", user.is_file_revoked(file), &done)?;
        user.unrevokes_file(file);
        drop(user);
        self.watch(&self.permissions());
        Ok(())
    }

    fn options(slot: u8) -> PluginOptions {
        let alias: Alias = format!("slot-{slot}").parse().expect("an alias");
        PluginOptions { alias: Some(alias), ..PluginOptions::default() }
    }

    fn load(&mut self, slot: u8, meanwhile: Option<Taken>) -> Result<(), Disagreement> {
        let Some(release) = self.released.get(&slot).copied() else { return Ok(()) };
        self.running.remove(&slot);
        // Nothing can be taken away by files that cannot be read.
        let meanwhile = meanwhile.filter(|_| !self.user.borrow().is_broken);
        let before = self.user.borrow().loads(slot, &release);
        let others = self.permissions();
        let disagreement = RefCell::new(None);
        let register = |permission: &Permission| {
            if let Some(taken) = meanwhile {
                let everyone: Vec<_> = others.iter().chain([permission]).cloned().collect();
                *disagreement.borrow_mut() = self.take_away(taken, &everyone).err();
            }
        };
        let _ = self.place.log.news();
        let plugin = self.publishers.plugin(&release);
        let loaded =
            self.host.load_read(Path::new("plugin.wasm"), Ok(plugin), &Self::options(slot), &register);
        if let Some(disagreement) = disagreement.into_inner() {
            return Err(disagreement);
        }
        let word = match (before, meanwhile) {
            (Word::Must, Some(_)) => Word::May,
            (word, _) => word,
        };
        self.has_loaded(slot, release, word, loaded)?;
        self.expect_stopped()
    }

    fn has_loaded(
        &mut self,
        slot: u8,
        release: Release,
        word: Word,
        loaded: Result<Box<dyn Plugin>, LoadError>,
    ) -> Result<(), Disagreement> {
        match loaded {
            Ok(plugin) => {
                if let Word::MustNot(why) = word {
                    return Err(format!("slot {slot} was loaded, although {why}"));
                }
                self.tally.loads += 1;
                self.user.borrow_mut().has_loaded(slot, &release);
                let running = Running { release, plugin, is_stopped: false, may_be_stopped: false };
                self.running.insert(slot, running);
                Ok(())
            }
            Err(cause) => {
                if word == Word::Must {
                    return Err(format!("slot {slot} was not loaded: {cause}"));
                }
                self.tally.refusals += 1;
                self.expect_record(Recorded::Refused, "the refusal")
            }
        }
    }

    fn accept(&mut self, slot: u8, swapped: Option<Release>) -> Result<(), Disagreement> {
        let Some(release) = self.released.get(&slot).copied() else { return Ok(()) };
        let (word, options) = (self.user.borrow().accepts(slot, &release), Self::options(slot));
        let is_bound = self.user.borrow().is_bound(slot);
        let question = self.host.question(self.publishers.plugin(&release), &options);
        let shown = match question {
            Ok(Some(change)) if is_bound => change.shown(),
            Ok(Some(change)) => return Err(format!("asked about a slot that nothing is bound to: {change}")),
            Ok(None) => return Ok(()),
            Err(cause) if word == Word::Must => return Err(format!("cannot be accepted: {cause}")),
            Err(_) => return Ok(()),
        };
        let swapped = swapped.filter(|other| *other != release);
        let (release, word) = match swapped {
            Some(other) => {
                self.released.insert(slot, other);
                let word = self.user.borrow().loads(slot, &other);
                // Nobody has decided about it: it is loaded only if it would have been without being asked about.
                (other, if let Word::MustNot(_) = word { word } else { Word::May })
            }
            None => (release, word),
        };
        self.running.remove(&slot);
        let _ = self.place.log.news();
        let plugin = self.publishers.plugin(&release);
        let options = PluginOptions { accepted_change: Some(shown), ..options };
        let loaded = self.host.load_read(Path::new("plugin.wasm"), Ok(plugin), &options, &|_| ());
        let word = if self.user.borrow().audit_fails && word == Word::Must { Word::May } else { word };
        let is_decided =
            swapped.is_none() && !matches!(word, Word::MustNot(_)) && !self.user.borrow().audit_fails;
        if loaded.is_err() && is_decided {
            // The decision stands, whatever becomes of the plugin then.
            self.user.borrow_mut().has_loaded(slot, &release);
        }
        self.has_loaded(slot, release, word, loaded)?;
        self.watch(&self.permissions());
        self.expect_stopped()
    }

    fn call(&mut self, slot: u8) -> Result<(), Disagreement> {
        let Some(running) = self.running.get_mut(&slot) else { return Ok(()) };
        let _ = self.place.log.news();
        let devices = (&self.place.devices.messages, &self.place.devices.volumes);
        let before = (devices.0.load(Ordering::SeqCst), devices.1.load(Ordering::SeqCst));
        let outcome = running.plugin.execute(REQUEST).outcome;
        let code = if let Outcome::Failed { code } = outcome {
            code
        } else if outcome == Outcome::Ok {
            0
        } else if running.is_stopped || running.may_be_stopped {
            return stopped(slot, &outcome);
        } else {
            return Err(format!("the plugin in slot {slot} did not run: {outcome}"));
        };
        if running.is_stopped {
            return Err(format!("the plugin in slot {slot} ran after it was stopped"));
        }
        let statuses = [code / 100 % 100, code % 100, code / 10_000];
        let happened = [
            devices.0.load(Ordering::SeqCst) > before.0,
            statuses[1] == 0,
            devices.1.load(Ordering::SeqCst) > before.1,
        ];
        let (release, records) = (running.release, self.place.log.news());
        let mut user = self.user.borrow_mut();
        for ((capability, has_happened), status) in CAPABILITIES.into_iter().zip(happened).zip(statuses) {
            let told = format!("{capability} by the plugin in slot {slot} (status {status})");
            match user.uses(&release, capability) {
                Word::MustNot(why) if has_happened => return Err(format!("{told} happened, although {why}")),
                Word::Must if !has_happened => {
                    return Err(format!("{told} did not happen: {}", self.decisions(slot)));
                }
                Word::Must | Word::MustNot(_) | Word::May => {
                    user.has_used(&release, capability, has_happened)
                }
            }
            if has_happened {
                self.tally.uses += 1;
            } else {
                self.tally.denials += 1;
            }
            let recorded =
                if has_happened { Recorded::Used(capability) } else { Recorded::Denied(capability) };
            // Files are not asked for one by one, and what is of lower risk is recorded after it was done.
            let is_told = capability != Capability::Filesystem
                && (!has_happened || capability.risk() == Risk::High)
                && !user.audit_fails;
            if is_told && !records.contains(&recorded) {
                return Err(format!("{told} is not on record: {records:?}"));
            }
        }
        Ok(())
    }

    fn decisions(&self, slot: u8) -> String {
        let Some(running) = self.running.get(&slot) else { return String::new() };
        running
            .plugin
            .permission()
            .capabilities()
            .iter()
            .map(ToString::to_string)
            .collect::<Vec<_>>()
            .join("; ")
    }

    fn resume(&mut self, slot: u8) -> Result<(), Disagreement> {
        let user = self.user.borrow();
        let Some(running) = self.running.get_mut(&slot).filter(|running| !running.may_be_stopped) else {
            return Ok(());
        };
        let done = running.plugin.permission().restore();
        match (user.objection(&running.release), &done) {
            (Some(objection), Ok(())) => {
                return Err(format!("slot {slot} goes on again, although {objection}"));
            }
            (None, Err(cause)) => return Err(format!("slot {slot} does not go on again: {cause}")),
            _ => {}
        }
        running.is_stopped &= done.is_err();
        Ok(())
    }

    fn grant(
        &mut self,
        slot: u8,
        capability: Capability,
        lasts: Lasts,
        typed: Typed,
    ) -> Result<(), Disagreement> {
        let Some(running) =
            self.running.get(&slot).filter(|running| !running.is_stopped && !running.may_be_stopped)
        else {
            return Ok(());
        };
        let (release, permission) = (running.release, running.plugin.permission());
        let duration = match lasts {
            Lasts::Always => GrantDuration::Always,
            Lasts::Session => GrantDuration::Session,
            Lasts::Once => GrantDuration::Once,
        };
        let _ = self.place.log.news();
        let typed_name = match typed {
            Typed::Name => Some(release.file.name()),
            Typed::Other => Some(NAMES[usize::from(release.file.name + 1) % NAMES.len()]),
            Typed::Nothing => None,
        };
        let done = permission.approve(capability, None, &duration, typed_name);
        let mut user = self.user.borrow_mut();
        match (user.can_grant(&release, capability, typed), &done) {
            (Word::MustNot(why), Ok(_)) => return Err(format!("{capability} was granted, although {why}")),
            (Word::Must, Err(cause)) => return Err(format!("{capability} was not granted: {cause}")),
            _ => {}
        }
        if done.is_err() {
            return Ok(());
        }
        user.grants(&release, capability, lasts);
        drop(user);
        self.tally.grants += 1;
        // Others of the name learn of it as of any change of the file.
        for other in self.permissions() {
            let _ = other.refresh();
        }
        self.expect_record(Recorded::Granted(capability), &format!("the grant of {capability}"))
    }

    fn audit(&self, fails: bool) -> Result<(), Disagreement> {
        self.user.borrow_mut().audit_fails = fails;
        self.place.log.is_full.store(fails, Ordering::SeqCst);
        if !fails {
            self.decide_again();
        }
        Ok(())
    }

    fn mend(&mut self) -> Result<(), Disagreement> {
        if self.place.mend() {
            self.user.borrow_mut().is_broken = false;
            self.watch(&self.permissions());
            self.decide_again();
        }
        self.expect_stopped()
    }

    /// What a daemon does when files of decisions have changed.
    fn decide_again(&self) {
        for permission in self.permissions() {
            let _ = permission.refresh();
        }
    }

    fn expect_record(&self, record: Recorded, what: &str) -> Result<(), Disagreement> {
        let records = self.place.log.news();
        if self.user.borrow().audit_fails || records.contains(&record) {
            return Ok(());
        }
        Err(format!("{what} is not on record: {records:?}"))
    }
}

/// The real thing did what the model says, or did not.
fn agree<T, E: std::fmt::Display>(
    what: &str,
    expected: bool,
    done: &Result<T, E>,
) -> Result<(), Disagreement> {
    match done {
        Ok(_) if !expected => Err(format!("could {what}, which nobody can")),
        Err(cause) if expected => Err(format!("could not {what}: {cause}")),
        _ => Ok(()),
    }
}

/// A plugin that was stopped says so, and nothing else.
fn stopped(slot: u8, outcome: &Outcome) -> Result<(), Disagreement> {
    if let Outcome::Suspended { .. } = outcome {
        Ok(())
    } else {
        Err(format!("the stopped plugin in slot {slot} ended otherwise: {outcome}"))
    }
}
