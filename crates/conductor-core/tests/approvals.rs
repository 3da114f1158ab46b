//! The user's decisions about capabilities: asked for, given, limited in time, taken back while the plugin runs.

#![expect(clippy::expect_used, reason = "a test that cannot be set up fails, outside its test function too")]

#[cfg(test)]
#[path = "approvals/unkept.rs"]
mod unkept;

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use conductor_abi::{Capability, Risk};
use conductor_core::audit::{AuditEvent, AuditKey, AuditRecord, AuditSink, NotRecorded};
use conductor_core::grant::store::GrantStore;
use conductor_core::grant::{ApprovalError, GrantDuration};
use conductor_core::{Host, LoadError, Outcome, Plugin, PluginOptions, Suspension, WasmConfig};
use conductor_signing::{
    Developer, PluginFile, SigningKey, SigningRequest, UnverifiedPlugin, add_manifest, manifest_from_toml,
    signature_path,
};
use tempfile::TempDir;

/// Longest wait for something that usually takes milliseconds.
const PATIENCE: Duration = Duration::from_secs(20);

/// WASI's error number for a descriptor that is not open.
const BADF: i32 = 8;

/// Body of `execute` in most tests: creates a file, and returns the error number.
const CREATE: &str = "(call $create)";

/// A user with a configuration, a data directory and a publisher's plugins.
struct Place {
    directory: TempDir,
    key: SigningKey,
}

impl Place {
    fn new() -> Self {
        let directory = tempfile::tempdir().expect("a directory");
        Self { directory, key: SigningKey::generate().expect("a key") }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// A host that lets in every signed plugin, at any risk.
    fn host(&self) -> Host {
        let config = WasmConfig {
            require_signature: true,
            allow_self_signed: true,
            self_signed_max_risk: Risk::High,
            trust_dir: Some(self.path("config")),
            data_dir: Some(self.path("data")),
            ..WasmConfig::default()
        };
        Host::new(config).expect("a host")
    }

    /// Writes and signs the plugin `notes`, which asks for the capabilities.
    fn release(&self, version: &str, capabilities: &[(&str, &str)], execute: &str) -> PathBuf {
        let wasm = wat::parse_str(format!(
            r#"(module
                (import "wasi_snapshot_preview1" "path_open"
                    (func $open (param i32 i32 i32 i32 i32 i64 i64 i32 i32) (result i32)))
                (memory (export "memory") 1)
                (data (i32.const 0) "file")
                (func $create (result i32)
                    (call $open (i32.const 3) (i32.const 0) (i32.const 0) (i32.const 4) (i32.const 1)
                        (i64.const 0x40) (i64.const 0) (i32.const 0) (i32.const 8)))
                (func (export "alloc") (param i32) (result i32) (i32.const 1024))
                (func (export "execute") (param i32 i32) (result i32) {execute}))"#
        ));
        let mut manifest = format!("name = \"notes\"\nversion = \"{version}\"\n");
        for (name, scope) in capabilities {
            manifest += &format!(
                "[[capabilities]]\nname = \"{name}\"\nscope = \"{scope}\"\nreason = \"to keep notes\"\n"
            );
        }
        let manifest = manifest_from_toml(&manifest).expect("a manifest");
        let path = self.path("notes.wasm");
        let wasm = add_manifest(&wasm.expect("valid text"), &manifest, false).expect("added");
        fs::write(&path, wasm).expect("written");
        let request = SigningRequest {
            developer: Developer::new("Ada", "ada@example.org").expect("a developer"),
            plugin_name: None,
            plugin_version: None,
            expires_at: None,
            min_host_version: None,
            cosigners: Vec::new(),
        };
        let document = PluginFile::scan(&path).expect("read").sign(&self.key, request).expect("signed");
        fs::write(signature_path(&path), document.to_json()).expect("written");
        path
    }
}

fn load(host: &Host, path: &Path) -> Box<dyn Plugin> {
    load_with(host, path, &PluginOptions::default()).expect("loads")
}

fn load_with(host: &Host, path: &Path, options: &PluginOptions) -> Result<Box<dyn Plugin>, LoadError> {
    host.load_unverified(UnverifiedPlugin::read(path, 1 << 20).expect("read"), options)
}

/// The error number that the call returned.
fn call(plugin: &mut dyn Plugin) -> i32 {
    let outcome = plugin.execute(b"{}").outcome;
    if let Outcome::Failed { code } = outcome {
        return code;
    }
    assert!(matches!(outcome, Outcome::Ok), "{outcome}");
    0
}

fn approve(plugin: &dyn Plugin, duration: &GrantDuration) {
    plugin.permission().approve(Capability::Filesystem, None, duration, None).expect("approved");
}

#[test]
fn what_waits_is_granted_and_taken_back_while_the_plugin_is_loaded() {
    let place = Place::new();
    let path = place.release("1.0.0", &[("Filesystem", "read-write")], CREATE);
    let host = place.host();
    let mut plugin = load(&host, &path);
    assert_eq!(call(plugin.as_mut()), BADF);
    let pending = plugin.permission().pending();
    assert_eq!(pending.len(), 1);
    assert_eq!((pending[0].capability(), pending[0].risk), (Capability::Filesystem, Risk::Medium));
    assert_eq!(pending[0].scope.to_string(), "read-write");
    assert_eq!(pending[0].reason.as_deref(), Some("to keep notes"));

    approve(plugin.as_ref(), &GrantDuration::Always);
    assert!(plugin.permission().pending().is_empty());
    assert_eq!(call(plugin.as_mut()), 0);
    assert!(place.path("data/notes/file").exists());
    assert_eq!(call(load(&place.host(), &path).as_mut()), 0, "another host knows it");

    plugin.permission().deny(Capability::Filesystem).expect("denied");
    assert_eq!(call(plugin.as_mut()), BADF);
    assert!(plugin.permission().pending().is_empty(), "it is decided");
    let mut again = load(&place.host(), &path);
    assert_eq!(call(again.as_mut()), BADF);
    let granted =
        PluginOptions { granted: vec!["Filesystem".parse().expect("a grant")], ..PluginOptions::default() };
    let mut configured = load_with(&place.host(), &path, &granted).expect("loads");
    assert_eq!(call(configured.as_mut()), BADF, "a denial outranks the configuration");
}

#[test]
fn a_grant_for_once_ends_with_the_call() {
    let place = Place::new();
    let path = place.release("1.0.0", &[("Filesystem", "read-write")], CREATE);
    let host = place.host();
    let mut plugin = load(&host, &path);
    approve(plugin.as_ref(), &GrantDuration::Once);
    assert_eq!((call(plugin.as_mut()), call(plugin.as_mut())), (0, BADF));
    assert_eq!(plugin.permission().pending().len(), 1, "it asks again");
}

#[test]
fn a_grant_for_the_session_ends_with_the_host() {
    let place = Place::new();
    let path = place.release("1.0.0", &[("Filesystem", "read-write")], CREATE);
    let host = place.host();
    let mut plugin = load(&host, &path);
    approve(plugin.as_ref(), &GrantDuration::Session);
    assert_eq!((call(plugin.as_mut()), call(plugin.as_mut())), (0, 0));
    drop(plugin);
    assert_eq!(call(load(&host, &path).as_mut()), 0);
    assert_eq!(call(load(&place.host(), &path).as_mut()), BADF);
}

#[test]
fn a_grant_with_a_date_ends_then() {
    let place = Place::new();
    let path = place.release("1.0.0", &[("Filesystem", "read-write")], CREATE);
    let host = place.host();
    let mut plugin = load(&host, &path);
    let soon = jiff::Timestamp::now() + Duration::from_secs(2);
    let until = format!("{soon:.0}").parse().expect("a time");
    approve(plugin.as_ref(), &GrantDuration::Until(until));
    assert_eq!(call(plugin.as_mut()), 0);
    let start = Instant::now();
    while !plugin.permission().has_ended_grants(jiff::Timestamp::now()) {
        assert!(start.elapsed() < PATIENCE, "it does not end");
        thread::sleep(Duration::from_millis(20));
    }
    plugin.permission().refresh().expect("decided");
    assert_eq!(call(plugin.as_mut()), BADF);
    assert_eq!(call(load(&place.host(), &path).as_mut()), BADF);
}

#[test]
fn files_that_are_revoked_end_the_call_that_sees_them() {
    let place = Place::new();
    let path = place.release("1.0.0", &[("Filesystem", "read-write")], "(loop (br 0)) (i32.const 0)");
    let host = place.host();
    let limits = conductor_core::Limits {
        max_fuel: u64::MAX,
        max_execution_time: Duration::from_secs(600),
        ..conductor_core::Limits::default()
    };
    let options = PluginOptions { limits: Some(limits), ..PluginOptions::default() };
    let mut plugin = load_with(&host, &path, &options).expect("loads");
    approve(plugin.as_ref(), &GrantDuration::Session);
    let permission = plugin.permission();
    let call = thread::spawn(move || plugin.execute(b"{}").outcome);
    thread::sleep(Duration::from_millis(200));
    assert!(!call.is_finished(), "the call goes on");
    permission.deny(Capability::Filesystem).expect("denied");
    let start = Instant::now();
    while !call.is_finished() {
        assert!(start.elapsed() < PATIENCE, "the call does not end");
        thread::sleep(Duration::from_millis(5));
    }
    let outcome = call.join().expect("no panic");
    assert_eq!(outcome, Outcome::Suspended { suspension: Suspension::FilesRevoked });
}

#[test]
fn high_risk_needs_the_name_and_nothing_is_granted_that_is_not_asked_for() {
    let place = Place::new();
    let path = place.release("1.0.0", &[("Subprocess", "/bin/echo")], CREATE);
    let host = place.host();
    let permission = load(&host, &path).permission();
    let always = &GrantDuration::Always;
    let approve = |capability, name| permission.approve(capability, None, always, name);
    for name in [None, Some(""), Some("Notes"), Some("chord")] {
        let refused = approve(Capability::Subprocess, name);
        assert!(matches!(refused, Err(ApprovalError::NameNotTyped { .. })), "{name:?}: {refused:?}");
    }
    let refused = approve(Capability::SystemControl, Some("notes"));
    assert!(matches!(refused, Err(ApprovalError::NotDeclared { .. })), "{refused:?}");
    assert_eq!(permission.pending().len(), 1);
    let approved = approve(Capability::Subprocess, Some("notes")).expect("approved");
    assert_eq!(approved.risk, Risk::High);
    assert!(permission.pending().is_empty());
}

#[test]
fn more_than_before_is_asked_for_again() {
    let place = Place::new();
    let path = place.release("1.0.0", &[("Filesystem", "read-only")], CREATE);
    let mut first = load(&place.host(), &path);
    approve(first.as_ref(), &GrantDuration::Always);
    let denied_write = call(first.as_mut());
    assert_ne!(denied_write, 0);

    let path = place.release("2.0.0", &[("Filesystem", "read-write")], CREATE);
    let mut second = load(&place.host(), &path);
    assert_eq!(call(second.as_mut()), denied_write, "the grant is for what was shown");
    let pending = second.permission().pending();
    assert_eq!(pending.len(), 1);
    let earlier = pending[0].earlier.as_ref().expect("decided before");
    assert_eq!(earlier.version.as_deref(), Some("1.0.0"));
    assert_eq!(earlier.declared[0].to_string(), "Filesystem=read-only");
    approve(second.as_ref(), &GrantDuration::Always);
    assert_eq!(call(second.as_mut()), 0);
}

#[test]
fn a_bare_name_in_the_configuration_grants_what_was_declared_first() {
    let place = Place::new();
    let options = PluginOptions {
        granted: vec!["Filesystem".parse().expect("a grant")],
        standing_grants: true,
        ..PluginOptions::default()
    };
    let path = place.release("1.0.0", &[("Filesystem", "read-only")], CREATE);
    load_with(&place.host(), &path, &options).expect("loads");
    let path = place.release("2.0.0", &[("Filesystem", "read-write")], CREATE);
    let mut second = load_with(&place.host(), &path, &options).expect("loads");
    assert_ne!(call(second.as_mut()), 0);
    assert_eq!(second.permission().pending().len(), 1);
    let now = PluginOptions { standing_grants: false, ..options };
    let mut second = load_with(&place.host(), &path, &now).expect("loads");
    assert_eq!(call(second.as_mut()), 0, "a word given now is about the plugin as it is now");
}

#[test]
fn grants_are_bound_to_the_publisher() {
    let place = Place::new();
    let path = place.release("1.0.0", &[("Filesystem", "read-write")], CREATE);
    approve(load(&place.host(), &path).as_ref(), &GrantDuration::Always);
    fs::remove_file(place.path("config/pins.toml")).expect("the pin would refuse it by itself");
    let other = Place { key: SigningKey::generate().expect("a key"), ..place };
    let path = other.release("1.0.0", &[("Filesystem", "read-write")], CREATE);
    assert_eq!(call(load(&other.host(), &path).as_mut()), BADF);
}

#[test]
fn decisions_that_cannot_be_read_stop_loading() {
    let place = Place::new();
    let path = place.release("1.0.0", &[("Filesystem", "read-write")], CREATE);
    let plugin = load(&place.host(), &path);
    approve(plugin.as_ref(), &GrantDuration::Always);
    fs::write(GrantStore::file(&place.path("config")), "version = 1\n[[grants]]\n").expect("written");
    let refused = load_with(&place.host(), &path, &PluginOptions::default()).err().expect("refused");
    assert!(matches!(refused, LoadError::Approval { .. }), "{refused}");
    assert!(plugin.permission().refresh().is_err());
    let granted = plugin.permission().capabilities()[0].to_string();
    assert_eq!(granted, "Filesystem is granted by approval: read-write", "what runs goes on as it was");
}

/// A sink that fails when told to, and keeps the scopes of each grant together with the content of the file at that
/// time.
struct Sink {
    fails: AtomicBool,
    /// Whether the sink fails only at grants.
    fails_at_grants: AtomicBool,
    /// Whether the trust store is damaged when it is asked next whether it fails.
    damages: AtomicBool,
    key: AuditKey,
    file: PathBuf,
    granted: Mutex<Vec<(String, String)>>,
}

impl Sink {
    fn at(place: &Place) -> Arc<Self> {
        let file = GrantStore::file(&place.path("config"));
        let key = AuditKey::from_bytes([7; 32]);
        let [fails, fails_at_grants, damages] = std::array::from_fn(|_| AtomicBool::default());
        Arc::new(Self { fails, fails_at_grants, damages, key, file, granted: Mutex::default() })
    }

    fn granted(&self) -> Vec<(String, String)> {
        std::mem::take(&mut self.granted.lock().expect("grants"))
    }
}

impl AuditSink for Sink {
    fn record(&self, record: &AuditRecord) -> Result<(), NotRecorded> {
        if let AuditEvent::CapabilityGranted { scopes, .. } = &record.event {
            if self.fails_at_grants.load(Ordering::Relaxed) {
                return Err(NotRecorded);
            }
            let stood = fs::read_to_string(&self.file).unwrap_or_default();
            self.granted.lock().expect("grants").push((scopes.as_str().to_owned(), stood));
        }
        if self.is_failing() { Err(NotRecorded) } else { Ok(()) }
    }

    fn key(&self) -> &AuditKey {
        &self.key
    }

    fn is_failing(&self) -> bool {
        if self.damages.swap(false, Ordering::Relaxed) {
            fs::write(self.file.with_file_name("trusted_keys.toml"), "damaged").expect("written");
        }
        self.fails.load(Ordering::Relaxed)
    }
}

#[test]
fn a_denial_holds_where_the_trust_store_cannot_be_read() {
    let place = Place::new();
    let path = place.release("1.0.0", &[("Filesystem", "read-write")], CREATE);
    let host = place.host();
    let mut plugin = load(&host, &path);
    approve(plugin.as_ref(), &GrantDuration::Always);
    assert_eq!(call(plugin.as_mut()), 0);
    let granted = fs::read_to_string(GrantStore::file(&place.path("config"))).expect("read");
    fs::write(place.path("config").join("pins.toml"), "[[[ damaged").expect("written");
    plugin.permission().deny(Capability::Filesystem).expect("denied");
    assert_eq!(call(plugin.as_mut()), BADF);
    let _ = plugin.permission().refresh();
    assert_eq!(call(plugin.as_mut()), BADF, "nor when it is decided again");
    fs::write(GrantStore::file(&place.path("config")), granted).expect("written");
    let _ = plugin.permission().refresh();
    assert_eq!(call(plugin.as_mut()), BADF, "nothing is added while nobody can say who vouches");
}

#[test]
fn what_cannot_be_decided_any_more_is_not_granted_for_later() {
    let place = Place::new();
    let path = place.release("1.0.0", &[("Filesystem", "read-write")], CREATE);
    let sink = Sink::at(&place);
    let host = place.host().audited(Arc::clone(&sink) as _);
    let plugin = load(&host, &path);
    sink.damages.store(true, Ordering::Relaxed);
    let refused = plugin.permission().approve(Capability::Filesystem, None, &GrantDuration::Always, None);
    assert!(matches!(refused, Err(ApprovalError::Judge(_))), "{refused:?}");
    assert!(sink.granted().is_empty(), "nothing is on record as granted");
    fs::remove_file(place.path("config").join("trusted_keys.toml")).expect("removed");
    assert_eq!(call(load(&place.host(), &path).as_mut()), BADF, "the next start grants nothing either");
}

#[test]
fn nothing_is_granted_that_cannot_be_recorded() {
    let place = Place::new();
    let path = place.release("1.0.0", &[("Filesystem", "read-write")], CREATE);
    let sink = Sink::at(&place);
    let host = place.host().audited(Arc::clone(&sink) as _);
    let mut plugin = load(&host, &path);
    sink.fails.store(true, Ordering::Relaxed);
    let grant = |plugin: &dyn Plugin| {
        plugin.permission().approve(Capability::Filesystem, None, &GrantDuration::Always, None)
    };
    let refused = grant(plugin.as_ref());
    assert!(matches!(refused, Err(ApprovalError::NotAudited)), "{refused:?}");
    assert_eq!(call(plugin.as_mut()), BADF);
    assert!(!GrantStore::file(&place.path("config")).exists());
    sink.fails.store(false, Ordering::Relaxed);
    grant(plugin.as_ref()).expect("granted");
    sink.fails.store(true, Ordering::Relaxed);
    assert_eq!(call(plugin.as_mut()), 0, "what runs goes on");
    plugin.permission().deny(Capability::Filesystem).expect("what is taken away needs no record");
    assert_eq!(call(plugin.as_mut()), BADF);
}

/// Reports when a grant is being recorded, and then blocks until the test lets it go on, like a slow disk.
struct Slow {
    key: AuditKey,
    begun: Mutex<Sender<()>>,
    go_on: Mutex<Receiver<()>>,
}

impl AuditSink for Slow {
    fn record(&self, record: &AuditRecord) -> Result<(), NotRecorded> {
        if let AuditEvent::CapabilityGranted { .. } = &record.event {
            self.begun.lock().expect("a sender").send(()).expect("the test waits");
            let _ = self.go_on.lock().expect("a receiver").recv();
        }
        Ok(())
    }

    fn key(&self) -> &AuditKey {
        &self.key
    }
}

#[test]
fn what_is_taken_away_waits_for_nobody_who_writes() {
    let place = Place::new();
    let path = place.release("1.0.0", &[("Filesystem", "read-write"), ("Network", "example.org")], CREATE);
    let ((begun, began), (go_on, waits)) = (channel(), channel());
    let (key, begun, waits) = (AuditKey::from_bytes([7; 32]), Mutex::new(begun), Mutex::new(waits));
    let plugin = load(&place.host().audited(Arc::new(Slow { key, begun, go_on: waits })), &path);
    let (permission, always) = (plugin.permission(), GrantDuration::Always);
    let is = |word: &str| permission.capabilities().iter().any(|decided| decided.to_string().contains(word));
    thread::scope(|scope| {
        let go_on = go_on;
        scope.spawn(|| permission.approve(Capability::Filesystem, None, &always, None).expect("granted"));
        began.recv_timeout(PATIENCE).expect("the grant is being recorded");
        let denied = scope.spawn(|| permission.deny(Capability::Network).expect("denied"));
        let started = Instant::now();
        while !is("Network is denied") {
            assert!(started.elapsed() < PATIENCE, "the denial waits");
            thread::sleep(Duration::from_millis(1));
        }
        assert!(!denied.is_finished(), "it is written down after whoever writes now");
        go_on.send(()).expect("it waits");
        denied.join().expect("denied");
    });
    assert!(is("Network is denied by the user") && is("Filesystem is granted"));
}

/// Keeps the records of grants that were narrowed.
struct Narrowed {
    records: Mutex<Vec<String>>,
    key: AuditKey,
}

impl AuditSink for Narrowed {
    fn record(&self, record: &AuditRecord) -> Result<(), NotRecorded> {
        if let AuditEvent::GrantNarrowed { capability, scopes } = &record.event {
            self.records.lock().expect("records").push(format!("{capability} {}", scopes.as_str()));
        }
        Ok(())
    }

    fn key(&self) -> &AuditKey {
        &self.key
    }
}

#[test]
fn a_stored_grant_that_means_less_than_when_it_was_made_is_told_and_recorded_once() {
    let place = Place::new();
    let path = place.release("1.0.0", &[("Network", "methods=GET")], "(i32.const 0)");
    let standing = PluginOptions {
        granted: vec!["Network".parse().expect("a grant")],
        standing_grants: true,
        ..PluginOptions::default()
    };
    let plugin = load_with(&place.host(), &path, &standing).expect("loads");
    plugin.permission().approve(Capability::Network, None, &GrantDuration::Always, None).expect("granted");
    drop(plugin);
    drop(load_with(&place.host(), &path, &standing).expect("loads"));

    // The decision in the form in which it used to mean every port.
    let file = GrantStore::file(&place.path("config"));
    let now = fs::read_to_string(&file).expect("decisions");
    let then = now.replace("grant = \"Network=*;methods=GET\"", "grant = \"Network=methods=GET\"");
    assert_ne!(now, then, "{now}");
    fs::write(&file, &then).expect("written");

    let sink = Arc::new(Narrowed { records: Mutex::default(), key: AuditKey::from_bytes([7; 32]) });
    for _ in 0..2 {
        let host = place.host().audited(Arc::clone(&sink) as _);
        let plugin = load_with(&host, &path, &standing).expect("loads");
        let decided = plugin.info().capabilities[0].to_string();
        assert!(decided.ends_with("by approval: *;methods=GET"), "{decided}");
    }
    assert_eq!(*sink.records.lock().expect("records"), ["Network Network=methods=GET"]);
    let written = fs::read_to_string(&file).expect("decisions");
    assert!(written.contains("grant = \"Network=*;methods=GET\""), "{written}");
    // The declared scope stays as it was, so that the user is not asked again.
    assert!(written.contains("declared = [\"Network=methods=GET\"]"), "{written}");
}

#[test]
fn what_is_granted_is_recorded_when_it_is_and_taken_back_if_it_cannot_be() {
    let place = Place::new();
    let path = place.release("1.0.0", &[("Filesystem", "read-write")], CREATE);
    let sink = Sink::at(&place);
    let host = place.host().audited(Arc::clone(&sink) as _);
    let mut plugin = load(&host, &path);
    approve(plugin.as_ref(), &GrantDuration::Always);
    let granted = sink.granted();
    let [(scopes, stood)] = &granted[..] else { panic!("{granted:?}") };
    assert!(scopes == "Filesystem=read-write" && stood.contains(scopes.as_str()), "{granted:?}");

    plugin.permission().deny(Capability::Filesystem).expect("denied");
    sink.fails_at_grants.store(true, Ordering::Relaxed);
    let grant = || plugin.permission().approve(Capability::Filesystem, None, &GrantDuration::Always, None);
    assert!(matches!(grant(), Err(ApprovalError::NotAudited)));
    assert_eq!(call(plugin.as_mut()), BADF);
    assert_eq!(call(load(&place.host(), &path).as_mut()), BADF, "the denial stands again");
}

#[test]
fn what_another_program_granted_is_recorded_when_it_counts_here() {
    let place = Place::new();
    let path = place.release("1.0.0", &[("Filesystem", "read-write")], CREATE);
    let sink = Sink::at(&place);
    let host = place.host().audited(Arc::clone(&sink) as _);
    let mut plugin = load(&host, &path);
    approve(load(&place.host(), &path).as_ref(), &GrantDuration::Always);
    sink.fails_at_grants.store(true, Ordering::Relaxed);
    assert!(matches!(plugin.permission().refresh(), Err(ApprovalError::NotAudited)));
    assert_eq!(call(plugin.as_mut()), BADF, "not without a record");
    sink.fails_at_grants.store(false, Ordering::Relaxed);
    plugin.permission().refresh().expect("decided");
    assert_eq!(call(plugin.as_mut()), 0);
    assert_eq!(sink.granted().len(), 1);
    plugin.permission().refresh().expect("decided");
    assert!(sink.granted().is_empty(), "nothing is wider than before");
}

/// Holds a lock of the configuration directory, like a program that does not end.
fn hold(place: &Place, lock: &str) -> fs::File {
    let path = place.path("config").join(lock);
    let file = fs::OpenOptions::new().write(true).create(true).truncate(false).open(path).expect("opened");
    file.lock().expect("locked");
    file
}

#[test]
fn a_revocation_that_cannot_be_put_into_the_file_stands_in_the_journal() {
    let place = Place::new();
    let path = place.release("1.0.0", &[("Filesystem", "read-write")], CREATE);
    let host = place.host();
    host.prepare_denials().expect("prepared");
    let mut plugin = load(&host, &path);
    let mut other = load(&host, &path);
    approve(plugin.as_ref(), &GrantDuration::Always);
    other.permission().refresh().expect("decided");
    let held = hold(&place, "grants.lock");
    plugin.permission().deny(Capability::Filesystem).expect("kept in the journal");
    assert!(host.denials().unkept().is_empty());
    other.permission().refresh().expect("decided");
    for plugin in [&mut plugin, &mut other] {
        assert_eq!(call(plugin.as_mut()), BADF);
    }
    assert_eq!(call(load(&place.host(), &path).as_mut()), BADF, "after a new start");
    drop(held);
    approve(plugin.as_ref(), &GrantDuration::Always);
    assert_eq!(call(plugin.as_mut()), 0);
    assert_eq!(call(load(&place.host(), &path).as_mut()), 0, "a grant clears it");
}
