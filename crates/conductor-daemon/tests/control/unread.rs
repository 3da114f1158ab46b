//! Commands whose output nobody reads, as when `head` has ended: they end quietly.

use std::fs::File;
use std::process::Stdio;

use super::ctl::quiet_daemon;
use crate::scratch::Scratch;
use crate::wasm;

/// A pipe whose other end is closed.
fn unread() -> Stdio {
    let (reader, writer) = rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC).expect("a pipe");
    drop(reader);
    Stdio::from(File::from(writer))
}

#[test]
fn a_closed_pipe_ends_every_command_quietly() {
    let scratch = Scratch::new();
    let daemon = quiet_daemon(&scratch);
    std::fs::copy(wasm::plugin("notes"), scratch.path("notes.wasm")).expect("copied");
    let [conductor, ctl, sign] = [
        env!("CARGO_BIN_EXE_conductor"),
        env!("CARGO_BIN_EXE_conductorctl"),
        env!("CARGO_BIN_EXE_conductor-sign"),
    ];
    let exec = ["exec", "notes.wasm", "--unsigned-ok", "--grant", "Filesystem", "--action", "read"];
    for (program, words) in [
        (conductor, &["--help"][..]),
        (conductor, &["inspect", "notes.wasm"]),
        (conductor, &["inspect", "notes.wasm", "--json"]),
        (conductor, &exec),
        (conductor, &[&exec[..], &["--json"]].concat()),
        (ctl, &["--help"]),
        (ctl, &["status"]),
        (ctl, &["status", "--json"]),
        (ctl, &["plugin", "list"]),
        (ctl, &["plugin", "show", "hostile"]),
        (ctl, &["plugin", "pending"]),
        (ctl, &["plugin", "preview", "notes.wasm"]),
        (ctl, &["trigger", "hostile", "count"]),
        (ctl, &["audit", "show"]),
        (ctl, &["audit", "verify"]),
        (ctl, &["completions", "bash"]),
        (ctl, &["reload"]),
        (sign, &["--help"]),
        (sign, &["generate-key", "key"]),
        (sign, &["verify", "notes.wasm"]),
        (sign, &["explain", "notes.wasm"]),
        (sign, &["manifest", "show", "notes.wasm"]),
        (sign, &["trust", "list"]),
        (sign, &["keys", "list", "--json"]),
    ] {
        let read = scratch.program(program, words).output().expect("starts");
        let output = scratch.program(program, words).stdout(unread()).output().expect("starts");
        let (of_it, usual) = (String::from_utf8_lossy(&output.stderr), String::from_utf8_lossy(&read.stderr));
        let quiet = |words: &str| {
            !words.contains("Broken pipe") && !words.contains("panicked") && !words.contains("cannot")
        };
        let says_no_more = of_it.lines().count() <= usual.lines().count().max(1);
        assert!(quiet(&of_it) || !quiet(&usual) && says_no_more, "{words:?}: {of_it}");
        assert!(output.status.code().is_some_and(|code| code != 101), "{words:?}: {output:?}");
        // Unread messages do not change how the command ends.
        let mute = scratch.program(program, words).stderr(unread()).output().expect("starts");
        if words != ["generate-key", "key"] {
            assert_eq!(mute.status, read.status, "{words:?}");
        }
    }
    daemon.stop();
}
