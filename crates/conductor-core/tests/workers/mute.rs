//! A file system that does not answer, and a worker that sleeps in the kernel because of it and that no signal wakes
//! up.
//!
//! The file system is served here, in the protocol of the kernel's `fuse.h`, and has a directory with one file. Whoever
//! looks up the name [`MUTE`], or from some time on lists the directory, sleeps until the test lets the file system go
//! on.

use std::fs::{self, File};
use std::io::{BufRead as _, BufReader, Read, Write};
use std::os::fd::AsRawFd;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::channel;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use conductor_core::worker::WorkerProgram;
use conductor_core::{Limit, Outcome, Plugin, PluginOptions, PluginState, Suspension, WasmConfig};
use conductor_signing::{Revoked, TrustStore};

use crate::attempts::c_path;
use crate::crash::{Scene, quick};
use crate::ends::{MUTE, WATCHDOG, within};
use crate::misbehave::FLAG;
use crate::raw::call;
use crate::support::{Bystander, REQUEST};

/// Node of the directory.
const ROOT: u64 = 1;

/// Node of the file in the directory, which exists as long as workers are to misbehave.
const FLAG_NODE: u64 = 2;

/// Content of the file.
const ALWAYS: &[u8] = b"always";

/// A mounted file system, until the value is dropped.
struct Mute {
    mounted: PathBuf,
    shared: Arc<Shared>,
}

struct Shared {
    device: File,
    /// Whether the file exists.
    has_flag: AtomicBool,
    /// Whether listing the directory stays unanswered.
    is_unlisted: AtomicBool,
    /// Whether everything is answered.
    answers: AtomicBool,
    /// Numbers of the questions that wait for an answer.
    unanswered: Mutex<Vec<u64>>,
    asked: AtomicU64,
}

impl Mute {
    fn mount(at: &Path) -> Self {
        let device = File::options().read(true).write(true).open("/dev/fuse").expect("fuse");
        let options = format!("fd={},rootmode=40000,user_id=0,group_id=0,allow_other\0", device.as_raw_fd());
        let target = c_path(at.to_str().expect("UTF-8"));
        let (source, kind) = (c"mute", c"fuse");
        let error = call!(SYS_mount, source.as_ptr(), target.as_ptr(), kind.as_ptr(), 0, options.as_ptr());
        assert_eq!(error, 0, "mounts");
        let shared = Arc::new(Shared {
            device,
            has_flag: AtomicBool::new(true),
            is_unlisted: AtomicBool::new(false),
            answers: AtomicBool::new(false),
            unanswered: Mutex::default(),
            asked: AtomicU64::new(0),
        });
        let server = Arc::clone(&shared);
        thread::spawn(move || server.serve());
        Self { mounted: at.to_owned(), shared }
    }

    /// Waits until a process sleeps.
    fn wait_for_sleeper(&self) {
        let started = Instant::now();
        while self.shared.asked.load(Ordering::SeqCst) == 0 {
            assert!(started.elapsed() < WATCHDOG, "nobody asks");
            thread::sleep(Duration::from_millis(1));
        }
    }

    /// Answers everything from now on, and lets workers behave.
    fn go_on(&self) {
        self.shared.has_flag.store(false, Ordering::SeqCst);
        self.shared.is_unlisted.store(false, Ordering::SeqCst);
        self.shared.answers.store(true, Ordering::SeqCst);
        for unique in std::mem::take(&mut *self.shared.unanswered()) {
            self.shared.answer(unique, Err(libc::ENOENT));
        }
    }
}

impl Drop for Mute {
    fn drop(&mut self) {
        self.go_on();
        let target = c_path(self.mounted.to_str().expect("UTF-8"));
        call!(SYS_umount2, target.as_ptr(), libc::MNT_DETACH);
    }
}

impl Shared {
    fn unanswered(&self) -> std::sync::MutexGuard<'_, Vec<u64>> {
        self.unanswered.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Answers questions until the file system is unmounted.
    fn serve(&self) {
        let mut request = vec![0; 256 * 1024];
        while let Ok(length) = (&self.device).read(&mut request) {
            let word = |at: usize| u32::from_le_bytes(request[at..at + 4].try_into().expect("four bytes"));
            let long = |at: usize| u64::from_le_bytes(request[at..at + 8].try_into().expect("eight bytes"));
            let (code, unique, node) = (word(4), long(8), long(16));
            let body = &request[40..length];
            let answer = match code {
                // Forgetting one or several nodes, and interrupting: these questions have no answer.
                2 | 36 | 42 => continue,
                26 => Ok(welcome()),
                1 => {
                    let name = body.split(|byte| *byte == 0).next().unwrap_or_default();
                    if name == MUTE.as_bytes() && !self.answers.load(Ordering::SeqCst) {
                        self.unanswered().push(unique);
                        self.asked.fetch_add(1, Ordering::SeqCst);
                        continue;
                    }
                    let is_there = name == FLAG.as_bytes() && self.has_flag.load(Ordering::SeqCst);
                    if is_there { Ok(entry(FLAG_NODE)) } else { Err(libc::ENOENT) }
                }
                3 | 4 => Ok([&[0; 16][..], &attributes(node)].concat()),
                28 if self.is_unlisted.load(Ordering::SeqCst) => {
                    self.unanswered().push(unique);
                    self.asked.fetch_add(1, Ordering::SeqCst);
                    continue;
                }
                // Opening, with the kernel's cache turned off.
                14 | 27 => Ok([&[0; 8][..], &1u32.to_le_bytes(), &[0; 4]].concat()),
                15 if long(48) == 0 => Ok(ALWAYS.to_vec()),
                15 | 28 | 18 | 29 => Ok(Vec::new()),
                17 => Ok(vec![0; 80]),
                _ => Err(libc::ENOSYS),
            };
            self.answer(unique, answer);
        }
    }

    fn answer(&self, unique: u64, answer: Result<Vec<u8>, i32>) {
        let (error, body) = answer.map_or_else(|errno| (-errno, Vec::new()), |body| (0, body));
        let length = u32::try_from(16 + body.len()).expect("short");
        let answer = [&length.to_le_bytes()[..], &error.to_le_bytes(), &unique.to_le_bytes(), &body].concat();
        // The asking process may be gone.
        let _ = (&self.device).write_all(&answer);
    }
}

/// Version 7.31, with parallel look-ups in one directory, as every server has them.
fn welcome() -> Vec<u8> {
    const PARALLEL: u32 = 1 << 18;
    let mut answer = [7u32, 31, 0, PARALLEL].map(u32::to_le_bytes).concat();
    // The number of requests in the background, and the most bytes of one write.
    answer.extend([16, 0, 12, 0]);
    answer.extend(4096u32.to_le_bytes());
    answer.extend(1u32.to_le_bytes());
    answer.resize(64, 0);
    answer
}

fn entry(node: u64) -> Vec<u8> {
    [&node.to_le_bytes()[..], &[0; 32], &attributes(node)].concat()
}

fn attributes(node: u64) -> Vec<u8> {
    let (mode, size) = if node == ROOT { (0o040_700, 0) } else { (0o100_600, ALWAYS.len() as u64) };
    let mut attributes = [node, size, 0, 0, 0, 0].map(u64::to_le_bytes).concat();
    attributes.extend([0, 0, 0, mode, 1, 0, 0, 0, 4096, 0].map(u32::to_le_bytes).concat());
    attributes
}

/// Waits until a process sleeps where no signal wakes it up. A process that was just told to end is awake for a moment
/// before.
fn wait_until_in_kernel(pid: u32) {
    let started = Instant::now();
    let sleeps = || {
        let tasks = fs::read_dir(format!("/proc/{pid}/task")).expect("it has not died");
        tasks
            .filter_map(|task| fs::read_to_string(task.ok()?.path().join("stat")).ok())
            .any(|stat| stat.rsplit_once(')').is_some_and(|(_, rest)| rest.trim_start().starts_with('D')))
    };
    while !sleeps() {
        assert!(started.elapsed() < WATCHDOG, "it does not sleep");
        thread::sleep(Duration::from_millis(1));
    }
}

/// One plugin's worker sleeps in the kernel forever. Its own call and every other call end in time, observing and
/// withdrawing wait for nothing, and nothing is started in its directory until it has died.
pub(crate) fn a_worker_that_cannot_die_holds_up_nobody() {
    let scene = Scene::new("Called", "open-what-does-not-answer");
    fs::remove_file(scene.own().join(FLAG)).expect("removed");
    let other = Scene::new("Called", "hang");
    fs::write(other.own().join(FLAG), "always").expect("written");
    let mute = Mute::mount(&scene.own());
    let bystander = Bystander::start(&scene.host);
    let mut plugin = scene.load(quick()).expect("loads");
    let pid = plugin.worker_pid().expect("a worker");
    let permission = plugin.permission();

    let (calling, called) = channel();
    let caller = thread::spawn(move || {
        let outcome = plugin.execute(REQUEST).outcome;
        calling.send(outcome).expect("waited for");
        plugin
    });
    mute.wait_for_sleeper();
    let overdue = Outcome::Limit { limit: Limit::WallClock };
    assert_eq!(within("the call", &called), overdue);
    wait_until_in_kernel(pid);
    let mut plugin: Box<dyn Plugin> = caller.join().expect("no panic");

    // Another plugin's call is ended by the same clock, and a third plugin goes on.
    let answered = bystander.answered();
    let (calling, called) = channel();
    thread::spawn(move || {
        let mut plugin = other.load(quick()).expect("loads");
        calling.send(plugin.execute(REQUEST).outcome).expect("waited for");
    });
    assert_eq!(within("the call of another plugin", &called), overdue);

    // Observers are answered at once.
    let (looking, looked) = channel();
    thread::spawn({
        let permission = permission.clone();
        move || looking.send((permission.worker_pid(), permission.pending().len())).expect("waited for")
    });
    assert_eq!(within("a look", &looked), (None, 0));

    // No further process of the plugin is started, and the outcome says why.
    let ending = Outcome::Suspended { suspension: Suspension::Ending { pid } };
    let (calling, called) = channel();
    let caller = thread::spawn(move || {
        calling.send(plugin.execute(REQUEST).outcome).expect("waited for");
        plugin
    });
    assert_eq!(within("the next call", &called), ending);
    let plugin = caller.join().expect("no panic");
    assert_eq!((permission.ending_pid(), plugin.state()), (Some(pid), PluginState::Ready));
    let error = scene.load(quick()).err().expect("it does not load");
    let expected = format!(
        "worker process {pid} was ended and does not die; until it does, no other one is started in its directory"
    );
    assert_eq!(error.to_string(), expected);
    let revoked = TrustStore::default().supposing_revoked(Revoked::Digest(plugin.info().digest));
    let (revoking, done) = channel();
    thread::spawn({
        let permission = permission.clone();
        move || revoking.send(permission.check(&revoked).is_some()).expect("waited for")
    });
    assert!(within("a revocation", &done));
    permission.restore().expect("nothing is revoked in this host's own store");
    assert!(bystander.answered() > answered, "the other plugin is called meanwhile");

    // The worker dies when it wakes up, and the plugin is called again.
    mute.go_on();
    let started = Instant::now();
    while permission.ending_pid().is_some() {
        assert!(started.elapsed() < WATCHDOG, "it does not die");
        thread::sleep(Duration::from_millis(1));
    }
    assert!(!Path::new(&format!("/proc/{pid}")).exists());
    let mut plugin = plugin;
    assert_eq!(plugin.execute(REQUEST).outcome, Outcome::Ok);
    bystander.stop();

    // Ending the host does not wait either.
    drop(plugin);
    drop(mute);
    let mute = Mute::mount(&scene.own());
    let mut plugin = scene.load(quick()).expect("loads");
    let (calling, called) = channel();
    thread::spawn(move || {
        let outcome = plugin.execute(REQUEST).outcome;
        drop(plugin);
        drop(scene);
        calling.send(outcome).expect("waited for");
    });
    mute.wait_for_sleeper();
    assert_eq!(within("the end of the host", &called), overdue);
}

/// A directory that nobody can measure is no way around the quota: its worker is ended and no other is started. The
/// watch meanwhile still sees what other workers do, and the host can end.
pub(crate) fn a_directory_that_does_not_answer_keeps_the_watch_from_nobody() {
    const UNMEASURED: &str =
        "the plugin's directory was not measured in time, so that no worker process may write to it";
    let scene = Scene::new("Called", "hang");
    fs::remove_file(scene.own().join(FLAG)).expect("removed");
    let mute = Mute::mount(&scene.own());
    mute.shared.has_flag.store(false, Ordering::SeqCst);
    let mut plugin = scene.load(quick()).expect("loads");
    assert_eq!(plugin.execute(REQUEST).outcome, Outcome::Ok);
    mute.shared.is_unlisted.store(true, Ordering::SeqCst);
    mute.wait_for_sleeper();

    // Another plugin of the same host fills its directory.
    let other = scene.own().with_file_name("filling");
    let mut filling = crate::hosts::load_with_directory(
        &scene.host,
        "filling",
        PluginOptions { limits: Some(quick()), ..PluginOptions::default() },
    )
    .expect("loads");
    fs::write(other.join("large"), vec![0; 3 * 1024 * 1024]).expect("written");
    let ended = |plugin: &dyn Plugin| {
        let started = Instant::now();
        while plugin.worker_pid().is_some() {
            assert!(started.elapsed() < WATCHDOG, "the watch does not see it");
            thread::sleep(Duration::from_millis(20));
        }
    };
    ended(filling.as_ref());
    let over = "worker process filled its directory beyond the quota and was ended";
    assert_eq!(filling.execute(REQUEST).outcome.to_string(), over);

    ended(plugin.as_ref());
    assert_eq!(plugin.execute(REQUEST).outcome.to_string(), UNMEASURED, "the worker that was ended");
    assert_eq!(plugin.execute(REQUEST).outcome.to_string(), UNMEASURED, "one that is to be started");
    mute.go_on();
    assert_eq!(plugin.execute(REQUEST).outcome, Outcome::Ok, "it answers again");

    // The host ends while a directory is being measured.
    mute.shared.answers.store(false, Ordering::SeqCst);
    mute.shared.asked.store(0, Ordering::SeqCst);
    mute.shared.is_unlisted.store(true, Ordering::SeqCst);
    mute.wait_for_sleeper();
    let (ending, end) = channel();
    thread::spawn(move || {
        drop((plugin, filling, scene.host));
        ending.send(()).expect("waited for");
    });
    within("the end of the host", &end);
}

/// Hosts that each ask the file system something that is never answered. Each host's process ends when it has nothing
/// left to do, because a separate process sleeps in the kernel.
pub(crate) fn a_host_goes_away_whatever_does_not_answer() {
    for held in ["measured", "placed", "read"] {
        let program = std::env::current_exe().expect("this program");
        let mut host = Command::new(program)
            .args(["hold-up", "goes-away", held])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("starts");
        let mut said = BufReader::new(host.stdout.take().expect("a pipe")).lines();
        let mut told = host.stdin.take().expect("a pipe");
        let directory = said.next().expect("a line").expect("readable");
        let mute = Mute::mount(Path::new(&directory));
        mute.shared.has_flag.store(false, Ordering::SeqCst);
        told.write_all(b"mounted\n").expect("heard");
        if held == "measured" {
            assert_eq!(said.next().expect("a line").expect("readable"), "loaded");
            mute.shared.is_unlisted.store(true, Ordering::SeqCst);
        }
        mute.wait_for_sleeper();
        if held == "placed" {
            // Starting the plugin fails with the cause, and does not wait.
            let unanswered = said.next().expect("a line").expect("readable");
            assert!(unanswered.contains("does not answer"), "{unanswered}");
        }
        told.write_all(b"end\n").expect("heard");
        let started = Instant::now();
        while host.try_wait().expect("waited for").is_none() {
            assert!(started.elapsed() < WATCHDOG, "{held}: the process stays");
            thread::sleep(Duration::from_millis(5));
        }
        drop(mute);
        fs::remove_dir_all(Path::new(&directory).parent().expect("the scene's")).expect("removed");
    }
}

/// Runs as one of these hosts.
pub(crate) fn host_of(held: &str) {
    let scene = Scene::new("Called", "hang");
    let own = scene.own();
    fs::remove_file(own.join(FLAG)).expect("removed");
    println!("{}", own.display());
    let mut lines = std::io::stdin().lines();
    let mut wait = || lines.next().expect("a line").expect("readable");
    wait();
    match held {
        "measured" => {
            let plugin = scene.load(quick()).expect("loads");
            println!("loaded");
            wait();
            drop(plugin);
            // The process that mounted the file system removes the directory.
            std::mem::forget(scene);
        }
        "placed" => {
            let config = WasmConfig { data_dir: Some(own), ..WasmConfig::default() };
            let host = crate::hosts::with(config, WorkerProgram::this(["worker"]));
            let options = PluginOptions { limits: Some(quick()), ..PluginOptions::default() };
            let error = crate::hosts::load_with_directory(&host, MUTE, options).err();
            println!("{}", error.expect("it does not load"));
            wait();
            std::mem::forget(scene);
        }
        "read" => {
            let path = own.join(MUTE);
            let scene: &'static Scene = Box::leak(Box::new(scene));
            thread::spawn(move || scene.host.load(&path, &PluginOptions::default()).err());
            wait();
        }
        _ => panic!("nothing is held by {held:?}"),
    }
}
