//! Turns notes into chords, on a port that records what was sent to it.

use std::io::Read;
use std::sync::{Arc, Mutex};

use conductor_core::{Devices, Host, MidiError, MidiOutputs, Outcome, Plugin, PluginOptions, WasmConfig};
use serde_json::{Value, json};

use super::exec::{exec, home};
use crate::wasm;

/// Output ports that record what was sent.
#[derive(Default)]
struct Recorder(Mutex<Vec<Vec<u8>>>);

impl MidiOutputs for Recorder {
    fn ports(&self) -> Vec<String> {
        vec!["synth".into()]
    }

    fn send(&self, port: &str, message: &[u8]) -> Result<(), MidiError> {
        if port != "synth" {
            return Err(MidiError::UnknownPort { port: port.to_owned() });
        }
        self.0.lock().expect("recorder").push(message.to_vec());
        Ok(())
    }
}

/// The chord plugin with a port called `synth`, and what that port received.
fn chord() -> (Box<dyn Plugin>, Arc<Recorder>) {
    let recorder = Arc::new(Recorder::default());
    let devices = Devices { midi: recorder.clone(), ..Devices::default() };
    let host = Host::with_devices(WasmConfig::default(), devices).expect("host");
    let plugin = host.load(&wasm::plugin("chord"), &PluginOptions::default()).expect("plugin loads");
    (plugin, recorder)
}

/// Executes an action for a note. Returns the messages that the plugin sent.
fn play(
    chord: &mut (Box<dyn Plugin>, Arc<Recorder>),
    action: &str,
    context: Value,
    parameters: Value,
) -> Vec<Vec<u8>> {
    let request = json!({ "action": action, "context": context, "parameters": parameters });
    let report = chord.0.execute(request.to_string().as_bytes());
    assert_eq!(report.outcome, Outcome::Ok, "{request}: {:?}", report.log);
    std::mem::take(&mut *chord.1.0.lock().expect("recorder"))
}

fn note(kind: &str, velocity: u8) -> Value {
    json!({ "timestamp": 1, "note": 60, "velocity": velocity, "metadata": { "event": kind } })
}

#[test]
fn begins_and_ends_with_the_note() {
    let mut chord = chord();
    let parameters = json!({ "port": "synth", "channel": 2, "intervals": [0, 7] });
    let begun = play(&mut chord, "chord", note("note-on", 90), parameters.clone());
    assert_eq!(begun, [[0x92, 60, 90], [0x92, 67, 90]]);
    let ended = play(&mut chord, "chord", note("note-off", 64), parameters.clone());
    assert_eq!(ended, [[0x82, 60, 0], [0x82, 67, 0]]);
    assert!(play(&mut chord, "chord", json!({ "timestamp": 1, "cc": 7 }), parameters).is_empty());
}

#[test]
fn steps_through_what_it_holds() {
    let mut chord = chord();
    let parameters = json!({ "port": "synth" });
    assert!(play(&mut chord, "hold", note("note-on", 90), parameters.clone()).is_empty());
    let tick = || json!({ "timestamp": 1 });
    assert_eq!(play(&mut chord, "step", tick(), parameters.clone()), [[0x90, 60, 90]]);
    assert_eq!(play(&mut chord, "step", tick(), parameters.clone()), [[0x80, 60, 0], [0x90, 64, 90]]);
    assert!(play(&mut chord, "hold", note("note-off", 0), parameters.clone()).is_empty());
    assert_eq!(play(&mut chord, "step", tick(), parameters), [[0x80, 64, 0]]);
}

#[test]
fn fails_on_a_port_that_does_not_exist() {
    let (mut plugin, recorder) = chord();
    let request =
        json!({ "action": "chord", "context": note("note-on", 90), "parameters": { "port": "absent" } });
    let report = plugin.execute(request.to_string().as_bytes());
    assert_eq!(report.outcome, Outcome::Failed { code: 1 });
    assert!(report.log.iter().any(|line| line.text.contains("absent")), "{:?}", report.log);
    assert!(recorder.0.lock().expect("recorder").is_empty());
}

#[test]
fn requests_that_do_not_fit_have_codes_of_their_own() {
    let (mut plugin, _) = chord();
    let cases = [
        (r#"{"action":"absent"}"#, 2),
        (r#"{"action":"chord","parameters":{}}"#, 3),
        (r#"{"action":"chord","parameters":{"port":"synth","chanel":1}}"#, 3),
        ("not JSON", 3),
    ];
    for (request, code) in cases {
        assert_eq!(plugin.execute(request.as_bytes()).outcome, Outcome::Failed { code }, "{request}");
    }
}

#[test]
fn exec_plays_to_a_configured_output_without_a_grant() {
    let home = home();
    let (config, port) = (home.path().join("config.toml"), home.path().join("synth.mid-bytes"));
    let to = format!("[midi.outputs.synth]\nto = \"file:{}\"\n", port.display());
    std::fs::write(&config, to).expect("config");
    let context = json!({ "note": 60, "velocity": 90, "metadata": { "event": "note-on" } }).to_string();
    let parameters = json!({ "port": "synth" }).to_string();
    let arguments = [
        "--unsigned-ok",
        "--config",
        config.to_str().expect("path"),
        "--action",
        "chord",
        "--context",
        &context,
    ];
    let run =
        exec(home.path(), &wasm::plugin("chord"), &[&arguments[..], &["--params", &parameters]].concat());
    assert_eq!(run.status, Some(0), "{}", run.report);
    assert_eq!(run.report["outcome"], "ok");
    let mut sent = Vec::new();
    std::fs::File::open(port).and_then(|mut port| port.read_to_end(&mut sent)).expect("what was sent");
    assert_eq!(sent[..9], [0x90, 60, 90, 0x90, 64, 90, 0x90, 67, 90]);
    assert_eq!(sent[9..], [0x80, 60, 64, 0x80, 64, 64, 0x80, 67, 64], "the notes end with the program");
}
