//! The example of each SDK: it plays a note on a MIDI output, keeps a file, follows a setting, and tells a server.

use std::path::{Path, PathBuf};

use crate::demo::web_server::WebServer;
use crate::error::TaskError;
use crate::places::Places;
use crate::scratch::ScratchHome;

/// Directory of the SDKs, relative to the root.
pub(super) const SOURCES: &str = "sdk";

/// What every example is called by its manifest, and its directory by the manual.
const PLUGIN: &str = "chime";

/// An example as it was built.
pub(super) struct Example {
    /// What it is called in messages.
    pub(super) name: String,
    pub(super) module: PathBuf,
    pub(super) manifest: PathBuf,
}

/// Calls the example twice, and demands what it leaves behind.
pub(super) fn check(places: &Places, example: &Example) -> Result<(), TaskError> {
    let home = ScratchHome::new(places, "conductor-sdk-", "debug")?;
    home.copy(&example.module, "chime.wasm")?;
    home.copy(&example.manifest, "chime.toml")?;
    let added = home.run("conductor-sign", &["manifest", "add", "chime.wasm", "chime.toml"])?;
    demand(example, "the manifest is added", added.status.success(), &added.stderr)?;
    let synth = home.at("synth.bytes");
    let config = format!("[midi.outputs.synth]\nto = \"file:{}\"\n", synth.display());
    home.write("config.toml", config.as_bytes())?;
    let server = WebServer::start()?;
    for played in 1..=2 {
        call(&home, example, &server, played)?;
    }
    let notes = home.read("synth.bytes")?;
    let note = [0x90, 72, 90, 0x80, 72, 0];
    demand(example, "two notes are played", notes == note.repeat(2), &format!("{notes:02x?}"))?;
    let told = server.bodies();
    let expected = ["{\"played\": 1}", "{\"played\": 2}"];
    demand(example, "the server is told twice", told == expected, &format!("{told:?}"))?;
    let kept = home.read(&format!(".local/share/conductor/plugin-data/{PLUGIN}/played"))?;
    demand(example, "the number is kept", kept == b"2\n", &String::from_utf8_lossy(&kept))?;
    refused(&home, example)?;
    println!("   ok  {}", example.name);
    Ok(())
}

/// Calls the example with everything that it needs.
fn call(home: &ScratchHome, example: &Example, server: &WebServer, played: u32) -> Result<(), TaskError> {
    let address = server.address();
    let parameters = format!("{{\"port\": \"synth\", \"url\": \"http://{address}/played\"}}");
    let network = format!("Network={address};methods=POST");
    let arguments = ["exec", "chime.wasm", "--unsigned-ok", "--config", "config.toml", "--action", "chime"];
    let with = ["--params", &parameters, "--setting", "velocity=90"];
    let granted = ["--grant", "Midi", "--grant", "Filesystem", "--grant", &network];
    let called = home.run("conductor", &[&arguments[..], &with, &granted].concat())?;
    let reply = format!("{{\"played\": {played}}}");
    let found = format!("{}{}", called.stdout, called.stderr);
    demand(example, "it replies", called.status.success() && called.stdout.contains(&reply), &found)
}

/// Calls the example without Midi: the reason for which nothing was played is in its log.
fn refused(home: &ScratchHome, example: &Example) -> Result<(), TaskError> {
    let arguments = ["exec", "chime.wasm", "--unsigned-ok", "--config", "config.toml", "--action", "chime"];
    let without = ["--params", "{\"port\": \"synth\"}", "--deny", "Midi"];
    let called = home.run("conductor", &[&arguments[..], &without].concat())?;
    let found = format!("{}{}", called.stdout, called.stderr);
    let is_said = found.contains("no note was played: Midi is ");
    demand(example, "it says what was denied", !called.status.success() && is_said, &found)
}

fn demand(example: &Example, what: &str, holds: bool, found: &str) -> Result<(), TaskError> {
    let command = format!("{}: {what}", example.name);
    if holds { Ok(()) } else { Err(TaskError::Output { command, found: found.to_owned() }) }
}

/// The manifest beside an example's source.
pub(super) fn manifest(source: &Path) -> PathBuf {
    source.with_extension("toml")
}
