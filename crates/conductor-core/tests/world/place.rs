//! The real thing: a host, its files, its devices and its audit log, and what can be seen of them.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use conductor_abi::{Capability, MidiSend, MuteChange, Op, VolumeChange, VolumeState};
use conductor_core::audit::{AuditEvent, AuditKey, AuditRecord, AuditSink, NotRecorded};
use conductor_core::binding::Bindings;
use conductor_core::grant::store::GrantStore;
use conductor_core::{Desktop, DesktopError, Devices, Host, MidiError, MidiOutputs, WasmConfig};
use conductor_signing::{
    Developer, PluginFile, SigningKey, SigningRequest, TrustStore, UnverifiedPlugin, add_manifest,
    manifest_from_toml, signature_path,
};

use crate::step::{CAPABILITIES, Damage, File, PUBLISHERS, Release, Signature};
use crate::user::Demand;

/// What plugins send: a volume, which leaves nothing sounding that the host would have to end.
const MESSAGE: [u8; 3] = [0xb0, 7, 100];

/// Devices that do what they are asked for, and count it.
#[derive(Default)]
pub(crate) struct Counted {
    pub(crate) messages: AtomicUsize,
    pub(crate) volumes: AtomicUsize,
}

impl MidiOutputs for Counted {
    fn ports(&self) -> Vec<String> {
        vec!["synth".to_owned()]
    }

    fn send(&self, _port: &str, _message: &[u8]) -> Result<(), MidiError> {
        self.messages.fetch_add(1, Ordering::SeqCst);
        Ok(())
    }
}

impl Desktop for Counted {
    fn volume(&self, _: VolumeChange) -> Result<VolumeState, DesktopError> {
        self.volumes.fetch_add(1, Ordering::SeqCst);
        Ok(VolumeState { level: 0.5, muted: false })
    }

    fn mute(&self, _: MuteChange) -> Result<VolumeState, DesktopError> {
        unavailable()
    }

    fn media(&self, _: conductor_abi::MediaKey, _: Option<&str>) -> Result<String, DesktopError> {
        unavailable()
    }

    fn notify(&self, _: &str, _: &str) -> Result<(), DesktopError> {
        unavailable()
    }

    fn lock(&self) -> Result<(), DesktopError> {
        unavailable()
    }

    fn open_url(&self, _: &str) -> Result<(), DesktopError> {
        unavailable()
    }
}

fn unavailable<T>() -> Result<T, DesktopError> {
    Err(DesktopError::Failed { reason: "nobody asks for it".to_owned() })
}

/// Something on record, as far as it is looked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Recorded {
    Refused,
    Withdrawn,
    Granted(Capability),
    Revoked(Capability),
    Denied(Capability),
    Used(Capability),
}

/// An audit log in memory, on a disk that can be full.
pub(crate) struct Log {
    key: AuditKey,
    pub(crate) is_full: AtomicBool,
    records: Mutex<Vec<Recorded>>,
}

impl Log {
    fn new() -> Self {
        Self { key: AuditKey::from_bytes([7; 32]), is_full: AtomicBool::default(), records: Mutex::default() }
    }

    /// What was recorded since this was asked last.
    pub(crate) fn news(&self) -> Vec<Recorded> {
        std::mem::take(&mut self.records.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl AuditSink for Log {
    fn record(&self, record: &AuditRecord) -> Result<(), NotRecorded> {
        if self.is_failing() {
            return Err(NotRecorded);
        }
        #[expect(clippy::wildcard_enum_match_arm, reason = "the others are not looked for")]
        let recorded = match &record.event {
            AuditEvent::PluginRefused { .. } => Recorded::Refused,
            AuditEvent::PluginWithdrawn { .. } => Recorded::Withdrawn,
            AuditEvent::CapabilityGranted { capability, .. } => Recorded::Granted(*capability),
            AuditEvent::CapabilityRevoked { capability } => Recorded::Revoked(*capability),
            AuditEvent::CapabilityDenied { capability, .. } => Recorded::Denied(*capability),
            AuditEvent::CapabilityBegun { capability, .. } => Recorded::Used(*capability),
            _ => return Ok(()),
        };
        self.records.lock().unwrap_or_else(PoisonError::into_inner).push(recorded);
        Ok(())
    }

    fn key(&self) -> &AuditKey {
        &self.key
    }

    fn is_failing(&self) -> bool {
        self.is_full.load(Ordering::SeqCst)
    }
}

/// A module, and the document that lies beside it.
type Made = (Vec<u8>, Option<Vec<u8>>);

/// Keys of publishers, and what they have signed; the same for all worlds, because making it takes longest.
pub(crate) struct Publishers {
    keys: Vec<SigningKey>,
    made: Mutex<BTreeMap<Release, Made>>,
}

impl Publishers {
    pub(crate) fn new() -> Self {
        let keys = (0..PUBLISHERS).map(|_| SigningKey::generate().expect("a key")).collect();
        Self { keys, made: Mutex::default() }
    }

    pub(crate) fn key(&self, publisher: u8) -> conductor_signing::PublicKey {
        self.keys[usize::from(publisher)].public_key()
    }

    /// A release as it lies on the disk.
    pub(crate) fn plugin(&self, release: &Release) -> UnverifiedPlugin {
        let mut made = self.made.lock().unwrap_or_else(PoisonError::into_inner);
        let (wasm, document) = made.entry(*release).or_insert_with(|| self.make(release)).clone();
        UnverifiedPlugin::from_parts("plugin.wasm", wasm, document)
    }

    /// SHA-256 of a module.
    pub(crate) fn digest(&self, file: File) -> conductor_signing::Digest {
        self.plugin(&Release { file, publisher: 0, signature: Signature::Good }).file().digest()
    }

    fn make(&self, release: &Release) -> Made {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("plugin.wasm");
        let mut wasm = module(release.file);
        fs::write(&path, &wasm).expect("written");
        let request = SigningRequest::of(Developer::new("Ada", "ada@example.org").expect("a developer"));
        let key = &self.keys[usize::from(release.publisher)];
        let document = PluginFile::scan(&path).expect("read").sign(key, request).expect("signed").to_json();
        assert!(!signature_path(&path).exists());
        let document = match release.signature {
            Signature::Good => document,
            Signature::Missing => return (wasm, None),
            Signature::OfOtherBytes => {
                let place =
                    wasm.windows(MESSAGE.len()).rposition(|bytes| bytes == MESSAGE).expect("a message");
                wasm[place + 1] += 1;
                document
            }
            Signature::OfOtherKey => {
                let other = self.key((release.publisher + 1) % PUBLISHERS).to_string();
                document.replace(&key.public_key().to_string(), &other)
            }
        };
        (wasm, Some(document.into_bytes()))
    }
}

/// A plugin that tries everything once in each call, and returns three results as one number: the errno of creating a file, and
/// the statuses of a MIDI message and of the volume.
fn module(file: File) -> Vec<u8> {
    let wire =
        |bytes: Vec<u8>| (bytes.iter().map(|byte| format!("\\{byte:02x}")).collect::<String>(), bytes.len());
    let (midi, midi_length) =
        wire(postcard::to_allocvec(&MidiSend { port: "synth", bytes: &MESSAGE }).expect("encodes"));
    let (volume, volume_length) = wire(postcard::to_allocvec(&VolumeChange::Read).expect("encodes"));
    let (send, look) = (Op::MidiSend.number(), Op::Volume.number());
    let wasm = wat::parse_str(format!(
        r#"(module
            (import "wasi_snapshot_preview1" "path_open"
                (func $open (param i32 i32 i32 i32 i32 i64 i64 i32 i32) (result i32)))
            (import "conductor" "call" (func $call (param i32 i32 i32) (result i64)))
            (memory (export "memory") 1)
            (data (i32.const 0) "file")
            (data (i32.const 2048) "{volume}")
            (data (i32.const 3072) "{midi}")
            (func $file (result i32)
                (call $open (i32.const 3) (i32.const 0) (i32.const 0) (i32.const 4) (i32.const 1)
                    (i64.const 0x40) (i64.const 0) (i32.const 0) (i32.const 8)))
            (func $ask (param $op i32) (param $at i32) (param $length i32) (result i32)
                (i32.wrap_i64 (i64.shr_u (call $call (local.get $op) (local.get $at) (local.get $length))
                    (i64.const 32))))
            (func (export "alloc") (param i32) (result i32) (i32.const 1024))
            (func (export "execute") (param i32 i32) (result i32)
                (i32.add (call $file) (i32.add
                    (i32.mul (i32.const 100) (call $ask (i32.const {send}) (i32.const 3072) (i32.const {midi_length})))
                    (i32.mul (i32.const 10000)
                        (call $ask (i32.const {look}) (i32.const 2048) (i32.const {volume_length})))))))"#
    ));
    let mut manifest = format!("name = \"{}\"\nversion = \"{}.0.0\"\n", file.name(), file.version);
    for capability in CAPABILITIES.into_iter().filter(|capability| file.declares(*capability)) {
        let scope = match capability {
            Capability::Midi => "synth",
            Capability::Filesystem => "read-write",
            Capability::Network | Capability::Audio | Capability::Subprocess | Capability::SystemControl => {
                "volume"
            }
        };
        manifest += &format!("[[capabilities]]\nname = \"{}\"\nscope = \"{scope}\"\n", capability.name());
    }
    let manifest = manifest_from_toml(&manifest).expect("a manifest");
    add_manifest(&wasm.expect("valid text"), &manifest, false).expect("added")
}

/// Directories and devices of one user, and the host that runs now.
pub(crate) struct Place {
    directory: tempfile::TempDir,
    demand: Demand,
    pub(crate) devices: Arc<Counted>,
    pub(crate) log: Arc<Log>,
    broken: Option<(PathBuf, String)>,
}

impl Place {
    pub(crate) fn new(demand: Demand) -> Self {
        // Nothing here is about disks: where there is memory that looks like one, it is faster.
        let memory = Path::new("/dev/shm");
        let directory = if memory.is_dir() { tempfile::tempdir_in(memory) } else { tempfile::tempdir() };
        let directory = directory.expect("a directory");
        fs::create_dir(directory.path().join("config")).expect("created");
        Self { directory, demand, devices: Arc::default(), log: Arc::new(Log::new()), broken: None }
    }

    /// Where decisions are kept.
    pub(crate) fn config(&self) -> PathBuf {
        self.directory.path().join("config")
    }

    /// A host, as a daemon starts it.
    pub(crate) fn host(&self) -> Host {
        let config = WasmConfig {
            require_signature: true,
            allow_self_signed: self.demand == Demand::Somebody,
            trust_dir: Some(self.config()),
            data_dir: Some(self.directory.path().join("data")),
            ..WasmConfig::default()
        };
        let devices = Devices {
            midi: Arc::clone(&self.devices) as _,
            desktop: Arc::clone(&self.devices) as _,
            ..Devices::default()
        };
        let host = Host::with_devices(config, devices).expect("a host").audited(Arc::clone(&self.log) as _);
        let notes = [self.directory.path().join("runtime"), self.directory.path().join("state")];
        let _ = host.recall_denials(&notes);
        // A daemon says so, and goes on without plugins.
        let _ = host.prepare_denials();
        host
    }

    /// Makes one of the files of decisions unreadable. Says whether there is one.
    pub(crate) fn damage(&mut self, file: u8, by: Damage) -> bool {
        let config = self.config();
        let mut files: Vec<PathBuf> = TrustStore::files(&config).to_vec();
        files.extend([GrantStore::file(&config), Bindings::file(&config)]);
        files.retain(|file| file.is_file());
        if files.is_empty() || self.broken.is_some() {
            return false;
        }
        let path = files.swap_remove(usize::from(file) % files.len());
        let before = fs::read_to_string(&path).expect("read");
        match by {
            Damage::Garbage => fs::write(&path, "[[[ no table\n").expect("written"),
            Damage::Empty => fs::write(&path, "").expect("written"),
            Damage::Directory => {
                fs::remove_file(&path).expect("removed");
                fs::create_dir(&path).expect("created");
            }
        }
        self.broken = Some((path, before));
        true
    }

    /// Puts the unreadable file back. Says whether there was one.
    pub(crate) fn mend(&mut self) -> bool {
        let Some((path, before)) = self.broken.take() else { return false };
        if path.is_dir() {
            fs::remove_dir(&path).expect("removed");
        }
        fs::write(&path, before).expect("written");
        true
    }
}
