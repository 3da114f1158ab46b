//! What a host remembers of a plugin's statement, and what it refuses because of that.

#![expect(
    clippy::expect_used,
    clippy::panic,
    reason = "a test that cannot be set up fails, outside its test function too"
)]

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

use conductor_core::{Host, LoadError, Plugin, PluginOptions, WasmConfig};
use conductor_signing::{
    Developer, NewKey, PluginFile, RequireStatement, SigningKey, SigningRequest, TrustStore, UtcTime,
    VerifyError, signature_path,
};

/// A strict host, its trust store, and a plugin with its whole document.
struct Scratch {
    dir: tempfile::TempDir,
    key: SigningKey,
}

impl Scratch {
    fn new() -> Self {
        let scratch = Self {
            dir: tempfile::tempdir().expect("a directory"),
            key: SigningKey::generate().expect("a key"),
        };
        let new = NewKey::new("friend", scratch.key.public_key());
        TrustStore::add(&scratch.config(), new).expect("trusted");
        scratch
    }

    fn config(&self) -> PathBuf {
        self.dir.path().join("config")
    }

    fn pins(&self) -> PathBuf {
        self.config().join("pins.toml")
    }

    fn host(&self, require_statement: RequireStatement) -> Host {
        Host::new(WasmConfig {
            require_signature: true,
            require_statement,
            trust_dir: Some(self.config()),
            ..WasmConfig::default()
        })
        .expect("host")
    }

    /// Writes and signs a plugin; the number that its `execute` returns distinguishes releases.
    fn plugin(&self, name: &str, answer: i32, expires_at: Option<UtcTime>) -> PathBuf {
        let path = self.dir.path().join(format!("{name}.wasm"));
        let text = format!(
            r#"(module
                (memory (export "memory") 1)
                (func (export "alloc") (param i32) (result i32) (i32.const 1024))
                (func (export "execute") (param i32 i32) (result i32) (i32.const {answer})))"#
        );
        fs::write(&path, wat::parse_str(text).expect("valid text")).expect("written");
        let request = SigningRequest {
            developer: Developer::new("Ada", "ada@example.org").expect("a developer"),
            plugin_name: None,
            plugin_version: None,
            expires_at,
            min_host_version: None,
            cosigners: Vec::new(),
        };
        let document = PluginFile::scan(&path).expect("read").sign(&self.key, request).expect("signed");
        fs::write(signature_path(&path), document.to_json()).expect("written");
        path
    }
}

/// A time that comes so soon that a test can wait for it.
struct Expiry(UtcTime);

impl Expiry {
    fn soon() -> Self {
        let at = UtcTime::now().timestamp() + Duration::from_secs(5);
        Self(format!("{}Z", &at.to_string()[..19]).parse().expect("a time"))
    }

    fn wait(&self) {
        while !self.0.is_past(UtcTime::now().timestamp()) {
            thread::sleep(Duration::from_millis(50));
        }
    }
}

/// Removes the statement from the document of a plugin.
fn strip(plugin: &Path) {
    let path = signature_path(plugin);
    let text = fs::read_to_string(&path).expect("read");
    let mut document: serde_json::Value = serde_json::from_str(&text).expect("JSON");
    let members = document.as_object_mut().expect("an object");
    for member in ["statement", "statement_signature"] {
        members.remove(member).expect("it was there");
    }
    fs::write(&path, document.to_string()).expect("written");
}

fn load(host: &Host, plugin: &Path) -> Result<Box<dyn Plugin>, LoadError> {
    host.load(plugin, &PluginOptions::default())
}

fn refusal(host: &Host, plugin: &Path) -> VerifyError {
    match load(host, plugin) {
        Err(LoadError::Verify { source }) => source,
        Err(other) => panic!("{other}"),
        Ok(_) => panic!("it was loaded"),
    }
}

#[test]
fn an_expired_release_does_not_come_back_without_its_statement() {
    let scratch = Scratch::new();
    let host = scratch.host(RequireStatement::OnceSeen);
    let expiry = Expiry::soon();
    let expired = scratch.plugin("chord", 0, Some(expiry.0.clone()));
    load(&host, &expired).expect("loads");
    expiry.wait();
    assert!(matches!(refusal(&host, &expired), VerifyError::Expired { .. }));
    strip(&expired);
    assert!(matches!(refusal(&host, &expired), VerifyError::StatementStripped { .. }));

    // A plugin that never had a statement still loads, and the two other requirements need no pin.
    let bare = scratch.plugin("arp", 0, None);
    strip(&bare);
    load(&host, &bare).expect("loads");
    let always = scratch.host(RequireStatement::Always);
    assert!(matches!(refusal(&always, &bare), VerifyError::StatementMissing { .. }));
    load(&scratch.host(RequireStatement::Never), &expired).expect("loads");
}

#[test]
fn only_what_was_loaded_is_recorded_and_only_once() {
    let scratch = Scratch::new();
    let host = scratch.host(RequireStatement::OnceSeen);
    let stranger = Scratch::new();
    let foreign = stranger.plugin("chord", 0, None);
    assert!(matches!(refusal(&host, &foreign), VerifyError::Untrusted { .. }));
    assert!(!scratch.pins().exists(), "what is refused is not remembered");

    let plugin = scratch.plugin("chord", 1, None);
    load(&host, &plugin).expect("loads");
    let written = fs::metadata(scratch.pins()).expect("metadata");
    assert_eq!(written.mode() & 0o7777, 0o600);
    // A load that shows nothing new needs no lock and no write: even a lock that cannot be opened does not matter.
    let lock = scratch.config().join(".trust.lock");
    fs::remove_file(&lock).expect("there");
    fs::create_dir(&lock).expect("a directory in the way");
    load(&host, &plugin).expect("loads");
    assert_eq!(fs::metadata(scratch.pins()).expect("metadata").ino(), written.ino());
    // A load that shows something new needs both.
    match load(&host, &scratch.plugin("arp", 0, None)) {
        Err(LoadError::Pin { source }) => assert!(source.to_string().contains(".trust.lock"), "{source}"),
        Err(other) => panic!("{other}"),
        Ok(_) => panic!("it was loaded without being remembered"),
    }
}

#[test]
fn broken_pins_stop_loading() {
    let scratch = Scratch::new();
    let plugin = scratch.plugin("chord", 0, None);
    fs::write(scratch.pins(), "version = 1\n[[pins]]\nname = \"arp\"\nstatement_seen_at = \"once\"\n")
        .expect("written");
    for requirement in [RequireStatement::OnceSeen, RequireStatement::Always, RequireStatement::Never] {
        assert!(matches!(load(&scratch.host(requirement), &plugin), Err(LoadError::Trust { .. })));
    }
}

#[test]
fn hosts_that_load_at_once_lose_no_pin() {
    let scratch = Scratch::new();
    let names = |who: &str| (0..4).map(|number| format!("{who}-{number}")).collect::<Vec<_>>();
    let all = [names("one"), names("two"), names("both")].concat();
    for name in &all {
        scratch.plugin(name, 0, None);
    }
    thread::scope(|scope| {
        for who in ["one", "two"] {
            let scratch = &scratch;
            scope.spawn(move || {
                let host = scratch.host(RequireStatement::OnceSeen);
                for name in [names("both"), names(who)].concat() {
                    load(&host, &scratch.dir.path().join(format!("{name}.wasm"))).expect("loads");
                }
            });
        }
    });
    let store = TrustStore::load(&scratch.config()).expect("loads");
    for name in all {
        assert!(store.statement_seen_at(&name.parse().expect("a name")).is_some(), "{name}");
    }
}
