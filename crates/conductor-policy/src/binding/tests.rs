//! What is bound, stored and shown, with faults of the disk and damaged files.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::sync::Arc;

use conductor_signing::keeper::{Decisions as _, Faults, Keeper, KeeperError};
use conductor_signing::{Digest, SigningKey, TrustLevel};
use proptest::prelude::*;

use super::*;

fn alias(text: &str) -> Alias {
    text.parse().expect("an alias")
}

fn bound(name: &str, publisher: Option<PublicKey>, version: Option<&str>) -> Bound {
    Bound { name: name.parse().expect("a name"), publisher, version: version.map(str::to_owned) }
}

fn key() -> PublicKey {
    SigningKey::generate().expect("a key").public_key()
}

#[test]
fn what_was_bound_is_read_as_it_was_bound_and_is_for_the_user_alone() {
    let place = tempfile::tempdir().expect("a directory");
    let keeper = Keeper::of(place.path());
    assert_eq!(Bindings::load(&keeper).expect("read"), Bindings::default());
    let hostile = "1.0\u{1b}[31m\"\n[[bindings]]\u{202e}";
    let notes = bound("notes", Some(key()), Some(hostile));
    Bindings::bind(&keeper, alias("n"), None, notes.clone()).expect("bound");
    Bindings::bind(&keeper, alias("plain"), None, bound("plain", None, None)).expect("bound");
    let read = Bindings::load(&keeper).expect("read");
    assert_eq!(read.of(&alias("n")), Some(&notes));
    assert_eq!(read.of(&alias("plain")), Some(&bound("plain", None, None)));
    assert_eq!(read.of(&alias("other")), None);
    let mode = fs::metadata(Bindings::file(place.path())).expect("metadata").permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
}

#[test]
fn an_alias_is_not_bound_over_what_another_program_bound_meanwhile() {
    let place = tempfile::tempdir().expect("a directory");
    let keeper = Keeper::of(place.path());
    let (one, other) = (bound("one", None, None), bound("other", None, None));
    Bindings::bind(&keeper, alias("a"), None, one.clone()).expect("bound");
    let raced = Bindings::bind(&keeper, alias("a"), None, other.clone());
    assert!(matches!(raced, Err(BindingError::Raced { .. })), "{raced:?}");
    let newer = bound("one", None, Some("2"));
    Bindings::bind(&keeper, alias("a"), None, newer.clone()).expect("only another version");
    Bindings::bind(&keeper, alias("a"), Some(newer), other.clone()).expect("the user's decision");
    assert_eq!(Bindings::load(&keeper).expect("read").of(&alias("a")), Some(&other));
}

#[test]
fn damage_is_never_taken_for_an_empty_file() {
    let place = tempfile::tempdir().expect("a directory");
    let keeper = Keeper::of(place.path());
    let cases = [
        ("", "is empty"),
        ("version = 2\n", "version 2 is not known"),
        ("version = 1\n[[bindings]]\nalias = \"a\"\n", "line 2"),
        ("version = 1\n[[bindings]]\nalias = \"a/b\"\nplugin = \"x\"\n", "`alias`"),
        ("version = 1\n[[bindings]]\nalias = \"a\"\nplugin = \"../x\"\n", "`plugin`"),
        ("version = 1\n[[bindings]]\nalias = \"a\"\nplugin = \"x\"\npublisher = \"00\"\n", "`publisher`"),
        (
            "version = 1\n[[bindings]]\nalias = \"a\"\nplugin = \"x\"\n[[bindings]]\nalias = \"a\"\nplugin = \"y\"\n",
            "bound twice",
        ),
        ("version = 1\nmore = 0\n", "more"),
    ];
    for (text, expected) in cases {
        fs::write(Bindings::file(place.path()), text).expect("written");
        fs::set_permissions(Bindings::file(place.path()), fs::Permissions::from_mode(0o600)).expect("mode");
        let error = Bindings::load(&keeper).expect_err(text).to_string();
        assert!(error.contains(expected), "{text}: {error}");
        Bindings::bind(&keeper, alias("b"), None, bound("b", None, None)).expect_err(text);
        assert_eq!(fs::read_to_string(Bindings::file(place.path())).expect("read"), text, "not written over");
    }
}

#[test]
fn a_full_file_holds_the_most_that_can_be_bound_and_refuses_more() {
    let place = tempfile::tempdir().expect("a directory");
    let keeper = Keeper::of(place.path());
    let longest = Some("\u{1}".repeat(64));
    let most = (0..MAX_BINDINGS).map(|number| {
        let name = format!("{number:a<64}");
        (
            alias(&name),
            Bound { name: name.parse().expect("a name"), publisher: Some(key()), version: longest.clone() },
        )
    });
    let full = Bindings(most.collect());
    keeper
        .change(|bindings: &mut Bindings| {
            *bindings = full.clone();
            Ok::<_, BindingError>(())
        })
        .expect("there is room for as many");
    let more = Bindings::bind(&keeper, alias("more"), None, bound("more", None, None));
    assert!(matches!(more, Err(BindingError::Full { .. })), "{more:?}");
    assert_eq!(Bindings::load(&keeper).expect("read"), full);
}

#[test]
fn a_fault_at_any_call_leaves_the_old_binding_or_the_new() {
    for call in 0.. {
        let place = tempfile::tempdir().expect("a directory");
        let keeper = Keeper::of(place.path());
        let (old, new) = (bound("old", None, None), bound("new", None, None));
        Bindings::bind(&keeper, alias("a"), None, old.clone()).expect("bound");
        let disk = Arc::new(Faults::at(call, false));
        let faulty = Keeper::on(place.path(), Arc::clone(&disk) as _);
        let result = Bindings::bind(&faulty, alias("a"), Some(old.clone()), new.clone());
        let found = Bindings::load(&keeper).expect("readable").of(&alias("a")).cloned();
        // A temporary file that a killed writer left behind may stay for the next writer.
        match result {
            Ok(()) => assert_eq!(found, Some(new)),
            Err(BindingError::Kept(_)) => {
                assert!(found == Some(old) || found == Some(new), "call {call}: {found:?}");
            }
            Err(other) => panic!("{other:?}"),
        }
        if disk.calls() <= call {
            assert!(call >= 8, "each call is a site: {call}");
            break;
        }
    }
}

#[test]
fn everything_that_is_shown_is_in_the_digest() {
    let change = BindingChange {
        alias: alias("notes"),
        before: bound("notes", None, Some("1")),
        now: bound("notes", Some(key()), Some("1")),
        digest: Digest::from_bytes(b"one"),
        trust: TrustLevel::SelfSigned,
        ignored: None,
        granted: vec!["Filesystem".parse().expect("a grant")],
        denied: vec![Capability::Midi],
        missing_cosigners: vec![key()],
        lacks_statement: false,
        pinned_until_now: None,
    };
    let others = [
        BindingChange { alias: alias("other"), ..change.clone() },
        BindingChange { before: bound("notes", None, Some("2")), ..change.clone() },
        BindingChange { now: bound("notes", Some(key()), Some("1")), ..change.clone() },
        BindingChange {
            now: Bound { name: "x".parse().expect("a name"), ..change.now.clone() },
            ..change.clone()
        },
        BindingChange { digest: Digest::from_bytes(b"two"), ..change.clone() },
        BindingChange { trust: TrustLevel::Trusted { key_name: "me".to_owned() }, ..change.clone() },
        BindingChange { ignored: Some("it has expired".to_owned()), ..change.clone() },
        BindingChange { granted: Vec::new(), ..change.clone() },
        BindingChange { denied: Vec::new(), ..change.clone() },
        BindingChange { missing_cosigners: Vec::new(), ..change.clone() },
        BindingChange { lacks_statement: true, ..change.clone() },
        BindingChange { pinned_until_now: Some(key()), ..change.clone() },
    ];
    assert_eq!(change.shown(), change.clone().shown());
    for other in others {
        assert_ne!(other.shown(), change.shown(), "{other:?}");
    }
}

#[test]
fn an_error_says_what_to_do_next() {
    let place = tempfile::tempdir().expect("a directory");
    let path = Bindings::file(place.path());
    assert_eq!(path.file_name().and_then(|name| name.to_str()), Some(Bindings::FILE));
    for error in [
        BindingError::Kept(KeeperError::Empty { path: path.clone() }),
        BindingError::Full { path: path.clone() },
        BindingError::Raced { alias: alias("a") },
        BindingError::Version { path, found: 2 },
    ] {
        assert!(error.hint().is_some(), "{error}");
    }
}

/// A plugin by its name, whether somebody signed it, and what it calls its version.
fn any_plugin() -> impl Strategy<Value = (String, bool, Option<String>)> {
    let version = "(\\PC|[\"'\\\\\n\u{0}\u{7f}\u{202e}=#]){0,24}";
    (ANY_NAME, any::<bool>(), prop::option::of(version))
}

const ANY_NAME: &str = "[A-Za-z0-9][A-Za-z0-9._-]{0,63}";

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    /// Whatever a plugin calls its version, what was bound is read back as it was; a version that is too long for the
    /// file binds nothing.
    #[test]
    fn any_bindings_are_read_as_they_were_bound(
        bindings in prop::collection::btree_map(ANY_NAME, any_plugin(), 0..6),
    ) {
        let place = tempfile::tempdir().expect("a directory");
        let keeper = Keeper::of(place.path());
        let publisher = SigningKey::from_seed(&[7; 32]).public_key();
        let mut expected = Bindings::default();
        for (name, (plugin, is_signed, version)) in bindings {
            let plugin = bound(&plugin, is_signed.then_some(publisher), version.as_deref());
            let is_kept = Bindings::bind(&keeper, alias(&name), None, plugin.clone()).is_ok();
            prop_assert_eq!(is_kept, version.is_none_or(|version| version.len() <= 64));
            if is_kept {
                expected.0.insert(alias(&name), plugin);
            }
            prop_assert_eq!(&Bindings::load(&keeper).expect("read"), &expected);
        }
    }
}
