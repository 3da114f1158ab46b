//! `[[inputs]]`: where events come from.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use super::reader::{Located, Place, Table};
use super::{Resolve, check_name, check_unique};
use crate::nearest::nearest;

/// Most inputs. Each input costs a thread.
const MAX_INPUTS: usize = 64;

/// Shortest period of an interval; anything faster is a busy loop, not a clock.
const MIN_INTERVAL: Duration = Duration::from_millis(1);

/// Slowest and fastest playback of a MIDI file.
const SPEED: std::ops::RangeInclusive<f64> = 0.01..=1000.0;

/// An input.
#[derive(Clone, Debug, PartialEq)]
pub struct InputConfig {
    /// Name that mappings use.
    pub name: Arc<str>,
    /// Whether the daemon starts only if this input starts.
    pub required: bool,
    /// Which kind of input.
    pub kind: InputKind,
}

/// A kind of input, with its settings.
#[derive(Clone, Debug, PartialEq)]
pub enum InputKind {
    /// A Standard MIDI File played at its own tempo.
    MidiFile {
        /// The file.
        path: PathBuf,
        /// Factor on the tempo.
        speed: f64,
        /// Whether the file is played again when it ends.
        repeat: bool,
        /// Whether a damaged file is refused.
        strict: bool,
    },
    /// A MIDI port of the system.
    MidiPort {
        /// The port.
        source: MidiSource,
    },
    /// Raw MIDI bytes from a FIFO or a device file.
    MidiRaw {
        /// The FIFO or device file.
        path: PathBuf,
    },
    /// Open Sound Control messages over UDP.
    Osc {
        /// Address and port to listen on.
        listen: SocketAddr,
    },
    /// A clock.
    Interval {
        /// Time between ticks.
        every: Duration,
        /// Number of ticks after which the clock ends; `None` for never.
        count: Option<u64>,
    },
}

/// A MIDI port to read from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MidiSource {
    /// A port of the ALSA sequencer whose name contains this text.
    Alsa {
        /// Part of the port's name.
        port: String,
    },
    /// A port of this daemon's JACK client.
    Jack {
        /// The port of another client to connect to. With `None`, the user connects the port.
        connect: Option<String>,
    },
}

/// An input of the file, valid or not. Mappings to an invalid input are not reported as a second fault.
pub struct ReadInput {
    /// Name that mappings use.
    pub name: String,
    /// The input, if it is valid.
    pub config: Option<InputConfig>,
}

/// Reads `[[inputs]]`. Faults are recorded in `root`. Paths go through `resolve`.
pub fn read(root: &Table<'_, '_>, resolve: Resolve<'_>) -> Vec<ReadInput> {
    let tables = root.tables("inputs");
    if let Some(table) = tables.get(MAX_INPUTS) {
        root.fault(table.place(), format!("more than {MAX_INPUTS} inputs"), None);
        return Vec::new();
    }
    let mut names: Vec<Located<String>> = Vec::new();
    let inputs = tables.into_iter().filter_map(|table| {
        let name = table.require::<String>("name");
        let config = name.clone().and_then(|name| input(table, name, resolve));
        let name = name?;
        names.push(name.clone());
        Some(ReadInput { name: name.value, config })
    });
    let inputs = inputs.collect();
    check_unique(root, names.iter());
    inputs
}

fn input(table: Table<'_, '_>, name: Located<String>, resolve: Resolve<'_>) -> Option<InputConfig> {
    if let Err(why) = check_name(&name.value) {
        table.fault(&name.place, why, None);
    }
    let required = table.get::<bool>("required").is_some_and(|required| required.value);
    let kind = table.require::<String>("type").and_then(|kind| match kind.value.as_str() {
        "midi-file" => midi_file(&table, resolve),
        "midi-port" => midi_port(&table),
        "midi-raw" => midi_raw(&table, resolve),
        "osc" => osc(&table),
        "interval" => interval(&table),
        other => {
            const KNOWN: [&str; 5] = ["midi-file", "midi-port", "midi-raw", "osc", "interval"];
            let hint = nearest(other, &KNOWN).map(|near| format!("did you mean `{near}`?"));
            let hint = hint.unwrap_or_else(|| format!("known are {}", KNOWN.join(", ")));
            table.fault(&kind.place, format!("unknown type of input `{other}`"), Some(hint));
            None
        }
    });
    match kind {
        Some(kind) => table.finish().then(|| InputConfig { name: name.value.into(), required, kind }),
        // For an unknown type, the valid keys are unknown too.
        None => None,
    }
}

fn midi_file(table: &Table<'_, '_>, resolve: Resolve<'_>) -> Option<InputKind> {
    let path = table.require::<PathBuf>("path");
    let speed = table.parse("speed", |speed: f64| {
        let message = || format!("expected a factor from {} to {}", SPEED.start(), SPEED.end());
        SPEED.contains(&speed).then_some(speed).ok_or_else(message)
    });
    let repeat = table.get::<bool>("loop").is_some_and(|repeat| repeat.value);
    let strict = table.get::<bool>("strict").is_some_and(|strict| strict.value);
    let speed = speed.map_or(1.0, |speed| speed.value);
    Some(InputKind::MidiFile { path: resolve(&path?.value), speed, repeat, strict })
}

fn midi_port(table: &Table<'_, '_>) -> Option<InputKind> {
    let source = table.require::<String>("port").and_then(|port| {
        let source = match port.value.split_once(':') {
            Some(("alsa", name)) if !name.is_empty() => Some(MidiSource::Alsa { port: name.to_owned() }),
            Some(("jack", connect)) => {
                Some(MidiSource::Jack { connect: (!connect.is_empty()).then(|| connect.to_owned()) })
            }
            Some(_) | None => None,
        };
        if source.is_none() {
            let hint = "write `alsa:PART OF THE PORT'S NAME`, `jack:CLIENT:PORT` or `jack:`";
            table.fault(&port.place, "not the address of a MIDI port", Some(hint.into()));
        }
        source
    });
    Some(InputKind::MidiPort { source: source? })
}

fn midi_raw(table: &Table<'_, '_>, resolve: Resolve<'_>) -> Option<InputKind> {
    Some(InputKind::MidiRaw { path: resolve(&table.require::<PathBuf>("path")?.value) })
}

fn osc(table: &Table<'_, '_>) -> Option<InputKind> {
    let listen = table.require::<String>("listen").and_then(|listen| {
        let address = socket_address(&listen);
        if address.is_none() {
            let hint = "write `127.0.0.1:9000`, or only the port, `:9000`, which listens on loopback";
            table.fault(&listen.place, "not an address and a port", Some(hint.into()));
        }
        address
    });
    Some(InputKind::Osc { listen: listen? })
}

fn socket_address(listen: &Located<String>) -> Option<SocketAddr> {
    match listen.value.strip_prefix(':') {
        Some(port) => Some(SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), port.parse().ok()?)),
        None => listen.value.parse().ok(),
    }
}

fn interval(table: &Table<'_, '_>) -> Option<InputKind> {
    let every = table.require::<Duration>("every");
    let too_short =
        |place: &Place| table.fault(place, format!("shorter than {} ms", MIN_INTERVAL.as_millis()), None);
    if let Some(every) = every.as_ref().filter(|every| every.value < MIN_INTERVAL) {
        too_short(&every.place);
    }
    let count = table.get::<u64>("count").map(|count| count.value);
    Some(InputKind::Interval { every: every?.value, count })
}
