//! Compiled code that is kept between runs: used when it is authentic, never executed otherwise.
//!
//! The file shows whether code came from the cache: compiling a plugin replaces the file, and loading from the cache
//! leaves it.

use std::fs::{self, File, Permissions};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use conductor_core::worker::WorkerProgram;
use conductor_core::{CodeCache, Devices, Host, Outcome, PluginOptions, WasmConfig};
use conductor_signing::Digest;
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;

use crate::hosts;
use crate::support::{REQUEST, load};

/// Bytes in front of the code: the type of the file, and then its authentication code.
const MAGIC_BYTES: usize = 8;
const HEADER_BYTES: usize = MAGIC_BYTES + 32;

/// A cache in a directory that is removed with the value.
pub(crate) struct Place {
    directory: tempfile::TempDir,
}

/// A plugin that always fails with its own number, so that the result shows whose code ran.
struct Numbered(u32);

impl Place {
    pub(crate) fn new() -> Self {
        Self { directory: tempfile::tempdir().expect("directory") }
    }

    fn cache(&self) -> PathBuf {
        self.directory.path().join("cache")
    }

    pub(crate) fn secret(&self) -> PathBuf {
        self.directory.path().join("state/secret")
    }

    /// A host that uses the cache, as in a program that has just started.
    pub(crate) fn host(&self) -> Host {
        self.host_with_secret(&self.secret())
    }

    fn host_with_secret(&self, secret: &Path) -> Host {
        let cache = CodeCache::open(&self.cache(), secret).expect("cache");
        hosts::with_cache(WasmConfig::default(), WorkerProgram::this(["worker"]), Some(cache))
    }

    /// The only file with a plugin's code for workers.
    fn file(&self, plugin: &Numbered) -> PathBuf {
        self.file_as(plugin, "code")
    }

    /// The only file with a plugin's code and this extension.
    fn file_as(&self, plugin: &Numbered, extension: &str) -> PathBuf {
        let digest = Digest::from_bytes(&plugin.wasm()).to_string();
        let mut entries = self.files();
        entries.retain(|path| {
            let name = path.file_name().expect("a name").to_string_lossy().into_owned();
            name.starts_with(&digest)
                && path.extension().is_some_and(|found| found == extension)
                && !name.contains("0123456789abcdef")
        });
        assert_eq!(entries.len(), 1, "{entries:?}");
        entries.into_iter().next().expect("one")
    }

    /// All files in the cache, except the shapes of modules.
    fn files(&self) -> Vec<PathBuf> {
        let entries =
            fs::read_dir(self.cache()).expect("readable").map(|entry| entry.expect("readable").path());
        entries.filter(|path| !path.ends_with("shapes")).collect()
    }
}

impl Numbered {
    fn wasm(&self) -> Vec<u8> {
        wat::parse_str(format!(
            r#"(module
                (memory (export "memory") 1)
                (func (export "alloc") (param i32) (result i32) (i32.const 1024))
                (func (export "execute") (param i32 i32) (result i32) (i32.const {})))"#,
            self.0
        ))
        .expect("valid text")
    }

    /// Loads and calls the plugin, which must do what its own bytes say, whatever the cache holds.
    fn runs_on(&self, host: &Host) {
        let mut plugin = load(host, "numbered.wasm", self.wasm(), &PluginOptions::default()).expect("loads");
        assert_eq!(plugin.execute(REQUEST).outcome, Outcome::Failed { code: self.0.cast_signed() });
    }
}

/// Tells whether a file was replaced: its inode number, which may be used again, and its time of creation.
fn identity(path: &Path) -> (u64, SystemTime) {
    let found = fs::symlink_metadata(path).expect("there");
    (found.ino(), found.created().expect("the file system knows when a file was made"))
}

/// Later starts run the code of an authentic file, in the same host and in another, and nobody else can read the file.
pub(crate) fn sound_code_is_used_again() {
    let (place, plugin) = (Place::new(), Numbered(11));
    let host = place.host();
    plugin.runs_on(&host);
    let file = place.file(&plugin);
    let (first, written) = (identity(&file), read(&file));
    for host in [&host, &place.host()] {
        plugin.runs_on(host);
        assert_eq!((identity(&file), read(&file)), (first, written.clone()));
    }
    let mode = |path: &Path| fs::metadata(path).expect("there").permissions().mode() & 0o7777;
    assert_eq!((mode(&place.cache()), mode(&file), mode(&place.secret())), (0o700, 0o600, 0o600));
}

/// When the cache has code, that code runs, and nothing is compiled: here the file holds another plugin's code,
/// authenticated for this plugin, as only somebody with the host's secret can do.
pub(crate) fn a_hit_runs_the_code_in_the_file() {
    let (place, plugin, other) = (Place::new(), Numbered(11), Numbered(22));
    let host = place.host();
    plugin.runs_on(&host);
    other.runs_on(&host);
    let file = place.file(&plugin);
    let foreign = read(&place.file(&other)).split_off(HEADER_BYTES);
    fs::write(&file, authenticated(&place, &plugin, &file, &foreign)).expect("written");
    let before = identity(&file);
    let mut loaded = load(&host, "numbered.wasm", plugin.wasm(), &PluginOptions::default()).expect("loads");
    assert_eq!(loaded.execute(REQUEST).outcome, Outcome::Failed { code: 22 });
    assert_eq!(identity(&file), before);
}

/// A host that runs plugins in its own process reuses its own code, and never code that a worker of the same plugin
/// wrote: such code could be anything, and would run without the second wall.
pub(crate) fn a_host_does_not_believe_what_workers_write() {
    let (place, plugin, other) = (Place::new(), Numbered(11), Numbered(22));
    let in_process = || {
        let cache = CodeCache::open(&place.cache(), &place.secret()).expect("cache");
        Host::with_code_cache(WasmConfig::default(), Devices::default(), cache).expect("host")
    };
    plugin.runs_on(&in_process());
    let file = place.file_as(&plugin, "own-code");
    let written = (identity(&file), read(&file));
    plugin.runs_on(&in_process());
    assert_eq!((identity(&file), read(&file)), written, "it is used again");

    // The same plugin's code as a worker made it, and another plugin's code with the authentication code that it would
    // have for workers.
    let host = place.host();
    plugin.runs_on(&host);
    other.runs_on(&host);
    let of_worker = read(&place.file(&plugin));
    let foreign = read(&place.file(&other)).split_off(HEADER_BYTES);
    for planted in [of_worker, authenticated(&place, &plugin, &place.file(&plugin), &foreign)] {
        fs::write(&file, &planted).expect("written");
        plugin.runs_on(&in_process());
        assert_ne!(read(&file), planted, "it is compiled again and replaced");
    }
}

/// When there is more code than may be kept, the files that were not used for the longest time are removed.
pub(crate) fn what_was_not_used_for_longest_goes() {
    let place = Place::new();
    let [first, second, third] = [Numbered(11), Numbered(22), Numbered(33)];
    first.runs_on(&place.host());
    let each = fs::metadata(place.file(&first)).expect("there").len();
    let host = || {
        let cache =
            CodeCache::open(&place.cache(), &place.secret()).expect("cache").at_most(2 * each + each / 2);
        hosts::with_cache(WasmConfig::default(), WorkerProgram::this(["worker"]), Some(cache))
    };
    // Long enough for the clock of any file system.
    let pause = || std::thread::sleep(std::time::Duration::from_millis(50));
    pause();
    second.runs_on(&host());
    pause();
    first.runs_on(&host());
    pause();
    third.runs_on(&host());
    assert_eq!(place.files().len(), 2, "{:?}", place.files());
    let kept = (identity(&place.file(&first)), identity(&place.file(&third)));
    second.runs_on(&host());
    assert_eq!(identity(&place.file(&third)), kept.1);
    assert_eq!(place.files().len(), 2, "{:?}", place.files());
}

/// A file of this plugin's code for workers, as only somebody with the secret can write it.
fn authenticated(place: &Place, plugin: &Numbered, file: &Path, code: &[u8]) -> Vec<u8> {
    const CONTEXT: &[u8] = b"conductor code cache v3\0";
    let mac = |key: &[u8], parts: &[&[u8]]| {
        let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("any length");
        parts.iter().for_each(|part| mac.update(part));
        mac.finalize().into_bytes()
    };
    let digest = Digest::from_bytes(&plugin.wasm());
    let secret = read(&place.secret());
    let name = file.file_name().expect("a name").as_encoded_bytes();
    let tag = mac(&secret, &[CONTEXT, digest.as_bytes(), name, b"\0", code]);
    [b"CNDCODE3", &tag[..], code].concat()
}

/// Replaces an authentic file with something else.
type Damage = fn(&Place, &Path, Vec<u8>);

/// Anything else in the place of the file is not executed, and the next start replaces it with an authentic file.
pub(crate) fn anything_else_is_ignored_and_replaced() {
    let cases: &[(&str, Damage)] = &[
        ("a byte of the magic", |_, file, sound| flip(file, sound, 3)),
        ("the first byte of the tag", |_, file, sound| flip(file, sound, MAGIC_BYTES)),
        ("the last byte of the tag", |_, file, sound| flip(file, sound, HEADER_BYTES - 1)),
        ("the first byte of the code", |_, file, sound| flip(file, sound, HEADER_BYTES)),
        ("a byte in the middle", |_, file, sound| {
            let middle = sound.len() / 2;
            flip(file, sound, middle);
        }),
        ("the last byte", |_, file, sound| {
            let last = sound.len() - 1;
            flip(file, sound, last);
        }),
        ("nothing", |_, file, _| write(file, &[])),
        ("a cut in the magic", |_, file, sound| write(file, &sound[..5])),
        ("only the magic", |_, file, sound| write(file, &sound[..MAGIC_BYTES])),
        ("a cut in the tag", |_, file, sound| write(file, &sound[..HEADER_BYTES - 1])),
        ("no code", |_, file, sound| write(file, &sound[..HEADER_BYTES])),
        ("a cut in the code", |_, file, sound| write(file, &sound[..sound.len() / 2])),
        ("the last byte missing", |_, file, sound| write(file, &sound[..sound.len() - 1])),
        ("a byte too many", |_, file, sound| write(file, &[&sound[..], &[0]].concat())),
        ("the code alone", |_, file, sound| write(file, &sound[HEADER_BYTES..])),
        ("another plugin's file", |place, file, _| write(file, &of_another(place))),
        ("another plugin's code under this plugin's tag", |place, file, sound| {
            write(file, &[&sound[..HEADER_BYTES], &of_another(place)[HEADER_BYTES..]].concat());
        }),
        ("this plugin's code under another plugin's tag", |place, file, sound| {
            write(file, &[&of_another(place)[..HEADER_BYTES], &sound[HEADER_BYTES..]].concat());
        }),
        ("a file under another secret", |place, file, _| {
            let elsewhere = place.directory.path().join("other/secret");
            fs::remove_file(file).expect("removed");
            Numbered(11).runs_on(&place.host_with_secret(&elsewhere));
        }),
        ("a link to a sound file", |place, file, sound| {
            let elsewhere = place.directory.path().join("elsewhere.code");
            write(&elsewhere, &sound);
            fs::remove_file(file).expect("removed");
            symlink(&elsewhere, file).expect("linked");
        }),
        ("a link to a sound file beside it", |_, file, sound| {
            write(&file.with_file_name("beside"), &sound);
            fs::remove_file(file).expect("removed");
            symlink("beside", file).expect("linked");
        }),
        ("a queue", |_, file, _| {
            fs::remove_file(file).expect("removed");
            rustix::fs::mknodat(rustix::fs::CWD, file, rustix::fs::FileType::Fifo, 0o600.into(), 0)
                .expect("made");
        }),
        ("a huge file without content", |_, file, _| {
            File::create(file).and_then(|file| file.set_len(1 << 40)).expect("made");
        }),
        ("a sound file of another engine", |_, file, sound| {
            fs::remove_file(file).expect("removed");
            write(&other_engine(file), &sound);
        }),
        ("a sound file of another engine under this one's name", |place, file, sound| {
            let older = other_engine(file);
            let code = &sound[HEADER_BYTES..];
            write(file, &authenticated(place, &Numbered(11), &older, code));
        }),
    ];
    let mut failures = Vec::new();
    for (what, damage) in cases {
        let attempt = std::panic::catch_unwind(|| survives(*damage));
        if attempt.is_err() {
            failures.push(*what);
        }
    }
    assert!(failures.is_empty(), "not ignored or not replaced: {failures:#?}");
}

fn survives(damage: Damage) {
    let (place, plugin) = (Place::new(), Numbered(11));
    let host = place.host();
    plugin.runs_on(&host);
    let file = place.file(&plugin);
    damage(&place, &file, read(&file));
    let damaged = fs::symlink_metadata(&file).is_ok().then(|| identity(&file));

    plugin.runs_on(&host);
    assert_eq!(place.file(&plugin), file);
    let rebuilt = identity(&file);
    assert_ne!(Some(rebuilt), damaged, "the file was taken for a sound one");
    assert!(fs::symlink_metadata(&file).expect("there").is_file(), "something else is in the file's place");
    let is_temporary = |path: &PathBuf| path.to_string_lossy().contains(".code.");
    assert!(!place.files().iter().any(is_temporary), "{:?}", place.files());
    plugin.runs_on(&host);
    assert_eq!(identity(&file), rebuilt, "the file is not a sound one again");
}

/// A directory in the place of the file costs only time.
pub(crate) fn a_directory_is_ignored() {
    let (place, plugin) = (Place::new(), Numbered(11));
    let host = place.host();
    plugin.runs_on(&host);
    let file = place.file(&plugin);
    fs::remove_file(&file).expect("removed");
    fs::create_dir(&file).expect("made");
    for _ in 0..2 {
        plugin.runs_on(&host);
        assert!(file.is_dir());
    }
    fs::remove_dir(&file).expect("removed");
    plugin.runs_on(&host);
    let rebuilt = identity(&file);
    plugin.runs_on(&host);
    assert_eq!(identity(&file), rebuilt);
}

/// The authentic file of another plugin in the same cache.
fn of_another(place: &Place) -> Vec<u8> {
    let other = Numbered(22);
    other.runs_on(&place.host());
    read(&place.file(&other))
}

/// The file name of the same plugin's code for another engine.
fn other_engine(file: &Path) -> PathBuf {
    let name = file.file_name().expect("a name").to_str().expect("text");
    let digest = name.split('-').next().expect("a digest");
    file.with_file_name(format!("{digest}-0123456789abcdef.code"))
}

fn flip(file: &Path, mut bytes: Vec<u8>, at: usize) {
    if let Some(byte) = bytes.get_mut(at) {
        *byte ^= 0x40;
    }
    write(file, &bytes);
}

#[expect(clippy::disallowed_methods, reason = "files of this test's own plugins, each of a few kilobytes")]
pub(crate) fn read(file: &Path) -> Vec<u8> {
    fs::read(file).expect("readable")
}

fn write(file: &Path, bytes: &[u8]) {
    fs::write(file, bytes).expect("written");
}

/// If others can read the secret, the cache does not open, and the error names the file.
pub(crate) fn a_secret_that_is_none_is_refused() {
    let place = Place::new();
    drop(place.host());
    let secret = place.secret();
    let refusal = || CodeCache::open(&place.cache(), &secret).expect_err("refused").to_string();
    for mode in [0o640, 0o604, 0o660] {
        fs::set_permissions(&secret, Permissions::from_mode(mode)).expect("changed");
        let error = refusal();
        assert!(error.contains(&*secret.to_string_lossy()), "{error}");
    }
    fs::set_permissions(&secret, Permissions::from_mode(0o600)).expect("changed");
    let elsewhere = place.directory.path().join("elsewhere");
    fs::rename(&secret, &elsewhere).expect("moved");
    symlink(&elsewhere, &secret).expect("linked");
    let error = refusal();
    assert!(error.contains(&*secret.to_string_lossy()), "{error}");
}
