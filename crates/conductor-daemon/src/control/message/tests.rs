//! Requests and responses as the manual writes them.

use conductor_signing::SecretText;

use super::*;

fn refused(line: &str) -> RefusalCause {
    Request::from_line(line.as_bytes()).expect_err(line).cause
}

#[test]
fn requests_are_as_the_manual_writes_them() {
    for (request, line) in [
        (Request::Status, r#"{"request":"status","version":1}"#),
        (Request::PluginList, r#"{"request":"plugin-list","version":1}"#),
        (Request::PluginPending, r#"{"request":"plugin-pending","version":1}"#),
        (
            Request::PluginGrant {
                plugin: "notes".to_owned(),
                grant: "Filesystem".to_owned(),
                shown: vec!["5af0".to_owned()],
                lasts: Lasts::Session,
                typed_name: None,
            },
            concat!(
                r#"{"request":{"plugin-grant":{"grant":"Filesystem","lasts":"session","plugin":"notes","#,
                r#""shown":["5af0"],"typed_name":null}},"version":1}"#
            ),
        ),
        (
            Request::PluginSecretSet {
                plugin: "notes".to_owned(),
                secret: "token".to_owned(),
                shown: "5af0".to_owned(),
                value: Hidden::new(SecretText::new("hush".to_owned())),
            },
            concat!(
                r#"{"request":{"plugin-secret-set":{"plugin":"notes","secret":"token","shown":"5af0","#,
                r#""value":"hush"}},"version":1}"#
            ),
        ),
        (Request::TrustList, r#"{"request":"trust-list","version":1}"#),
        (Request::Audit { last: 3 }, r#"{"request":{"audit":{"last":3}},"version":1}"#),
        (
            Request::TrustRevoke { public_key: "3dab".to_owned(), reason: None, kind: RevokeAs::Superseded },
            r#"{"request":{"trust-revoke":{"kind":"superseded","public_key":"3dab","reason":null}},"version":1}"#,
        ),
        (Request::Ui, r#"{"request":"ui","version":1}"#),
        (
            Request::PluginResume { plugin: "notes".to_owned() },
            r#"{"request":{"plugin-resume":{"plugin":"notes"}},"version":1}"#,
        ),
    ] {
        assert_eq!(request.to_line(), format!("{line}\n"));
        assert_eq!(Request::from_line(line.as_bytes()), Ok(request));
    }
}

#[test]
fn anything_else_is_refused_with_its_cause() {
    for line in [
        "",
        "status",
        "{}",
        r#"{"version":1}"#,
        r#"{"version":"1","request":"status"}"#,
        r#"{"version":1,"request":"stop"}"#,
        r#"{"version":1,"request":"status","more":0}"#,
        r#"{"version":1,"request":{"plugin-resume":{}}}"#,
        r#"{"version":1,"request":{"plugin-resume":{"plugin":"a","more":0}}}"#,
        r#"{"version":1,"request":"status"} {}"#,
    ] {
        assert_eq!(refused(line), RefusalCause::Malformed, "{line}");
    }
    assert_eq!(refused(r#"{"version":2,"request":{"new":[]},"more":0}"#), RefusalCause::UnknownVersion);
    assert_eq!(refused(&"[".repeat(60_000)), RefusalCause::Malformed);
}

#[test]
fn responses_of_another_version_are_not_guessed_at() {
    let resumed = Resumed { plugin: "notes".to_owned(), was: PluginState::BackingOff };
    let line = Response::PluginResume(resumed.clone()).to_line();
    assert!(line.contains(r#""was":"backing-off""#), "{line}");
    let read = Response::from_line(line.as_bytes()).expect("reads");
    assert_eq!(read, Some(Response::PluginResume(resumed)));
    assert_eq!(Response::from_line(br#"{"version":2,"response":{"x":1}}"#).expect("reads"), None);
    assert!(Response::from_line(br#"{"version":1,"response":{"x":1}}"#).is_err());
}

#[test]
fn a_request_does_not_show_its_secret() {
    let value = Hidden::new(SecretText::new("hush".to_owned()));
    let request = Request::PluginSet { plugin: "a".to_owned(), setting: "b".to_owned(), value: Some(value) };
    assert!(!format!("{request:?}").contains("hush"));
}
