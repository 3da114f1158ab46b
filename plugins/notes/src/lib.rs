//! Keeps a diary of events in `notes.txt`. When the file is full, it becomes `notes.old.txt` and a new one begins.

#![forbid(unsafe_code)]

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::Path;

use conductor_plugin::{Call, Context, plugin};
use serde::Deserialize;

plugin! {
    capabilities: { Filesystem: "keeps the notes in its own directory" },
    actions: {
        /// Adds a line about the event.
        append { text: "what to write in place of the event's facts", max_bytes: "size at which a new file begins, 1 MiB if absent" },
        /// Returns the last lines.
        read { lines: "how many, 20 if absent" },
    },
}

/// The plugin's own directory, at the path where the host puts it.
const DIRECTORY: &str = "/";

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Append {
    text: Option<String>,
    #[serde(default = "default_max_bytes")]
    max_bytes: u64,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Read {
    #[serde(default = "default_lines")]
    lines: usize,
}

fn default_max_bytes() -> u64 {
    1 << 20
}

fn default_lines() -> usize {
    20
}

fn append(call: Call<Append>) -> io::Result<()> {
    let text = call.parameters.text.unwrap_or_else(|| facts(&call.context));
    let time = jiff::Timestamp::from_millisecond(call.context.timestamp as i64).unwrap_or_default();
    let line = format!("{time:.3} {}", text.replace(char::is_control, " "));
    append_to(DIRECTORY.as_ref(), line.trim_end(), call.parameters.max_bytes)
}

fn read(call: Call<Read>) -> io::Result<Vec<String>> {
    read_from(DIRECTORY.as_ref(), call.parameters.lines)
}

fn append_to(directory: &Path, line: &str, max_bytes: u64) -> io::Result<()> {
    let notes = directory.join("notes.txt");
    let mut file = File::options().append(true).create(true).open(&notes)?;
    let size = file.metadata()?.len();
    if size > 0 && size + line.len() as u64 >= max_bytes {
        fs::rename(&notes, directory.join("notes.old.txt"))?;
        file = File::options().append(true).create(true).open(&notes)?;
    }
    file.write_all(format!("{line}\n").as_bytes())
}

fn read_from(directory: &Path, lines: usize) -> io::Result<Vec<String>> {
    let mut text = String::new();
    for name in ["notes.old.txt", "notes.txt"] {
        match fs::read_to_string(directory.join(name)) {
            Ok(part) => text += &part,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
    }
    let all: Vec<&str> = text.lines().collect();
    Ok(all[all.len().saturating_sub(lines)..].iter().map(ToString::to_string).collect())
}

/// All members of the event, as `name=fact`.
fn facts(context: &Context) -> String {
    let event = serde_json::to_value(context).unwrap_or_default();
    let fields = event.as_object().into_iter().flatten();
    let known = fields.filter(|(name, fact)| !fact.is_null() && !fact.is_object() && *name != "timestamp");
    let mut facts: Vec<String> = known.map(|(name, fact)| format!("{name}={fact}")).collect();
    facts.extend(context.metadata.iter().map(|(name, fact)| format!("{name}={fact}")));
    facts.join(" ")
}

#[cfg(test)]
mod tests;
