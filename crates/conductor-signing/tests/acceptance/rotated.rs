//! How a chain of rotations beside a plugin affects the decision about the plugin.

use std::fs;
use std::path::PathBuf;

use conductor_signing::SignaturePolicy::{AnySigner, TrustedSigner};
use conductor_signing::{
    KeyRole, NewKey, PluginFile, PublicKey, Purpose, RevocationKind, Revoked, RotationChain, RotationError,
    RotationRequest, SigningKey, Standing, TrustLevel, TrustStore, UnverifiedPlugin, UtcTime, VerifiedPlugin,
    VerifyError, rotation_path, signature_path,
};

use super::support::{Scratch, cosign, module, request, versioned_module};

/// A user who trusts the first of a publisher's keys.
struct Story {
    scratch: Scratch,
    next: SigningKey,
}

impl Story {
    fn new() -> Self {
        let scratch = Scratch::new();
        scratch.trusting(&[scratch.key.public_key()]);
        Self { scratch, next: SigningKey::generate().expect("a key") }
    }

    fn config(&self) -> PathBuf {
        self.scratch.path("config")
    }

    fn first(&self) -> PublicKey {
        self.scratch.key.public_key()
    }

    fn rotate(&self, request: &RotationRequest) -> RotationChain {
        RotationChain::rotate(None, &self.scratch.key, &self.next, request).expect("rotated")
    }

    fn plain(&self) -> RotationChain {
        self.rotate(&RotationRequest { valid_from: None, keeps: vec![] })
    }

    /// A plugin signed by `key`, with a chain beside it.
    fn release(&self, key: &SigningKey, chain: Option<&RotationChain>) -> UnverifiedPlugin {
        self.release_of(&module(), key, chain)
    }

    fn release_of(&self, wasm: &[u8], key: &SigningKey, chain: Option<&RotationChain>) -> UnverifiedPlugin {
        let path = self.scratch.path("plugin.wasm");
        fs::write(&path, wasm).expect("written");
        let document = PluginFile::scan(&path).expect("read").sign(key, request()).expect("signed");
        fs::write(signature_path(&path), document.to_json()).expect("written");
        match chain {
            Some(chain) => fs::write(rotation_path(&path), chain.to_json()).expect("written"),
            None => fs::remove_file(rotation_path(&path)).unwrap_or_default(),
        }
        UnverifiedPlugin::read(&path, 1024 * 1024).expect("read")
    }

    fn trust(&self) -> TrustStore {
        TrustStore::load(&self.config()).expect("loads")
    }

    fn verify(&self, plugin: &UnverifiedPlugin) -> Result<VerifiedPlugin, VerifyError> {
        plugin.clone().verify(&TrustedSigner.into(), &self.trust())
    }

    fn load(&self, plugin: &UnverifiedPlugin) -> VerifiedPlugin {
        let trust = self.trust();
        let verified = plugin.clone().verify(&TrustedSigner.into(), &trust).expect("let in");
        if let Some(rotations) = trust.new_rotations(&verified) {
            rotations.record(&self.config()).expect("recorded");
        }
        if let Some(pin) = trust.new_pin(&verified) {
            pin.record(&self.config()).expect("recorded");
        }
        verified
    }

    fn revoke(&self, key: PublicKey, kind: RevocationKind) {
        TrustStore::revoke(&self.config(), Revoked::Key(key), kind, "because").expect("revoked");
    }
}

#[test]
fn a_new_key_loads_where_the_old_one_was_trusted() {
    let story = Story::new();
    story.load(&story.release(&story.scratch.key, None));
    let bare = story.release(&story.next, None);
    assert!(matches!(story.verify(&bare), Err(VerifyError::Untrusted { .. })));
    let loaded = story.load(&story.release(&story.next, Some(&story.plain())));
    assert_eq!(loaded.trust(), &TrustLevel::Trusted { key_name: "friend".into() });
    // From now on the chain is accepted, and the pin has moved to the new key.
    let pin = story.trust();
    let pin = pin.pin(loaded.name()).expect("pinned");
    assert_eq!(pin.publisher().map(|publisher| publisher.key), Some(story.next.public_key()));
    story.load(&story.release(&story.next, None));
    // A user who stops trusting the first key stops trusting the keys that follow from it.
    TrustStore::remove(&story.config(), &story.first().to_string().parse().expect("a key")).expect("removed");
    assert!(matches!(story.verify(&story.release(&story.next, None)), Err(VerifyError::Untrusted { .. })));
}

#[test]
fn limits_of_trust_are_handed_on() {
    let scratch = Scratch::new();
    let bound = NewKey {
        plugins: Some(vec!["acme-*".parse().expect("a pattern")]),
        ..NewKey::new("friend", scratch.key.public_key())
    };
    TrustStore::add(&scratch.path("config"), bound).expect("added");
    let story = Story { scratch, next: SigningKey::generate().expect("a key") };
    let plugin = story.release(&story.next, Some(&story.plain()));
    assert!(matches!(story.verify(&plugin), Err(VerifyError::OtherPlugins { .. })));
}

#[test]
fn the_old_key_signs_no_more_but_what_it_signed_before_stays() {
    let story = Story::new();
    let before = story.release(&story.scratch.key, None);
    let later: UtcTime = "2999-01-01T00:00:00Z".parse().expect("a time");
    let announced = story.rotate(&RotationRequest { valid_from: Some(later), keeps: vec![] });
    let early = story.release(&story.next, Some(&announced));
    assert!(matches!(story.verify(&early), Err(VerifyError::KeyNotYetActive { .. })));
    assert!(story.verify(&story.release(&story.scratch.key, Some(&announced))).is_ok());

    std::thread::sleep(std::time::Duration::from_millis(1100));
    TrustStore::import_rotations(&story.config(), &story.plain(), false).expect("accepted");
    assert!(story.verify(&before).is_ok(), "signed before the rotation");
    std::thread::sleep(std::time::Duration::from_millis(1100));
    let after = story.release(&story.scratch.key, None);
    let error = story.verify(&after).err().expect("refused");
    assert!(matches!(error, VerifyError::KeySuperseded { by, .. } if by == story.next.public_key()));
    assert_eq!(error.exit_code(), 6);
    assert!(
        after.clone().verify(&AnySigner.into(), &story.trust()).is_err(),
        "it is the publisher's own word"
    );
}

/// The date in a statement is only the signer's claim: a thief with an old key may write a date from before the
/// rotation.
#[test]
fn an_old_key_signs_no_version_above_what_the_new_one_signed() {
    let story = Story::new();
    let release = |version: &str| story.release_of(&versioned_module(version), &story.scratch.key, None);
    let (last, backdated) = (release("1.0.0"), release("1.2.0"));
    std::thread::sleep(std::time::Duration::from_millis(1100));
    story.load(&story.release_of(&versioned_module("1.1.0"), &story.next, Some(&story.plain())));
    let error = story.verify(&backdated).err().expect("refused");
    assert!(matches!(error, VerifyError::KeySuperseded { by, .. } if by == story.next.public_key()));
    assert!(matches!(story.verify(&last), Err(VerifyError::Downgrade { .. })));
}

/// Allowing older versions does not let in a key that could not sign them now.
#[test]
fn going_back_lets_an_old_key_bring_what_it_brought_before_and_nothing_else() {
    let name = "chord".parse().expect("a name");
    let refused = |story: &Story, plugin: &UnverifiedPlugin| {
        let error = story.verify(plugin).err().expect("refused");
        assert!(matches!(error, VerifyError::KeySuperseded { by, .. } if by == story.next.public_key()));
    };
    let story = Story::new();
    let release = |version: &str| story.release_of(&versioned_module(version), &story.scratch.key, None);
    let (loaded, unknown) = (release("1.0.0"), release("0.9.0"));
    let (other, backdated) = (release("1.0.0+other"), release("99.0.0"));
    story.load(&loaded);
    std::thread::sleep(std::time::Duration::from_millis(1100));
    story.load(&story.release_of(&versioned_module("1.1.0"), &story.next, Some(&story.plain())));
    for floor in [None, Some("1.0.0".to_owned())] {
        TrustStore::allow_downgrade(&story.config(), &name, floor).expect("allowed");
        refused(&story, &backdated);
        refused(&story, &other);
        assert!(story.verify(&loaded).is_ok(), "it was loaded before");
    }
    TrustStore::allow_downgrade(&story.config(), &name, None).expect("allowed");
    refused(&story, &unknown);

    // A user who pins the plugin to the new key means the new key.
    TrustStore::unpin(&story.config(), &name).expect("forgotten");
    TrustStore::pin_publisher(&story.config(), &name, story.next.public_key()).expect("pinned");
    for plugin in [&loaded, &unknown, &other, &backdated] {
        refused(&story, plugin);
    }
    TrustStore::pin_publisher(&story.config(), &name, story.first()).expect("pinned");
    assert!(story.verify(&unknown).is_ok(), "the user's decision about the old key");
}

#[test]
fn an_old_key_may_keep_signing() {
    let story = Story::new();
    let chain = story.rotate(&RotationRequest { valid_from: None, keeps: vec![Purpose::Sign] });
    TrustStore::import_rotations(&story.config(), &chain, false).expect("accepted");
    std::thread::sleep(std::time::Duration::from_millis(1100));
    assert!(story.verify(&story.release(&story.scratch.key, None)).is_ok());
    assert!(story.verify(&story.release(&story.next, None)).is_ok());
}

#[test]
fn a_chain_that_does_not_hold_spoils_the_plugin() {
    let story = Story::new();
    let plugin = story.release(&story.scratch.key, None);
    for bent in [b"{}".to_vec(), vec![b' '; 64 * 1024 + 1]] {
        let refused = story.verify(&plugin.clone().with_rotation(bent));
        assert!(matches!(refused, Err(VerifyError::Rotation(_))));
    }
    TrustStore::import_rotations(&story.config(), &story.plain(), false).expect("accepted");
    let thief = SigningKey::generate().expect("a key");
    let request = RotationRequest { valid_from: None, keeps: vec![] };
    let fork = RotationChain::rotate(None, &story.scratch.key, &thief, &request).expect("rotated");
    let refused = story.verify(&story.release(&thief, Some(&fork)));
    let Err(VerifyError::Rotation(error)) = refused else { panic!("not refused") };
    assert!(matches!(*error, RotationError::Fork { accepted, .. } if accepted == story.next.public_key()));
}

#[test]
fn what_followed_from_a_stolen_key_waits_for_the_users_word() {
    let story = Story::new();
    let unknown = story.release(&story.next, Some(&story.plain()));
    story.revoke(story.first(), RevocationKind::Compromised);
    assert!(matches!(
        story.verify(&unknown),
        Err(VerifyError::RotationFromCompromised { accepted: false, .. })
    ));
    TrustStore::unrevoke(&story.config(), Revoked::Key(story.first())).expect("taken back");

    story.load(&unknown);
    let known = story.release(&story.next, None);
    story.revoke(story.first(), RevocationKind::Compromised);
    let error = story.verify(&known).err().expect("refused");
    assert!(matches!(error, VerifyError::RotationFromCompromised { accepted: true, .. }));
    assert!(
        !error.hint().expect("a hint").contains(&story.next.public_key().to_string()),
        "nothing to paste"
    );
    TrustStore::add(&story.config(), NewKey::new("the new one", story.next.public_key()))
        .expect("the user's decision");
    story.load(&known);
}

#[test]
fn what_followed_from_a_key_out_of_use_stays() {
    let story = Story::new();
    story.revoke(story.first(), RevocationKind::Superseded);
    let plugin = story.release(&story.next, Some(&story.plain()));
    let loaded = story.load(&plugin);
    assert_eq!(loaded.trust(), &TrustLevel::Trusted { key_name: "friend".into() });
    let old = story.release(&story.scratch.key, None);
    assert!(matches!(story.verify(&old), Err(VerifyError::KeyRevoked { .. })));
    let decision = plugin.file().judge(&TrustedSigner.into(), &story.trust());
    let standing = decision.signature().expect("holds").standing().clone();
    assert!(matches!(standing, Standing::Trusted { root, .. } if root == story.first()));
}

/// After an auditor's key was rotated, the old key endorses nothing new: neither in a statement dated after the
/// rotation, nor in one dated before it, once the new key was met.
#[test]
fn a_cosigner_that_passed_on_endorses_nothing_new() {
    let story = Story::new();
    let (old, new) = (SigningKey::generate().expect("a key"), SigningKey::generate().expect("a key"));
    TrustStore::add(&story.config(), NewKey::new("auditor", old.public_key())).expect("added");
    let release = |version: &str, cosigner: &SigningKey| {
        story.release_of(&versioned_module(version), &story.scratch.key, None);
        cosign(&story.scratch.path("plugin.wasm"), &[cosigner]);
        UnverifiedPlugin::read(&story.scratch.path("plugin.wasm"), 1024 * 1024).expect("read")
    };
    // Dated as a thief with the old key would date it: before the rotation.
    let early = release("2.0.0", &old);
    std::thread::sleep(std::time::Duration::from_millis(1100));
    let request = RotationRequest { valid_from: None, keeps: vec![] };
    let chain = RotationChain::rotate(None, &old, &new, &request).expect("rotated");
    TrustStore::import_rotations(&story.config(), &chain, false).expect("accepted");
    assert!(story.verify(&early).is_ok(), "nothing is known of the plugin yet");
    story.load(&release("1.0.0", &new));

    let is_missing = |plugin: &UnverifiedPlugin| match story.verify(plugin) {
        Err(VerifyError::CosignerMissing { key, .. }) => key == new.public_key(),
        Err(_) | Ok(_) => false,
    };
    assert!(is_missing(&early), "dated before");
    std::thread::sleep(std::time::Duration::from_millis(1100));
    assert!(is_missing(&release("2.0.0", &old)), "signed after");
    assert!(story.verify(&release("2.0.0", &new)).is_ok());
}

#[test]
fn a_cosigner_in_another_role_is_none() {
    let story = Story::new();
    let auditor = SigningKey::generate().expect("a key");
    let add = |role| {
        let key = NewKey { role, ..NewKey::new("auditor", auditor.public_key()) };
        TrustStore::add(&story.config(), key).expect("added");
    };
    add(KeyRole::Cosign);
    story.release(&story.scratch.key, None);
    cosign(&story.scratch.path("plugin.wasm"), &[&auditor]);
    let plugin = UnverifiedPlugin::read(&story.scratch.path("plugin.wasm"), 1024 * 1024).expect("read");
    story.load(&plugin);
    let key = auditor.public_key().to_string().parse().expect("a key");
    TrustStore::remove(&story.config(), &key).expect("removed");
    add(KeyRole::Publish);
    assert!(matches!(story.verify(&plugin), Err(VerifyError::CosignerMissing { .. })));
}
