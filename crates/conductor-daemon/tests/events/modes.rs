//! Switching between modes, again and again.

use super::desk::{self, Desk};
use crate::scratch::{Daemon, LENIENT, Scratch, plugin};
use crate::wasm;

fn start(scratch: &Scratch) -> (Daemon, Desk) {
    let switch = |address: &str, mode: &str| {
        format!("[[mappings]]\ntrigger = {{ address = \"{address}\" }}\nswitch_mode = \"{mode}\"\n")
    };
    let count = |address: &str, mode: &str| {
        format!(
            "[[mappings]]\ntrigger = {{ address = \"{address}\" }}\n{mode}plugin = \"hostile\"\naction = \"count\"\n"
        )
    };
    scratch.config(&format!(
        "{LENIENT}{}{}{}{}{}{}",
        plugin("hostile", &wasm::fixture("hostile"), ""),
        desk::INPUT,
        switch("/a", "a"),
        switch("/b", "b"),
        count("/only-in-b", "mode = \"b\"\n"),
        count("/done", ""),
    ));
    let mut daemon = scratch.start(&[]);
    let desk = Desk::of(&mut daemon);
    (daemon, desk)
}

#[test]
fn switching_to_the_mode_that_is_on_is_nothing() {
    let scratch = Scratch::new();
    let (mut daemon, desk) = start(&scratch);
    for _ in 0..5 {
        desk.send(&["/a"; 100]);
    }
    desk.send(&["/only-in-b", "/b", "/only-in-b", "/b", "/done"]);
    let events = [(); 2].map(|()| daemon.next_call().1["event"].clone());
    assert_eq!(events, ["desk: /only-in-b []", "desk: /done []"], "in the mode, and not before");
    let (_, log) = daemon.stop();
    let switched = |mode: &str| log.matches(&format!("switched to mode {mode}")).count();
    assert_eq!((switched("a"), switched("b")), (1, 1), "{log}");
}

#[test]
fn an_input_makes_the_daemon_log_only_so_much() {
    let scratch = Scratch::new();
    let (mut daemon, desk) = start(&scratch);
    // Each packet is acknowledged, so that none is lost on the way.
    for _ in 0..60 {
        let mut addresses = ["/a", "/b"].repeat(50);
        addresses.push("/done");
        desk.send(&addresses);
        daemon.next_call();
    }
    let (_, log) = daemon.stop();
    let switched = log.matches("switched to mode").count();
    assert!((100..1000).contains(&switched), "{switched} lines of 6,000 switches");
    assert_eq!(log.matches("the input causes too much log").count(), 1, "{log}");
}
