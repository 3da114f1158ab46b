//! Secrets that plugins use and never hold, against real servers on loopback.

#![expect(
    clippy::expect_used,
    clippy::panic,
    reason = "a test that cannot be set up fails, outside its test function too"
)]

mod http2;
mod log;
#[path = "../network/server.rs"]
mod server;
#[path = "../../../../tests/vectors/table.rs"]
mod table;
mod taken;
mod vectors;
mod world;

use std::path::Path;

use conductor_policy::grant::store::Subject;
use conductor_policy::secret::{
    Declared, HeldSecrets, KeptIn, SecretId, SecretStore, SecretUse, StoredSecret,
};
use conductor_signing::keeper::Keeper;
use conductor_signing::{Digest, PluginName};

use world::subject;

#[test]
fn a_secret_is_its_holders_alone() {
    let directory = tempfile::tempdir().expect("directory");
    let keeper = Keeper::of(directory.path());
    let declared = Declared {
        name: "token".to_owned(),
        reason: None,
        hosts: vec!["api.example".parse().expect("a host")],
    };
    let mine = subject();
    let stored = StoredSecret {
        plugin: mine.name.clone(),
        holder: mine.holder(),
        name: "token".to_owned(),
        hosts: declared.hosts.clone(),
        kept_in: KeptIn::File,
        id: SecretId::from_random([1; 16]),
        set_at: keeper.now(),
    };
    assert_eq!(SecretStore::put(&keeper, &mine, stored).expect("kept"), None);
    let store = SecretStore::load(&keeper).expect("read");
    let host = url::Host::Domain("api.example".to_owned());
    let may = |subject: &Subject| {
        let held = HeldSecrets::of(std::slice::from_ref(&declared), subject, &store);
        matches!(held.use_of("token", &host, 443), SecretUse::Allowed(_))
    };
    assert!(may(&mine));
    let another_file = Subject { digest: Digest::from_bytes(b"another"), ..mine.clone() };
    assert!(!may(&another_file), "nobody signed either, so the file is the holder");
    let another_name: PluginName = "another".parse().expect("a name");
    assert!(!may(&Subject { name: another_name, ..mine.clone() }));
    assert!(SecretStore::remove(&keeper, &another_file, "token").expect("written").is_none());
    assert!(SecretStore::remove(&keeper, &mine, "token").expect("written").is_some());
    assert!(SecretStore::load(&keeper).expect("read").all().is_empty());
}

#[test]
fn a_damaged_file_of_decisions_is_never_taken_for_an_empty_one() {
    let directory = tempfile::tempdir().expect("directory");
    let path = SecretStore::file(directory.path());
    let load = |text: &str| {
        write_private(&path, text);
        SecretStore::load(&Keeper::of(directory.path()))
    };
    let entry = "[[secrets]]\nplugin = \"a\"\nfile = \"FILE\"\nname = \"token\"\nhosts = [\"api.example\"]\n\
                 kept_in = \"file\"\nid = \"0123456789abcdef0123456789abcdef\"\nset_at = \"2026-01-01T00:00:00Z\"\n";
    let entry = entry.replace("FILE", &"a".repeat(64));
    let sound = format!("version = 1\n{entry}");
    assert_eq!(load(&sound).expect("sound").all().len(), 1);
    for (text, expected) in [
        (String::new(), "empty"),
        ("version = 2\n".to_owned(), "version 2 is not known"),
        (sound.replace("api.example", "*.example"), "line 2: `hosts`"),
        (sound.replace("api.example", "api.example:*"), "line 2: `hosts`"),
        (sound.replace("0123456789abcdef0123456789abcdef", "../x"), "line 2: `id`"),
        (sound.replace("\"file\"\nid", "\"cloud\"\nid"), "line 2: `kept_in`"),
        (format!("{sound}{entry}"), "stands here twice"),
        (sound.replace("set_at", "value = \"x\"\nset_at"), "unknown field `value`"),
    ] {
        let error = load(&text).expect_err(&text).to_string();
        assert!(error.contains(expected), "{text}: {error}");
    }
}

fn write_private(path: &Path, text: &str) {
    conductor_signing::atomic_file::replace(path, text.as_bytes(), 0o600).expect("written");
}
