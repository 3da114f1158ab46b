//! Row revoke, grants for once: one deed, whatever becomes of it, and no second deed at the same time or later.

#![expect(clippy::expect_used, reason = "a test that cannot be set up fails, outside its test function too")]

use std::fs;
use std::net::TcpListener;
use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Barrier};
use std::thread;
use std::time::Duration;

use conductor_abi::{AudioOpen, Capability, HttpRequest, MidiSend, Op, Risk, Status};
use conductor_core::grant::GrantDuration;
use conductor_core::{
    AudioError, AudioOutputs, Desktop, DesktopError, Devices, Host, Limit, Limits, MidiError, MidiOutputs,
    Outcome, Plugin, PluginOptions, WasmConfig,
};
use conductor_signing::{UnverifiedPlugin, add_manifest, manifest_from_toml};
use tempfile::TempDir;

/// Devices that count the deeds that they are asked for, and carry them out or fail.
#[derive(Default)]
struct Counted {
    deeds: AtomicUsize,
    fails: bool,
}

impl Counted {
    fn did<T, E>(&self, answer: T, failed: E) -> Result<T, E> {
        self.deeds.fetch_add(1, Ordering::SeqCst);
        if self.fails { Err(failed) } else { Ok(answer) }
    }

    fn deeds(&self) -> usize {
        self.deeds.load(Ordering::SeqCst)
    }
}

impl MidiOutputs for Counted {
    fn ports(&self) -> Vec<String> {
        vec!["synth".to_owned()]
    }

    fn send(&self, port: &str, _message: &[u8]) -> Result<(), MidiError> {
        self.did((), MidiError::Failed { port: port.to_owned(), reason: "cable fell out".to_owned() })
    }
}

impl AudioOutputs for Counted {
    fn outputs(&self) -> Result<Vec<String>, AudioError> {
        self.did(vec!["speakers".to_owned()], AudioError::Unavailable { reason: "no card".to_owned() })
    }

    fn play(
        &self,
        _output: &str,
        started: &mut dyn FnMut(),
        _source: &mut dyn conductor_core::devices::AudioSource,
    ) -> Result<(), AudioError> {
        started();
        Ok(())
    }
}

impl Desktop for Counted {
    fn volume(&self, _: conductor_abi::VolumeChange) -> Result<conductor_abi::VolumeState, DesktopError> {
        self.lock().map(|()| conductor_abi::VolumeState { level: 0.5, muted: false })
    }

    fn mute(&self, _: conductor_abi::MuteChange) -> Result<conductor_abi::VolumeState, DesktopError> {
        self.volume(conductor_abi::VolumeChange::Read)
    }

    fn media(&self, _: conductor_abi::MediaKey, _: Option<&str>) -> Result<String, DesktopError> {
        self.lock().map(|()| String::new())
    }

    fn notify(&self, _: &str, _: &str) -> Result<(), DesktopError> {
        self.lock()
    }

    fn lock(&self) -> Result<(), DesktopError> {
        self.did((), DesktopError::Failed { reason: "it hangs".to_owned() })
    }

    fn open_url(&self, _: &str) -> Result<(), DesktopError> {
        self.lock()
    }
}

/// A user with plugins named `p`, which ask for one deed twice in each call and return both statuses.
struct Place {
    directory: TempDir,
    devices: Arc<Counted>,
}

impl Place {
    fn new(fails: bool) -> Self {
        let directory = tempfile::tempdir().expect("a directory");
        Self { directory, devices: Arc::new(Counted { fails, ..Counted::default() }) }
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
            midi: Arc::clone(&self.devices) as _,
            audio: Arc::clone(&self.devices) as _,
            desktop: Arc::clone(&self.devices) as _,
            ..Devices::default()
        };
        Host::with_devices(config, devices).expect("a host")
    }

    fn load(&self, host: &Host, capability: &str, scope: &str, ask: &str, request: &[u8]) -> Box<dyn Plugin> {
        let request: String = request.iter().map(|byte| format!("\\{byte:02x}")).collect();
        let wasm = wat::parse_str(format!(
            r#"(module
                (import "wasi_snapshot_preview1" "path_open"
                    (func $open (param i32 i32 i32 i32 i32 i64 i64 i32 i32) (result i32)))
                (import "conductor" "call" (func $call (param i32 i32 i32) (result i64)))
                (memory (export "memory") 1)
                (data (i32.const 0) "file")
                (data (i32.const 2048) "{request}")
                (func $ask (result i32) {ask})
                (func (export "alloc") (param i32) (result i32) (i32.const 1024))
                (func (export "execute") (param i32 i32) (result i32)
                    (i32.add (i32.mul (i32.const 100) (call $ask)) (call $ask))))"#
        ));
        let manifest = format!(
            "name = \"p\"\nversion = \"1.0.0\"\n[[capabilities]]\nname = \"{capability}\"\nscope = \"{scope}\"\n"
        );
        let manifest = manifest_from_toml(&manifest).expect("a manifest");
        let wasm = add_manifest(&wasm.expect("valid text"), &manifest, false).expect("added");
        let path = self.path("p.wasm");
        fs::write(&path, wasm).expect("written");
        let plugin = UnverifiedPlugin::read(&path, 1 << 20).expect("read");
        let limits = Limits { max_execution_time: Duration::from_secs(2), ..Limits::default() };
        let options = PluginOptions { limits: Some(limits), ..PluginOptions::default() };
        host.load_unverified(plugin, &options).expect("loads")
    }
}

/// The statuses of the first and the second operation of a call.
fn call(plugin: &mut dyn Plugin) -> [i32; 2] {
    let outcome = plugin.execute(b"{}").outcome;
    if let Outcome::Failed { code } = outcome {
        return [code / 100, code % 100];
    }
    assert!(matches!(outcome, Outcome::Ok), "{outcome}");
    [0, 0]
}

fn ask(op: Op, request: &[u8]) -> String {
    format!(
        "(i32.wrap_i64 (i64.shr_u (call $call (i32.const {}) (i32.const 2048) (i32.const {})) (i64.const 32)))",
        op.number(),
        request.len()
    )
}

fn grant_once(plugin: &dyn Plugin, capability: Capability) {
    let granted = plugin.permission().approve(capability, None, &GrantDuration::Once, Some("p"));
    granted.expect("granted");
}

fn wire(value: &impl serde::Serialize) -> Vec<u8> {
    postcard::to_allocvec(value).expect("encodes")
}

const fn status(status: Status) -> i32 {
    status as i32
}

/// A request for each capability that goes through the broker.
fn requests() -> [(Capability, &'static str, Op, Vec<u8>); 3] {
    let midi = wire(&MidiSend { port: "synth", bytes: &[0xf0, 1, 0xf7] });
    let sound = wire(&AudioOpen { output: "speakers", rate: 48_000, channels: 1, gain: 1.0 });
    [
        (Capability::Midi, "synth;sysex=yes", Op::MidiSend, midi),
        (Capability::Audio, "speakers", Op::AudioOpen, sound),
        (Capability::SystemControl, "lock", Op::LockScreen, Vec::new()),
    ]
}

#[test]
fn one_deed_is_done_and_a_second_is_not_in_the_same_call_nor_later() {
    for (capability, scope, op, request) in requests() {
        let place = Place::new(false);
        let host = place.host();
        let mut plugin = place.load(&host, capability.name(), scope, &ask(op, &request), &request);
        grant_once(plugin.as_ref(), capability);
        let first = call(plugin.as_mut());
        assert_eq!(first, [status(Status::Ok), status(Status::Denied)], "{capability}");
        assert_eq!(place.devices.deeds(), 1, "{capability}");
        // Audio has a low risk, so it is granted automatically again once the narrower grant is used up.
        if capability != Capability::Audio {
            assert_eq!(call(plugin.as_mut()), [status(Status::Denied); 2], "{capability}");
            assert_eq!(plugin.permission().pending().len(), 1, "{capability}: it asks again");
        }
        assert!(plugin.permission().approved().is_empty(), "{capability}");
    }
}

#[test]
fn a_deed_that_fails_is_the_one() {
    for (capability, scope, op, request) in requests() {
        let place = Place::new(true);
        let host = place.host();
        let mut plugin = place.load(&host, capability.name(), scope, &ask(op, &request), &request);
        grant_once(plugin.as_ref(), capability);
        let [first, second] = call(plugin.as_mut());
        assert!(![status(Status::Ok), status(Status::Denied)].contains(&first), "{capability}: {first}");
        assert_eq!(second, status(Status::Denied), "{capability}");
        assert_eq!(place.devices.deeds(), 1, "{capability}");
    }
}

#[test]
fn a_deed_that_times_out_and_an_answer_that_is_too_large_are_the_one() {
    let server = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = server.local_addr().expect("an address");
    let accepted = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&accepted);
    // The server promises a too large answer to the first request, and leaves the others unanswered. It ends with the
    // process.
    thread::spawn(move || {
        let mut open = Vec::new();
        while let Ok((mut connection, _)) = server.accept() {
            if count.fetch_add(1, Ordering::SeqCst) == 0 {
                let _ = std::io::Read::read(&mut connection, &mut [0; 1024]);
                let _ = std::io::Write::write_all(
                    &mut connection,
                    b"HTTP/1.1 200 OK\r\ncontent-length: 100000000\r\n\r\n",
                );
            }
            open.push(connection);
        }
    });
    let url = format!("http://{address}/");
    let request = wire(&HttpRequest { method: "GET", url: &url, headers: Vec::new(), body: b"" });
    let scope = format!("{address};methods=GET");
    let place = Place::new(false);
    let host = place.host();
    let ask = ask(Op::HttpRequest, &request);
    let mut plugin = place.load(&host, "Network", &scope, &ask, &request);
    grant_once(plugin.as_ref(), Capability::Network);
    assert_eq!(call(plugin.as_mut()), [status(Status::TooLarge), status(Status::Denied)]);
    assert_eq!(accepted.load(Ordering::SeqCst), 1);
    grant_once(plugin.as_ref(), Capability::Network);
    let outcome = plugin.execute(b"{}").outcome;
    assert_eq!(outcome, Outcome::Limit { limit: Limit::WallClock });
    assert_eq!(call(plugin.as_mut()), [status(Status::Denied); 2]);
    assert_eq!(accepted.load(Ordering::SeqCst), 2);
}

#[test]
fn of_plugins_from_the_same_file_one_has_the_deed() {
    let (capability, scope, op, request) = (Capability::SystemControl, "lock", Op::LockScreen, Vec::new());
    for _ in 0..20 {
        let place = Place::new(false);
        let host = place.host();
        let load = || place.load(&host, capability.name(), scope, &ask(op, &request), &request);
        let first = load();
        grant_once(first.as_ref(), capability);
        let plugins = [first, load(), load()];
        let start = Barrier::new(plugins.len());
        let statuses: Vec<[i32; 2]> = thread::scope(|scope| {
            let run = |mut plugin: Box<dyn Plugin>| {
                let start = &start;
                scope.spawn(move || {
                    start.wait();
                    call(plugin.as_mut())
                })
            };
            let calls: Vec<_> = plugins.into_iter().map(run).collect();
            calls.into_iter().map(|call| call.join().expect("no panic")).collect()
        });
        let done = statuses.iter().flatten().filter(|one| **one == status(Status::Ok)).count();
        assert_eq!((done, place.devices.deeds()), (1, 1), "{statuses:?}");
    }
}

#[test]
fn files_are_seen_by_one_call_of_one_plugin() {
    const CREATE: &str = "(call $open (i32.const 3) (i32.const 0) (i32.const 0) (i32.const 4) (i32.const 1)
        (i64.const 0x40) (i64.const 0) (i32.const 0) (i32.const 8))";
    /// WASI's error number for a descriptor that is not open.
    const BADF: i32 = 8;
    let place = Place::new(false);
    let host = place.host();
    let load = || place.load(&host, "Filesystem", "read-write", CREATE, b"");
    let mut plugin = load();
    let mut other = load();
    grant_once(plugin.as_ref(), Capability::Filesystem);
    let mut third = load();
    assert_eq!(call(third.as_mut()), [0, 0], "as often as it likes in one call");
    for plugin in [&mut plugin, &mut other, &mut third] {
        assert_eq!(call(plugin.as_mut()), [BADF, BADF]);
    }
    grant_once(plugin.as_ref(), Capability::Filesystem);
    drop(third);
    assert_eq!(call(plugin.as_mut()), [0, 0]);
    assert_eq!((call(plugin.as_mut()), call(other.as_mut())), ([BADF, BADF], [BADF, BADF]));
}
