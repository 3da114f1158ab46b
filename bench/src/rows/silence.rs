//! How long a chord goes on after the worker of the plugin that plays it was killed.

use std::fs::OpenOptions;
use std::io::{Read as _, Write as _};
use std::time::Instant;

use rustix::fs::{CWD, FileType, Mode, mknodat};
use rustix::process::{Pid, Signal, kill_process};

use crate::daemon::Daemon;
use crate::report::{Better, Row};
use crate::sample::{Effort, Samples, nanoseconds};
use crate::stage::{Built, Result, Stage};

/// Notes of the chord.
const NOTES: u8 = 10;

/// Bytes of a note-on or a note-off.
const MESSAGE_BYTES: usize = 3;

pub(crate) fn measure(built: &Built, effort: Effort) -> Result<Vec<Row>> {
    let stage = Stage::new(built)?;
    let plugin = stage.plugin("calls", &stage.guest("calls")?)?;
    let (keys, synth) = (stage.path().join("keys"), stage.path().join("synth"));
    for path in [&keys, &synth] {
        mknodat(CWD, path, FileType::Fifo, Mode::RUSR | Mode::WUSR, 0)?;
    }
    let config = format!(
        "[plugins.calls]\npath = \"{}\"\ngranted_capabilities = [\"Midi\"]\n\
         [midi.outputs.synth]\nto = \"file:{}\"\n\
         [[inputs]]\nname = \"keys\"\ntype = \"midi-raw\"\npath = \"{}\"\n\
         [[mappings]]\ntrigger = {{ input = \"keys\" }}\nplugin = \"calls\"\naction = \"echo\"\nparameters = {{ port = \"synth\" }}\n",
        plugin.display(),
        synth.display(),
        keys.display(),
    );
    let mut daemon = Daemon::start(&stage, &config)?;
    daemon.wait_for(1, &stage)?;
    // Opened for reading and writing, so that no open waits for the other end.
    let open = |path| OpenOptions::new().read(true).write(true).open(path);
    let (mut keys, mut synth) = (open(&keys)?, open(&synth)?);
    let mut heard = [0; NOTES as usize * MESSAGE_BYTES];
    let mut times = Vec::new();
    for _ in 0..effort.some {
        for note in 0..NOTES {
            keys.write_all(&[0x90, 40 + note, 100])?;
        }
        synth.read_exact(&mut heard)?;
        let list = daemon.ask("plugin-list")?;
        let pid = list["plugins"][0]["worker_pid"].as_i64().and_then(|pid| i32::try_from(pid).ok());
        let pid = pid.and_then(Pid::from_raw).ok_or("the plugin has no worker")?;
        let started = Instant::now();
        kill_process(pid, Signal::KILL)?;
        synth.read_exact(&mut heard)?;
        times.push(nanoseconds(started.elapsed()));
        let ends = heard.chunks(MESSAGE_BYTES).all(|message| message.first() == Some(&0x80));
        assert!(ends, "these are no note-offs: {heard:?}");
    }
    let times = Samples::new(times);
    Ok(vec![Row {
        what: "a worker is killed: until the last of its 10 notes has ended".to_owned(),
        unit: "ms",
        median: times.median() / 1e6,
        p99: times.p99() / 1e6,
        yardstick: None,
        value: times.p99() / 1e6,
        goal: 10.0,
        better: Better::Lower,
        of: "ms",
    }])
}
