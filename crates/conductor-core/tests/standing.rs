//! Trust that changes: what a plugin may do, to whom its grants belong and what is reported of it follow from one
//! judgement at every moment, whatever the plugin is doing.

#![expect(
    clippy::expect_used,
    clippy::panic,
    reason = "a test that cannot be set up fails, outside its test function too"
)]

use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use conductor_abi::{Capability, Risk};
use conductor_core::grant::store::Holder;
use conductor_core::grant::{ApprovalError, Decision, GrantDuration, JudgeError};
use conductor_core::{
    Host, LoadError, Permission, Plugin, PluginOptions, PluginState, RestoreError, WasmConfig,
};
use conductor_signing::{
    Developer, NewKey, PluginFile, RevocationKind, Revoked, RotationChain, RotationRequest, SigningKey,
    SigningRequest, TrustLevel, TrustStore, VerifyError, add_manifest, manifest_from_toml, signature_path,
};
use tempfile::TempDir;

/// What happens to the user's trust in the publisher's key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Change {
    Keep,
    Cap,
    Remove,
    Expire,
    Revoke,
    Rotate,
}

const CHANGES: [Change; 6] =
    [Change::Keep, Change::Cap, Change::Remove, Change::Expire, Change::Revoke, Change::Rotate];

/// The signatures that the policy demands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Policy {
    Unsigned,
    SelfSigned,
    Trusted,
}

const POLICIES: [Policy; 3] = [Policy::Unsigned, Policy::SelfSigned, Policy::Trusted];

/// What the plugin is doing when trust changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    Loading,
    Running,
    Resting,
    Withdrawn,
}

const PHASES: [Phase; 4] = [Phase::Loading, Phase::Running, Phase::Resting, Phase::Withdrawn];

/// What must be true afterwards: how far somebody vouches and the highest risk that may be granted, or that nobody
/// vouches.
fn expected(change: Change, policy: Policy) -> Option<(&'static str, Option<Risk>)> {
    match (change, policy) {
        (Change::Keep | Change::Rotate, _) => Some(("trusted", None)),
        (Change::Cap, _) => Some(("trusted", Some(Risk::Low))),
        (Change::Revoke, _) | (Change::Remove | Change::Expire, Policy::Trusted) => None,
        (Change::Remove | Change::Expire, Policy::SelfSigned | Policy::Unsigned) => {
            Some(("self-signed", Some(Risk::Medium)))
        }
    }
}

/// A user who trusts one key, and a plugin of that key.
struct Place {
    directory: TempDir,
    key: SigningKey,
    next: SigningKey,
    policy: Policy,
}

impl Place {
    fn new(policy: Policy) -> Self {
        let directory = tempfile::tempdir().expect("a directory");
        let place = Self {
            directory,
            key: SigningKey::generate().expect("a key"),
            next: SigningKey::generate().expect("a key"),
            policy,
        };
        place.trust(None);
        place
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    fn config(&self) -> PathBuf {
        self.path("config")
    }

    fn host(&self) -> Host {
        let config = WasmConfig {
            require_signature: self.policy != Policy::Unsigned,
            allow_self_signed: self.policy == Policy::SelfSigned,
            trust_dir: Some(self.config()),
            data_dir: Some(self.path("data")),
            ..WasmConfig::default()
        };
        Host::new(config).expect("a host")
    }

    /// A plugin that asks to run a program, and whose calls end in a trap.
    fn plugin(&self) -> PathBuf {
        let wasm = wat::parse_str(
            r#"(module (memory (export "memory") 1)
                (func (export "alloc") (param i32) (result i32) (i32.const 1024))
                (func (export "execute") (param i32 i32) (result i32) unreachable))"#,
        );
        let manifest = manifest_from_toml(
            "name = \"notes\"\nversion = \"1.0\"\n[[capabilities]]\nname = \"Subprocess\"\nscope = \"/bin/echo\"\n",
        );
        let wasm = add_manifest(&wasm.expect("valid text"), &manifest.expect("a manifest"), false);
        let path = self.path("notes.wasm");
        fs::write(&path, wasm.expect("added")).expect("written");
        let request = SigningRequest::of(Developer::new("Ada", "ada@example.org").expect("a developer"));
        let document = PluginFile::scan(&path).expect("read").sign(&self.key, request).expect("signed");
        fs::write(signature_path(&path), document.to_json()).expect("written");
        path
    }

    fn trust(&self, max_risk: Option<Risk>) {
        let new = NewKey { max_risk, ..NewKey::new("Ada", self.key.public_key()) };
        TrustStore::add(&self.config(), new).expect("added");
    }

    fn change(&self, change: Change) {
        let (config, key) = (self.config(), self.key.public_key());
        let selector = key.to_string().parse().expect("a key");
        match change {
            Change::Keep => {}
            Change::Cap => {
                TrustStore::remove(&config, &selector).expect("removed");
                self.trust(Some(Risk::Low));
            }
            Change::Remove => drop(TrustStore::remove(&config, &selector).expect("removed")),
            Change::Expire => {
                let past = "2020-01-01T00:00:00Z".parse().expect("a time");
                TrustStore::renew(&config, &selector, Some(past)).expect("ended");
            }
            Change::Revoke => {
                TrustStore::revoke(&config, Revoked::Key(key), RevocationKind::Compromised, "stolen")
                    .expect("revoked");
            }
            Change::Rotate => {
                let request = RotationRequest { valid_from: None, keeps: vec![] };
                let chain = RotationChain::rotate(None, &self.key, &self.next, &request).expect("rotated");
                TrustStore::import_rotations(&config, &chain, false).expect("accepted");
            }
        }
    }

    /// Undoes the change.
    fn undo(&self, change: Change) {
        let (config, key) = (self.config(), self.key.public_key());
        match change {
            Change::Keep | Change::Cap | Change::Rotate => {}
            Change::Remove => self.trust(None),
            Change::Expire => {
                TrustStore::renew(&config, &key.to_string().parse().expect("a key"), None).expect("renewed");
            }
            Change::Revoke => {
                TrustStore::unrevoke(&config, Revoked::Key(key)).expect("taken back");
            }
        }
    }

    fn store(&self) -> TrustStore {
        TrustStore::load(&self.config()).expect("loads")
    }
}

fn approve(permission: &Permission) -> Result<(), ApprovalError> {
    let forever = GrantDuration::Always;
    permission.approve(Capability::Subprocess, None, &forever, Some("notes")).map(|_| ())
}

fn is_granted(permission: &Permission) -> bool {
    permission
        .capabilities()
        .iter()
        .any(|it| it.capability == Capability::Subprocess && matches!(it.decision, Decision::Granted(_)))
}

fn word(level: &TrustLevel) -> &'static str {
    match level {
        TrustLevel::Unsigned => "unsigned",
        TrustLevel::SelfSigned => "self-signed",
        TrustLevel::Trusted { .. } => "trusted",
    }
}

/// Asserts the present effect of the user's decision, and what is reported.
fn holds(place: &Place, permission: &Permission, vouched: (&str, Option<Risk>), cell: &str) {
    let (level, ceiling) = vouched;
    let judged = permission.vouched().expect("somebody vouches");
    assert_eq!((word(&judged.trust), judged.ceiling), (level, ceiling), "{cell}");
    assert_eq!(permission.holder(), Holder::Publisher(place.key.public_key()), "{cell}");
    let is_low = ceiling.is_some_and(|ceiling| ceiling < Risk::High);
    assert_eq!(is_granted(permission), !is_low, "{cell}: what was granted before");
    match approve(permission) {
        Ok(()) => assert!(!is_low, "{cell}"),
        Err(ApprovalError::AboveCeiling { ceiling: found, .. }) => assert_eq!(Some(found), ceiling, "{cell}"),
        Err(other) => panic!("{cell}: {other}"),
    }
    assert_eq!(is_granted(permission), !is_low, "{cell}: what is granted now");
    assert_eq!(permission.withdrawn_for(), None, "{cell}");
}

/// Asserts that nobody vouches, and that everything comes back together with the trust.
fn ends(place: &Place, permission: &Permission, change: Change, cell: &str) {
    assert!(permission.withdrawn_for().is_some(), "{cell}");
    assert!(matches!(permission.vouched(), Err(JudgeError::Refused(_))), "{cell}");
    assert!(!is_granted(permission), "{cell}");
    assert!(matches!(approve(permission), Err(ApprovalError::Judge(JudgeError::Refused(_)))), "{cell}");
    assert!(matches!(permission.restore(), Err(RestoreError::Refused(_))), "{cell}");
    place.undo(change);
    permission.restore().expect(cell);
    holds(place, permission, ("trusted", None), cell);
}

fn prepared(place: &Place) -> (Host, PathBuf, Box<dyn Plugin>) {
    let (host, path) = (place.host(), place.plugin());
    let plugin = host.load(&path, &PluginOptions::default()).expect("loads");
    approve(&plugin.permission()).expect("approved");
    assert!(is_granted(&plugin.permission()));
    (host, path, plugin)
}

fn cell(change: Change, policy: Policy, phase: Phase) {
    let cell = format!("{change:?} {policy:?} {phase:?}");
    let place = Place::new(policy);
    let (host, path, mut plugin) = prepared(&place);
    let permission = plugin.permission();
    let digest = Revoked::Digest(plugin.info().digest);
    if change == Change::Rotate {
        // A signature of the same second as the rotation does not count as signed before it.
        std::thread::sleep(Duration::from_millis(1100));
    }
    match phase {
        Phase::Loading => {
            let changed = |_: &Permission| place.change(change);
            match (host.load_registered(&path, &PluginOptions::default(), &changed), expected(change, policy))
            {
                (Ok(loaded), Some(vouched)) => holds(&place, &loaded.permission(), vouched, &cell),
                (Err(LoadError::Verify { .. }), None) => {}
                (Ok(_), None) => panic!("{cell}: let in"),
                (Err(error), _) => panic!("{cell}: {error}"),
            }
            return;
        }
        Phase::Running => {}
        Phase::Resting => {
            while plugin.state() == PluginState::Ready {
                plugin.execute(b"{}");
            }
        }
        Phase::Withdrawn => {
            TrustStore::revoke(&place.config(), digest, RevocationKind::Compromised, "bad").expect("revoked");
            assert!(matches!(permission.check(&place.store()), Some(VerifyError::DigestRevoked { .. })));
        }
    }
    place.change(change);
    if phase == Phase::Withdrawn {
        TrustStore::unrevoke(&place.config(), digest).expect("taken back");
        match (permission.restore(), expected(change, policy)) {
            (Ok(()), Some(vouched)) => holds(&place, &permission, vouched, &cell),
            (Err(RestoreError::Refused(_)), None) => ends(&place, &permission, change, &cell),
            (restored, _) => panic!("{cell}: {restored:?}"),
        }
        return;
    }
    // Before any check has looked at the files, the user's decision is already judged by their content.
    let is_high = matches!(expected(change, policy), Some((_, None)));
    assert_eq!(approve(&permission).is_ok(), is_high, "{cell}");
    permission.check(&place.store());
    match expected(change, policy) {
        Some(vouched) => holds(&place, &permission, vouched, &cell),
        None => ends(&place, &permission, change, &cell),
    }
}

#[test]
fn trust_is_judged_at_every_moment() {
    for change in CHANGES {
        for policy in POLICIES {
            for phase in PHASES {
                cell(change, policy, phase);
            }
        }
    }
}

/// No check has to come first: when a grant or a call ends, everything is decided again.
#[test]
fn refreshing_judges_as_well() {
    let place = Place::new(Policy::SelfSigned);
    let (_host, _, plugin) = prepared(&place);
    place.change(Change::Remove);
    plugin.permission().refresh().expect("decided");
    assert!(!is_granted(&plugin.permission()));
    place.change(Change::Revoke);
    plugin.permission().refresh().expect("decided");
    assert!(plugin.permission().capabilities().is_empty(), "nothing, also of what is granted without asking");
    assert!(matches!(approve(&plugin.permission()), Err(ApprovalError::Judge(JudgeError::Refused(_)))));
    plugin.permission().deny(Capability::Subprocess).expect("what is taken back is taken back");
    // A change that has ended nothing yet takes effect at the next check; if the trust has come back by then, the
    // plugin goes on.
    place.undo(Change::Revoke);
    place.undo(Change::Remove);
    assert_eq!(plugin.permission().check(&place.store()), None);
    approve(&plugin.permission()).expect("somebody vouches again");
    place.change(Change::Revoke);
    plugin.permission().refresh().expect("decided");
    assert!(matches!(plugin.permission().check(&place.store()), Some(VerifyError::KeyRevoked { .. })));
}

/// A later version of the plugin does not end the running plugin, and takes none of its trust away.
#[test]
fn what_a_later_load_shows_is_not_held_against_what_runs() {
    let place = Place::new(Policy::Trusted);
    let (_host, _, plugin) = prepared(&place);
    TrustStore::allow_downgrade(&place.config(), &"notes".parse().expect("a name"), Some("2.0".into()))
        .expect("set");
    assert_eq!(plugin.permission().check(&place.store()), None);
    holds(&place, &plugin.permission(), ("trusted", None), "later");
}
