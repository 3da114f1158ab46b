//! Row threshold: k of n signers, with the same key twice, an untrusted key, one key too few, a revoked key, and two
//! keys of one publisher.

use std::fs;

use conductor_abi::Capability;
use conductor_signing::SignaturePolicy::{AcceptUnsigned, AnySigner, TrustedSigner};
use conductor_signing::{
    NewKey, PublicKey, RevocationKind, Revoked, RotationChain, RotationRequest, SignaturePolicy, SignerRule,
    SignerRuleError, SigningKey, TrustStore, UnverifiedPlugin, VerificationPolicy, VerifyError,
    rotation_path, signature_path,
};

use super::support::{self, Scratch, bare_module, document_json, module};

struct Release {
    scratch: Scratch,
    keys: Vec<SigningKey>,
    path: std::path::PathBuf,
}

impl Release {
    /// A plugin signed by the key of the scratch directory and the first `count` of three cosigners. The user trusts
    /// the signer and all cosigners but the last.
    fn new(wasm: &[u8], count: usize) -> Self {
        let scratch = Scratch::new();
        let keys: Vec<SigningKey> = (0..3).map(|_| SigningKey::generate().expect("a key")).collect();
        let path = scratch.signed(wasm);
        scratch.trusting(&[scratch.key.public_key()]);
        for (name, key) in ["ash", "birch"].into_iter().zip(&keys) {
            TrustStore::add(&scratch.path("config"), NewKey::new(name, key.public_key())).expect("added");
        }
        let release = Self { scratch, keys, path };
        release.keys.iter().take(count).for_each(|key| release.cosign(key));
        release
    }

    fn cosign(&self, key: &SigningKey) {
        support::cosign(&self.path, &[key]);
    }

    fn key(&self, place: usize) -> PublicKey {
        self.keys[place].public_key()
    }

    fn verdict(&self, signature: SignaturePolicy, rules: Vec<SignerRule>) -> Result<(), VerifyError> {
        let policy = VerificationPolicy { rules, ..VerificationPolicy::from(signature) };
        let trust = TrustStore::load(&self.scratch.path("config")).expect("loads");
        UnverifiedPlugin::read(&self.path, 1024 * 1024).expect("read").verify(&policy, &trust).map(|_| ())
    }
}

fn rule(signers: usize, keys: Vec<PublicKey>) -> SignerRule {
    SignerRule::new(vec![], vec![], signers, keys, None).expect("a rule")
}

fn short(result: Result<(), VerifyError>) -> (usize, usize) {
    match result {
        Err(VerifyError::TooFewSigners { needed, found, .. }) => (found, needed),
        other => panic!("{other:?}"),
    }
}

#[test]
fn distinct_trusted_keys_count_and_nothing_else() {
    let release = Release::new(&module(), 2);
    for policy in [AcceptUnsigned, AnySigner, TrustedSigner] {
        assert_eq!(release.verdict(policy, vec![rule(3, vec![])]), Ok(()));
        assert_eq!(short(release.verdict(policy, vec![rule(4, vec![])])), (3, 4), "one short");
    }
    // The last cosigner is not trusted.
    let release = Release::new(&module(), 3);
    assert_eq!(short(release.verdict(TrustedSigner, vec![rule(4, vec![])])), (3, 4));
    let all = vec![release.key(0), release.key(1), release.key(2)];
    assert_eq!(short(release.verdict(TrustedSigner, vec![rule(3, all.clone())])), (2, 3), "2 of 3 named");
    assert_eq!(release.verdict(TrustedSigner, vec![rule(2, all)]), Ok(()));
    // A plugin without a signature has no signer.
    fs::remove_file(signature_path(&release.path)).expect("removed");
    assert_eq!(short(release.verdict(AcceptUnsigned, vec![rule(1, vec![])])), (0, 1));
}

#[test]
fn a_key_does_not_count_twice() {
    let release = Release::new(&module(), 1);
    let mut document: serde_json::Value = serde_json::from_str(&document_json(&release.path)).expect("JSON");
    let twice = document["cosignatures"][0].clone();
    document["cosignatures"].as_array_mut().expect("a list").push(twice);
    fs::write(signature_path(&release.path), document.to_string()).expect("written");
    let refused = release.verdict(TrustedSigner, vec![rule(3, vec![])]);
    assert_eq!(refused, Err(VerifyError::SignerRepeated { key: release.key(0) }));
    let key = release.key(0);
    assert_eq!(
        SignerRule::new(vec![], vec![], 2, vec![key, key], None),
        Err(SignerRuleError::Repeated { key })
    );
}

#[test]
fn a_revoked_signer_spoils_the_whole() {
    let release = Release::new(&module(), 2);
    let revoked = Revoked::Key(release.key(1));
    TrustStore::revoke(&release.scratch.path("config"), revoked, RevocationKind::Compromised, "stolen")
        .expect("revoked");
    for rules in [vec![], vec![rule(2, vec![])]] {
        assert!(matches!(release.verdict(TrustedSigner, rules), Err(VerifyError::KeyRevoked { .. })));
    }
}

#[test]
fn two_keys_of_one_publisher_are_one_signer() {
    let release = Release::new(&module(), 0);
    let next = SigningKey::generate().expect("a key");
    let request = RotationRequest { valid_from: None, keeps: vec![conductor_signing::Purpose::Sign] };
    let chain = RotationChain::rotate(None, &release.scratch.key, &next, &request).expect("rotated");
    fs::write(rotation_path(&release.path), chain.to_json()).expect("written");
    release.cosign(&next);
    assert_eq!(release.verdict(TrustedSigner, vec![rule(1, vec![])]), Ok(()));
    assert_eq!(short(release.verdict(TrustedSigner, vec![rule(2, vec![])])), (1, 2));
    // A rule that names the new key counts it like the trusted key that it follows from.
    assert_eq!(release.verdict(TrustedSigner, vec![rule(1, vec![next.public_key()])]), Ok(()));
}

#[test]
fn rules_are_about_names_and_capabilities() {
    let release = Release::new(&module(), 0);
    let about = |plugins: &[&str], capabilities: &[Capability]| {
        let plugins = plugins.iter().map(|pattern| pattern.parse().expect("a pattern")).collect();
        let rule = SignerRule::new(plugins, capabilities.to_vec(), 2, vec![], None).expect("a rule");
        release.verdict(TrustedSigner, vec![rule])
    };
    assert_eq!(short(about(&["ch*"], &[])), (1, 2));
    assert_eq!(about(&["acme-*"], &[]), Ok(()));
    assert_eq!(short(about(&[], &[Capability::Midi])), (1, 2), "the manifest declares Midi");
    assert_eq!(about(&[], &[Capability::Subprocess]), Ok(()));
    assert_eq!(about(&["acme-*"], &[Capability::Midi]), Ok(()), "both conditions hold or neither");
}

#[test]
fn what_a_plugin_declares_later_is_held_against_the_rules_then() {
    let release = Release::new(&bare_module(), 0);
    let rule = SignerRule::new(vec![], vec![Capability::Subprocess], 2, vec![], None).expect("a rule");
    let policy = VerificationPolicy { rules: vec![rule], ..VerificationPolicy::from(TrustedSigner) };
    let trust = TrustStore::load(&release.scratch.path("config")).expect("loads");
    let plugin =
        UnverifiedPlugin::read(&release.path, 1024).expect("read").verify(&policy, &trust).expect("let in");
    let request =
        |name: &str| conductor_abi::CapabilityRequest { name: name.into(), scope: None, reason: None };
    assert_eq!(plugin.check_declared(&[]), Ok(()));
    assert_eq!(plugin.check_declared(&[request("Midi")]), Ok(()));
    assert_eq!(short(plugin.check_declared(&[request("Midi"), request("sub_process")])), (1, 2));
}

#[test]
fn rules_that_can_never_hold_are_no_rules() {
    let key = SigningKey::generate().expect("a key").public_key();
    assert_eq!(SignerRule::new(vec![], vec![], 0, vec![], None), Err(SignerRuleError::Nobody));
    assert_eq!(
        SignerRule::new(vec![], vec![], 2, vec![key], None),
        Err(SignerRuleError::TooFewKeys { signers: 2, keys: 1 })
    );
}
