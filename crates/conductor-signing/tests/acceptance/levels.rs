//! The trust level that each policy gives each kind of plugin.

use std::fs;

use conductor_signing::RequireStatement::OnceSeen;
use conductor_signing::SignaturePolicy::{AcceptUnsigned, AnySigner, TrustedSigner};
use conductor_signing::{
    Digest, ModuleError, ReadError, SignError, SigningRequest, Standing, TrustLevel, TrustStore,
    UnverifiedPlugin, UtcTime, VerifyError, atomic_file, signature_path,
};

use super::support::{Scratch, bare_module, document_json, module, needs, parts, read, request};

#[test]
fn a_signature_counts_for_what_it_proves() {
    let scratch = Scratch::new();
    let path = scratch.signed(&module());
    let key = scratch.key.public_key();
    let (nobody, friend) = (TrustStore::default(), scratch.trusting(&[key]));
    let trusted = TrustLevel::Trusted { key_name: "friend".into() };
    for (policy, trust, level) in [
        (AcceptUnsigned, &nobody, TrustLevel::SelfSigned),
        (AcceptUnsigned, &friend, trusted.clone()),
        (AnySigner, &nobody, TrustLevel::SelfSigned),
        (AnySigner, &friend, trusted.clone()),
        (TrustedSigner, &friend, trusted),
    ] {
        let plugin = read(&path).verify(&needs(policy, OnceSeen), trust).expect("let in");
        assert_eq!(plugin.trust(), &level, "{policy:?}");
        assert_eq!(plugin.bytes(), module());
        assert_eq!(plugin.digest(), Digest::from_bytes(&module()));
        assert_eq!(plugin.name().as_str(), "chord");
        assert_eq!(plugin.manifest().map(|manifest| manifest.version.as_str()), Some("1.0.0"));
        let signer = plugin.signer().expect("a signer");
        assert_eq!((signer.key, signer.developer.name(), signer.authenticated), (key, "Ada", true));
        assert_eq!(plugin.ignored_signature(), None);
    }
    let refusal = read(&path).verify(&needs(TrustedSigner, OnceSeen), &nobody).err().expect("refused");
    assert_eq!(refusal, VerifyError::Untrusted { key, developer: "Ada".into() });
    assert_eq!(refusal.exit_code(), 3);
    // The hint names the command, but without the key of this file: a user who pastes it would trust whoever wrote the
    // file.
    let hint = refusal.hint().expect("a hint");
    assert!(
        hint.ends_with("conductor-sign trust add <key> <name>") && !hint.contains(&key.to_string()),
        "{hint}"
    );
}

#[test]
fn an_unsigned_plugin_needs_the_policy_that_says_so() {
    let scratch = Scratch::new();
    let path = scratch.path("my_plugin.wasm");
    fs::write(&path, bare_module()).expect("written");
    let trust = TrustStore::default();
    let plugin = read(&path).verify(&needs(AcceptUnsigned, OnceSeen), &trust).expect("let in");
    assert_eq!(
        (plugin.trust(), plugin.signer(), plugin.name().as_str()),
        (&TrustLevel::Unsigned, None, "my_plugin")
    );
    for policy in [AnySigner, TrustedSigner] {
        let refusal = read(&path).verify(&needs(policy, OnceSeen), &trust).err().expect("refused");
        assert_eq!(refusal, VerifyError::NoSignature { file_name: "my_plugin.wasm".into() });
        assert_eq!(refusal.exit_code(), 5);
    }
}

#[test]
fn an_ignored_signature_leaves_a_mark() {
    let scratch = Scratch::new();
    let path = scratch.signed(&module());
    let json = document_json(&path);
    let other = [module(), vec![11, 1, 0]].concat();
    let plugin = parts(&other, &json)
        .verify(&needs(AcceptUnsigned, OnceSeen), &TrustStore::default())
        .expect("let in");
    assert_eq!((plugin.trust(), plugin.signer()), (&TrustLevel::Unsigned, None));
    let mismatch = VerifyError::HashMismatch {
        signed: Digest::from_bytes(&module()),
        found: Digest::from_bytes(&other),
    };
    assert_eq!(plugin.ignored_signature(), Some(&mismatch));
}

#[test]
fn a_revoked_plugin_or_key_is_refused_under_every_policy() {
    let scratch = Scratch::new();
    let path = scratch.signed(&module());
    scratch.trusting(&[scratch.key.public_key()]);
    let revoke = |what: String| {
        let text = format!(
            "version = 1\n[[revoked]]\n{what}\nrevoked_at = \"2025-01-01T00:00:00Z\"\nreason = \"stolen\"\n"
        );
        let file = scratch.path("config/revoked_keys.toml");
        atomic_file::replace(&file, text.as_bytes(), atomic_file::PRIVATE).expect("written");
        TrustStore::load(&scratch.path("config")).expect("loads")
    };
    for policy in [AcceptUnsigned, AnySigner, TrustedSigner] {
        let trust = revoke(format!("public_key = \"{}\"", scratch.key.public_key()));
        let refusal = read(&path).verify(&needs(policy, OnceSeen), &trust).err().expect("refused");
        assert!(matches!(refusal, VerifyError::KeyRevoked { .. }), "{refusal}");
        assert_eq!(refusal.exit_code(), 6);
        let trust = revoke(format!("digest = \"{}\"", Digest::from_bytes(&module())));
        for unverified in [read(&path), UnverifiedPlugin::from_parts("p.wasm", module(), None)] {
            let refusal = unverified.verify(&needs(policy, OnceSeen), &trust).err().expect("refused");
            assert!(matches!(refusal, VerifyError::DigestRevoked { .. }), "{refusal}");
            assert_eq!(refusal.exit_code(), 6);
        }
    }
}

#[test]
fn limits_that_the_signer_set_are_kept() {
    let scratch = Scratch::new();
    let soon: UtcTime =
        format!("{}Z", &(UtcTime::now().timestamp() + std::time::Duration::from_secs(2)).to_string()[..19])
            .parse()
            .expect("a time");
    let path = scratch.signed_as(&module(), SigningRequest { expires_at: Some(soon.clone()), ..request() });
    let trust = scratch.trusting(&[scratch.key.public_key()]);
    assert!(read(&path).verify(&needs(TrustedSigner, OnceSeen), &trust).is_ok());
    while !soon.is_past(UtcTime::now().timestamp()) {
        std::thread::sleep(std::time::Duration::from_millis(50));
    }
    assert_eq!(
        read(&path).verify(&needs(TrustedSigner, OnceSeen), &trust).err(),
        Some(VerifyError::Expired { at: soon })
    );

    let plugin = conductor_signing::PluginFile::scan(&path).expect("read");
    let past = Some("2020-01-01T00:00:00Z".parse().expect("a time"));
    let error =
        plugin.sign(&scratch.key, SigningRequest { expires_at: past, ..request() }).expect_err("refused");
    assert!(matches!(error, SignError::SelfCheck { .. }) && error.hint().is_some(), "{error}");
    let newer = Some("999.0.0".parse().expect("a version"));
    let error = plugin
        .sign(&scratch.key, SigningRequest { min_host_version: newer, ..request() })
        .expect_err("refused");
    assert!(matches!(error, SignError::SelfCheck { .. }), "{error}");
}

#[test]
fn a_trust_that_ended_is_no_trust() {
    let scratch = Scratch::new();
    let path = scratch.signed(&module());
    let key = scratch.key.public_key();
    let config = scratch.path("config");
    atomic_file::create_private_directory(&config).expect("created");
    let with = |more: &str| {
        let text = format!(
            "version = 1\n[[keys]]\nname = \"k\"\npublic_key = \"{key}\"\nadded_at = \"2024-01-01T00:00:00Z\"\n{more}\n"
        );
        atomic_file::replace(&config.join("trusted_keys.toml"), text.as_bytes(), 0o600).expect("written");
        TrustStore::load(&config).expect("loads")
    };
    for (more, code) in [("expires_at = \"2024-06-01T00:00:00Z\"", 6), ("plugins = [\"other-*\"]", 3)] {
        let trust = with(more);
        assert_eq!(
            read(&path).verify(&needs(TrustedSigner, OnceSeen), &trust).err().map(|error| error.exit_code()),
            Some(code)
        );
        let plugin = read(&path).verify(&needs(AnySigner, OnceSeen), &trust).expect("let in");
        assert_eq!(plugin.trust(), &TrustLevel::SelfSigned);
    }
    let trust = with("plugins = [\"ch*\"]\nmax_risk = \"low\"");
    let plugin = read(&path).verify(&needs(TrustedSigner, OnceSeen), &trust).expect("let in");
    assert_eq!(plugin.max_risk(), Some(conductor_abi::Risk::Low));
}

#[test]
fn a_plugin_without_manifest_goes_by_its_statement() {
    let scratch = Scratch::new();
    let named = SigningRequest {
        plugin_name: Some("stated".parse().expect("a name")),
        plugin_version: Some("3.1".into()),
        ..request()
    };
    let path = scratch.signed_as(&bare_module(), named.clone());
    let plugin = read(&path).verify(&needs(AnySigner, OnceSeen), &TrustStore::default()).expect("let in");
    assert_eq!(plugin.name().as_str(), "stated");
    let statement = plugin.statement().expect("a statement");
    assert_eq!((statement.plugin_version.as_deref(), &statement.capabilities), (Some("3.1"), &None));

    fs::write(&path, module()).expect("written");
    let plugin = conductor_signing::PluginFile::scan(&path).expect("read");
    assert!(matches!(plugin.sign(&scratch.key, named), Err(SignError::ManifestName { .. })));
}

#[test]
fn cosignatures_are_all_verified() {
    let scratch = Scratch::new();
    let path = scratch.signed(&module());
    let other = Scratch::new().key;
    super::support::cosign(&path, &[&other]);
    let refusal = |json: &serde_json::Value| {
        parts(&module(), &json.to_string()).verify(&needs(AnySigner, OnceSeen), &TrustStore::default()).err()
    };
    let sound: serde_json::Value = serde_json::from_str(&document_json(&path)).expect("JSON");
    assert_eq!(refusal(&sound), None);

    let mut broken = sound.clone();
    broken["cosignatures"][0]["statement_signature"] = sound["statement_signature"].clone();
    assert_eq!(refusal(&broken), Some(VerifyError::CosignatureInvalid { key: other.public_key() }));

    let mut twice = sound.clone();
    twice["cosignatures"] = vec![sound["cosignatures"][0].clone(); 2].into();
    assert_eq!(refusal(&twice), Some(VerifyError::SignerRepeated { key: other.public_key() }));
}

#[test]
fn what_is_no_module_can_be_signed_but_not_loaded() {
    let scratch = Scratch::new();
    for (bytes, reason) in [
        (&b""[..], "the file is an empty file"),
        (b"(module)", "the file is WebAssembly text, not a compiled module"),
        (b"\x7fELF\x02\x01\x01\0", "the file is an ELF program or library, not a module"),
        (b"\0asm\x0d\0\x01\0", "the file is a WebAssembly component, not a core module"),
        (b"\0asm\x01\0\0\0\x01\x05", "the module ends inside a section, at byte 10"),
    ] {
        let path = scratch.signed(bytes);
        let file = read(&path).file().clone();
        let checked = file
            .judge(&needs(AnySigner, OnceSeen), &TrustStore::default())
            .signature()
            .cloned()
            .expect("a valid signature");
        assert_eq!(checked.standing(), &Standing::Untrusted);
        for policy in [AcceptUnsigned, AnySigner] {
            let refusal =
                read(&path).verify(&needs(policy, OnceSeen), &TrustStore::default()).err().expect("refused");
            assert!(matches!(
                refusal,
                VerifyError::Module(ModuleError::NotModule { .. } | ModuleError::Truncated { .. })
            ));
            assert_eq!(refusal.to_string(), reason);
        }
    }
}

#[test]
fn reading_is_capped_and_names_what_is_wrong() {
    let scratch = Scratch::new();
    let path = scratch.signed(&module());
    let size = module().len() as u64;
    assert!(UnverifiedPlugin::read(&path, size).is_ok());
    assert!(matches!(UnverifiedPlugin::read(&path, size - 1), Err(ReadError::TooLarge { .. })));
    assert!(matches!(UnverifiedPlugin::read(scratch.dir.path(), size), Err(ReadError::NotRegular { .. })));
    assert!(matches!(UnverifiedPlugin::read(&scratch.path("none"), size), Err(ReadError::Missing { .. })));
    fs::write(signature_path(&path), vec![b' '; 64 * 1024 + 1]).expect("written");
    let refusal =
        read(&path).verify(&needs(AnySigner, OnceSeen), &TrustStore::default()).err().expect("refused");
    assert_eq!(refusal.to_string(), "signature document is larger than 65536 bytes");
    fs::remove_file(signature_path(&path)).expect("removed");
    fs::create_dir(signature_path(&path)).expect("a directory");
    assert!(matches!(UnverifiedPlugin::read(&path, size), Err(ReadError::NotRegular { .. })));
}

#[test]
fn names_come_only_from_where_names_may() {
    for (file_name, usable) in [("a b.wasm", false), ("../x", true), (".wasm", false), ("x.wasm", true)] {
        let plugin = UnverifiedPlugin::from_parts(file_name, bare_module(), None);
        let verified = plugin.verify(&needs(AcceptUnsigned, OnceSeen), &TrustStore::default());
        assert_eq!(verified.is_ok(), usable, "{file_name}");
        if let Ok(plugin) = verified {
            assert_eq!(plugin.name().as_str(), "x");
        }
    }
}
