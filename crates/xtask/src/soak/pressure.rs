//! Pressure on the daemon beside the events of the soak: floods of OSC and of raw MIDI for one plugin that also has a
//! clock, a follower of calls that does not read, and repeated reloads.

use std::fs::OpenOptions;
use std::io::{self, Write as _};
use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::os::unix::fs::OpenOptionsExt as _;
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use rustix::fs::{CWD, FileType, Mode, OFlags, mknodat};

use crate::error::TaskError;
use crate::scratch::ScratchHome;
use crate::soak::CONFIG;

/// The plugin under pressure.
pub(crate) const PRESSED: &str = "pressed";

/// The plugin that is replaced by every reload.
pub(crate) const RELOADED: &str = "reloaded";

/// The clock that calls the plugin under pressure.
pub(crate) const CLOCK: &str = "beat";

/// OSC messages that are sent in a second.
const FLOOD_RATE: u32 = 8000;

/// Messages in one packet.
const PACKET: u32 = 40;

/// Time between two reloads.
const RELOAD_EVERY: Duration = Duration::from_secs(2);

/// Path of the FIFO of the daemon's raw MIDI input, in the home.
const PIPE: &str = "pipe";

/// Path of the daemon's socket, in the home.
const SOCKET: &str = ".local/state/conductor/conductor.sock";

/// The tables of the configuration that the pressure needs.
pub(crate) fn config() -> String {
    let mapping = |input: &str| {
        format!(
            "\n[[mappings]]\ntrigger = {{ input = \"{input}\" }}\nplugin = \"{PRESSED}\"\naction = \"count\"\n"
        )
    };
    let plugin =
        |name: &str, more: &str| format!("\n[plugins.{name}]\npath = \"~/plugins/{name}.wasm\"\n{more}");
    [
        "\n[[inputs]]\nname = \"flood\"\ntype = \"osc\"\nlisten = \"127.0.0.1:0\"\n".to_owned(),
        format!("\n[[inputs]]\nname = \"pipe\"\ntype = \"midi-raw\"\npath = \"~/{PIPE}\"\n"),
        format!("\n[[inputs]]\nname = \"{CLOCK}\"\ntype = \"interval\"\nevery = \"50ms\"\n"),
        plugin(PRESSED, ""),
        plugin(RELOADED, &fuel(false)),
        ["flood", "pipe", CLOCK].map(mapping).concat(),
    ]
    .concat()
}

/// The line that differs from one reload to the next.
fn fuel(is_other: bool) -> String {
    format!("max_fuel = {}\n", if is_other { 90_000_000 } else { 80_000_000 })
}

/// Makes the FIFO.
pub(crate) fn prepare(home: &ScratchHome) -> Result<(), TaskError> {
    let path = home.at(PIPE);
    let made = mknodat(CWD, &path, FileType::Fifo, Mode::RUSR | Mode::WUSR, 0);
    made.map_err(|error| TaskError::File { path, source: error.into() })
}

/// The sources of pressure, until this value is dropped.
pub(crate) struct Pressure {
    is_over: Arc<AtomicBool>,
    reloads: Arc<AtomicU64>,
    threads: Vec<JoinHandle<io::Result<()>>>,
    /// A follower of calls that never reads.
    _deaf: UnixStream,
}

impl Pressure {
    /// Starts the pressure. OSC packets go to `flood`.
    pub(crate) fn begin(home: &ScratchHome, flood: SocketAddr) -> Result<Self, TaskError> {
        let error = |what: &str| {
            let command = what.to_owned();
            move |source| TaskError::Start { command, source }
        };
        let mut deaf = UnixStream::connect(home.at(SOCKET)).map_err(error("follower of calls"))?;
        deaf.write_all(b"{\"version\":1,\"request\":\"events\"}\n").map_err(error("follower of calls"))?;
        let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).map_err(error("flood of OSC"))?;
        socket.connect(flood).map_err(error("flood of OSC"))?;
        let (is_over, reloads) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
        let until = |over: &Arc<AtomicBool>| Arc::clone(over);
        let mut threads = Vec::new();
        let over = until(&is_over);
        threads.push(thread::spawn(move || send(&socket, &over)));
        let (over, pipe) = (until(&is_over), home.at(PIPE));
        threads.push(thread::spawn(move || {
            let flags = OFlags::NONBLOCK.bits().cast_signed();
            fill(OpenOptions::new().write(true).custom_flags(flags).open(pipe)?, &over)
        }));
        let (over, config) = (until(&is_over), home.at(CONFIG));
        let text = String::from_utf8_lossy(&home.read(CONFIG)?).into_owned();
        let (mut reload, made) = (home.program("conductorctl", &["reload"]), Arc::clone(&reloads));
        threads.push(thread::spawn(move || {
            let mut is_other = false;
            while !over.load(Ordering::Relaxed) {
                is_other = !is_other;
                std::fs::write(&config, text.replace(&fuel(false), &fuel(is_other)))?;
                reload.stdout().map_err(|error| io::Error::other(error.to_string()))?;
                made.fetch_add(1, Ordering::Relaxed);
                let next = Instant::now() + RELOAD_EVERY;
                while Instant::now() < next && !over.load(Ordering::Relaxed) {
                    thread::sleep(Duration::from_millis(20));
                }
            }
            Ok(())
        }));
        Ok(Self { is_over, reloads, threads, _deaf: deaf })
    }

    /// Fails if any source of pressure has ended. Returns the number of reloads.
    pub(crate) fn check(&mut self) -> Result<u64, TaskError> {
        while let Some(ended) = self.threads.iter().position(JoinHandle::is_finished) {
            let result = self.threads.swap_remove(ended).join();
            let result = result.unwrap_or_else(|panic| std::panic::resume_unwind(panic));
            result.map_err(|source| TaskError::Start {
                command: "pressure on the daemon".to_owned(),
                source,
            })?;
        }
        Ok(self.reloads.load(Ordering::Relaxed))
    }
}

impl Drop for Pressure {
    fn drop(&mut self) {
        self.is_over.store(true, Ordering::Relaxed);
        for thread in self.threads.drain(..) {
            // The daemon has ended by now, so what the threads send to is gone.
            let _ = thread.join();
        }
    }
}

/// Sends packets of many messages at an even rate.
fn send(socket: &UdpSocket, over: &AtomicBool) -> io::Result<()> {
    let message = b"\0\0\0\x0c/flood\0\0,\0\0\0";
    let packet = [&b"#bundle\0\0\0\0\0\0\0\0\x01"[..], &message.repeat(PACKET as usize)].concat();
    let interval = Duration::from_secs(1) * PACKET / FLOOD_RATE;
    let mut due = Instant::now();
    while !over.load(Ordering::Relaxed) {
        match socket.send(&packet) {
            // The port is closed while the daemon ends.
            Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => {}
            sent => drop(sent?),
        }
        due = (due + interval).max(Instant::now());
        thread::sleep(due.saturating_duration_since(Instant::now()));
    }
    Ok(())
}

/// Writes note-ons as fast as the daemon reads them.
fn fill(mut pipe: std::fs::File, over: &AtomicBool) -> io::Result<()> {
    let notes = [0x90, 60, 100].repeat(1000);
    while !over.load(Ordering::Relaxed) {
        match pipe.write(&notes) {
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                thread::sleep(Duration::from_millis(1))
            }
            // The daemon has ended.
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => return Ok(()),
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// What became of the calls of the plugin under pressure.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Pressed {
    /// Ticks of the clock that led to a call.
    pub(crate) ticks: u64,
    /// Ticks before the last one that led to no call.
    pub(crate) lost: u64,
    /// Calls for events of the floods.
    pub(crate) flooded: u64,
    /// Reloads that were made during the pressure.
    pub(crate) reloads: u64,
}

impl Pressed {
    /// Notes the event of a row.
    pub(crate) fn note(&mut self, event: &str) {
        let tick =
            event.strip_prefix(CLOCK).and_then(|event| event.strip_prefix(": tick ")?.parse::<u64>().ok());
        match tick {
            Some(tick) => {
                self.lost += tick.saturating_sub(self.ticks + self.lost);
                self.ticks += 1;
            }
            None => self.flooded += 1,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ticks_that_are_missing_are_counted() {
        let mut pressed = Pressed::default();
        for event in
            ["beat: tick 0", "beat: tick 1", "pipe: note-on C4 vel 100 ch 0", "beat: tick 4", "beat: tick 5"]
        {
            pressed.note(event);
        }
        assert_eq!(pressed, Pressed { ticks: 4, lost: 2, flooded: 1, reloads: 0 });
    }

    #[test]
    fn each_reload_has_something_to_do() {
        let text = config();
        assert_eq!(text.matches(&fuel(false)).count(), 1);
        assert_ne!(text.replace(&fuel(false), &fuel(true)), text);
        assert!(text.parse::<toml::Table>().is_ok());
    }
}
