//! The plugins that take part: copies of the example plugins and of a hostile one, each with its own name.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::net::SocketAddr;
use std::time::Duration;

use serde_json::Value;

use crate::demo::signing::signing;
use crate::error::TaskError;
use crate::guests::{FIXTURES, Guests, PLUGINS};
use crate::places::Places;
use crate::program::Program;
use crate::scratch::ScratchHome;
use crate::soak::{CONFIG, pressure};

/// Path of the key, without the ending.
const KEY: &str = ".conductor/soak-key";

/// One plugin.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Member {
    /// The plugin's name, which is also its alias.
    pub(crate) name: String,
    /// The guest that the plugin is a copy of.
    pub(crate) guest: &'static str,
    /// The action that every event for the plugin calls.
    pub(crate) action: &'static str,
    /// Whether the plugin is hostile.
    pub(crate) is_hostile: bool,
}

/// What a plugin does.
struct Part {
    guests: Guests,
    guest: &'static str,
    action: &'static str,
    /// Grants in the notation of the configuration. `parameters` are in that notation too.
    grants: &'static str,
    parameters: &'static str,
}

/// The parts of well-behaved plugins, in turn. Most do little, some write a file, and one makes a network request.
/// `SERVER` stands for the address of the web server.
const WELL_BEHAVED: [Part; 9] = {
    const CHORD: Part =
        Part { guests: PLUGINS, guest: "chord", action: "chord", grants: "", parameters: "port = \"synth\"" };
    const NOTES: Part =
        Part { guests: PLUGINS, guest: "notes", action: "append", grants: "\"Filesystem\"", parameters: "" };
    const WEBHOOK: Part = Part {
        guests: PLUGINS,
        guest: "webhook",
        action: "post",
        grants: "\"Network=SERVER;methods=POST\"",
        parameters: "url = \"http://SERVER/\"",
    };
    [CHORD, NOTES, CHORD, NOTES, CHORD, NOTES, CHORD, NOTES, WEBHOOK]
};

/// The parts of hostile plugins, in turn.
const HOSTILE: [Part; 12] = [
    hostile("loop", ""),
    hostile("sleep", ""),
    hostile("allocate", ""),
    hostile("log", ""),
    hostile("fill", ""),
    hostile("flood", ""),
    hostile("panic", ""),
    hostile("garbage", ""),
    hostile("files", ""),
    hostile("recurse", ""),
    hostile("stdio", ""),
    hostile("reply", "bytes = 4_194_304"),
];

const fn hostile(action: &'static str, parameters: &'static str) -> Part {
    let grants = "\"Filesystem=read-write;bytes=8MiB;files=500\"";
    Part { guests: FIXTURES, guest: "hostile", action, grants, parameters }
}

/// The part of plugin `number`. Every tenth plugin is hostile, beginning with the first.
fn part(number: usize) -> &'static Part {
    match number % 10 {
        0 => &HOSTILE[number / 10 % HOSTILE.len()],
        place => &WELL_BEHAVED[place - 1],
    }
}

fn member(number: usize) -> Member {
    let Part { guest, action, .. } = part(number);
    Member { name: format!("{guest}-{number:03}"), guest, action, is_hostile: number.is_multiple_of(10) }
}

/// The OSC address of the events for plugin `number`.
pub(crate) fn osc_address(number: usize) -> String {
    format!("/p/{number:03}")
}

/// Makes the plugins in the scratch home: copies, names, signs, trusts and configures them.
pub(crate) fn assemble(
    places: &Places,
    home: &ScratchHome,
    count: u32,
    server: SocketAddr,
    lifetime: Duration,
) -> Result<Vec<Member>, TaskError> {
    for directory in ["plugins", ".config/conductor"] {
        home.make_directory(directory)?;
    }
    demand(home, &["generate-key", KEY])?;
    let public = String::from_utf8_lossy(&home.read(&format!("{KEY}.public"))?).trim().to_owned();
    demand(home, &["trust", "add", &public, "Soak"])?;
    let mut manifests = BTreeMap::new();
    let mut make = |part: &Part, name: &str| -> Result<(), TaskError> {
        let module = format!("plugins/{name}.wasm");
        home.copy(&part.guests.module(places, part.guest)?, &module)?;
        let manifest = match manifests.get(part.guest) {
            Some(manifest) => manifest,
            None => {
                let shown = demand(home, &["manifest", "show", "--json", &module])?;
                manifests.entry(part.guest).or_insert(shown)
            }
        };
        home.write("plugin.toml", renamed(manifest, name)?.as_bytes())?;
        demand(home, &["manifest", "add", "--replace", &module, "plugin.toml"])?;
        demand(home, &signing(&module, KEY)).map(drop)
    };
    let members: Vec<Member> = (0..count as usize).map(member).collect();
    for (number, member) in members.iter().enumerate() {
        make(part(number), &member.name)?;
    }
    for name in [pressure::PRESSED, pressure::RELOADED] {
        make(&hostile("count", ""), name)?;
    }
    pressure::prepare(home)?;
    home.write(CONFIG, config(&members, server, lifetime).as_bytes())?;
    Ok(members)
}

/// Runs `conductor-sign`, demands success and returns its output.
fn demand(home: &ScratchHome, arguments: &[&str]) -> Result<String, TaskError> {
    let mut program: Program = home.program("conductor-sign", arguments);
    program.stdout()
}

/// Converts the manifest from JSON to TOML and changes its name. Policy, pins and the data directory go by that name.
fn renamed(manifest: &str, name: &str) -> Result<String, TaskError> {
    let wrong =
        |found: String| TaskError::Output { command: "conductor-sign manifest show".to_owned(), found };
    let mut fields: Value = serde_json::from_str(manifest).map_err(|error| wrong(error.to_string()))?;
    drop_nulls(&mut fields);
    if let Some(fields) = fields.as_object_mut() {
        fields.insert("name".to_owned(), name.into());
    }
    toml::to_string(&fields).map_err(|error| wrong(error.to_string()))
}

/// Removes nulls, because TOML has none.
fn drop_nulls(value: &mut Value) {
    match value {
        Value::Object(fields) => {
            fields.retain(|_, field| !field.is_null());
            fields.values_mut().for_each(drop_nulls);
        }
        Value::Array(items) => items.iter_mut().for_each(drop_nulls),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

/// The input `lifetime` is the only one that ends. A daemon that is left alone because this program was killed ends
/// with it.
fn config(members: &[Member], server: SocketAddr, lifetime: Duration) -> String {
    let lifetime = lifetime.as_secs();
    let mut text = format!(
        "[wasm]\nrequire_signature = true\nallow_self_signed = false\n\n\
         [midi.outputs.synth]\nto = \"file:~/synth.bytes\"\n\n\
         [[inputs]]\nname = \"lifetime\"\ntype = \"interval\"\nevery = \"{lifetime}s\"\ncount = 1\n\n\
         [[inputs]]\nname = \"desk\"\ntype = \"osc\"\nlisten = \"127.0.0.1:0\"\n"
    );
    for (number, Member { name, action, .. }) in members.iter().enumerate() {
        let Part { grants, parameters, .. } = part(number);
        let address = osc_address(number);
        // Writing to a string does not fail.
        let _ = write!(
            text,
            "\n[plugins.{name}]\npath = \"~/plugins/{name}.wasm\"\ngranted_capabilities = [{grants}]\n\n\
             [[mappings]]\ntrigger = {{ input = \"desk\", address = \"{address}\" }}\n\
             plugin = \"{name}\"\naction = \"{action}\"\nparameters = {{ {parameters} }}\n"
        );
    }
    text.replace("SERVER", &server.to_string()) + &pressure::config()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tenth_is_hostile_and_names_are_unique() {
        let members: Vec<Member> = (0..100).map(member).collect();
        assert_eq!(members.iter().filter(|member| member.is_hostile).count(), 10);
        let hostile: Vec<&str> =
            members.iter().filter(|member| member.is_hostile).map(|member| member.action).collect();
        assert_eq!(hostile[..3], ["loop", "sleep", "allocate"]);
        let mut names: Vec<&str> = members.iter().map(|member| member.name.as_str()).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), 100);
    }

    #[test]
    fn the_configuration_is_toml_with_a_mapping_for_each() {
        let members: Vec<Member> = (0..20).map(member).collect();
        let text = config(&members, SocketAddr::from(([127, 0, 0, 1], 8080)), Duration::from_secs(90));
        let table: toml::Table = text.parse().expect("TOML");
        assert_eq!(table["mappings"].as_array().map(Vec::len), Some(20 + 3));
        assert_eq!(table["plugins"].as_table().map(toml::Table::len), Some(20 + 2));
        assert_eq!(table["inputs"][0]["every"].as_str(), Some("90s"));
        assert!(text.contains("Network=127.0.0.1:8080;methods=POST") && !text.contains("SERVER"));
    }

    #[test]
    fn a_manifest_gets_another_name_and_keeps_the_rest() {
        let manifest = r#"{"name": "a", "version": "1", "author": null, "actions": [{"name": "x", "description": null}]}"#;
        let table: toml::Table = renamed(manifest, "b-001").expect("renamed").parse().expect("TOML");
        assert_eq!(table["name"].as_str(), Some("b-001"));
        assert_eq!(table["version"].as_str(), Some("1"));
        assert_eq!(table["actions"][0]["name"].as_str(), Some("x"));
        assert!(renamed("not JSON", "b").is_err());
    }
}
