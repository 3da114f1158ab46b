//! Second act: a MIDI file is played through three plugins under the strict policy.

use std::net::SocketAddr;

use crate::demo::stage::Stage;
use crate::demo::tune::{BASS, TENOR, Tune, UPPER};
use crate::demo::web_server::WebServer;
use crate::error::TaskError;

/// Path of the configuration, where the daemon expects it.
const CONFIG: &str = ".config/conductor/config.toml";

/// Where the MIDI output goes: a file takes the place of a synthesizer.
const SYNTH: &str = "synth.bytes";

/// Where the plugin `notes` keeps its notes, according to the manual.
const NOTES: &str = ".local/share/conductor/plugin-data/notes/notes.txt";

/// Lowest note that the webhook is called for: E5.
const HIGH: u8 = 76;

/// Semitones that the plugin `chord` adds above a bass note: the note, its octave and the fifth above that.
const INTERVALS: [u8; 3] = [0, 12, 19];

/// Plays the piece and compares the traces that the plugins leave with the notes of the piece.
pub(crate) fn show(stage: &mut Stage) -> Result<(), TaskError> {
    stage.act("Play: a MIDI file through three plugins, strict mode");
    let server = WebServer::start()?;
    let tune = Tune::prelude();
    tune.write(&stage.at("prelude.mid"))?;
    println!("prelude.mid: Bach, Prelude in C major, BWV 846, {} note events\n", tune.events());
    stage.make_directory(".config/conductor")?;
    let config = config(server.address());
    stage.write(CONFIG, config.as_bytes())?;
    println!("{CONFIG}:");
    config.lines().for_each(|line| println!("  {line}"));
    println!();

    let played = stage.show_live("conductor", &["run", "--events", "--exit-at-end"])?;
    stage.record_status("the daemon plays the file to its end", &played, 0);

    let expected = 2 * tune.notes(BASS, 0) + tune.notes(TENOR, 0) + tune.notes(UPPER, HIGH);
    let (calls, well) = count_calls(&played.stdout);
    let outcome = format!("{well} of {calls} calls ended well, should be {expected}");
    stage.record("the live table shows every call", outcome, calls == expected && well == expected);

    let sent = stage.read(SYNTH)?;
    let expected = INTERVALS.len() * tune.notes(BASS, 0);
    let (begun, ended) = count_notes(&sent);
    let outcome =
        format!("{begun} notes begun and {ended} ended at the MIDI output, should be {expected} each");
    stage.record("chord makes a chord of every bass note", outcome, begun == expected && ended == expected);

    let notes = stage.read(NOTES)?;
    let lines = String::from_utf8_lossy(&notes).lines().count();
    let expected = tune.notes(TENOR, 0);
    let outcome = format!("{lines} lines in its own directory, should be {expected}");
    stage.record("notes writes down every tenor note", outcome, lines == expected);

    let bodies = server.bodies();
    let expected = tune.notes(UPPER, HIGH);
    let named = bodies.iter().filter(|body| is_high_note(body)).count();
    let outcome = format!("{named} requests at {}, should be {expected}", server.address());
    stage.record(
        "webhook posts every note from E5 up",
        outcome,
        named == expected && bodies.len() == expected,
    );
    Ok(())
}

fn config(server: SocketAddr) -> String {
    format!(
        r#"# Strict: a plugin loads only if a trusted key signed it.
[wasm]
require_signature = true
allow_self_signed = false

# Midi is a low risk and granted automatically.
[plugins.chord]
path = "~/plugins/chord.wasm"

# Filesystem needs approval: one directory of the plugin's own.
[plugins.notes]
path = "~/plugins/notes.wasm"
granted_capabilities = ["Filesystem"]

# A private address needs a grant that names it.
[plugins.webhook]
path = "~/plugins/webhook.wasm"
granted_capabilities = ["Network={server};methods=POST"]

[midi.outputs.synth]
to = "file:~/{SYNTH}"

[[inputs]]
name = "prelude"
type = "midi-file"
path = "~/prelude.mid"
speed = 10

[[mappings]]
trigger = {{ input = "prelude", event = ["note-on", "note-off"], channel = {BASS} }}
plugin = "chord"
action = "chord"
parameters = {{ port = "synth", intervals = {INTERVALS:?} }}

[[mappings]]
trigger = {{ input = "prelude", event = "note-on", channel = {TENOR} }}
plugin = "notes"
action = "append"

[[mappings]]
trigger = {{ input = "prelude", event = "note-on", channel = {UPPER}, note = "E5..G9" }}
plugin = "webhook"
action = "post"
parameters = {{ url = "http://{server}/note" }}
"#
    )
}

/// The number of rows of the live table below its headings, and how many of them have the outcome `ok`. Fuel and
/// microseconds follow the outcome, so it is found from the end.
fn count_calls(table: &str) -> (usize, usize) {
    let rows = || table.lines().skip(1);
    (rows().count(), rows().filter(|row| row.split_whitespace().rev().nth(2) == Some("ok")).count())
}

/// The number of notes that begin, and of notes that end, in messages of three bytes.
fn count_notes(bytes: &[u8]) -> (usize, usize) {
    let kinds =
        bytes.chunks_exact(3).map(|message| (message.first().map(|status| status & 0xf0), message.get(2)));
    kinds.fold((0, 0), |(begun, ended), kind| match kind {
        (Some(0x90), Some(1..)) => (begun + 1, ended),
        (Some(0x80), _) | (Some(0x90), _) => (begun, ended + 1),
        (_, _) => (begun, ended),
    })
}

fn is_high_note(body: &str) -> bool {
    let event: Option<serde_json::Value> = serde_json::from_str(body).ok();
    let note = event.and_then(|event| event.get("note")?.as_u64());
    note.is_some_and(|note| note >= u64::from(HIGH))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn notes_are_counted_by_beginning_and_end() {
        assert_eq!(count_notes(&[0x90, 60, 80, 0x90, 60, 0, 0x80, 60, 0, 0xb0, 7, 1]), (1, 2));
    }

    #[test]
    fn calls_are_counted_by_outcome() {
        let table = "EVENT PLUGIN ACTION OUTCOME FUEL MICROS\na: b chord chord ok 12 3\na: b chord chord fuel exhausted 9 9\n";
        assert_eq!(count_calls(table), (2, 1));
    }

    #[test]
    fn the_configuration_is_toml() {
        let config = config(SocketAddr::from(([127, 0, 0, 1], 8080)));
        assert!(config.parse::<toml::Table>().is_ok());
    }
}
