//! Modules made to keep a compiler busy or to fill its memory, loaded by a host with workers. Each is refused with its
//! exact error, while another plugin keeps answering, the host's memory does not grow, and nothing is left behind.
//!
//! Each attack runs in a separate process, which is this program again, so that its memory and its children belong to
//! this attack alone.

use std::fs;
use std::process::{Command, ExitCode, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use conductor_core::{Host, Limit, Limits, Outcome, PluginOptions};
use libtest_mimic::{Failed, Trial};

use crate::bombs;
use crate::hosts;
use crate::support::{Bystander, REQUEST, load};

/// Longest time for a refusal: ten times the promised time, for a busy machine.
const WATCHDOG: Duration = Duration::from_secs(50);

/// Longest time for everything around the refusal.
const PATIENCE: Duration = Duration::from_secs(60);

/// Most memory by which the host's process may grow, including the module's own bytes.
const MAX_GROWTH_KIB: u64 = 64 * 1024;

/// Memory for a compiler that is to run out of memory: enough for a small plugin.
const LITTLE_MEMORY: u64 = 64 * 1024 * 1024;

/// One attack, and the check or limit that stops it.
struct Bomb {
    name: &'static str,
    make: fn() -> Vec<u8>,
    stopped_by: StoppedBy,
}

enum StoppedBy {
    /// The check before compilation, with this error.
    Shape(&'static str),
    /// `max_compile_time`.
    Time,
    /// `max_compile_bytes`.
    Memory,
}

const BOMBS: [Bomb; 16] = [
    Bomb {
        name: "million_blocks",
        make: || bombs::repeated_blocks(1_000_000),
        stopped_by: StoppedBy::Shape("module has 50001 blocks in one function, more than 50000"),
    },
    Bomb {
        name: "blocks",
        make: || bombs::repeated_blocks(60_000),
        stopped_by: StoppedBy::Shape("module has 50001 blocks in one function, more than 50000"),
    },
    Bomb {
        name: "functions",
        make: || bombs::empty_functions(199_999),
        stopped_by: StoppedBy::Shape("module has 200000 functions, more than 50000"),
    },
    Bomb {
        name: "locals",
        make: || bombs::locals(50_000),
        stopped_by: StoppedBy::Shape("module has 50000 locals in one function, more than 5000"),
    },
    Bomb {
        name: "million_targets",
        make: || bombs::branch_targets(1_000_000),
        stopped_by: StoppedBy::Shape("module has 1000000 branch targets in one function, more than 65536"),
    },
    Bomb {
        name: "targets",
        make: || bombs::branch_targets(100_000),
        stopped_by: StoppedBy::Shape("module has 100000 branch targets in one function, more than 65536"),
    },
    Bomb {
        name: "wide_types",
        make: || bombs::wide_types(20_000),
        stopped_by: StoppedBy::Shape("module has 2000 parameters and results of one type, more than 256"),
    },
    Bomb { name: "loops_time", make: || bombs::nested_loops(8), stopped_by: StoppedBy::Time },
    Bomb { name: "loops_memory", make: || bombs::nested_loops(8), stopped_by: StoppedBy::Memory },
    Bomb { name: "conditionals_time", make: || bombs::conditionals(8), stopped_by: StoppedBy::Time },
    Bomb { name: "conditionals_memory", make: || bombs::conditionals(8), stopped_by: StoppedBy::Memory },
    Bomb { name: "large_functions_time", make: || bombs::large_functions(12), stopped_by: StoppedBy::Time },
    Bomb {
        name: "large_functions_memory",
        make: || bombs::large_functions(12),
        stopped_by: StoppedBy::Memory,
    },
    Bomb { name: "tables_time", make: || bombs::nested_tables(20), stopped_by: StoppedBy::Time },
    Bomb {
        name: "padded_time",
        make: || bombs::padded(bombs::conditionals(8), 12 * 1024 * 1024),
        stopped_by: StoppedBy::Time,
    },
    Bomb { name: "functions_memory", make: || bombs::small_functions(49_000), stopped_by: StoppedBy::Memory },
];

pub(crate) fn trials() -> impl Iterator<Item = Trial> {
    BOMBS.iter().map(|bomb| Trial::test(format!("compile_bomb::{}", bomb.name), || in_own_process(bomb.name)))
}

/// Runs one attack in a separate process, and shows the output of the process if it fails.
fn in_own_process(name: &str) -> Result<(), Failed> {
    let mut child = Command::new("/proc/self/exe")
        .args(["compile-bomb", name])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()?;
    let deadline = Instant::now() + WATCHDOG + PATIENCE;
    while child.try_wait()?.is_none() {
        if Instant::now() > deadline {
            child.kill()?;
        }
        thread::sleep(Duration::from_millis(10));
    }
    let output = child.wait_with_output()?;
    if output.status.success() {
        return Ok(());
    }
    Err(format!("{}: {}", output.status, String::from_utf8_lossy(&output.stderr)).into())
}

/// Runs one attack in its process.
pub(crate) fn run(name: &str) -> ExitCode {
    let bomb = BOMBS.iter().find(|bomb| bomb.name == name).expect("a known attack");
    let host = hosts::in_workers();
    let bystander = Bystander::start(&host);
    bomb.is_defused(&host, &bystander);
    bystander.stop();
    ExitCode::SUCCESS
}

impl Bomb {
    fn is_defused(&self, host: &Host, bystander: &Bystander) {
        let (limits, expected, limit) = self.verdict();
        let options = PluginOptions { limits: Some(limits), ..PluginOptions::default() };
        let wasm = (self.make)();
        let (answered, resident) = (bystander.answered(), forget_peak());
        let started = Instant::now();
        let Err(error) = load(host, "bomb.wasm", wasm, &options) else { panic!("it was loaded") };
        let took = started.elapsed();
        let grown = peak_kib().saturating_sub(resident);

        assert_eq!((error.to_string(), error.limit()), (expected, limit));
        assert!(took < WATCHDOG, "took {took:?}");
        assert!(grown < MAX_GROWTH_KIB, "the host grew by {grown} KiB");
        let others = bystander.answered() - answered;
        assert!(took < Duration::from_millis(50) || others > 0, "nothing was answered for {took:?}");
        loads_a_plugin(host, &options);
        leaves_one_child();
    }

    fn verdict(&self) -> (Limits, String, Option<Limit>) {
        let defaults = Limits::default();
        match self.stopped_by {
            StoppedBy::Shape(text) => (defaults, text.to_owned(), None),
            StoppedBy::Time => (
                Limits { max_compile_time: Duration::from_secs(1), max_compile_bytes: 2 << 30, ..defaults },
                "module takes more than 1 s of processor time to compile".to_owned(),
                Some(Limit::CompileTime),
            ),
            StoppedBy::Memory => (
                Limits {
                    // Far more than the memory lasts, even where a processor is shared with others.
                    max_compile_time: Duration::from_secs(60),
                    max_compile_bytes: LITTLE_MEMORY,
                    ..defaults
                },
                format!("module takes more than {LITTLE_MEMORY} bytes of memory to compile"),
                Some(Limit::CompileBytes),
            ),
        }
    }
}

/// An honest plugin can be loaded within the same limits, before and after an attack.
fn loads_a_plugin(host: &Host, options: &PluginOptions) {
    let mut plugin = load(host, "honest.wasm", bombs::empty_functions(10), options).expect("loads");
    assert_eq!(plugin.execute(REQUEST).outcome, Outcome::Ok);
}

/// Of all workers, only that of the other plugin is left, and it runs.
fn leaves_one_child() {
    let deadline = Instant::now() + Duration::from_secs(10);
    loop {
        let children = children();
        match children.as_slice() {
            [state] if *state != 'Z' => return,
            _ if Instant::now() > deadline => panic!("children are left in states {children:?}"),
            _ => thread::sleep(Duration::from_millis(10)),
        }
    }
}

/// States of the children of this process, as the kernel abbreviates them.
fn children() -> Vec<char> {
    let own = std::process::id();
    let stat = |entry: fs::DirEntry| fs::read_to_string(entry.path().join("stat")).ok();
    let child = |stat: String| {
        // State and parent follow the name, which is in parentheses and may contain anything.
        let mut fields = stat.rsplit_once(')')?.1.split_whitespace();
        let (state, parent) = (fields.next()?, fields.next()?);
        (parent.parse() == Ok(own)).then(|| state.chars().next())?
    };
    let processes = fs::read_dir("/proc").expect("readable");
    processes.filter_map(|entry| child(stat(entry.ok()?)?)).collect()
}

/// Resets the peak of this process's memory to its present resident memory, and returns that.
fn forget_peak() -> u64 {
    fs::write("/proc/self/clear_refs", "5").expect("the kernel keeps the peak of a process");
    peak_kib()
}

/// Peak of this process's resident memory.
fn peak_kib() -> u64 {
    let status = fs::read_to_string("/proc/self/status").expect("readable");
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).expect("there");
    line.trim().trim_end_matches(" kB").trim().parse().expect("a number")
}
