//! MIDI bytes through a plugin, from one FIFO to another: the time from end to end.

use std::fs::{File, OpenOptions};
use std::io::{BufRead, Read, Write};
use std::os::fd::AsFd;
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::Arc;
use std::thread::JoinHandle;

use conductor_abi::{Context, Request};
use conductor_core::devices::{MidiError, MidiOutputs};
use conductor_core::{Devices, Host};
use rustix::fs::{CWD, FileType, Mode, mknodat};

use crate::daemon::Daemon;
use crate::report::{Better, MICROSECONDS, Row};
use crate::sample::{Effort, Subject, alternate};
use crate::stage::{Built, Result, Stage, succeed, with_midi};

pub(crate) fn measure(built: &Built, effort: Effort) -> Result<Vec<Row>> {
    measure_so(built, effort, "free")
}

/// For a process that has one processor, so that no process waits for another core to wake up.
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
    let (in_keys, in_synth) = (fifo("in-process-keys")?, fifo("in-process-synth")?);
    let player = in_process(&stage, &in_keys, &in_synth)?;
    let mut near = Pipes::open(&in_keys, &in_synth)?;
    let (in_process, yardstick_again) = alternate(
        effort.many,
        Subject { batch: 1, call: &mut || near.note() },
        Subject { batch: 1, call: &mut || theirs.note() },
    );
    eprintln!(
        "    MIDI in, plugin in process, MIDI out, {how}: {:.1} µs, p99 {:.1} µs; native program {:.1} µs",
        in_process.median() / 1e3,
        in_process.p99() / 1e3,
        yardstick_again.median() / 1e3,
    );
    drop((theirs, near));
    player.join().map_err(|_| "the player in process failed")?;
    native.wait()?;
    let what = format!("MIDI in, plugin in a worker, MIDI out, {how}; native program, pipe");
    let mut late = Row::ratio(&format!("{what}: p99"), MICROSECONDS, &subject, &yardstick, 2.0);
    late.value = subject.p99() / yardstick.p99();
    late.yardstick = Some(yardstick.p99() / MICROSECONDS.1);
    late.better = Better::Lower;
    Ok(vec![Row::ratio(&what, MICROSECONDS, &subject, &yardstick, 1.3), late])
}

/// Starts a thread that plays notes from one FIFO to another, through a plugin in this process.
fn in_process(stage: &Stage, keys: &Path, synth: &Path) -> Result<JoinHandle<()>> {
    let synth = OpenOptions::new().read(true).write(true).open(synth)?;
    let devices = Devices { midi: Arc::new(Synth(synth)), ..Devices::default() };
    let host = Host::with_devices(stage.config(), devices)?;
    let mut plugin = host.load(&stage.path().join("calls.wasm"), &with_midi()?)?;
    let keys = keys.to_owned();
    Ok(std::thread::spawn(move || {
        // Opening waits for the writer, and reading ends with the writer.
        let mut keys = File::open(keys).expect("a FIFO");
        let mut message = [0; 3];
        while keys.read_exact(&mut message).is_ok() {
            let [_, note, velocity] = message;
            let context = Context { note: Some(note), velocity: Some(velocity), ..Context::default() };
            let parameters = serde_json::json!({ "port": "synth" });
            let request = Request { action: "echo".to_owned(), context, parameters };
            succeed(plugin.as_mut(), &serde_json::to_vec(&request).expect("JSON"));
        }
        drop(host);
    }))
}

/// A FIFO as a MIDI output.
struct Synth(File);

impl MidiOutputs for Synth {
    fn ports(&self) -> Vec<String> {
        vec!["synth".to_owned()]
    }

    fn send(&self, port: &str, message: &[u8]) -> std::result::Result<(), MidiError> {
        let failed =
            |error: std::io::Error| MidiError::Failed { port: port.to_owned(), reason: error.to_string() };
        (&self.0).write_all(message).map_err(failed)
    }
}

/// Where notes go in, and where they come out.
struct Pipes {
    keys: File,
    synth: File,
    note: u8,
}

impl Pipes {
    fn open(keys: &Path, synth: &Path) -> Result<Self> {
        // Opened for reading and writing, so that no open waits for the other end.
        let open = |path: &Path| OpenOptions::new().read(true).write(true).open(path);
        Ok(Self { keys: open(keys)?, synth: open(synth)?, note: 0 })
    }

    /// Plays a note, or ends the last one, and waits until that comes out.
    fn note(&mut self) {
        self.note = (self.note + 1) % 255;
        let velocity = if self.note % 2 == 0 { 100 } else { 0 };
        let message = [0x90, self.note / 2, velocity];
        let mut answer = [0; 3];
        let played = self.keys.write_all(&message).and_then(|()| self.synth.read_exact(&mut answer));
        assert!(played.is_ok() && answer == message, "{played:?}: {answer:?}");
    }
}

/// Does natively what the measured daemon does: reads notes from one FIFO, sends a request for each note to another
/// process, and writes that process's answers to another FIFO.
pub(crate) fn native(keys: &Path, synth: &Path) -> Result<()> {
    let mut keys = File::open(keys)?;
    let mut synth = OpenOptions::new().write(true).open(synth)?;
    let (mut plugin, mut to, mut from) = plugin()?;
    let mut message = [0; 3];
    while keys.read_exact(&mut message).is_ok() {
        let [_, note, velocity] = message;
        let context = Context { note: Some(note), velocity: Some(velocity), ..Context::default() };
        let request = Request { action: "echo".to_owned(), context, parameters: serde_json::Value::Null };
        let mut line = serde_json::to_vec(&request)?;
        line.push(b'\n');
        to.write_all(&line)?;
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

/// The other process of [`native`].
pub(crate) fn native_plugin() -> Result<()> {
    let stdout = std::io::stdout();
    let mut stdout = File::from(stdout.as_fd().try_clone_to_owned()?);
    let mut stdin = std::io::stdin().lock();
    let mut line = Vec::new();
    while stdin.read_until(b'\n', &mut line)? > 0 {
        let Request { context, .. } = serde_json::from_slice(&line)?;
        stdout.write_all(&[0x90, context.note.unwrap_or(0), context.velocity.unwrap_or(0)])?;
        line.clear();
    }
    Ok(())
}
