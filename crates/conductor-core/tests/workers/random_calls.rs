//! A worker that was taken over and makes system calls at random: whatever they are and whatever their arguments, nothing
//! changes but the worker itself and its own directory.

use std::collections::BTreeMap;
use std::fs;
use std::os::fd::AsRawFd as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, Instant, SystemTime};

use conductor_core::worker::{Ends, Stage, WorkerProgram};
use conductor_core::{CompileError, LoadError, Outcome, Plugin, PluginOptions, WasmConfig};
use libtest_mimic::Trial;

use crate::hosts;
use crate::misbehave::no_code;
use crate::raw::{call, raw, value};
use crate::support::{self, REQUEST};

/// Calls of one worker: few enough that it does not look as if it computed without being called.
const CALLS: u64 = 50_000;

/// Workers of each stage in the tests.
const WORKERS: u64 = 4;

/// Fewest workers of those that must get to the end of their calls; a call may end the worker that makes it.
const FEWEST: usize = 2;

/// The stages, each with the walls of its own.
const STAGES: [&str; 3] = ["Compiling", "Locked", "Called"];

/// Bytes of the memory from which pointers are taken. As much on either side of it is out of bounds, so that the kernel
/// writes nowhere else.
const POOL_BYTES: usize = 64 * 1024;

/// Bytes of the pool for each path.
const SLOT: usize = 256;

/// Beyond the last number of a system call.
const NUMBERS: u64 = 480;

/// Calls that are made more often: they take paths, descriptors and memory, and some are allowed.
const FAVOURITES: [libc::c_long; 23] = [
    libc::SYS_openat,
    libc::SYS_openat2,
    libc::SYS_mkdirat,
    libc::SYS_unlinkat,
    libc::SYS_renameat,
    libc::SYS_renameat2,
    libc::SYS_linkat,
    libc::SYS_symlinkat,
    libc::SYS_readlinkat,
    libc::SYS_pwrite64,
    libc::SYS_pwritev2,
    libc::SYS_write,
    libc::SYS_ftruncate,
    libc::SYS_utimensat,
    libc::SYS_fchmodat,
    libc::SYS_mmap,
    libc::SYS_mprotect,
    libc::SYS_fcntl,
    libc::SYS_socket,
    libc::SYS_clone3,
    libc::SYS_execveat,
    libc::SYS_kill,
    libc::SYS_prctl,
];

/// Calls with which a probe of the kernel returns (x86-64: `uretprobe`, `uprobe`). No filter is asked about them, and
/// whoever else makes them ends by `SIGILL`.
const OF_PROBES: [libc::c_long; 2] = [335, 336];

/// Calls that do nothing but end the worker, or keep it from going on.
const LEFT_OUT: [libc::c_long; 9] = [
    OF_PROBES[0],
    OF_PROBES[1],
    libc::SYS_exit,
    libc::SYS_exit_group,
    libc::SYS_rt_sigreturn,
    libc::SYS_rt_sigaction,
    libc::SYS_futex,
    libc::SYS_clock_nanosleep,
    libc::SYS_tgkill,
];

/// Calls whose second argument is the length of memory.
const OF_MEMORY: [libc::c_long; 3] = [libc::SYS_mmap, libc::SYS_munmap, libc::SYS_mprotect];

pub(crate) fn trials() -> Vec<Trial> {
    let trial = |stage: &'static str| {
        Trial::test(format!("random_calls::{}", stage.to_lowercase()), move || {
            let finished = (0..WORKERS).filter(|seed| nothing_changes(stage, *seed).is_some()).count();
            assert!(finished >= FEWEST, "{finished} workers of {WORKERS} made all their calls");
            Ok(())
        })
    };
    STAGES.map(trial).into()
}

/// Lets workers make random calls for so many seconds, with other seeds than the tests.
pub(crate) fn run(mut arguments: impl Iterator<Item = String>) -> ExitCode {
    let seconds = arguments.next().and_then(|text| text.parse().ok()).unwrap_or(60);
    let (started, mut seed, mut allowed) = (Instant::now(), WORKERS, 0);
    while started.elapsed() < Duration::from_secs(seconds) {
        allowed += STAGES.iter().filter_map(|stage| nothing_changes(stage, seed)).sum::<u64>();
        seed += 1;
    }
    println!(
        "{} workers made up to {CALLS} calls each, {allowed} were allowed, nothing changed",
        (seed - WORKERS) * STAGES.len() as u64
    );
    ExitCode::SUCCESS
}

/// Lets a worker make its calls, and looks from outside. Says how many calls were allowed, if the worker lived to tell.
fn nothing_changes(stage: &str, seed: u64) -> Option<u64> {
    let directory = tempfile::tempdir().expect("a directory");
    let data = directory.path().join("data");
    let config = || WasmConfig { data_dir: Some(data.clone()), ..WasmConfig::default() };
    let plain = hosts::with(config(), WorkerProgram::this(["worker"]));
    let load = |host, name| hosts::load_with_directory(host, name, PluginOptions::default());
    let mut other = load(&plain, "other").expect("loads");
    assert_eq!(other.execute(REQUEST).outcome, Outcome::Ok);
    let other_pid = other.worker_pid().expect("a worker");
    let secret = directory.path().join("secret");
    for path in [&secret, &data.join("other/file")] {
        fs::write(path, "secret").expect("written");
    }
    let pool = directory.path().join("pool");
    fs::write(&pool, paths(&secret, &data)).expect("written");
    // Its directory is there before, so that all that is beside it can be compared.
    let own = data.join("taken-over");
    drop(load(&plain, "taken-over").expect("loads"));
    let before = tree(directory.path(), &own);

    let mut arguments = ["misbehave", "random-calls", stage].map(str::to_owned).to_vec();
    arguments.extend([seed, std::process::id().into(), other_pid.into()].map(|number| number.to_string()));
    arguments.extend([&pool, &own].map(|path| path.to_str().expect("UTF-8").to_owned()));
    let host = hosts::with(config(), WorkerProgram::this(arguments));
    let told = if stage == "Compiling" {
        let wasm = wat::parse_str("(module (func (export \"_start\")))").expect("valid text");
        match support::load(&host, "taken-over.wasm", wasm, &PluginOptions::default()).err() {
            Some(LoadError::Compile { source: CompileError::InWorker { cause, .. } }) => Some(cause),
            // The worker ended.
            Some(LoadError::Compile { .. }) => None,
            other => panic!("{stage} {seed}: {other:?}"),
        }
    } else {
        if let Ok(mut plugin) = load(&host, "taken-over") {
            // Whether the call succeeds is the worker's own business.
            let _ = plugin.execute(REQUEST);
            check_process(plugin.as_ref(), &format!("{stage} {seed}"));
        }
        fs::read_to_string(own.join(format!("made-{stage}"))).ok()
    };
    assert_eq!(tree(directory.path(), &own), before, "{stage} {seed}");
    assert_eq!(other.execute(REQUEST).outcome, Outcome::Ok, "{stage} {seed}");
    assert_eq!(other.worker_pid(), Some(other_pid), "{stage} {seed}");
    let (made, allowed) = told?.split_once(" calls, allowed: ").map(|(made, allowed)| {
        (made.parse::<u64>().expect("a number"), allowed.parse::<u64>().expect("a number"))
    })?;
    assert_eq!(made, CALLS);
    Some(allowed)
}

/// The worker has started nothing, and holds no socket.
fn check_process(plugin: &dyn Plugin, told: &str) {
    let Some(pid) = plugin.worker_pid() else { return };
    let process = PathBuf::from(format!("/proc/{pid}"));
    for thread in fs::read_dir(process.join("task")).into_iter().flatten().flatten() {
        let children = fs::read_to_string(thread.path().join("children")).unwrap_or_default();
        assert_eq!(children, "", "{told}: the worker has children");
    }
    for descriptor in fs::read_dir(process.join("fd")).into_iter().flatten().flatten() {
        let target = fs::read_link(descriptor.path()).unwrap_or_default();
        assert!(!target.to_string_lossy().starts_with("socket:"), "{told}: {}", target.display());
    }
}

/// What is known of each file below a directory but those in `own`.
fn tree(directory: &Path, own: &Path) -> BTreeMap<PathBuf, (Vec<u8>, u32, Option<SystemTime>, u64)> {
    use std::os::unix::fs::MetadataExt as _;
    let mut found = BTreeMap::new();
    let mut left = vec![directory.to_owned()];
    while let Some(next) = left.pop() {
        for entry in fs::read_dir(&next).expect("readable") {
            let path = entry.expect("an entry").path();
            if path == own {
                continue;
            }
            let known = fs::symlink_metadata(&path).expect("there");
            #[expect(clippy::disallowed_methods, reason = "files of this test's own")]
            let bytes = if known.is_file() { fs::read(&path).expect("readable") } else { Vec::new() };
            if known.is_dir() {
                left.push(path.clone());
            }
            // Workers that go on lock and use files of the directory beside it.
            let modified = known.is_file().then(|| known.modified().expect("a time"));
            found.insert(path, (bytes, known.mode(), modified, known.nlink()));
        }
    }
    found
}

/// Texts for the pool, each in its slot: paths inside and outside, and what files in `/proc` take.
fn paths(secret: &Path, data: &Path) -> Vec<u8> {
    let (secret, other) = (secret.display().to_string(), data.join("other/file").display().to_string());
    let up = format!("../../../../../../../..{secret}");
    let texts = [
        "a",
        "b/c",
        ".",
        "..",
        "/",
        "/a",
        "../other/file",
        &secret,
        &other,
        &up,
        "/etc/passwd",
        "/bin/sh",
        "/proc/self/exe",
        "/proc/self/mem",
        "/proc/1/root",
        "/proc/self/oom_score_adj",
        "/dev/shm/a",
        "/tmp/a",
        "-1000",
    ];
    let mut bytes = vec![0; POOL_BYTES];
    for (slot, text) in bytes.chunks_mut(SLOT).zip(texts.iter().cycle()) {
        slot[..text.len()].copy_from_slice(text.as_bytes());
    }
    bytes
}

/// Runs in the worker: makes the calls at the stage that the arguments name, and tells how many.
pub(crate) fn making(mut arguments: impl Iterator<Item = String>) -> impl FnMut(Stage, Ends<'_>) {
    let at = arguments.next().expect("a stage");
    let mut number = || arguments.next().and_then(|text| text.parse().ok()).expect("a number");
    let (seed, supervisor, other) = (number(), number(), number());
    let mut path = || PathBuf::from(arguments.next().expect("a path"));
    let (pool, own) = (map_pool(&path()), path());
    let mut is_done = false;
    move |stage, channel| {
        if format!("{stage:?}") != at || std::mem::replace(&mut is_done, true) {
            return;
        }
        let kept = [channel.requests.as_raw_fd(), channel.answers.as_raw_fd()];
        let mut caller = Caller { chance: Chance::of(seed), pool, pids: [supervisor, other, 1, 0], kept };
        let allowed = (0..CALLS).filter(|_| caller.call()).count();
        let text = format!("{CALLS} calls, allowed: {allowed}");
        if stage == Stage::Compiling {
            no_code(&text, channel);
        }
        // If the directory is the worker's root, its outside path does not exist.
        let own = if own.exists() { own.as_path() } else { Path::new("/") };
        let _ = fs::write(own.join(format!("made-{at}")), &text);
    }
}

/// Maps the pool, out of bounds on both sides. Called before the worker is locked in.
fn map_pool(path: &Path) -> usize {
    let file = fs::File::open(path).expect("the pool");
    let nobody = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS;
    let around = value(libc::SYS_mmap, &[0, 3 * POOL_BYTES, 0, nobody as usize, usize::MAX, 0]);
    let start = usize::try_from(around).expect("memory") + POOL_BYTES;
    let both = (libc::PROT_READ | libc::PROT_WRITE) as usize;
    let fixed = (libc::MAP_PRIVATE | libc::MAP_FIXED) as usize;
    let mapped = value(libc::SYS_mmap, &[start, POOL_BYTES, both, fixed, file.as_raw_fd() as usize, 0]);
    assert_eq!(usize::try_from(mapped).ok(), Some(start));
    start
}

struct Caller {
    chance: Chance,
    pool: usize,
    pids: [u64; 4],
    /// The channel, over which the worker is to tell what it did.
    kept: [i32; 2],
}

impl Caller {
    /// Makes a call. Says whether it was allowed.
    fn call(&mut self) -> bool {
        let number = match self.chance.below(8) {
            0..=3 => FAVOURITES[self.chance.index(FAVOURITES.len())],
            4 => self.chance.below(NUMBERS) as libc::c_long | 0x4000_0000,
            _ => self.chance.below(NUMBERS) as libc::c_long,
        };
        let mut arguments: [usize; 6] = std::array::from_fn(|_| self.argument());
        if LEFT_OUT.contains(&number) || self.kept.iter().any(|kept| *kept as usize == arguments[0]) {
            return false;
        }
        if OF_MEMORY.contains(&number) {
            arguments[1] %= POOL_BYTES;
        }
        let given = value(number, &arguments);
        // What was opened or mapped is given back, or the worker would run out of it.
        match number {
            libc::SYS_openat | libc::SYS_openat2 | libc::SYS_fcntl if given > 24 => {
                raw(libc::SYS_close, &[given as usize]);
            }
            libc::SYS_mmap if given > 0 && given as usize != arguments[0] => {
                call!(SYS_munmap, given, arguments[1]);
            }
            _ => {}
        }
        given >= 0
    }

    fn argument(&mut self) -> usize {
        let chance = &mut self.chance;
        let argument = match chance.below(9) {
            0 => chance.below(16),
            1 => chance.below(32),
            2 => return self.pool + chance.index(POOL_BYTES / SLOT) * SLOT,
            3 => return self.pool + chance.index(POOL_BYTES / 8) * 8,
            4 => [u64::MAX, (-100_i64).cast_unsigned(), u32::MAX.into(), 0][chance.index(4)],
            5 => 1 << chance.below(32) | 1 << chance.below(32),
            6 => chance.next(),
            7 => chance.below(32) * 4096,
            _ => self.pids[chance.index(4)],
        };
        argument as usize
    }
}

/// Numbers that are the same for the same seed (xorshift64*).
struct Chance(u64);

impl Chance {
    const fn of(seed: u64) -> Self {
        Self(seed.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    const fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    const fn below(&mut self, end: u64) -> u64 {
        (self.next() >> 16) % end
    }

    const fn index(&mut self, end: usize) -> usize {
        self.below(end as u64) as usize
    }
}
