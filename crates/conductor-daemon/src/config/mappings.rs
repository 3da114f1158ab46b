//! `[[mappings]]`: which event leads to which action.

use std::ops::RangeInclusive;

use conductor_surface::config::check_name;
use conductor_surface::config::inputs::ReadInput;
use conductor_surface::config::reader::{FromToml, Located, Table, Unfit};
use conductor_surface::config::unit::{parse_note, parse_range};
use conductor_surface::event::EventKind;
use conductor_surface::nearest::nearest;
use conductor_surface::osc_address::Pattern;
use serde_json::Value as Json;
use toml::de::DeValue;

use super::json::to_json;
use super::plugins::ReadPlugin;
use crate::mapping::{Effect, Mapping, Mappings, Trigger};

/// Most mappings; every event is compared with each of them.
const MAX_MAPPINGS: usize = 1024;

/// Mode in which the daemon starts if `initial_mode` does not say otherwise.
const DEFAULT_MODE: &str = "default";

/// Keys of a trigger and the kinds of event that they can be compared with.
const FIELDS: [(&str, &[EventKind]); 7] = [
    (
        "channel",
        &[
            EventKind::NoteOn,
            EventKind::NoteOff,
            EventKind::KeyPressure,
            EventKind::ControlChange,
            EventKind::ProgramChange,
            EventKind::ChannelPressure,
            EventKind::PitchBend,
        ],
    ),
    ("note", &[EventKind::NoteOn, EventKind::NoteOff, EventKind::KeyPressure]),
    ("velocity", &[EventKind::NoteOn, EventKind::NoteOff]),
    ("cc", &[EventKind::ControlChange]),
    ("program", &[EventKind::ProgramChange]),
    (
        "value",
        &[
            EventKind::ControlChange,
            EventKind::KeyPressure,
            EventKind::ChannelPressure,
            EventKind::PitchBend,
            EventKind::Osc,
        ],
    ),
    ("address", &[EventKind::Osc]),
];

pub(super) fn read(root: &Table<'_, '_>, plugins: &[ReadPlugin], inputs: &[ReadInput]) -> Mappings {
    let initial = root.get::<String>("initial_mode");
    let initial = initial.map_or_else(|| DEFAULT_MODE.to_owned(), |initial| initial.value);
    let tables = root.tables("mappings");
    if let Some(table) = tables.get(MAX_MAPPINGS) {
        root.fault(table.place(), format!("more than {MAX_MAPPINGS} mappings"), None);
        return Mappings::new(initial, Vec::new());
    }
    let mut modes = Vec::new();
    let mut switches = vec![initial.clone()];
    let mut mappings = Vec::new();
    for table in tables {
        let mode = table.get::<String>("mode");
        let switch = table.get::<String>("switch_mode");
        for name in [&mode, &switch].into_iter().flatten() {
            if let Err(why) = check_name(&name.value) {
                table.fault(&name.place, why, None);
            }
        }
        switches.extend(switch.iter().map(|switch| switch.value.clone()));
        modes.extend(mode.clone());
        let trigger = table.table("trigger").map(|trigger| read_trigger(trigger, inputs));
        if trigger.is_none() && table.raw("trigger").is_none() {
            let hint = "add `trigger = { event = \"note-on\" }`";
            table.fault(&table.place().clone(), "key `trigger` is missing", Some(hint.into()));
        }
        let effect = read_effect(&table, switch, plugins);
        let line = table.line();
        table.finish();
        if let (Some(Some(trigger)), Some(effect)) = (trigger, effect) {
            mappings.push(Mapping { line, trigger, mode: mode.map(|mode| mode.value.into()), effect });
        }
    }
    for mode in modes.iter().filter(|mode| !switches.contains(&mode.value)) {
        let hint = format!(
            "reached are {}; add a mapping with `switch_mode = \"{}\"`",
            switches.join(", "),
            mode.value
        );
        root.fault(&mode.place, format!("no mapping switches to the mode `{}`", mode.value), Some(hint));
    }
    Mappings::new(initial, mappings)
}

fn read_effect(
    table: &Table<'_, '_>,
    switch: Option<Located<String>>,
    plugins: &[ReadPlugin],
) -> Option<Effect> {
    if let Some(panic) = table.get::<bool>("panic") {
        for key in ["plugin", "action", "parameters", "switch_mode"] {
            if let Some((place, _)) = table.raw(key) {
                let hint = "write two mappings with the same trigger";
                table.fault(&place, "does not go together with `panic`", Some(hint.into()));
            }
        }
        if !panic.value {
            let hint = "write `panic = true`, or leave it out";
            table.fault(&panic.place, "a mapping is for panic or it is not", Some(hint.into()));
        }
        return Some(Effect::Panic);
    }
    if let Some(switch) = switch {
        for key in ["plugin", "action", "parameters"] {
            if let Some((place, _)) = table.raw(key) {
                let hint = "write two mappings with the same trigger";
                table.fault(&place, "does not go together with `switch_mode`", Some(hint.into()));
            }
        }
        return Some(Effect::SwitchMode(switch.value.into()));
    }
    let plugin = table.require::<String>("plugin");
    let action = table.require::<String>("action");
    if let Some(action) = action.as_ref().filter(|action| action.value.is_empty()) {
        table.fault(&action.place, "the name of the action is empty", None);
    }
    let parameters = match table.raw("parameters") {
        None => Some(Json::Null),
        Some((place, value)) => match to_json(value, place.offset()) {
            Ok(json) => Some(json),
            Err((offset, why)) => {
                table.fault(&place.at_offset(offset), why, None);
                None
            }
        },
    };
    let plugin = plugin?;
    let known: Vec<&str> = plugins.iter().map(|plugin| plugin.alias.as_str()).collect();
    if !known.contains(&plugin.value.as_str()) {
        table.fault(
            &plugin.place,
            format!("there is no plugin `{}`", plugin.value),
            Some(unknown_name(&plugin.value, &known, &format!("add `[plugins.{}]`", plugin.value))),
        );
        return None;
    }
    Some(Effect::Call { plugin: plugin.value.into(), action: action?.value, parameters: parameters? })
}

fn read_trigger(table: Table<'_, '_>, inputs: &[ReadInput]) -> Option<Trigger> {
    let input = table.get::<String>("input");
    if let Some(input) = &input {
        let known: Vec<&str> = inputs.iter().map(|input| input.name.as_str()).collect();
        if !known.contains(&input.value.as_str()) {
            let hint = unknown_name(&input.value, &known, "add an `[[inputs]]` entry with that name");
            table.fault(&input.place, format!("there is no input `{}`", input.value), Some(hint));
        }
    }
    let events = read_events(&table);
    if table.is_empty() {
        let hint = "name an `event`, an `input`, or both";
        table.fault(&table.place().clone(), "the trigger would match every event", Some(hint.into()));
    }
    if let Some(events) = events.as_deref().filter(|events| !events.is_empty()) {
        check_fields(&table, events);
    }
    let trigger = Trigger {
        input: input.map(|input| input.value.into()),
        events: events.unwrap_or_default(),
        channel: range(&table, "channel", "a channel from 0 to 15", |text| number(text, 15)),
        note: range(&table, "note", "a note from 0 to 127 or from C-1 to G9", parse_note),
        velocity: range(&table, "velocity", "a velocity from 0 to 127", |text| number(text, 127)),
        cc: range(&table, "cc", "a controller from 0 to 127", |text| number(text, 127)),
        program: range(&table, "program", "a program from 0 to 127", |text| number(text, 127)),
        value: range(&table, "value", "a number", |text| {
            text.parse().ok().filter(|value: &f64| value.is_finite())
        }),
        address: table
            .parse("address", |pattern: String| {
                Pattern::new(&pattern).map_err(|error| {
                    format!("`{pattern}` is not an OSC address pattern, such as `/mixer/*/fader`: {error}")
                })
            })
            .map(|pattern| pattern.value),
    };
    table.finish().then_some(trigger)
}

/// The kinds that `event` names: one word or a list of words. `None` if there is a fault.
fn read_events(table: &Table<'_, '_>) -> Option<Vec<EventKind>> {
    let Some((place, value)) = table.raw("event") else { return Some(Vec::new()) };
    let words = match value.as_str() {
        Some(word) => vec![Located { value: word.to_owned(), place }],
        None => {
            let list = table.get::<Vec<Located<String>>>("event")?;
            let entry = |entry: Located<String>| Located { place: entry.place.within(&list.place), ..entry };
            list.value.into_iter().map(entry).collect()
        }
    };
    let kinds = words.iter().map(|word| {
        let kind = EventKind::ALL.into_iter().find(|kind| kind.name() == word.value);
        if kind.is_none() {
            let known: Vec<&str> = EventKind::ALL.iter().map(|kind| kind.name()).collect();
            let hint = nearest(&word.value, &known).map(|near| format!("did you mean `{near}`?"));
            let hint = hint.unwrap_or_else(|| format!("known are {}", known.join(", ")));
            table.fault(&word.place, format!("unknown event `{}`", word.value), Some(hint));
        }
        kind
    });
    // All kinds are collected first, so that every unknown word is reported.
    let kinds: Vec<Option<EventKind>> = kinds.collect();
    kinds.into_iter().collect()
}

/// Reports fields that none of the events has: a trigger with such a field would never match.
fn check_fields(table: &Table<'_, '_>, events: &[EventKind]) {
    for (field, kinds) in FIELDS {
        if let Some((place, _)) = table.raw(field)
            && let Some(event) = events.iter().find(|event| !kinds.contains(event))
        {
            let names: Vec<&str> = kinds.iter().map(|kind| kind.name()).collect();
            let hint = format!("`{field}` goes with {}", names.join(", "));
            table.fault(&place, format!("events of kind {} have no `{field}`", event.name()), Some(hint));
        }
    }
}

fn unknown_name(name: &str, known: &[&str], otherwise: &str) -> String {
    match nearest(name, known) {
        Some(near) => format!("did you mean `{near}`?"),
        None => otherwise.to_owned(),
    }
}

fn number(text: &str, max: u8) -> Option<u8> {
    text.parse().ok().filter(|number| *number <= max)
}

fn range<T: Copy + PartialOrd>(
    table: &Table<'_, '_>,
    key: &'static str,
    expected: &str,
    parse: impl Fn(&str) -> Option<T>,
) -> Option<RangeInclusive<T>> {
    let range = table.parse(key, |RangeText(text): RangeText| {
        parse_range(&text, parse)
            .ok_or_else(|| format!("expected {expected}, or a rising range such as \"A..B\", found `{text}`"))
    });
    range.map(|range| range.value)
}

/// A number, or a string that holds a number, a name or a range.
struct RangeText(String);

impl FromToml for RangeText {
    const EXPECTED: &'static str = "a number, or a string such as \"A..B\"";

    fn from_toml(value: &DeValue<'_>) -> Result<Self, Unfit> {
        match (value.as_str(), value.as_integer(), value.as_float()) {
            (Some(text), _, _) => Ok(Self(text.to_owned())),
            // A number that is written as 0x3C is read as the same number in decimal digits.
            (None, Some(integer), _) => match i64::from_str_radix(integer.as_str(), integer.radix()) {
                Ok(number) => Ok(Self(number.to_string())),
                Err(_) => Ok(Self(integer.as_str().to_owned())),
            },
            (None, None, Some(float)) => Ok(Self(float.as_str().to_owned())),
            (None, _, _) => Err(Unfit::Type),
        }
    }
}
