//! Grants: what is requested and allowed, for every capability, in every state that it can have.

#![expect(clippy::expect_used, reason = "a test that cannot be set up fails, outside its test function too")]

use conductor_abi::{Capability, CapabilityRequest, Risk};
use conductor_broker::capability::filesystem::{DataAccess, data_quota};
use conductor_call::{DataQuota, Limits};
use conductor_policy::grant::{Ceilings, Choices, Decision, GrantError, GrantSource, GrantSpec, Grants};
use conductor_signing::TrustLevel;

const CEILINGS: Ceilings = Ceilings { unsigned: Risk::Low, self_signed: Risk::Medium, trusted: None };

fn trusted() -> TrustLevel {
    TrustLevel::Trusted { key_name: "k".into() }
}

fn request(text: &str) -> CapabilityRequest {
    let (name, scope) = text.split_once('=').map_or((text, None), |(name, scope)| (name, Some(scope)));
    CapabilityRequest { name: name.into(), scope: scope.map(Into::into), reason: None }
}

fn spec(text: &str) -> GrantSpec {
    text.parse().expect("a grant")
}

fn resolve(
    declared: &[&str],
    granted: &[&str],
    denied: &[Capability],
    trust: &TrustLevel,
    lift: bool,
) -> Grants {
    let requests: Vec<_> = declared.iter().map(|text| request(text)).collect();
    let granted: Vec<_> = granted.iter().map(|text| spec(text)).collect();
    let choices =
        Choices { configured: granted, denied: denied.to_vec(), lift_ceiling: lift, ..Choices::default() };
    Grants::resolve(&requests, &choices, trust, CEILINGS).expect("grants")
}

/// The decision about the only capability that is declared or granted.
fn decide(declared: &[&str], granted: &[&str]) -> String {
    let grants = resolve(declared, granted, &[], &trusted(), false);
    grants.decisions().iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")
}

#[test]
fn every_capability_in_every_state() {
    /// A capability: its declaration, the decision without a grant, and a scope to name.
    struct Row(Capability, &'static str, &'static str, &'static str);
    let rows = [
        Row(Capability::Network, "Network=a.example", "granted automatically: a.example", "b.example"),
        Row(Capability::Audio, "Audio=speakers", "granted automatically: speakers", "phones"),
        Row(Capability::Midi, "Midi=synth", "granted automatically: synth", "drums"),
        Row(
            Capability::Filesystem,
            "Filesystem=read-only",
            "not granted; at medium risk it needs approval",
            "read-write",
        ),
        Row(
            Capability::Subprocess,
            "Subprocess=/bin/true",
            "not granted; at high risk it needs approval",
            "/bin/false",
        ),
        Row(
            Capability::SystemControl,
            "SystemControl=volume",
            "not granted; at high risk it needs approval",
            "lock",
        ),
    ];
    for Row(capability, declared, without, scope) in rows {
        let name = capability.name();
        let said = |decision: &str| format!("{name} is {decision}");
        assert_eq!(decide(&[declared], &[]), said(without));
        assert_eq!(decide(&[], &[name]), said("not declared by the plugin"));
        let as_declared = declared.split_once('=').map(|(_, scope)| scope).expect("a scope");
        assert_eq!(decide(&[declared], &[name]), said(&format!("granted as declared: {as_declared}")));
        let named = format!("{name}={scope}");
        assert_eq!(decide(&[declared], &[&named]), said(&format!("granted by name: {scope}")));
        let denied = resolve(&[declared], &[name, &named], &[capability], &trusted(), false);
        assert_eq!(denied.decision(capability), &Decision::Denied);
        let mut revoked = resolve(&[declared], &[name], &[], &trusted(), false);
        revoked.revoke(capability);
        assert_eq!(revoked.decision(capability), &Decision::Denied);
        assert_eq!(Grants::none().decision(capability), &Decision::NotDeclared);
    }
}

#[test]
fn a_bare_high_risk_grant_of_an_unnamed_scope_is_nothing() {
    for name in ["Subprocess", "SystemControl"] {
        let expected =
            format!("{name} is not granted; the plugin declares no scope, so the grant must name one");
        assert_eq!(decide(&[name], &[name]), expected);
    }
    assert_eq!(
        decide(&["Subprocess"], &["Subprocess=args=x"]),
        "Subprocess is not granted; the plugin declares no scope, so the grant must name one"
    );
    assert_eq!(decide(&["Filesystem"], &["Filesystem"]), "Filesystem is granted as declared");
}

#[test]
fn automatic_grants_stop_at_the_web_and_at_plain_midi() {
    assert_eq!(decide(&["Network"], &[]), "Network is granted automatically: *");
    assert_eq!(decide(&["Network=methods=GET"], &[]), "Network is granted automatically: *;methods=GET");
    for declared in [
        "Network=localhost:4455",
        "Network=a.example,10.0.0.1",
        "Network=a.example;private=yes",
        "Midi=synth;sysex=yes",
    ] {
        let decision = decide(&[declared], &[]);
        assert!(decision.ends_with("is not granted; at medium risk it needs approval"), "{decision}");
    }
}

#[test]
fn a_grant_without_hosts_is_one_of_the_web_and_every_port_is_said() {
    let methods = "Network=methods=GET";
    assert_eq!(decide(&["Network"], &["Network"]), "Network is granted as declared: *");
    assert_eq!(decide(&[methods], &["Network"]), "Network is granted as declared: *;methods=GET");
    assert_eq!(decide(&["Network"], &[methods]), "Network is granted by name: *;methods=GET");
    assert_eq!(decide(&["Network"], &["Network=*:*"]), "Network is granted by name: *:*");
    assert_eq!(decide(&["Network=*:*"], &["Network"]), "Network is granted as declared: *:*");
    assert_eq!(decide(&["Network=*:*"], &[]), "Network is granted automatically: *:*");
}

#[test]
fn several_requests_and_grants_add_up() {
    assert_eq!(
        decide(&["Network=a.example", "network=b.example:8443"], &[]),
        "Network is granted automatically: a.example, and automatically: b.example:8443"
    );
    assert_eq!(
        decide(&["Network"], &["Network=a.example", "NETWORK=localhost:1"]),
        "Network is granted by name: a.example, and by name: localhost:1"
    );
}

#[test]
fn ceilings_hold_unless_they_are_lifted_by_hand() {
    let declared = ["Network", "Filesystem", "Subprocess=/bin/true"];
    let granted = ["Filesystem", "Subprocess"];
    let granted_risks = |trust: &TrustLevel, granted: &[&str], lift| {
        let grants = resolve(&declared, granted, &[], trust, lift);
        Capability::ALL.map(|capability| matches!(grants.decision(capability), Decision::Granted(_)))
    };
    let (no, yes) = (false, true);
    // Order: Network, Audio, Midi, Filesystem, Subprocess, SystemControl.
    assert_eq!(granted_risks(&TrustLevel::Unsigned, &granted, false), [yes, no, no, no, no, no]);
    assert_eq!(granted_risks(&TrustLevel::SelfSigned, &granted, false), [yes, no, no, yes, no, no]);
    assert_eq!(granted_risks(&trusted(), &granted, false), [yes, no, no, yes, yes, no]);
    assert_eq!(granted_risks(&TrustLevel::Unsigned, &granted, true), [yes, no, no, yes, yes, no]);
    assert_eq!(granted_risks(&TrustLevel::Unsigned, &[], true), [yes, no, no, no, no, no]);

    let above = resolve(&declared, &granted, &[], &TrustLevel::Unsigned, false);
    assert_eq!(
        above.decision(Capability::Filesystem),
        &Decision::AboveCeiling { risk: Risk::Medium, ceiling: Risk::Low }
    );
    // A host of the local network raises the risk to medium, so a part of a grant can be above the highest allowed
    // risk.
    let part = resolve(
        &["Network"],
        &["Network=a.example", "Network=localhost:1"],
        &[],
        &TrustLevel::Unsigned,
        false,
    );
    let Decision::Granted(grant) = part.decision(Capability::Network) else { panic!("granted in part") };
    assert_eq!(grant.allowed().len(), 1);
    assert_eq!(grant.allowed()[0].source(), GrantSource::Named);
    let none = Ceilings { unsigned: Risk::Low, self_signed: Risk::Low, trusted: None };
    assert_eq!(none.of(&TrustLevel::SelfSigned), Some(Risk::Low));
    assert_eq!(none.of(&trusted()), None);
    let capped = Ceilings { trusted: Some(Risk::Medium), ..none };
    assert_eq!(capped.of(&trusted()), Some(Risk::Medium), "a trusted key may carry a ceiling of its own");
}

#[test]
fn what_does_not_exist_is_an_error_that_names_it() {
    let error = |declared: &str| {
        Grants::resolve(&[request(declared)], &Choices::default(), &trusted(), CEILINGS).expect_err(declared)
    };
    assert!(matches!(error("Teleport"), GrantError::UnknownCapability { .. }));
    assert!(
        error("Tele\u{1b}port").to_string().starts_with("unknown capability `Tele\\u{1b}port`; known are")
    );
    assert_eq!(
        error("Midi=sysex=perhaps").to_string(),
        "`perhaps` is not allowed for `sysex` in scope of Midi: write `yes` or `no`"
    );
}

#[test]
fn grants_are_written_as_they_are_read() {
    for text in ["Network", "Network=api.example.com,hooks.example.org;methods=POST", "Midi=sysex=yes"] {
        assert_eq!(spec(text).to_string(), text);
    }
    assert_eq!(spec(" system_control = volume ").to_string(), "SystemControl=volume");
    for text in ["", "=", "Network=", "Networks", "Midi=;", "Network a.example"] {
        assert!(text.parse::<GrantSpec>().is_err(), "{text}");
    }
}

#[test]
fn the_data_directory_is_opened_as_far_as_both_sides_say() {
    let cases: [(&[&str], &[&str], DataAccess); 7] = [
        (&[], &["Filesystem"], DataAccess::None),
        (&["Filesystem"], &[], DataAccess::None),
        (&["Filesystem"], &["Filesystem"], DataAccess::ReadWrite),
        (&["Filesystem=read-only"], &["Filesystem"], DataAccess::ReadOnly),
        (&["Filesystem=read-only"], &["Filesystem=read-write"], DataAccess::ReadOnly),
        (&["Filesystem"], &["Filesystem=read-only"], DataAccess::ReadOnly),
        (&["Filesystem"], &["Filesystem=read-only", "Filesystem=read-write"], DataAccess::ReadWrite),
    ];
    for (declared, granted, expected) in cases {
        let grants = resolve(declared, granted, &[], &trusted(), false);
        assert_eq!(DataAccess::of(&grants), expected, "{declared:?} {granted:?}");
    }
}

#[test]
fn a_scope_lowers_the_quota_and_never_raises_it() {
    const MAX_BYTES: u64 = 256 << 20;
    const MAX_FILES: u32 = 10_000;
    let limits = Limits::default();
    let quota_within = |limits: &Limits, declared: &[&str], granted: &[&str]| {
        let grants = resolve(declared, granted, &[], &trusted(), false);
        let DataQuota { bytes, files } = data_quota(&grants, DataQuota::most(limits));
        (bytes, files)
    };
    let quota = |declared: &[&str], granted: &[&str]| quota_within(&limits, declared, granted);
    assert_eq!(quota(&["Filesystem"], &[]), (0, 0));
    assert_eq!(quota(&["Filesystem"], &["Filesystem"]), (MAX_BYTES, MAX_FILES));
    assert_eq!(quota(&["Filesystem=bytes=1GiB"], &["Filesystem"]), (MAX_BYTES, MAX_FILES));
    assert_eq!(quota(&["Filesystem"], &["Filesystem=bytes=1GiB;files=20000"]), (MAX_BYTES, MAX_FILES));
    assert_eq!(quota(&["Filesystem=bytes=1GiB"], &["Filesystem=read-write"]), (MAX_BYTES, MAX_FILES));
    assert_eq!(quota(&["Filesystem=bytes=1MiB"], &["Filesystem=bytes=2MiB;files=5"]), (1 << 20, 5));

    let raised = Limits { max_disk_bytes: 1 << 31, max_disk_files: 7, ..limits };
    assert_eq!(quota_within(&raised, &["Filesystem"], &["Filesystem"]), (1 << 31, 7));
    assert_eq!(quota_within(&raised, &["Filesystem=bytes=1GiB"], &["Filesystem"]), (1 << 30, 7));
}
