//! Faults of a configuration: each with its place, its key and what the user can do next.

use std::path::Path;
use std::time::Duration;

use conductor_abi::{Capability, Risk};
use conductor_core::{Isolation, Limits, Networks};
use conductor_daemon::config::{Config, ConfigError};
use conductor_daemon::mapping::Effect;
use conductor_signing::RequireStatement;
use conductor_surface::config::{InputKind, MidiSource, OutputTarget};

use super::scratch::Scratch;

/// A plugin and an input that mappings can name.
const BASE: &str = "[plugins.chord]\n[[inputs]]\nname = \"keys\"\ntype = \"osc\"\nlisten = \":9000\"\n";

fn parse(text: &str) -> Result<Config, ConfigError> {
    let scratch = Scratch::new();
    Config::parse(text, Path::new("/etc/conductor/config.toml"), &scratch.paths())
}

fn faults(text: &str) -> Vec<String> {
    match parse(text) {
        Err(ConfigError::Invalid { problems, .. }) => {
            problems.iter().map(|problem| format!("{}:{}: {problem}", problem.line, problem.column)).collect()
        }
        Err(other) => panic!("unexpected {other}"),
        Ok(_) => Vec::new(),
    }
}

/// Text of a configuration, and the beginning of the only fault that it has.
const ONE_FAULT: &[(&str, &str)] = &[
    ("[wasm\n", "1:6: "),
    ("[wasm]\nmax_fuel = \n[plugins.a]\npath = 1", "2:12: "),
    ("version = 2", "1:11: version: unknown version 2; this program reads version 1"),
    ("version = \"1\"", "1:11: version: expected a whole number, found a string"),
    ("wasm = 1", "1:8: wasm: expected a table, found the whole number 1"),
    ("[wasm]\nmax_fule = 1", "2:1: wasm.max_fule: unknown key; did you mean `max_fuel`?"),
    ("[wasm]\ncolour = 1", "2:1: wasm.colour: unknown key; known here are require_signature, "),
    ("[wasn]", "1:2: wasn: unknown key; did you mean `wasm`?"),
    ("[wasm]\nmax_fuel = 0", "2:12: wasm.max_fuel: a limit of nothing; leave the key out"),
    ("[wasm]\nwall_clock_step = 0", "2:19: wasm.wall_clock_step: a clock needs a step"),
    ("[wasm]\nmax_stack_bytes = 1_048_577", "2:19: wasm.max_stack_bytes: more than 1048576"),
    ("[wasm]\nmax_fuel = -1", "2:12: wasm.max_fuel: expected a whole number from 0 to 18446744073709551615"),
    (
        "[wasm]\nmax_open_files = 4294967296",
        "2:18: wasm.max_open_files: expected a whole number from 0 to 4294967295",
    ),
    ("[wasm]\nmax_execution_time = \"5\"", "2:22: wasm.max_execution_time: expected seconds as a number, or"),
    ("[wasm]\nmax_execution_time = 1e10", "2:22: wasm.max_execution_time: expected seconds as a number, or"),
    (
        "[[inputs]]\nname = \"c\"\ntype = \"interval\"\nevery = 1e18",
        "4:9: inputs[0].every: expected seconds as a number, or",
    ),
    ("[wasm]\nmax_execution_time = nan", "2:22: wasm.max_execution_time: expected a finite number"),
    (
        "[wasm]\nrequire_statement = \"once\"",
        "2:21: wasm.require_statement: unknown requirement; known are once-seen, always and never",
    ),
    (
        "[wasm]\nrequire_signature = 1",
        "2:21: wasm.require_signature: expected true or false, found the whole number 1",
    ),
    (
        "[wasm]\nunsigned_max_risk = \"none\"",
        "2:21: wasm.unsigned_max_risk: unknown risk level; known are low,",
    ),
    (
        "[wasm]\nisolation = \"none\"",
        "2:13: wasm.isolation: unknown isolation `none`; known are persistent and fresh",
    ),
    (
        "[network]\ninside = [\"203.0.113.7/24\"]",
        "2:11: network.inside: `203.0.113.7/24`: the address goes on after the prefix; the network is `203.0.113.0/24`",
    ),
    (
        "[network]\noutside = [\"5.0.0.0/8\", \"10.0.0.0/8\"]",
        "2:25: network.outside: `10.0.0.0/8`: its first address is a private address, which stays inside; grant a plugin",
    ),
    (
        "[network]\ninside = [\"0.0.0.0/0\"]",
        "2:11: network.inside: `0.0.0.0/0`: the number after `/` must be from 1 to 32",
    ),
    ("[network]\nprivate = []", "2:1: network.private: unknown key; known here are inside, outside"),
    ("[plugins.\"a b\"]", "1:10: plugins.a b: a name starts with a letter or digit"),
    ("[plugins.a]\npath = \"\"", "2:8: plugins.a.path: the path is empty"),
    (
        "[plugins.a]\ngranted_capabilities = [\"Midi\", \"Net\"]",
        "2:33: plugins.a.granted_capabilities: `Net`: unknown capability",
    ),
    (
        "[plugins.a]\ngranted_capabilities = \"Midi\"",
        "2:24: plugins.a.granted_capabilities: expected an array of",
    ),
    (
        "[plugins.a]\ngranted_capabilities = [\"Midi=sysex=maybe\"]",
        "2:25: plugins.a.granted_capabilities: `Midi=sysex=maybe`: ",
    ),
    (
        "[plugins.a]\ndenied_capabilities = [\"Midi=synth\"]",
        "2:24: plugins.a.denied_capabilities: `Midi=synth`: a denial takes no scope: write `Midi`",
    ),
    (
        "[midi.outputs.synth]\nto = \"usb:1\"",
        "2:6: midi.outputs.synth.to: not the address of a MIDI output; write",
    ),
    ("[midi.outputs.synth]", "1:15: midi.outputs.synth: key `to` is missing; add `to` = a string"),
    (
        "[inputs]",
        "1:2: inputs: expected an array of tables, found a table; write `[[inputs]]` above each entry",
    ),
    ("[[inputs]]\nname = \"a\"", "1:1: inputs[0]: key `type` is missing; add `type` = a string"),
    (
        "[[inputs]]\nname = \"a\"\ntype = \"midi-fil\"",
        "3:8: inputs[0].type: unknown type of input `midi-fil`; did you mean",
    ),
    (
        "[[inputs]]\nname = \"a\"\ntype = \"osc\"\nlisten = \"9000\"",
        "4:10: inputs[0].listen: not an address and a port; write",
    ),
    (
        "[[inputs]]\nname = \"a\"\ntype = \"interval\"\nevery = \"10us\"",
        "4:9: inputs[0].every: shorter than 1 ms",
    ),
    (
        "[[inputs]]\nname = \"a\"\ntype = \"midi-file\"\npath = \"a.mid\"\nspeed = 0",
        "5:9: inputs[0].speed: expected a factor from 0.01 to 1000",
    ),
    (
        "[[inputs]]\nname = \"a\"\ntype = \"midi-port\"\nport = \"keys\"",
        "4:8: inputs[0].port: not the address of a MIDI port",
    ),
    (
        "[wasm]\nmax_open_files = 64.0",
        "2:18: wasm.max_open_files: expected a whole number, found the number 64.0, which is written as a fraction",
    ),
    (
        "[[inputs]]\nname = \"a\"\ntype = \"osc\"\nlisten = 0x3C",
        "4:10: inputs[0].listen: expected a string, found the whole number 0x3C",
    ),
    (
        "[[inputs]]\nname = \"a\"\ntype = \"osc\"\nlisten = \":1\"\n[[inputs]]\nname = \"a\"\ntype = \"osc\"\nlisten = \":2\"",
        "6:8: inputs[1].name: name `a` is used twice",
    ),
];

/// The text of a mapping after [`BASE`], and the beginning of the only fault that it has.
const ONE_FAULT_IN_A_MAPPING: &[(&str, &str)] = &[
    (
        "trigger = { event = \"note-on\" }\nplugin = \"chord\"\naction = \"\"",
        "9:10: mappings[0].action: the name of the action is empty",
    ),
    ("plugin = \"chord\"\naction = \"a\"", "6:1: mappings[0]: key `trigger` is missing; add `trigger = "),
    (
        "trigger = {}\nplugin = \"chord\"\naction = \"a\"",
        "7:1: mappings[0].trigger: the trigger would match every event",
    ),
    ("trigger = { event = \"osc\" }\nplugin = \"chord\"", "6:1: mappings[0]: key `action` is missing"),
    (
        "trigger = { event = \"osc\" }\nplugin = \"cord\"\naction = \"a\"",
        "8:10: mappings[0].plugin: there is no plugin `cord`; did you mean `chord`?",
    ),
    (
        "trigger = { event = \"osc\" }\nplugin = \"webhook\"\naction = \"a\"",
        "8:10: mappings[0].plugin: there is no plugin `webhook`; add `[plugins.webhook]`",
    ),
    (
        "trigger = { input = \"pads\" }\nplugin = \"chord\"\naction = \"a\"",
        "7:21: mappings[0].trigger.input: there is no input `pads`; add an `[[inputs]]` entry",
    ),
    (
        "trigger = { event = \"noteon\" }\nplugin = \"chord\"\naction = \"a\"",
        "7:21: mappings[0].trigger.event: unknown event `noteon`; did you mean `note-on`?",
    ),
    (
        "trigger = { event = [\"note-on\", \"x\"] }\nplugin = \"chord\"\naction = \"a\"",
        "7:33: mappings[0].trigger.event: unknown event `x`; known are note-on, ",
    ),
    (
        "trigger = { event = \"osc\", note = 60 }\nplugin = \"chord\"\naction = \"a\"",
        "7:35: mappings[0].trigger.note: events of kind osc have no `note`; `note` goes with note-on, note-off, key-pressure",
    ),
    (
        "trigger = { event = \"note-on\", note = \"H4\" }\nplugin = \"chord\"\naction = \"a\"",
        "7:39: mappings[0].trigger.note: expected a note from 0 to 127 or from C-1 to G9, or a rising range",
    ),
    (
        "trigger = { event = \"note-on\", channel = 16 }\nplugin = \"chord\"\naction = \"a\"",
        "7:42: mappings[0].trigger.channel: expected a channel from 0 to 15",
    ),
    (
        "trigger = { address = \"mixer\" }\nplugin = \"chord\"\naction = \"a\"",
        "7:23: mappings[0].trigger.address: `mixer` is not an OSC address pattern",
    ),
    (
        "trigger = { event = \"osc\" }\nplugin = \"chord\"\naction = \"a\"\nparameters = { x = inf }",
        "10:20: mappings[0].parameters: JSON has no number inf",
    ),
    (
        "trigger = { event = \"osc\" }\nmode = \"live\"\nplugin = \"chord\"\naction = \"a\"",
        "8:8: mappings[0].mode: no mapping switches to the mode `live`; reached are default; add",
    ),
    (
        "trigger = { event = \"osc\" }\nswitch_mode = \"live\"\naction = \"a\"",
        "9:10: mappings[0].action: does not go together with `switch_mode`; write two mappings",
    ),
    (
        "trigger = { event = \"osc\" }\npanic = true\nplugin = \"chord\"",
        "9:10: mappings[0].plugin: does not go together with `panic`; write two mappings",
    ),
    (
        "trigger = { event = \"osc\" }\npanic = false",
        "8:9: mappings[0].panic: a mapping is for panic or it is not; write `panic = true`, or leave it out",
    ),
];

#[test]
fn each_fault_is_found_where_it_is() {
    let whole = ONE_FAULT.iter().map(|(text, fault)| ((*text).to_owned(), *fault));
    let mapped =
        ONE_FAULT_IN_A_MAPPING.iter().map(|(text, fault)| (format!("{BASE}[[mappings]]\n{text}\n"), *fault));
    let wrong: Vec<String> = whole
        .chain(mapped)
        .filter_map(|(text, expected)| {
            let found = faults(&text);
            let is_right = found.len() == 1 && found[0].starts_with(expected);
            (!is_right).then(|| format!("{text}\nexpected {expected}\nfound    {found:#?}\n"))
        })
        .collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn all_faults_are_reported_at_once_in_the_order_of_the_file() {
    let text = "[wasm]\nmax_fuel = \"much\"\nmax_fule = 1\n[plugins.a]\ngranted_capabilities = [\"Net\", \"Mid\"]\n[[mappings]]\n\
                trigger = { event = \"note\" }\nplugin = \"b\"\naction = \"x\"\n";
    let places: Vec<String> =
        faults(text).iter().map(|fault| fault.split(": ").take(2).collect::<Vec<_>>().join(" ")).collect();
    assert_eq!(
        places,
        [
            "2:12 wasm.max_fuel",
            "3:1 wasm.max_fule",
            "5:25 plugins.a.granted_capabilities",
            "5:32 plugins.a.granted_capabilities",
            "7:21 mappings[0].trigger.event",
            "8:10 mappings[0].plugin",
        ]
    );
}

#[test]
fn text_that_a_terminal_would_obey_is_escaped() {
    let found = faults("[plugins.\"\\u001b[31m\"]\npath = \"x\"");
    assert_eq!(found.len(), 1);
    assert!(found[0].contains("\\u{1b}[31m") && !found[0].contains('\u{1b}'), "{found:?}");
}

#[test]
fn an_empty_file_is_strict() {
    let config = parse("").expect("valid");
    assert!(config.wasm.require_signature && !config.wasm.allow_self_signed);
    assert_eq!((config.wasm.unsigned_max_risk, config.wasm.self_signed_max_risk), (Risk::Low, Risk::Medium));
    assert_eq!(config.wasm.require_statement, RequireStatement::OnceSeen);
    assert_eq!(config.wasm.max_fuel, 100_000_000);
}

#[test]
fn everything_that_can_be_said_is_understood() {
    let config = parse(include_str!("../../../../docs/examples/config.toml")).expect("valid");
    assert!(config.wasm.require_signature && !config.wasm.allow_self_signed);
    let kinds: Vec<&InputKind> = config.inputs.iter().map(|input| &input.kind).collect();
    assert!(kinds.iter().any(|kind| matches!(kind, InputKind::MidiFile { .. })));
    assert!(kinds.iter().any(|kind| matches!(kind, InputKind::MidiRaw { .. })));
    assert!(kinds.iter().any(|kind| matches!(kind, InputKind::Osc { .. })));
    assert!(kinds.iter().any(|kind| matches!(kind, InputKind::Interval { .. })));
    assert!(kinds.iter().any(|kind| matches!(kind, InputKind::MidiPort { source: MidiSource::Alsa { .. } })));
    assert!(kinds.iter().any(|kind| matches!(kind, InputKind::MidiPort { source: MidiSource::Jack { .. } })));
    let targets: Vec<&OutputTarget> = config.outputs.iter().map(|output| &output.target).collect();
    assert!(targets.iter().any(|target| matches!(target, OutputTarget::Alsa { .. })));
    assert!(targets.iter().any(|target| matches!(target, OutputTarget::Jack { .. })));
    assert!(targets.iter().any(|target| matches!(target, OutputTarget::File { .. })));
}

#[test]
fn values_end_where_they_belong() {
    let text = r#"
        version = 1
        initial_mode = "live"
        [wasm]
        require_signature = false
        require_statement = "always"
        max_execution_time = "500ms"
        max_stack_bytes = 65_536
        [plugins.chord]
        path = "plugins/chord.wasm"
        granted_capabilities = ["Midi=synth"]
        denied_capabilities = ["network"]
        max_fuel = 1_000
        isolation = "fresh"
        [plugins.installed]
        [[inputs]]
        name = "osc"
        type = "osc"
        listen = ":9000"
        [[mappings]]
        trigger = { event = ["note-on", "note-off"], note = "C3..C4" }
        mode = "live"
        plugin = "chord"
        action = "play"
        parameters = { port = "synth", at = 2026-01-01, nested = { list = [1, 2.5, true] } }
    "#;
    let scratch = Scratch::new();
    let config =
        Config::parse(text, Path::new("/etc/conductor/config.toml"), &scratch.paths()).expect("valid");
    assert!(!config.wasm.require_signature);
    assert_eq!(config.wasm.require_statement, RequireStatement::Always);
    assert_eq!(config.wasm.max_execution_time, Duration::from_millis(500));
    assert_eq!(config.wasm.max_stack_bytes, 65_536);
    let plugin = |alias: &str| config.plugins.iter().find(|plugin| &*plugin.alias == alias).expect("plugin");
    let chord = plugin("chord");
    assert_eq!(chord.path, Path::new("/etc/conductor/plugins/chord.wasm"));
    assert_eq!(chord.denied, [Capability::Network]);
    assert_eq!(chord.granted.iter().map(ToString::to_string).collect::<Vec<_>>(), ["Midi=synth"]);
    assert_eq!((chord.limits.max_fuel, chord.limits.isolation), (Some(1_000), Some(Isolation::Fresh)));
    let limits = chord.limits.apply(config.wasm.limits());
    assert_eq!((limits.max_fuel, limits.max_execution_time), (1_000, Duration::from_millis(500)));
    assert_eq!(plugin("installed").path, scratch.paths().plugins_dir().join("installed.wasm"));
    let InputKind::Osc { listen } = config.inputs[0].kind else { panic!("not OSC") };
    assert!(listen.ip().is_loopback());
    let Effect::Call { parameters, .. } = &config.mappings.all()[0].effect else { panic!("no call") };
    let expected =
        serde_json::json!({ "port": "synth", "at": "2026-01-01", "nested": { "list": [1, 2.5, true] } });
    assert_eq!(*parameters, expected);
    assert_eq!(&**config.mappings.initial_mode(), "live");
}

/// Every limit with a value that is not its default.
const LIMITS: &str = r#"
    max_fuel = 1_001
    max_memory_bytes = 65_538
    max_table_elements = 3
    max_execution_time = "4s"
    max_stack_bytes = 16_403
    max_open_files = 5
    max_disk_bytes = 4_102
    max_disk_files = 7
    max_message_bytes = 16_392
    max_calls_per_second = 9
    max_network_bytes_per_minute = 1_044
    max_network_connections = 21
    max_network_lookups = 22
    max_network_buffered_bytes = 23
    max_network_frames_per_second = 24
    max_reply_bytes = 266
    max_log_bytes = 267
    max_log_bytes_per_minute = 1_036
    max_queued_events = 13
    max_queued_bytes = 131_093
    max_module_bytes = 78
    max_compile_time = "17s"
    max_compile_bytes = 33_554_450
    wall_clock_step = "15ms"
    monotonic_clock_step = "16us"
    isolation = "fresh"
"#;

#[test]
fn every_limit_may_be_set_for_all_plugins_and_for_one() {
    let expected = Limits {
        max_fuel: 1_001,
        max_memory_bytes: 65_538,
        max_table_elements: 3,
        max_execution_time: Duration::from_secs(4),
        max_stack_bytes: 16_403,
        max_open_files: 5,
        max_disk_bytes: 4_102,
        max_disk_files: 7,
        max_message_bytes: 16_392,
        max_calls_per_second: 9,
        max_network_bytes_per_minute: 1_044,
        max_network_connections: 21,
        max_network_lookups: 22,
        max_network_buffered_bytes: 23,
        max_network_frames_per_second: 24,
        max_reply_bytes: 266,
        max_log_bytes: 267,
        max_log_bytes_per_minute: 1_036,
        max_queued_events: 13,
        max_queued_bytes: 131_093,
        max_module_bytes: 78,
        max_compile_time: Duration::from_secs(17),
        max_compile_bytes: 33_554_450,
        wall_clock_step: Duration::from_millis(15),
        monotonic_clock_step: Duration::from_micros(16),
        isolation: Isolation::Fresh,
    };
    let of_plugin = |text: &str| {
        let config = parse(text).expect("valid");
        (config.wasm.limits(), config.plugins[0].limits.apply(config.wasm.limits()))
    };
    assert_eq!(of_plugin(&format!("[wasm]\n{LIMITS}[plugins.a]")), (expected, expected));
    assert_eq!(of_plugin(&format!("[plugins.a]\n{LIMITS}")), (Limits::default(), expected));
}

/// Every limit with a value below its least, and that least value.
const TOO_LITTLE: [(&str, &str, &str); 17] = [
    ("max_fuel", "999", "1000"),
    ("max_memory_bytes", "65_535", "65536"),
    ("max_execution_time", "\"999us\"", "1ms"),
    ("max_stack_bytes", "16_383", "16384"),
    ("max_disk_bytes", "4_095", "4096"),
    ("max_message_bytes", "16_383", "16384"),
    ("max_message_bytes", "1", "16384"),
    ("max_message_bytes", "8_191", "16384"),
    ("max_network_bytes_per_minute", "1_023", "1024"),
    ("max_reply_bytes", "255", "256"),
    ("max_log_bytes", "255", "256"),
    ("max_log_bytes_per_minute", "1_023", "1024"),
    ("max_module_bytes", "63", "64"),
    ("max_compile_time", "\"999ms\"", "1s"),
    ("max_compile_time", "0.5", "1s"),
    ("max_compile_bytes", "33_554_431", "33554432"),
    ("max_compile_bytes", "1", "33554432"),
];

#[test]
fn a_limit_has_a_least_value() {
    for (key, value, least) in TOO_LITTLE {
        for table in ["[wasm]", "[plugins.a]"] {
            let faults = faults(&format!("{table}\n{key} = {value}"));
            let [fault] = faults.as_slice() else { panic!("{key}: {faults:?}") };
            assert!(
                fault.starts_with("2:") && fault.contains(&format!(".{key}: less than {least}")),
                "{fault}"
            );
            assert!(fault.contains(&format!("the least is {least}")), "{fault}");
        }
    }
    for key in LIMITS.lines().filter_map(|line| line.split_once(" = ")).map(|(key, _)| key.trim()) {
        if key != "isolation" {
            assert_eq!(faults(&format!("[wasm]\n{key} = 0")).len(), 1, "{key} may be nothing");
        }
    }
}

#[test]
fn the_manual_and_the_example_name_every_limit() {
    let limits = include_str!("../../../../docs/src/limits.md");
    let configuration = include_str!("../../../../docs/src/configuration.md");
    let example = include_str!("../../../../docs/examples/config.toml");
    for key in LIMITS.lines().filter_map(|line| line.split_once(" = ")).map(|(key, _)| key.trim()) {
        assert!(configuration.contains(&format!("\n| `{key}` |")), "configuration.md lacks {key}");
        assert!(example.contains(&format!("\n{key} = ")), "config.toml lacks {key}");
        assert!(key == "isolation" || limits.contains(&format!("`{key}`")), "limits.md lacks {key}");
    }
    assert_eq!(parse(example).expect("valid").wasm.limits(), Limits::default());
}

#[test]
fn numbers_may_be_written_as_toml_has_them() {
    let read = |note: &str| {
        let mapping = format!(
            "[plugins.chord]\n[[mappings]]\ntrigger = {{ event = \"note-on\", note = {note} }}\nplugin = \"chord\"\naction = \"a\""
        );
        format!("{:?}", parse(&mapping).expect("valid").mappings.all())
    };
    for written in ["0x3C", "0o74", "0b111100", "\"60\"", "\"C4\""] {
        assert_eq!(read(written), read("60"), "{written}");
    }
}

#[test]
fn the_command_line_points_at_file_line_and_column() {
    let scratch = Scratch::new();
    scratch.config("[wasm]\nmax_fule = 1\n");
    let ended = scratch.conductor(&["run"]);
    assert_eq!(ended.code, 2, "{ended:?}");
    let place = format!("{}:2:1: wasm.max_fule: unknown key", scratch.config_file().display());
    assert!(ended.stderr.contains(&place), "{ended:?}");
    assert_eq!(ended.stdout, "");
}

#[test]
fn a_missing_file_is_an_error_for_run_where_it_was_named() {
    let scratch = Scratch::new();
    let ended = scratch.conductor(&["run", "--config", "none.toml"]);
    assert_eq!(ended.code, 2, "{ended:?}");
    assert!(ended.stderr.contains("cannot read") && ended.stderr.contains("hint: "), "{ended:?}");
}

#[test]
fn the_configuration_says_which_networks_are_inside() {
    let networks = |text: &str| parse(text).expect("understood").networks;
    let read = |texts: &[&str]| texts.iter().map(|text| text.parse().expect("a network")).collect();
    let both = networks("[network]\ninside = [\"5.0.0.0/8\", \"2a00:7::/32\"]\noutside = [\"5.6.7.8\"]\n");
    let expected = Networks { inside: read(&["5.0.0.0/8", "2a00:7::/32"]), outside: read(&["5.6.7.8/32"]) };
    assert_eq!(both, expected);
    assert_eq!(networks("[network]\n"), Networks::default());
}
