//! `[midi.outputs.NAME]`: the MIDI ports that plugins may be granted.

use std::path::{Path, PathBuf};

use super::reader::{Located, Table};
use super::{Resolve, check_name};

/// Most MIDI outputs. Each output is a port or an open file.
const MAX_OUTPUTS: usize = 64;

/// A MIDI output.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OutputConfig {
    /// Name that scopes and plugins use.
    pub name: String,
    /// Whether the daemon starts only if this output is available.
    pub required: bool,
    /// Where the output leads.
    pub target: OutputTarget,
}

impl OutputConfig {
    /// Whether the output is a port of this daemon's JACK client.
    #[must_use]
    pub const fn is_jack(&self) -> bool {
        matches!(self.target, OutputTarget::Jack { .. })
    }
}

/// Where a MIDI output leads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum OutputTarget {
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
    /// A file, FIFO or device file that raw MIDI bytes are appended to.
    File {
        /// The file.
        path: PathBuf,
    },
}

/// Reads `[midi.outputs.NAME]`. Faults are recorded in `root`. Paths go through `resolve`.
pub fn read(root: &Table<'_, '_>, resolve: Resolve<'_>) -> Vec<OutputConfig> {
    let Some(midi) = root.table("midi") else { return Vec::new() };
    let tables = midi.named_tables("outputs");
    if let Some((name, _)) = tables.get(MAX_OUTPUTS) {
        midi.fault(&name.place, format!("more than {MAX_OUTPUTS} outputs"), None);
    }
    let outputs = tables.into_iter().filter_map(|(name, table)| output(table, name, resolve)).collect();
    midi.finish();
    outputs
}

fn output(table: Table<'_, '_>, name: Located<String>, resolve: Resolve<'_>) -> Option<OutputConfig> {
    if let Err(why) = check_name(&name.value) {
        table.fault(&name.place, why, None);
    }
    let required = table.get::<bool>("required").is_some_and(|required| required.value);
    let target = table.require::<String>("to").and_then(|to| {
        let target = target(&to.value, resolve);
        if target.is_none() {
            let hint = "write `alsa:PART OF THE PORT'S NAME`, `jack:CLIENT:PORT`, `jack:` or `file:PATH`";
            table.fault(&to.place, "not the address of a MIDI output", Some(hint.into()));
        }
        target
    });
    let sound = table.finish();
    target.filter(|_| sound).map(|target| OutputConfig { name: name.value, required, target })
}

fn target(to: &str, resolve: Resolve<'_>) -> Option<OutputTarget> {
    match to.split_once(':') {
        Some(("alsa", port)) if !port.is_empty() => Some(OutputTarget::Alsa { port: port.to_owned() }),
        Some(("jack", connect)) => {
            Some(OutputTarget::Jack { connect: (!connect.is_empty()).then(|| connect.to_owned()) })
        }
        Some(("file", path)) if !path.is_empty() => {
            Some(OutputTarget::File { path: resolve(Path::new(path)) })
        }
        Some(_) | None => None,
    }
}
