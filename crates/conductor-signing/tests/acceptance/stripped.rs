//! Row stripped: a document whose statement was removed, so that none of its limits are known any more.

use std::fs;
use std::thread;
use std::time::Duration;

use conductor_signing::RequireStatement::{Always, Never, OnceSeen};
use conductor_signing::SignaturePolicy::{AcceptUnsigned, AnySigner, TrustedSigner};
use conductor_signing::{
    PluginFile, RequireStatement, SigningRequest, TrustError, TrustLevel, TrustStore, UnverifiedPlugin,
    UtcTime, VerifiedPlugin, VerifyError, atomic_file, signature_path,
};

use super::support::{Scratch, bare_module, document_json, module, needs, parts, read, request};

/// The document as an attacker leaves it: valid, and without a statement.
fn stripped(json: &str) -> String {
    let mut document: serde_json::Value = serde_json::from_str(json).expect("JSON");
    let members = document.as_object_mut().expect("an object");
    for member in ["statement", "statement_signature"] {
        members.remove(member).expect("it was there");
    }
    document.to_string()
}

/// Records a load, and returns the store as the next load finds it.
fn loaded(scratch: &Scratch, trust: &TrustStore, plugin: &VerifiedPlugin) -> TrustStore {
    let config = scratch.path("config");
    trust.new_pin(plugin).expect("something new").record(&config).expect("recorded");
    TrustStore::load(&config).expect("loads")
}

fn refusal(plugin: UnverifiedPlugin, requirement: RequireStatement, trust: &TrustStore) -> VerifyError {
    let of = |policy| plugin.clone().verify(&needs(policy, requirement), trust).err().expect("refused");
    let error = of(AnySigner);
    assert_eq!(of(TrustedSigner), error);
    assert_eq!(error.exit_code(), 4);
    // Under a policy that accepts unsigned plugins, the plugin counts as unsigned.
    let plugin = plugin.verify(&needs(AcceptUnsigned, requirement), trust).expect("let in");
    assert_eq!((plugin.trust(), plugin.ignored_signature()), (&TrustLevel::Unsigned, Some(&error)));
    assert_eq!(trust.new_pin(&plugin), None);
    error
}

#[test]
fn a_statement_that_was_seen_cannot_be_dropped() {
    let scratch = Scratch::new();
    let path = scratch.signed(&module());
    let trust = scratch.trusting(&[scratch.key.public_key()]);
    let json = stripped(&document_json(&path));

    // No plugin of this name was loaded with a statement, so nobody can know that there was one.
    let plugin = parts(&module(), &json).verify(&needs(TrustedSigner, OnceSeen), &trust).expect("let in");
    assert!(!plugin.signer().expect("signed").authenticated);
    let trust = loaded(&scratch, &trust, &plugin);
    assert_eq!(trust.statement_seen_at(plugin.name()), None, "no statement was seen");

    let whole = read(&path).verify(&needs(TrustedSigner, OnceSeen), &trust).expect("let in");
    let trust = loaded(&scratch, &trust, &whole);
    assert_eq!(trust.new_pin(&whole), None, "the second load changes nothing");
    let error = refusal(parts(&module(), &json), OnceSeen, &trust);
    let seen_at = trust.statement_seen_at(whole.name()).expect("pinned").clone();
    assert_eq!(error, VerifyError::StatementStripped { name: whole.name().clone(), seen_at });
    assert!(error.to_string().starts_with("statement stripped: plugin `chord`"), "{error}");
    let hint = error.hint().expect("a hint");
    assert!(hint.ends_with("conductor-sign trust unpin chord"), "{hint}");
    // A document without a statement is refused also when another key signed it, and the tools judge it in the same
    // way.
    let other = Scratch::new();
    let json = stripped(&document_json(&other.signed(&module())));
    assert_eq!(
        parts(&module(), &json).verify(&needs(AnySigner, OnceSeen), &trust).err(),
        Some(error.clone())
    );
    fs::write(signature_path(&path), json).expect("written");
    assert_eq!(
        PluginFile::scan(&path).expect("read").judge(&needs(AnySigner, OnceSeen), &trust).refusal(),
        Some(&error)
    );
}

#[test]
fn always_and_never_ask_no_pin() {
    let scratch = Scratch::new();
    let path = scratch.signed(&module());
    let trust = scratch.trusting(&[scratch.key.public_key()]);
    let json = stripped(&document_json(&path));
    let error = refusal(parts(&module(), &json), Always, &trust);
    assert_eq!(error, VerifyError::StatementMissing { file_name: "plugin.wasm".into() });
    assert!(error.hint().is_some_and(|hint| hint.contains("require_statement")));
    let whole = read(&path).verify(&needs(TrustedSigner, Always), &trust).expect("let in");
    let trust = loaded(&scratch, &trust, &whole);
    for policy in [AcceptUnsigned, AnySigner, TrustedSigner] {
        let plugin = parts(&module(), &json).verify(&needs(policy, Never), &trust).expect("let in");
        assert!(!plugin.signer().expect("signed").authenticated);
    }
}

/// Why the requirement matters: without the statement, the expiry that it sets would be gone.
#[test]
fn an_expired_plugin_stays_refused_without_its_statement() {
    let scratch = Scratch::new();
    let soon: UtcTime =
        format!("{}Z", &(UtcTime::now().timestamp() + Duration::from_secs(2)).to_string()[..19])
            .parse()
            .expect("a time");
    let path = scratch.signed_as(&module(), SigningRequest { expires_at: Some(soon.clone()), ..request() });
    let trust = scratch.trusting(&[scratch.key.public_key()]);
    let plugin = read(&path).verify(&needs(TrustedSigner, OnceSeen), &trust).expect("let in");
    let trust = loaded(&scratch, &trust, &plugin);
    while !soon.is_past(UtcTime::now().timestamp()) {
        thread::sleep(Duration::from_millis(50));
    }
    assert_eq!(
        read(&path).verify(&needs(TrustedSigner, OnceSeen), &trust).err(),
        Some(VerifyError::Expired { at: soon })
    );
    let error = refusal(parts(&module(), &stripped(&document_json(&path))), OnceSeen, &trust);
    assert!(matches!(error, VerifyError::StatementStripped { .. }), "{error}");
}

/// Without a manifest, the plugin loses its name together with the statement, and gets the name of its file.
#[test]
fn a_name_from_the_statement_does_not_hide_the_plugin() {
    let scratch = Scratch::new();
    let named = SigningRequest { plugin_name: Some("chord".parse().expect("a name")), ..request() };
    let path = scratch.signed_as(&bare_module(), named);
    let trust = scratch.trusting(&[scratch.key.public_key()]);
    let whole = read(&path).verify(&needs(TrustedSigner, OnceSeen), &trust).expect("let in");
    assert_eq!(whole.name().as_str(), "chord");
    let trust = loaded(&scratch, &trust, &whole);
    let json = stripped(&document_json(&path));
    for file in ["plugin.wasm", "chord.wasm"] {
        let json = json.clone().into_bytes();
        let error = refusal(UnverifiedPlugin::from_parts(file, bare_module(), Some(json)), OnceSeen, &trust);
        assert!(matches!(error, VerifyError::StatementStripped { .. }), "{error}");
    }
}

#[test]
fn broken_pins_stop_loading() {
    let scratch = Scratch::new();
    scratch.trusting(&[scratch.key.public_key()]);
    let pins = scratch.path("config/pins.toml");
    atomic_file::replace(&pins, b"version = 1\n[[pins]]\n", atomic_file::PRIVATE).expect("written");
    let error = TrustStore::load(&scratch.path("config")).expect_err("refused");
    assert!(matches!(error, TrustError::Syntax { line: 2, .. }), "{error}");
}
