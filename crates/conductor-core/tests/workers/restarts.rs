//! Workers that die again and again, with a count of what they cost, and a check that nothing of them is left.

use std::fs;
use std::process::{Command, ExitCode};
use std::time::{Duration, Instant};

use conductor_core::Outcome;

use crate::crash::{Scene, quick};
use crate::misbehave::FLAG;
use crate::support::REQUEST;

/// Number of deaths in the ordinary test, about 15 seconds on a slow machine; other numbers can be run by hand.
const RESTARTS: u32 = 400;

/// Ways to die, used in turn.
const DEEDS: [&str; 4] = ["exit", "die-by-SIGKILL", "send-garbage", "send-a-gigabyte"];

/// Runs in a separate process, whose descriptors and children belong to this test alone.
pub(crate) fn leave_nothing_behind() {
    let program = std::env::current_exe().expect("this program");
    let output = Command::new(program).args(["restarts", &RESTARTS.to_string()]).output().expect("starts");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

/// Lets workers die as often as the argument says, and prints the cost and what is left.
pub(crate) fn run(mut arguments: impl Iterator<Item = String>) -> ExitCode {
    let count: u32 = arguments.next().and_then(|text| text.parse().ok()).expect("a number");
    let before = now();
    let started = Instant::now();
    let scenes = DEEDS.map(|deed| Scene::new("Called", deed));
    let mut plugins = scenes.each_ref().map(|scene| {
        fs::write(scene.own().join(FLAG), "always").expect("written");
        scene.load(quick()).expect("loads")
    });
    let mut warm = (0, 0, 0);
    for number in 0..count {
        let plugin = &mut plugins[number as usize % DEEDS.len()];
        plugin.resume();
        let outcome = plugin.execute(REQUEST).outcome;
        assert!(matches!(outcome, Outcome::Crashed { .. }), "{outcome}");
        if number as usize == 4 * DEEDS.len() {
            // Nobody waits for a death, so the last worker may still be dying.
            std::thread::sleep(Duration::from_millis(500));
            warm = now();
        }
    }
    let took = started.elapsed();
    let hot = settled(warm);
    assert_eq!(warm, hot, "descriptors, threads and children after a few deaths and after {count}");
    drop((plugins, scenes));
    // The threads of the hosts end by themselves.
    assert_eq!(settled(before), before, "descriptors, threads and children");
    println!("{count} deaths in {took:.1?}; descriptors, threads, children: {before:?}, then {hot:?}");
    ExitCode::SUCCESS
}

/// Numbers of descriptors, threads and children.
fn now() -> (usize, usize, usize) {
    (descriptors(), threads(), children())
}

/// The same numbers, once they are as expected, or after a while.
fn settled(expected: (usize, usize, usize)) -> (usize, usize, usize) {
    let started = Instant::now();
    while now() != expected && started.elapsed() < Duration::from_secs(20) {
        std::thread::sleep(Duration::from_millis(10));
    }
    now()
}

fn descriptors() -> usize {
    fs::read_dir("/proc/self/fd").expect("readable").count()
}

fn threads() -> usize {
    fs::read_dir("/proc/self/task").expect("readable").count()
}

/// Number of children of this process, including ended children that nobody waited for.
fn children() -> usize {
    let own = std::process::id().to_string();
    let is_child = |pid: &str| {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        let parent = stat.rsplit_once(')').and_then(|(_, rest)| rest.split_whitespace().nth(1));
        parent == Some(own.as_str())
    };
    let entries = fs::read_dir("/proc").expect("readable");
    entries
        .filter(|entry| entry.as_ref().is_ok_and(|entry| entry.file_name().to_str().is_some_and(is_child)))
        .count()
}
