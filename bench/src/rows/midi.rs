//! MIDI bytes in, through a plugin, MIDI bytes out: through FIFOs, from end to end.

use std::fs::{File, OpenOptions};
use std::io::{Read, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use rustix::fs::{CWD, FileType, Mode, mknodat};

use crate::daemon::Daemon;
use crate::report::{Better, MICROSECONDS, Row};
use crate::sample::{Effort, Subject, alternate};
use crate::stage::{Built, Result, Stage};

pub(crate) fn measure(built: &Built, effort: Effort) -> Result<Vec<Row>> {
    measure_so(built, effort, "free")
}

/// For a process that has one processor: no process waits for another core to wake up.
pub(crate) fn measure_pinned(built: &Built, effort: Effort) -> Result<Vec<Row>> {
    measure_so(built, effort, "pinned")
}

fn measure_so(built: &Built, effort: Effort, how: &str) -> Result<Vec<Row>> {
    let stage = Stage::new(built)?;
    let plugin = stage.plugin("calls", &stage.guest("calls")?)?;
    let fifo = |name: &str| -> Result<_> {
        let path = stage.path().join(name);
        mknodat(CWD, &path, FileType::Fifo, Mode::RUSR | Mode::WUSR, 0)?;
        Ok(path)
    };
    let (keys, synth) = (fifo("keys")?, fifo("synth")?);
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
    let mut ours = Pipes::open(&keys, &synth)?;

    let (native_keys, native_synth) = (fifo("native-keys")?, fifo("native-synth")?);
    let mut native =
        Command::new("/proc/self/exe").arg("native").args([&native_keys, &native_synth]).spawn()?;
    let mut theirs = Pipes::open(&native_keys, &native_synth)?;

    let (subject, yardstick) = alternate(
        effort.many,
        Subject { batch: 1, call: &mut || ours.note() },
        Subject { batch: 1, call: &mut || theirs.note() },
    );
    drop(theirs);
    native.wait()?;
    let what = format!("MIDI in, plugin in a worker, MIDI out, {how}; native program, pipe");
    let mut late = Row::ratio(&format!("{what}: p99"), MICROSECONDS, &subject, &yardstick, 2.0);
    late.value = subject.p99() / yardstick.p99();
    late.yardstick = Some(yardstick.p99() / MICROSECONDS.1);
    late.better = Better::Lower;
    Ok(vec![Row::ratio(&what, MICROSECONDS, &subject, &yardstick, 1.3), late])
}

/// Where notes go in, and where they come out.
struct Pipes {
    keys: File,
    synth: File,
    note: u8,
}

impl Pipes {
    fn open(keys: &Path, synth: &Path) -> Result<Self> {
        // Read and write, so that neither open waits for the other end.
        let open = |path: &Path| OpenOptions::new().read(true).write(true).open(path);
        Ok(Self { keys: open(keys)?, synth: open(synth)?, note: 0 })
    }

    /// Plays a note and waits for it.
    fn note(&mut self) {
        self.note = (self.note + 1) % 128;
        let message = [0x90, self.note, 100];
        let mut answer = [0; 3];
        let played = self.keys.write_all(&message).and_then(|()| self.synth.read_exact(&mut answer));
        assert!(played.is_ok() && answer == message, "{played:?}: {answer:?}");
    }
}

/// A program that does without Conductor what the measured one does with it: reads notes from one FIFO, has another process
/// see them, and writes what comes back to another FIFO.
pub(crate) fn native(keys: &Path, synth: &Path) -> Result<()> {
    let mut keys = File::open(keys)?;
    let mut synth = OpenOptions::new().write(true).open(synth)?;
    let (mut plugin, mut to, mut from) = plugin()?;
    let mut message = [0; 3];
    while keys.read_exact(&mut message).is_ok() {
        to.write_all(&message)?;
        from.read_exact(&mut message)?;
        synth.write_all(&message)?;
    }
    drop(to);
    plugin.wait()?;
    Ok(())
}

fn plugin() -> Result<(Child, ChildStdin, ChildStdout)> {
    let mut command = Command::new("/proc/self/exe");
    let mut child = command.arg("native-plugin").stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
    let (to, from) = (child.stdin.take().ok_or("no pipe")?, child.stdout.take().ok_or("no pipe")?);
    Ok((child, to, from))
}

/// The other process.
pub(crate) fn native_plugin() -> Result<()> {
    crate::peer::ping::pong(3)
}
