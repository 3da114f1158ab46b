//! The key of the code cache, which no worker ever has: the test searches the memory of workers from outside.

use std::fmt::Write as _;
use std::fs::{self, File};
use std::io::{self, ErrorKind};
use std::os::unix::fs::FileExt as _;
use std::time::{Duration, Instant};

use conductor_core::{Outcome, PluginOptions};
use conductor_signing::Digest;
use rustix::process::geteuid;

use crate::code_cache::{Place, read};
use crate::ends::WATCHDOG;
use crate::support::{REQUEST, load};

/// Functions of the module: enough that the compiling worker is looked at more than once.
const FUNCTIONS: u32 = 4_000;

/// The bytes that are searched in the memory of a process.
struct Sought {
    /// The key itself, and its two forms inside HMAC: under the inner and the outer pad.
    key: [Vec<u8>; 3],
    /// Data of the module. A look that does not find this data proves nothing.
    mark: Vec<u8>,
}

/// The result of a look at the memory of a process.
#[derive(Debug, PartialEq, Eq)]
enum Look {
    /// The kernel shows the memory only to root.
    Refused,
    /// Which bytes of [`Sought`] are in the memory.
    Seen { key: bool, mark: bool },
}

/// The worker that compiles a plugin never has the key while it is looked at, and neither has the worker that runs the
/// code, whether the code was just compiled or cached.
pub(crate) fn is_in_no_worker() {
    let place = Place::new();
    let host = place.host();
    let sought = Sought::of(&read(&place.secret()));
    let wasm = module(&sought.mark);
    let run = || {
        let options = PluginOptions::default();
        let mut plugin = load(&host, "marked.wasm", wasm.clone(), &options).expect("loads");
        assert_eq!(plugin.execute(REQUEST).outcome, Outcome::Ok);
        let worker = plugin.worker_pid().expect("it runs in a worker");
        assert_eq!(sought.look_at(worker).expect("it is there"), no_key());
    };
    std::thread::scope(|scope| {
        let first = scope.spawn(run);
        let looks = looks_at_compiler(&sought);
        first.join().expect("it runs");
        assert!(looks.contains(&no_key()), "{looks:?}");
        assert!(!looks.iter().any(|look| matches!(look, Look::Seen { key: true, .. })), "{looks:?}");
    });
    run();
}

/// The result of a look at a worker without the key: root can read its memory, other users cannot.
fn no_key() -> Look {
    if geteuid().is_root() { Look::Seen { key: false, mark: true } } else { Look::Refused }
}

/// Looks at the worker that compiles the plugin, again and again, from its start to its end.
fn looks_at_compiler(sought: &Sought) -> Vec<Look> {
    let started = Instant::now();
    let is_compiler = |pid: &String| {
        let command = fs::read_to_string(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        command.starts_with("conductor-worker marked (compiling)\0")
    };
    let pid = loop {
        if let Some(pid) = children().into_iter().find(is_compiler) {
            break pid.parse().expect("a number");
        }
        assert!(started.elapsed() < WATCHDOG, "nobody compiles");
        std::thread::sleep(Duration::from_millis(1));
    };
    std::iter::from_fn(|| sought.look_at(pid).ok()).collect()
}

/// Children of this process.
fn children() -> Vec<String> {
    let own = std::process::id().to_string();
    let is_child = |pid: &String| {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        let parent = stat.rsplit_once(')').and_then(|(_, rest)| rest.split_whitespace().nth(1));
        parent == Some(own.as_str())
    };
    let entries = fs::read_dir("/proc").expect("readable");
    entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok()).filter(is_child).collect()
}

impl Sought {
    fn of(key: &[u8]) -> Self {
        let padded = |pad: u8| key.iter().map(|byte| byte ^ pad).collect();
        Self {
            key: [key.to_vec(), padded(0x36), padded(0x5c)],
            mark: Digest::from_bytes(key).as_bytes().to_vec(),
        }
    }

    /// Looks at the memory of a process. Fails if the process has ended.
    fn look_at(&self, pid: u32) -> io::Result<Look> {
        match self.find_in(pid) {
            Err(error) if error.kind() == ErrorKind::PermissionDenied => Ok(Look::Refused),
            look => look,
        }
    }

    /// Looks at all memory of the process's own: writable memory, and memory without a file on the disk.
    fn find_in(&self, pid: u32) -> io::Result<Look> {
        let memory = File::open(format!("/proc/{pid}/mem"))?;
        let (mut key, mut mark) = (false, false);
        for line in fs::read_to_string(format!("/proc/{pid}/maps"))?.lines() {
            let mut fields = line.split_whitespace();
            let (range, rights, path) = (fields.next(), fields.next(), fields.nth(3));
            let is_of_file = path.is_some_and(|path| path.starts_with('/') && !path.starts_with("/memfd:"));
            let rights = rights.expect("rights");
            if !rights.starts_with('r') || (is_of_file && !rights.contains('w')) {
                continue;
            }
            let (from, to) = range.and_then(|range| range.split_once('-')).expect("a range");
            let number = |text| u64::from_str_radix(text, 16).expect("a number");
            let (from, to) = (number(from), number(to));
            let mut bytes = vec![0; usize::try_from(to - from).expect("it fits")];
            // Some mappings of the kernel cannot be read, and mappings may disappear meanwhile.
            if memory.read_exact_at(&mut bytes, from).is_ok() {
                key |= self.key.iter().any(|key| holds(&bytes, key));
                mark |= holds(&bytes, &self.mark);
            }
        }
        // A process that has ended has no mappings, so its end must be noticed here.
        fs::read_link(format!("/proc/{pid}/exe"))?;
        Ok(Look::Seen { key, mark })
    }
}

fn holds(bytes: &[u8], sought: &[u8]) -> bool {
    bytes.windows(sought.len()).any(|window| window == sought)
}

/// A plugin with this data, which takes a while to compile.
fn module(data: &[u8]) -> Vec<u8> {
    let mut text = r#"(module
        (memory (export "memory") 1)
        (func (export "alloc") (param i32) (result i32) (i32.const 1024))
        (func (export "execute") (param i32 i32) (result i32) (i32.const 0))
        (data (i32.const 4096) ""#
        .to_owned();
    data.iter().for_each(|byte| write!(text, "\\{byte:02x}").expect("written"));
    text += "\")";
    for number in 0..FUNCTIONS {
        let step =
            format!("(i32.store (local.get 0) (i32.add (i32.load (local.get 0)) (i32.const {number})))");
        write!(text, "(func (param i32) {})", step.repeat(10)).expect("written");
    }
    text += ")";
    wat::parse_str(text).expect("valid text")
}
