//! Row matrix: every capability in every state that its grant can be in, with a plugin that asks for the capability, as
//! postcard and as JSON.

#![cfg(target_os = "linux")]
#![expect(clippy::expect_used, reason = "a test that cannot be set up fails, outside its test function too")]

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use conductor_abi::{
    AudioOpen, Capability, HttpRequest, MediaKey, MidiSend, MuteChange, Op, ProgramRun, Risk, VolumeChange,
    VolumeState,
};
use conductor_core::audit::{AuditEvent, AuditKey, AuditRecord, AuditSink, NotRecorded};
use conductor_core::devices::{AudioError, AudioOutputs, AudioSource};
use conductor_core::grant::GrantDuration;
use conductor_core::launcher::Launcher;
use conductor_core::scope::Scope;
use conductor_core::{
    Desktop, DesktopError, Devices, GrantSpec, Host, MidiError, MidiOutputs, Outcome, Plugin, PluginOptions,
    WasmConfig,
};
use conductor_signing::{UnverifiedPlugin, add_manifest, manifest_from_toml};
use tempfile::TempDir;

/// What the guest's call returns if a capability is denied.
const DENIED: i32 = 1;

/// What it returns if the plugin sees no files: WASI's errno for a bad descriptor.
const BADF: i32 = 8;

/// What it returns if files are read-only: WASI's errno for an operation that is not permitted.
const PERM: i32 = 63;

/// One capability: what is declared, what else could be granted of it, and how the guest asks for it.
struct Case {
    capability: Capability,
    scope: String,
    other: &'static str,
    /// Whether the declared scope is granted automatically.
    is_automatic: bool,
    ask: Ask,
}

/// How a plugin asks.
enum Ask {
    /// It opens a file.
    Open,
    /// It makes a host call, with a request as postcard.
    Call(Op, Vec<u8>),
    /// It makes a host call, with a request as JSON.
    Request(String),
}

impl Ask {
    const fn is_of_files(&self) -> bool {
        matches!(self, Self::Open)
    }

    /// The bytes that the host gets, and how the plugin's code hands them over.
    fn code(&self) -> (&[u8], String) {
        let status = |call: String| format!("(i32.wrap_i64 (i64.shr_u {call} (i64.const 32)))");
        match self {
            Self::Open => {
                let open = "(call $open (i32.const 3) (i32.const 0) (i32.const 0) (i32.const 4) (i32.const 1)
                    (i64.const 0x40) (i64.const 0) (i32.const 0) (i32.const 8))";
                (&[], open.to_owned())
            }
            Self::Call(op, request) => {
                let (op, length) = (op.number(), request.len());
                let call = format!("(call $call (i32.const {op}) (i32.const 2048) (i32.const {length}))");
                (request, status(call))
            }
            Self::Request(request) => {
                let call = format!("(call $request (i32.const 2048) (i32.const {}))", request.len());
                (request.as_bytes(), status(call))
            }
        }
    }
}

impl Case {
    /// What the guest's call returns if the capability is denied.
    fn denied(&self, has_files: bool) -> i32 {
        match (self.ask.is_of_files(), has_files) {
            (false, _) => DENIED,
            (true, false) => BADF,
            (true, true) => PERM,
        }
    }

    /// A module that asks once in each call and returns the answer.
    fn module(&self) -> Vec<u8> {
        let (request, ask) = self.ask.code();
        let request: String = request.iter().map(|byte| format!("\\{byte:02x}")).collect();
        let text = format!(
            r#"(module
                (import "wasi_snapshot_preview1" "path_open"
                    (func $open (param i32 i32 i32 i32 i32 i64 i64 i32 i32) (result i32)))
                (import "conductor" "call" (func $call (param i32 i32 i32) (result i64)))
                (import "conductor" "request" (func $request (param i32 i32) (result i64)))
                (memory (export "memory") 1)
                (data (i32.const 0) "file")
                (data (i32.const 2048) "{request}")
                (func (export "alloc") (param i32) (result i32) (i32.const 1024))
                (func (export "execute") (param i32 i32) (result i32) {ask}))"#
        );
        wat::parse_str(text).expect("a module")
    }
}

struct Audit(Mutex<Vec<AuditRecord>>, AuditKey);

impl Default for Audit {
    fn default() -> Self {
        Self(Mutex::default(), AuditKey::from_bytes([7; 32]))
    }
}

impl AuditSink for Audit {
    fn record(&self, record: &AuditRecord) -> Result<(), NotRecorded> {
        self.0.lock().expect("records").push(record.clone());
        Ok(())
    }

    fn key(&self) -> &AuditKey {
        &self.1
    }
}

impl Audit {
    fn denials(&self) -> usize {
        let records = self.0.lock().expect("records");
        records.iter().filter(|record| matches!(record.event, AuditEvent::CapabilityDenied { .. })).count()
    }
}

/// Devices that count how often they are used.
#[derive(Default)]
struct Done(Mutex<usize>);

impl Done {
    fn did<T>(&self, answer: T) -> T {
        *self.0.lock().expect("count") += 1;
        answer
    }
}

impl MidiOutputs for Done {
    fn ports(&self) -> Vec<String> {
        vec!["synth".to_owned()]
    }

    fn send(&self, _port: &str, _message: &[u8]) -> Result<(), MidiError> {
        self.did(Ok(()))
    }
}

impl AudioOutputs for Done {
    fn outputs(&self) -> Result<Vec<String>, AudioError> {
        Ok(vec!["speakers".to_owned()])
    }

    fn play(
        &self,
        _output: &str,
        started: &mut dyn FnMut(),
        _source: &mut dyn AudioSource,
    ) -> Result<(), AudioError> {
        started();
        self.did(Ok(()))
    }
}

const STATE: VolumeState = VolumeState { level: 0.5, muted: false };

impl Desktop for Done {
    fn volume(&self, _change: VolumeChange) -> Result<VolumeState, DesktopError> {
        self.did(Ok(STATE))
    }

    fn mute(&self, _change: MuteChange) -> Result<VolumeState, DesktopError> {
        self.did(Ok(STATE))
    }

    fn media(&self, _key: MediaKey, _player: Option<&str>) -> Result<String, DesktopError> {
        self.did(Ok(String::new()))
    }

    fn notify(&self, _summary: &str, _body: &str) -> Result<(), DesktopError> {
        self.did(Ok(()))
    }

    fn lock(&self) -> Result<(), DesktopError> {
        self.did(Ok(()))
    }

    fn open_url(&self, _url: &str) -> Result<(), DesktopError> {
        self.did(Ok(()))
    }
}

/// A user with a plugin of each kind, and everything that the plugins could reach.
struct Place {
    directory: TempDir,
    audit: Arc<Audit>,
    done: Arc<Done>,
}

impl Place {
    fn new() -> Self {
        let directory = tempfile::tempdir().expect("a directory");
        Self { directory, audit: Arc::default(), done: Arc::default() }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    fn host(&self) -> Host {
        let config = WasmConfig {
            unsigned_max_risk: Risk::High,
            trust_dir: Some(self.path("config")),
            data_dir: Some(self.path("data")),
            ..WasmConfig::default()
        };
        let devices = Devices {
            midi: Arc::clone(&self.done) as _,
            audio: Arc::clone(&self.done) as _,
            desktop: Arc::clone(&self.done) as _,
            launcher: Some(Launcher::new(env!("CARGO_BIN_EXE_conductor"), ["launch"])),
            ..Devices::default()
        };
        Host::with_devices(config, devices).expect("a host").audited(Arc::clone(&self.audit) as _)
    }

    /// Loads the plugin of a case, with or without the capability in its manifest.
    fn load(&self, case: &Case, declared: bool, granted: &[GrantSpec]) -> Box<dyn Plugin> {
        let mut manifest = "name = \"guest\"\nversion = \"1.0.0\"\n".to_owned();
        if declared {
            let (name, scope) = (case.capability, &case.scope);
            manifest +=
                &format!("[[capabilities]]\nname = \"{name}\"\nscope = \"{scope}\"\nreason = \"a test\"\n");
        }
        let manifest = manifest_from_toml(&manifest).expect("a manifest");
        let wasm = add_manifest(&case.module(), &manifest, false).expect("added");
        let path = self.path("guest.wasm");
        fs::write(&path, wasm).expect("written");
        let options = PluginOptions { granted: granted.to_vec(), ..PluginOptions::default() };
        let plugin = UnverifiedPlugin::read(&path, 1 << 20).expect("read");
        self.host().load_unverified(plugin, &options).expect("loads")
    }
}

/// The answer that the guest got.
fn call(plugin: &mut dyn Plugin) -> i32 {
    let outcome = plugin.execute(b"{}").outcome;
    if let Outcome::Failed { code } = outcome {
        return code;
    }
    assert!(matches!(outcome, Outcome::Ok), "{outcome}");
    0
}

fn approve(plugin: &dyn Plugin, case: &Case, scope: Option<&str>, duration: &GrantDuration) {
    let scope = scope.map(|scope| Scope::parse(case.capability, scope).expect("a scope"));
    let approved = plugin.permission().approve(case.capability, scope.as_ref(), duration, Some("guest"));
    approved.expect("approved");
}

/// A server that answers every connection. Returns its port.
fn server() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = listener.local_addr().expect("an address").port();
    thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.expect("a connection");
            let _ = stream.read(&mut [0; 4096]);
            let _ = stream.write_all(b"HTTP/1.1 204 No Content\r\nconnection: close\r\n\r\n");
        }
    });
    port
}

fn wire(value: &impl serde::Serialize) -> Vec<u8> {
    postcard::to_allocvec(value).expect("encodes")
}

fn cases(port: u16) -> Vec<Case> {
    let url = format!("http://127.0.0.1:{port}/");
    let http = HttpRequest { method: "GET", url: &url, headers: Vec::new(), body: b"" };
    let http = Ask::Call(Op::HttpRequest, wire(&http));
    let http_in_json = Ask::Request(format!(r#"{{"op":"http-request","method":"GET","url":"{url}"}}"#));
    let audio = AudioOpen { output: "speakers", rate: 48_000, channels: 1, gain: 1.0 };
    let audio = Ask::Call(Op::AudioOpen, wire(&audio));
    let audio_in_json = r#"{"op":"audio-open","output":"speakers","rate":48000,"channels":1,"gain":1}"#;
    let program = ProgramRun { program: "/bin/true", arguments: Vec::new(), input: b"" };
    let program = Ask::Call(Op::ProgramRun, wire(&program));
    let volume = Ask::Call(Op::Volume, wire(&VolumeChange::Read));
    let network = format!("127.0.0.1:{port}");
    // A volume, which leaves nothing sounding that the host would have to end.
    let midi = Ask::Call(Op::MidiSend, wire(&MidiSend { port: "synth", bytes: &[0xb0, 7, 100] }));
    let json = |text: &str| Ask::Request(text.to_owned());
    let kinds = [
        (Capability::Network, network.as_str(), "127.0.0.1:1", false, vec![http, http_in_json]),
        (Capability::Audio, "speakers", "phones", true, vec![audio, json(audio_in_json)]),
        (
            Capability::Midi,
            "synth",
            "drums",
            true,
            vec![midi, json(r#"{"op":"midi-send","port":"synth","bytes":[176,7,100]}"#)],
        ),
        (Capability::Filesystem, "read-write", "read-only", false, vec![Ask::Open]),
        (
            Capability::Subprocess,
            "/bin/true",
            "/bin/false",
            false,
            vec![program, json(r#"{"op":"program-run","program":"/bin/true"}"#)],
        ),
        (
            Capability::SystemControl,
            "volume",
            "lock",
            false,
            vec![volume, json(r#"{"op":"volume","change":"read"}"#)],
        ),
    ];
    let cases = kinds.into_iter().flat_map(|(capability, scope, other, is_automatic, ways)| {
        let case = move |ask| Case { capability, scope: scope.to_owned(), other, is_automatic, ask };
        ways.into_iter().map(case)
    });
    cases.collect()
}

#[test]
fn what_is_done_is_what_is_declared_and_granted_now() {
    for case in cases(server()) {
        let name = case.capability;
        let bare: GrantSpec = name.to_string().parse().expect("a grant");
        let place = Place::new();

        let mut plugin = place.load(&case, false, &[bare]);
        assert_eq!(call(plugin.as_mut()), case.denied(false), "{name}: not declared, though granted");
        drop(plugin);

        let mut plugin = place.load(&case, true, &[]);
        let without = if case.is_automatic { 0 } else { case.denied(false) };
        assert_eq!(call(plugin.as_mut()), without, "{name}: declared, and nobody has decided");

        approve(plugin.as_ref(), &case, None, &GrantDuration::Always);
        assert_eq!(call(plugin.as_mut()), 0, "{name}: granted");
        assert_eq!(call(place.load(&case, true, &[]).as_mut()), 0, "{name}: granted before it was loaded");

        approve(plugin.as_ref(), &case, Some(case.other), &GrantDuration::Always);
        assert_eq!(call(plugin.as_mut()), case.denied(true), "{name}: granted with another scope");

        approve(plugin.as_ref(), &case, None, &GrantDuration::Session);
        assert_eq!(call(plugin.as_mut()), 0, "{name}: granted again");
        plugin.permission().deny(case.capability).expect("revoked");
        assert_eq!(call(plugin.as_mut()), case.denied(false), "{name}: revoked");

        let soon = jiff::Timestamp::now() + Duration::from_secs(4);
        let until = format!("{soon:.0}").parse().expect("a time");
        approve(plugin.as_ref(), &case, None, &GrantDuration::Until(until));
        assert_eq!(call(plugin.as_mut()), 0, "{name}: granted until a time to come");
        while !plugin.permission().has_ended_grants(jiff::Timestamp::now()) {
            thread::sleep(Duration::from_millis(20));
        }
        plugin.permission().refresh().expect("decided");
        assert_eq!(call(plugin.as_mut()), case.denied(false), "{name}: expired");

        if !case.ask.is_of_files() {
            let expected = 4 + usize::from(!case.is_automatic);
            assert_eq!(place.audit.denials(), expected, "{name}: every denial is on record");
        }
        let done = *place.done.0.lock().expect("count");
        let on_devices = [Capability::Audio, Capability::Midi, Capability::SystemControl];
        let granted = 4 + usize::from(case.is_automatic);
        assert_eq!(
            done,
            if on_devices.contains(&name) { granted } else { 0 },
            "{name}: nothing else was done"
        );
    }
}
