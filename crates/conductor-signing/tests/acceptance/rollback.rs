//! Row rollback: an older version, another publisher of the same name, a revoked key, a revoked file, expired trust.
//! Each is refused for its own reason, and the user's decisions count.

use std::fs;

use conductor_signing::SignaturePolicy::{AnySigner, TrustedSigner};
use conductor_signing::{
    KeySelector, NewKey, PluginFile, PluginName, RevocationKind, Revoked, SigningKey, SigningRequest,
    TrustStore, UnverifiedPlugin, UtcTime, VerificationPolicy, VerifiedPlugin, VerifyError, signature_path,
};

use super::support::{self, Scratch, bare_module, request, versioned_module};

/// A release of the plugin `chord`, signed.
fn release(scratch: &Scratch, version: &str, key: &SigningKey) -> UnverifiedPlugin {
    signed(scratch, &versioned_module(version), key, request())
}

fn signed(scratch: &Scratch, wasm: &[u8], key: &SigningKey, request: SigningRequest) -> UnverifiedPlugin {
    let path = scratch.path("release.wasm");
    fs::write(&path, wasm).expect("written");
    let document = PluginFile::scan(&path).expect("read").sign(key, request).expect("signed");
    fs::write(signature_path(&path), document.to_json()).expect("written");
    UnverifiedPlugin::read(&path, 1024 * 1024).expect("read")
}

/// A user who loads plugins.
struct User<'s>(&'s Scratch);

impl User<'_> {
    fn trust(&self) -> TrustStore {
        TrustStore::load(&self.0.path("config")).expect("loads")
    }

    fn verify(
        &self,
        policy: &VerificationPolicy,
        plugin: &UnverifiedPlugin,
    ) -> Result<VerifiedPlugin, VerifyError> {
        plugin.clone().verify(policy, &self.trust())
    }

    /// Loads a plugin as the host does, and records pins and rotations.
    fn load(&self, plugin: &UnverifiedPlugin) -> Result<VerifiedPlugin, VerifyError> {
        let trust = self.trust();
        let verified = plugin.clone().verify(&TrustedSigner.into(), &trust)?;
        let config = self.0.path("config");
        if let Some(rotations) = trust.new_rotations(&verified) {
            rotations.record(&config).expect("recorded");
        }
        if let Some(pin) = trust.new_pin(&verified) {
            pin.record(&config).expect("recorded");
        }
        Ok(verified)
    }

    fn refusal(&self, plugin: &UnverifiedPlugin) -> VerifyError {
        self.load(plugin).err().expect("refused")
    }
}

fn chord() -> PluginName {
    "chord".parse().expect("a name")
}

#[test]
fn an_older_version_does_not_come_back() {
    let scratch = Scratch::new();
    let (user, key) = (User(&scratch), &scratch.key);
    scratch.trusting(&[key.public_key()]);
    user.load(&release(&scratch, "1.2.0", key)).expect("let in");
    user.load(&release(&scratch, "1.10.0", key)).expect("newer");
    user.load(&release(&scratch, "1.10.0", key)).expect("the same");
    let old = release(&scratch, "1.9.0", key);
    let error = user.refusal(&old);
    assert!(
        matches!(&error, VerifyError::Downgrade { highest, found, .. } if highest == "1.10.0" && found == "1.9.0")
    );
    assert_eq!(error.exit_code(), 1);
    assert!(error.hint().expect("a hint").ends_with("conductor-sign trust allow-downgrade chord"));
    // Under a policy that accepts unsigned plugins, the plugin counts as unsigned.
    let unsigned =
        user.verify(&conductor_signing::SignaturePolicy::AcceptUnsigned.into(), &old).expect("let in");
    assert_eq!(unsigned.ignored_signature(), Some(&error));

    let bare = SigningRequest { plugin_name: Some(chord()), ..request() };
    let without = signed(&scratch, &bare_module(), key, bare);
    assert!(matches!(user.refusal(&without), VerifyError::VersionMissing { .. }));

    TrustStore::allow_downgrade(&scratch.path("config"), &chord(), Some("1.8".into())).expect("allowed");
    assert!(matches!(user.refusal(&release(&scratch, "1.7.9", key)), VerifyError::Downgrade { .. }));
    user.load(&old).expect("the user allowed it");
    TrustStore::allow_downgrade(&scratch.path("config"), &chord(), None).expect("allowed");
    user.load(&release(&scratch, "0.1.0", key)).expect("any version");
    user.load(&release(&scratch, "0.0.9", key)).err().expect("and that one is the floor");
}

#[test]
fn another_publisher_of_the_same_name_needs_the_users_word() {
    let scratch = Scratch::new();
    let (user, other) = (User(&scratch), SigningKey::generate().expect("a key"));
    let config = scratch.path("config");
    scratch.trusting(&[scratch.key.public_key()]);
    TrustStore::add(&config, NewKey::new("somebody else", other.public_key())).expect("added");
    user.load(&release(&scratch, "2.0.0", &scratch.key)).expect("let in");
    let theirs = release(&scratch, "3.0.0", &other);
    let error = user.refusal(&theirs);
    assert!(matches!(
        &error,
        VerifyError::PublisherChanged { pinned, found, .. }
            if *pinned == scratch.key.public_key() && *found == other.public_key()
    ));
    assert_eq!(error.exit_code(), 3);
    assert!(user.verify(&AnySigner.into(), &theirs).is_err(), "nor where any key will do");
    TrustStore::pin_publisher(&config, &chord(), other.public_key()).expect("pinned");
    user.load(&release(&scratch, "0.1.0", &other)).expect("what was demanded of the other is forgotten");
    assert!(matches!(
        user.refusal(&release(&scratch, "9.0.0", &scratch.key)),
        VerifyError::PublisherChanged { .. }
    ));
    TrustStore::unpin(&config, &chord()).expect("forgotten");
    user.load(&release(&scratch, "9.0.0", &scratch.key)).expect("as at first");
}

#[test]
fn what_was_revoked_or_has_ended_is_refused_each_for_its_reason() {
    let scratch = Scratch::new();
    let (user, config, key) = (User(&scratch), scratch.path("config"), scratch.key.public_key());
    scratch.trusting(&[key]);
    let plugin = release(&scratch, "1.0.0", &scratch.key);
    user.load(&plugin).expect("let in");
    let everybody = [conductor_signing::SignaturePolicy::AcceptUnsigned, AnySigner, TrustedSigner];

    TrustStore::revoke(&config, Revoked::Digest(plugin.digest()), RevocationKind::Compromised, "bad")
        .expect("revoked");
    for policy in everybody {
        let error = user.verify(&policy.into(), &plugin).err().expect("refused");
        assert!(matches!(error, VerifyError::DigestRevoked { .. }) && error.exit_code() == 6);
    }
    TrustStore::unrevoke(&config, Revoked::Digest(plugin.digest())).expect("taken back");
    for kind in [RevocationKind::Superseded, RevocationKind::Compromised] {
        TrustStore::revoke(&config, Revoked::Key(key), kind, "gone").expect("revoked");
        for policy in everybody {
            let error = user.verify(&policy.into(), &plugin).err().expect("refused");
            assert!(matches!(error, VerifyError::KeyRevoked { .. }) && error.exit_code() == 6);
        }
        TrustStore::unrevoke(&config, Revoked::Key(key)).expect("taken back");
    }
    let selector: KeySelector = key.to_string().parse().expect("a key");
    let past: UtcTime = "2020-01-01T00:00:00Z".parse().expect("a time");
    TrustStore::renew(&config, &selector, Some(past)).expect("ended");
    let error = user.refusal(&plugin);
    assert!(matches!(error, VerifyError::TrustExpired { .. }) && error.exit_code() == 6);
    TrustStore::renew(&config, &selector, None).expect("renewed");
    user.load(&plugin).expect("let in again");
}

#[test]
fn a_cosigner_who_signed_before_is_missed() {
    let scratch = Scratch::new();
    let (user, config) = (User(&scratch), scratch.path("config"));
    let cosigners: Vec<SigningKey> = (0..2).map(|_| SigningKey::generate().expect("a key")).collect();
    scratch.trusting(&[scratch.key.public_key()]);
    TrustStore::add(&config, NewKey::new("cosigner", cosigners[0].public_key())).expect("added");
    let cosigned = |version: &str, by: &[&SigningKey]| {
        release(&scratch, version, &scratch.key);
        let path = scratch.path("release.wasm");
        support::cosign(&path, by);
        UnverifiedPlugin::read(&path, 1024 * 1024).expect("read")
    };
    user.load(&cosigned("1.0.0", &[])).expect("one signer");
    user.load(&cosigned("1.1.0", &[&cosigners[0], &cosigners[1]])).expect("three signers");
    let error = user.refusal(&cosigned("1.2.0", &[&cosigners[1]]));
    let (key, seen_of) = (cosigners[0].public_key(), Some(chord()));
    assert_eq!(error, VerifyError::CosignerMissing { key, seen_of });
    assert!(error.to_string().starts_with("cosignature missing"));
    // Nobody trusts the other cosigner, so whoever added that signature cannot make it a demand.
    user.load(&cosigned("1.2.0", &[&cosigners[0]])).expect("the trusted one is there");
    TrustStore::unpin(&config, &chord()).expect("forgotten");
    user.load(&cosigned("1.3.0", &[])).expect("the user said so");
}

#[test]
fn a_statement_may_demand_cosigners() {
    let scratch = Scratch::new();
    let (user, cosigner) = (User(&scratch), SigningKey::generate().expect("a key"));
    scratch.trusting(&[scratch.key.public_key()]);
    let demanding = SigningRequest { cosigners: vec![cosigner.public_key()], ..request() };
    let alone = signed(&scratch, &bare_module(), &scratch.key, demanding);
    let error = user.refusal(&alone);
    assert_eq!(error, VerifyError::CosignerMissing { key: cosigner.public_key(), seen_of: None });
    let path = scratch.path("release.wasm");
    support::cosign(&path, &[&cosigner]);
    user.load(&UnverifiedPlugin::read(&path, 1024).expect("read")).expect("both signed");
}
