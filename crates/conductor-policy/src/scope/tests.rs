//! Tests of the scope grammar over all capabilities.

use proptest::prelude::*;

use super::*;

fn parse(capability: Capability, text: &str) -> Result<Scope, ScopeError> {
    Scope::parse(capability, text)
}

#[test]
fn scopes_are_written_as_they_are_read() {
    let cases = [
        (Capability::Network, "api.example.com,hooks.example.org;methods=POST"),
        (Capability::Network, "*.example.org:8443,localhost:4455,[::1]:8080,*;methods=GET,POST;private=yes"),
        (Capability::Network, "methods=GET"),
        (Capability::Midi, "synth"),
        (Capability::Midi, "Midi Through*,a%2Cb;sysex=yes"),
        (Capability::Midi, "sysex=yes"),
        (Capability::Audio, "speakers;gain=0.5;seconds=30"),
        (Capability::Filesystem, "read-only"),
        (Capability::Filesystem, "read-write;bytes=64MiB;files=100"),
        (Capability::Subprocess, "/usr/bin/obs-cli;args=--flag%3Dx,scene*;seconds=5;bytes=1KiB"),
        (Capability::SystemControl, "volume,open-url"),
    ];
    for (capability, text) in cases {
        let scope = parse(capability, text).expect(text);
        assert_eq!(scope.to_string(), text);
        assert_eq!(parse(capability, &scope.to_string()), Ok(scope));
    }
}

#[test]
fn other_spellings_are_normalised() {
    let cases = [
        (
            Capability::Network,
            " API.example.com , api.example.com. ; methods = GET ",
            "api.example.com;methods=GET",
        ),
        (Capability::Network, "hosts=0x7f.1:80", "127.0.0.1:80"),
        (Capability::Network, "bücher.example", "xn--bcher-kva.example"),
        (Capability::Audio, "gain=0.50", "gain=0.5"),
        (Capability::Filesystem, "bytes=2048", "bytes=2KiB"),
        (Capability::Midi, "ports=synth;sysex=no", "synth"),
    ];
    for (capability, text, expected) in cases {
        assert_eq!(parse(capability, text).expect(text).to_string(), expected);
    }
}

#[test]
fn errors_name_the_part_and_what_is_allowed() {
    let cases = [
        (Capability::Midi, " ", "scope of Midi is empty; leave it out to name nothing"),
        (Capability::Midi, "synth;", "`ports` in scope of Midi has an empty value"),
        (Capability::Midi, "a,,b", "`ports` in scope of Midi has an empty value"),
        (Capability::Midi, "a;b", "key `ports` appears twice in scope of Midi"),
        (Capability::Midi, "host=a", "unknown key `host` in scope of Midi; known are ports, sysex"),
        (
            Capability::Midi,
            "sysex=maybe",
            "`maybe` is not allowed for `sysex` in scope of Midi: write `yes` or `no`",
        ),
        (Capability::Midi, "sysex=yes,no", "`sysex` in scope of Midi takes one value"),
        (
            Capability::Network,
            "methods=get",
            "`get` is not allowed for `methods` in scope of Network: write `GET`, `HEAD`, `POST`, `PUT`, `PATCH`, `DELETE` or `WEBSOCKET`",
        ),
        (
            Capability::Filesystem,
            "/etc",
            "`/etc` is not allowed for `access` in scope of Filesystem: write `read-only` or `read-write`",
        ),
        (
            Capability::Subprocess,
            "sh",
            "`sh` is not allowed for `programs` in scope of Subprocess: write the absolute path of a program, without `.` and `..`",
        ),
    ];
    for (capability, text, expected) in cases {
        assert_eq!(parse(capability, text).expect_err(text).to_string(), expected);
    }
}

#[test]
fn text_that_would_deceive_a_reader_is_refused() {
    for text in ["a\u{202e}b", "a\u{1b}[0m", "a\nb", "a\u{200b}b", "a%1bb", "a%0", "%", "%zz", "a%c3%a9"] {
        assert!(matches!(parse(Capability::Midi, text), Err(ScopeError::Character { .. })), "{text:?}");
    }
}

#[test]
fn sizes_are_bounded() {
    let many = (0..=MAX_VALUES).map(|n| format!("p{n}")).collect::<Vec<_>>().join(",");
    assert!(matches!(parse(Capability::Midi, &many), Err(ScopeError::TooManyValues { .. })));
    assert!(matches!(parse(Capability::Midi, &"x".repeat(256)), Err(ScopeError::ValueTooLong { .. })));
    assert!(matches!(
        parse(Capability::Midi, &"x".repeat(1025)),
        Err(ScopeError::TooLong { bytes: 1025, .. })
    ));
    assert!(parse(Capability::Filesystem, "bytes=18446744073709551616").is_err());
    assert!(parse(Capability::Filesystem, "bytes=17179869184GiB").is_err());
    assert!(parse(Capability::Audio, "gain=1.001").is_err());
    assert!(parse(Capability::Audio, "gain=0").is_err());
}

#[test]
fn naming_the_own_network_or_sysex_raises_the_risk() {
    let risk = |capability, text| parse(capability, text).expect("a scope").risk();
    assert_eq!(risk(Capability::Network, "api.example.com"), Risk::Low);
    assert_eq!(risk(Capability::Network, "*"), Risk::Low);
    for text in
        ["localhost:4455", "api.example.com,10.0.0.1", "*.local", "nas.internal", "a.example;private=yes"]
    {
        assert_eq!(risk(Capability::Network, text), Risk::Medium, "{text}");
    }
    assert_eq!(risk(Capability::Midi, "synth"), Risk::Low);
    assert_eq!(risk(Capability::Midi, "synth;sysex=yes"), Risk::Medium);
    assert_eq!(risk(Capability::Filesystem, "read-only"), Risk::Medium);
    assert_eq!(risk(Capability::SystemControl, "volume"), Risk::High);
}

#[test]
fn a_bare_high_risk_capability_is_nothing() {
    for capability in Capability::ALL {
        let bare = Scope::unnamed(capability);
        assert_eq!(bare.capability(), capability);
        assert_eq!(bare.is_nothing(), capability.risk() == Risk::High, "{capability}");
        assert_eq!(bare.to_string(), "");
    }
}

fn capability() -> impl Strategy<Value = Capability> {
    proptest::sample::select(&Capability::ALL[..])
}

/// Text that is similar enough to the grammar to be partly understood.
fn near_scope() -> impl Strategy<Value = String> {
    let word = proptest::sample::select(vec![
        "hosts",
        "methods",
        "private",
        "ports",
        "sysex",
        "devices",
        "gain",
        "seconds",
        "access",
        "bytes",
        "files",
        "programs",
        "args",
        "operations",
        "yes",
        "GET",
        "POST",
        "read-only",
        "volume",
        "*",
        "*.",
        "a.example",
        "localhost",
        "127.0.0.1",
        "[::1]",
        ":80",
        ":*",
        "/bin/x",
        "0.5",
        "12",
        "MiB",
        "%2C",
        "%25",
        "%",
        " ",
        "é",
        ".",
        "x",
    ]);
    let separator = proptest::sample::select(vec!["", "", ";", ",", "="]);
    proptest::collection::vec((word, separator), 0..12)
        .prop_map(|parts| parts.into_iter().flat_map(|(word, separator)| [word, separator]).collect())
}

proptest! {
    #[test]
    fn what_is_read_is_written_and_read_again(capability in capability(), text in near_scope()) {
        if let Ok(scope) = Scope::parse(capability, &text) {
            let written = scope.to_string();
            if !written.is_empty() {
                prop_assert_eq!(Scope::parse(capability, &written), Ok(scope));
            }
        }
    }

    #[test]
    fn any_port_name_survives(name in "[ -~éа]{1,40}") {
        let quoted = name.replace('%', "%25").replace(',', "%2C").replace(';', "%3B").replace('=', "%3D");
        if let Ok(scope) = Scope::parse(Capability::Midi, &quoted) {
            let Scope::Midi(midi) = &scope else { panic!("a MIDI scope") };
            prop_assert!(midi.allows(name.trim()));
            prop_assert_eq!(Scope::parse(Capability::Midi, &scope.to_string()), Ok(scope.clone()));
        }
    }

    #[test]
    fn nothing_panics(capability in capability(), text in ".{0,200}") {
        let _ = Scope::parse(capability, &text);
    }
}
