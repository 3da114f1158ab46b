//! A keyboard that the test plays on, two plugins that turn its notes into chords, and what comes out of the outputs.

use std::collections::BTreeMap;
use std::fs::{File, OpenOptions};
use std::io::{Read as _, Write as _};
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use rustix::fs::{CWD, FileType, Mode, mknodat};
use rustix::process::{Pid, Signal, kill_process};

use super::ctl::json;
use crate::scratch::{Daemon, LENIENT, PATIENCE, Scratch, plugin};
use crate::wasm;

/// The keyboard, the plugins and the outputs.
pub(super) struct Desk {
    pub(super) scratch: Scratch,
    /// Kept open, so that the input does not end between two daemons.
    keys: File,
}

/// Note-ons less note-offs, by channel and key.
pub(super) type Heard = BTreeMap<(u8, u8), i32>;

impl Desk {
    /// A desk that is not plugged in yet. Channel 0 of the keyboard plays the plugin `one`, channel 1 plays `two`; both
    /// play on channel 0 of the output `synth`.
    pub(super) fn new(more: &str) -> Self {
        let scratch = Scratch::new();
        mknodat(CWD, scratch.path("keys"), FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).expect("FIFO made");
        let keys = OpenOptions::new().read(true).write(true).open(scratch.path("keys")).expect("FIFO opened");
        let desk = Self { scratch, keys };
        desk.configure(more);
        desk
    }

    pub(super) fn configure(&self, more: &str) {
        let chord = wasm::plugin("chord");
        let plays = |alias: &str, channel: u8| {
            format!(
                "[[mappings]]\ntrigger = {{ event = [\"note-on\", \"note-off\"], channel = {channel} }}\n\
                 plugin = \"{alias}\"\naction = \"chord\"\nparameters = {{ port = \"synth\" }}\n"
            )
        };
        self.scratch.config(&format!(
            "{LENIENT}{}{}[midi.outputs.synth]\nto = \"file:../synth.raw\"\n\
             [[inputs]]\nname = \"keys\"\ntype = \"midi-raw\"\npath = \"../keys\"\n{}{}{more}",
            plugin("one", &chord, ""),
            plugin("two", &chord, ""),
            plays("one", 0),
            plays("two", 1),
        ));
    }

    pub(super) fn start(&self, arguments: &[&str]) -> Daemon {
        let mut daemon = self.scratch.start(arguments);
        daemon.wait_for_log("ready");
        daemon
    }

    /// Plays on the keyboard.
    pub(super) fn play(&mut self, message: &[u8]) {
        self.keys.write_all(message).expect("played");
    }

    /// Everything that came out of an output.
    pub(super) fn messages(&self, output: &str) -> Vec<[u8; 3]> {
        let bytes = bytes(&self.scratch.path(&format!("{output}.raw")));
        bytes.chunks_exact(3).map(|message| message.try_into().expect("three bytes")).collect()
    }

    /// What an instrument at the output hears: an end of a note that does not sound is nothing to it.
    pub(super) fn heard(&self, output: &str) -> Heard {
        let mut heard = Heard::new();
        for [status, key, velocity] in self.messages(output) {
            let count = heard.entry((status & 0x0f, key)).or_default();
            match (status & 0xf0, velocity) {
                (0x90, 1..) => *count += 1,
                (0x90, 0) | (0x80, _) => *count = (*count - 1).max(0),
                _ => {}
            }
        }
        heard.retain(|_, count| *count != 0);
        heard
    }

    /// Waits until `is_so` of what an instrument hears, and returns how long that took.
    pub(super) fn wait(&self, output: &str, what: &str, is_so: impl Fn(&Heard) -> bool) -> Duration {
        let begun = Instant::now();
        while !is_so(&self.heard(output)) {
            assert!(begun.elapsed() < PATIENCE, "{what}: {:?}", self.heard(output));
            thread::sleep(Duration::from_millis(1));
        }
        begun.elapsed()
    }

    /// Plays a chord and waits until it sounds.
    pub(super) fn chord(&mut self, channel: u8, root: u8) {
        let before: i32 = self.heard("synth").values().sum();
        self.play(&[0x90 | channel, root, 100]);
        self.wait("synth", "the chord sounds", |heard| heard.values().sum::<i32>() == before + 3);
    }

    pub(super) fn silent(&self, what: &str) {
        self.wait("synth", what, Heard::is_empty);
    }

    /// Kills the worker of a plugin.
    pub(super) fn kill_worker(&self, alias: &str) {
        let plugin = json(&self.scratch, &["plugin", "show", alias]);
        let pid = plugin["status"]["worker_pid"].as_u64().or_else(|| plugin["worker_pid"].as_u64());
        let pid = i32::try_from(pid.unwrap_or_else(|| panic!("no worker: {plugin}"))).expect("a process");
        kill_process(Pid::from_raw(pid).expect("a process"), Signal::KILL).expect("killed");
    }
}

/// The keys of a major chord on channel 0, each sounding once.
pub(super) fn major(root: u8) -> Heard {
    [0, 4, 7].map(|interval| ((0, root + interval), 1)).into()
}

/// The bytes of a file; none if there is no such file.
pub(super) fn bytes(path: &Path) -> Vec<u8> {
    let mut bytes = Vec::new();
    if let Ok(mut file) = File::open(path) {
        file.read_to_end(&mut bytes).expect("readable");
    }
    bytes
}
