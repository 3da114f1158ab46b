//! Modules that break one rule of the WebAssembly specification each: the tables in `tests/vectors/wasm`. Each is refused, and one
//! that keeps the rule and is the same otherwise is not.

use conductor_core::{Host, PluginOptions};
use serde::Deserialize;

use crate::support::load;
use crate::{notation, table};

/// Fields of a module in the text format, of which one breaks a rule of validation.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Rule {
    name: String,
    clause: String,
    /// Which words of the clause are meant.
    #[serde(default)]
    why: String,
    sound: String,
    broken: String,
}

/// A change of the bytes in `plugin.hex` that breaks a rule of the binary format.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Change {
    name: String,
    clause: String,
    /// Which words of the clause are meant.
    #[serde(default)]
    why: String,
    at: String,
    /// A change that breaks none.
    sound: Option<String>,
    broken: String,
}

/// How errors begin that say that a module is broken, not that it wants what plugins may not have. What looks for the manifest
/// reads the header and the sections before anything else does.
const MALFORMED: [&str; 3] = ["module is not valid WebAssembly: ", "the module ", "the file is "];

impl table::Named for Rule {
    fn name(&self) -> &str {
        &self.name
    }
}

impl table::Named for Change {
    fn name(&self) -> &str {
        &self.name
    }
}

/// A plugin that does nothing and has these fields as well, with a memory if they are none.
fn module(fields: &str) -> Vec<u8> {
    let memory = if fields.contains("(memory (export") { "" } else { "(memory (export \"memory\") 1)" };
    let text = format!(
        "(module {fields} {memory}
            (func (export \"alloc\") (param i32) (result i32) (i32.const 1024))
            (func (export \"execute\") (param i32 i32) (result i32) (i32.const 0)))"
    );
    wat::parse_str(&text).unwrap_or_else(|error| panic!("{text}: {error}"))
}

/// The plugin in `plugin.hex`, with what stands at one place replaced.
fn changed(at: &str, with: &str) -> Vec<u8> {
    let plugin = notation::bytes(include_str!("../../../../tests/vectors/wasm/plugin.hex"));
    let (at, with) = (notation::bytes(at), notation::bytes(with));
    let places: Vec<usize> = (0..plugin.len())
        .filter(|place| plugin.get(*place..).is_some_and(|rest| rest.starts_with(&at)))
        .collect();
    let [place] = places[..] else { panic!("{at:02x?} stands at {places:?}") };
    [&plugin[..place], &with, &plugin[place + at.len()..]].concat()
}

/// What is wrong with how a module is judged; none if nothing is.
fn judge(host: &Host, wasm: Vec<u8>, is_sound: bool) -> Option<String> {
    match load(host, "vector.wasm", wasm, &PluginOptions::default()) {
        Ok(_) if is_sound => None,
        Ok(_) => Some("the broken one loads".to_owned()),
        Err(error) if is_sound => Some(format!("the sound one does not load: {error}")),
        Err(error) if MALFORMED.iter().any(|said| error.to_string().starts_with(said)) => None,
        Err(error) => Some(format!("the broken one is refused for another cause: {error}")),
    }
}

pub(crate) fn every_broken_one_is_refused(host: &Host) {
    let mut wrong = Vec::new();
    for Rule { name, clause, why, sound, broken } in table::read("wasm/rules.toml", 110) {
        let judged = [judge(host, module(&sound), true), judge(host, module(&broken), false)];
        wrong.extend(judged.into_iter().flatten().map(|text| format!("{name} ({clause}; {why}): {text}")));
    }
    for Change { name, clause, why, at, sound, broken } in table::read("wasm/binary.toml", 35) {
        let sound = judge(host, changed(&at, sound.as_ref().unwrap_or(&at)), true);
        let judged = [sound, judge(host, changed(&at, &broken), false)];
        wrong.extend(judged.into_iter().flatten().map(|text| format!("{name} ({clause}; {why}): {text}")));
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
