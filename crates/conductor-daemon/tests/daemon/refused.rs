//! Parts of a configuration that are refused or missing at the start, and parts that go on all the same.

use std::path::Path;

use super::scratch::{LENIENT, Scratch, plugin};
use crate::wasm;

const CLOCK: &str = "[[inputs]]\nname = \"clock\"\ntype = \"interval\"\nevery = \"5ms\"\ncount = 3\n";

fn call(plugin: &str, action: &str) -> String {
    format!("[[mappings]]\ntrigger = {{ input = \"clock\" }}\nplugin = \"{plugin}\"\naction = \"{action}\"\n")
}

#[test]
fn an_unsigned_plugin_is_refused_unless_told_otherwise() {
    let scratch = Scratch::new();
    let hostile = plugin("hostile", &wasm::fixture("hostile"), "");
    scratch.config(&format!("{hostile}{CLOCK}{}", call("hostile", "count")));
    let (code, rows, log) = scratch.start(&["--exit-at-end"]).wait();
    assert_eq!((code, rows.len()), (1, 0), "{log}");
    assert!(log.contains("refused: ") && log.contains("signature"), "{log}");
    assert!(log.contains("none of the plugins could be loaded"), "{log}");
}

#[test]
fn one_refused_plugin_leaves_the_others_running() {
    let scratch = Scratch::new();
    std::fs::write(scratch.path("broken.wasm"), "not a module").expect("written");
    let hostile = plugin("hostile", &wasm::fixture("hostile"), "");
    let broken = plugin("broken", &scratch.path("broken.wasm"), "");
    let calls = call("broken", "x") + &call("hostile", "count");
    scratch.config(&format!("{LENIENT}{hostile}{broken}{CLOCK}{calls}"));
    let (code, rows, log) = scratch.start(&["--exit-at-end"]).wait();
    assert_eq!((code, rows.len()), (0, 3), "{log}");
    assert!(rows.iter().all(|row| row["plugin"] == "hostile" && row["outcome"] == "ok"), "{rows:?}");
    assert!(log.contains("refused: "), "{log}");
    let line = |text: &str| log.lines().find(|line| line.contains(text)).unwrap_or_default();
    assert!(
        line("plugin was refused").contains("broken") && line("plugin was refused").contains("refused=3"),
        "{log}"
    );
    assert!(line("plugin done").contains("hostile") && log.matches("plugin done").count() == 1, "{log}");
}

#[test]
fn a_mapping_to_an_action_that_the_plugin_lacks_is_a_failure_at_the_end() {
    let scratch = Scratch::new();
    let hostile = plugin("hostile", &wasm::fixture("hostile"), "");
    let calls = call("hostile", "count") + &call("hostile", "coumt");
    let text = format!("{LENIENT}{hostile}{CLOCK}{calls}");
    let line = text.lines().count() - 3;
    scratch.config(&text);
    let (code, rows, log) = scratch.start(&["--exit-at-end"]).wait();
    assert_eq!((code, rows.len()), (1, 3), "{log}");
    let place = format!("the mapping at line {line} of the configuration names the action `coumt`");
    assert!(log.contains(&place) && log.contains("did you mean `count`? its actions are "), "{log}");
    assert!(log.contains("refused=3"), "{log}");
    assert!(log.contains("error: a mapping names an action that its plugin lacks"), "{log}");
}

#[test]
fn a_missing_input_is_said_and_the_others_go_on_unless_it_is_required() {
    let scratch = Scratch::new();
    let hostile = plugin("hostile", &wasm::fixture("hostile"), "");
    let missing = "[[inputs]]\nname = \"keys\"\ntype = \"midi-raw\"\npath = \"/no/such/device\"\n";
    let calls = call("hostile", "count");
    scratch.config(&format!("{LENIENT}{hostile}{CLOCK}{missing}{calls}"));
    let (code, rows, log) = scratch.start(&["--exit-at-end"]).wait();
    assert_eq!((code, rows.len()), (0, 3), "{log}");
    assert!(log.contains("unavailable here, because cannot read /no/such/device"), "{log}");

    scratch.config(&format!("{LENIENT}{hostile}{CLOCK}{missing}required = true\n{calls}"));
    let (code, rows, log) = scratch.start(&["--exit-at-end"]).wait();
    assert_eq!((code, rows.len()), (1, 0), "{log}");
    assert!(log.contains("the required input `keys` is unavailable here"), "{log}");

    scratch.config(&format!("{LENIENT}{hostile}{missing}"));
    let (code, _, log) = scratch.start(&["--exit-at-end"]).wait();
    assert_eq!(code, 1, "{log}");
    assert!(log.contains("error: none of the inputs is available"), "{log}");
    let mut daemon = scratch.start(&[]);
    daemon.wait_for_log("none of the inputs is available; to try them again: conductorctl reload");
    daemon.wait_for_log("ready");
    daemon.stop();
}

#[test]
fn waiting_for_an_end_that_never_comes_is_an_error() {
    let scratch = Scratch::new();
    scratch.config("[[inputs]]\nname = \"osc\"\ntype = \"osc\"\nlisten = \":0\"\n");
    let (code, _, log) = scratch.start(&["--exit-at-end"]).wait();
    assert_eq!(code, 1, "{log}");
    assert!(log.contains("no available input ends of itself"), "{log}");
}

#[test]
fn a_required_output_must_be_there() {
    let scratch = Scratch::new();
    let output = "[midi.outputs.synth]\nto = \"file:/no/such/directory/synth\"\n";
    scratch.config(&format!("{output}{CLOCK}"));
    let (code, _, log) = scratch.start(&["--exit-at-end"]).wait();
    assert_eq!(code, 0, "{log}");
    assert!(log.contains("unavailable here, because cannot open /no/such/directory/synth"), "{log}");
    scratch.config(&format!("{output}required = true\n{CLOCK}"));
    let (code, _, log) = scratch.start(&["--exit-at-end"]).wait();
    assert_eq!(code, 1, "{log}");
    assert!(log.contains("the required MIDI output `synth` is unavailable here"), "{log}");
}

#[test]
fn a_machine_without_midi_says_what_it_lacks() {
    let scratch = Scratch::new();
    let port = |name: &str, address: &str| {
        format!("[[inputs]]\nname = \"{name}\"\ntype = \"midi-port\"\nport = \"{address}\"\n")
    };
    let output = |name: &str, address: &str| format!("[midi.outputs.{name}]\nto = \"{address}\"\n");
    let outputs = output("a", "alsa:no such port") + &output("b", "jack:");
    let inputs = port("c", "alsa:no such port") + &port("d", "jack:");
    scratch.config(&format!("{outputs}{CLOCK}{inputs}"));
    // The daemon waits for ports of the sequencer; without a sequencer, the port is refused at once.
    let no_alsa_input =
        if Path::new("/dev/snd/seq").exists() { "no such MIDI port yet" } else { "no /dev/snd/seq" };
    let variables = [("JACK_DEFAULT_SERVER", "conductor-test-no-such-server")];
    let (code, _, log) = scratch.start_with(&["--exit-at-end"], &variables).wait();
    assert_eq!(code, 0, "{log}");
    assert!(log.contains(no_alsa_input), "{log}");
    let unavailable = |what: &str| {
        log.lines().any(|line| line.contains("unavailable here, because") && line.ends_with(what))
    };
    assert!(
        unavailable("output=\"a\"") && unavailable("output=\"b\"") && unavailable("input=\"d\""),
        "{log}"
    );
    assert!(log.contains("no JACK server is running"), "{log}");
    assert!(
        log.lines().all(|line| line.contains("INFO") || line.contains("WARN")),
        "nothing else speaks: {log}"
    );
}

#[test]
fn a_configuration_with_nothing_to_do_is_warned_of_once() {
    let scratch = Scratch::new();
    scratch.config(CLOCK);
    let (code, _, log) = scratch.start(&["--exit-at-end"]).wait();
    assert_eq!((code, log.matches("nothing will happen").count()), (0, 1), "{log}");
}
