//! OBS Studio through its own WebSocket server: scenes, inputs, recording and streaming.
//!
//! The server is part of OBS 28 and newer, under Tools, WebSocket Server Settings. The plugin keeps one connection, and
//! opens it anew if it was lost.

#![forbid(unsafe_code)]

mod session;

use std::cell::RefCell;

use conductor_plugin::{Call, plugin};
use serde::Deserialize;
use serde_json::{Value, json};

use session::{Error, Session};

plugin! {
    capabilities: { Network("localhost:4455;methods=WEBSOCKET"): "speaks to OBS Studio on this machine" },
    actions: {
        /// Switches to a scene.
        scene {
            name: "name of the scene",
            password: "of the WebSocket server, if it wants one",
        },
        /// Lists the scenes in their order, and says which one is shown.
        scenes { password: "as for scene" },
        /// Switches to the next scene, or as many further on as told.
        step { by: "how many; 1 if absent, negative goes back", password: "as for scene" },
        /// Mutes an input, or lets it be heard.
        mute {
            input: "name of the input",
            muted: "true or false; changes it over if absent",
            password: "as for scene",
        },
        /// Sets the volume of an input.
        volume {
            input: "name of the input",
            level: "0 to 1; from the value of the controller if absent",
            password: "as for scene",
        },
        /// Begins to record, or ends it.
        record { password: "as for scene" },
        /// Begins to stream, or ends it.
        stream { password: "as for scene" },
    },
}

/// Where OBS listens by default.
const ADDRESS: &str = "localhost:4455";

/// The largest value of a MIDI controller.
const MAX_VALUE: f64 = 127.0;

#[derive(Deserialize)]
struct Access {
    password: Option<String>,
}

#[derive(Deserialize)]
struct Scene {
    name: String,
    password: Option<String>,
}

#[derive(Deserialize)]
struct Step {
    #[serde(default = "one")]
    by: i64,
    password: Option<String>,
}

const fn one() -> i64 {
    1
}

#[derive(Deserialize)]
struct Mute {
    input: String,
    muted: Option<bool>,
    password: Option<String>,
}

#[derive(Deserialize)]
struct Volume {
    input: String,
    level: Option<f64>,
    password: Option<String>,
}

thread_local! {
    /// The connection that an earlier call opened.
    static SESSION: RefCell<Option<Session>> = const { RefCell::new(None) };
}

/// Sends a request to OBS, through the connection of an earlier call if that still works.
fn ask(password: Option<&str>, request: &str, data: &Value) -> Result<Value, String> {
    SESSION.with_borrow_mut(|kept| {
        if let Some(session) = kept {
            match session.ask(request, data) {
                Err(Error::Lost(_)) => *kept = None,
                answer => return answer.map_err(|error| error.to_string()),
            }
        }
        let session = kept.insert(Session::open(ADDRESS, password).map_err(|error| error.to_string())?);
        session.ask(request, data).map_err(|error| error.to_string())
    })
}

fn scene(call: Call<Scene>) -> Result<(), String> {
    let Scene { name, password } = call.parameters;
    switch(password.as_deref(), &name)
}

fn switch(password: Option<&str>, name: &str) -> Result<(), String> {
    ask(password, "SetCurrentProgramScene", &json!({ "sceneName": name })).map(drop)
}

fn scenes(call: Call<Option<Access>>) -> Result<Value, String> {
    let (names, current) = list(password(&call.parameters))?;
    Ok(json!({ "scenes": names, "current": current }))
}

fn step(call: Call<Option<Step>>) -> Result<Value, String> {
    let Step { by, password } = call.parameters.unwrap_or(Step { by: 1, password: None });
    let (names, current) = list(password.as_deref())?;
    let name = stepped(&names, &current, by).ok_or("OBS has no scene")?;
    switch(password.as_deref(), name)?;
    Ok(json!({ "scene": name }))
}

/// Names of the scenes in the order in which OBS shows them, and the name of the active scene.
fn list(password: Option<&str>) -> Result<(Vec<String>, String), String> {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct List {
        scenes: Vec<Entry>,
        #[serde(default)]
        current_program_scene_name: String,
    }
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Entry {
        scene_name: String,
        /// Counted from the bottom of OBS's list.
        #[serde(default)]
        scene_index: i64,
    }
    let answer = ask(password, "GetSceneList", &Value::Null)?;
    let List { mut scenes, current_program_scene_name } = serde_json::from_value(answer)
        .map_err(|error| format!("OBS sent a list of scenes that cannot be read: {error}"))?;
    scenes.sort_by_key(|entry| std::cmp::Reverse(entry.scene_index));
    let names = scenes.into_iter().map(|entry| entry.scene_name).collect();
    Ok((names, current_program_scene_name))
}

/// The scene `by` places further on. After the last scene comes the first.
fn stepped<'a>(names: &'a [String], current: &str, by: i64) -> Option<&'a String> {
    let count = i64::try_from(names.len()).ok()?;
    let at = names.iter().position(|name| name == current).unwrap_or(0);
    let next = i64::try_from(at).ok()?.checked_add(by)?.checked_rem_euclid(count)?;
    names.get(usize::try_from(next).ok()?)
}

fn mute(call: Call<Mute>) -> Result<Value, String> {
    let Mute { input, muted, password } = call.parameters;
    match muted {
        None => ask(password.as_deref(), "ToggleInputMute", &json!({ "inputName": input })),
        Some(muted) => {
            let data = json!({ "inputName": input, "inputMuted": muted });
            ask(password.as_deref(), "SetInputMute", &data)
        }
    }
}

fn volume(call: Call<Volume>) -> Result<Value, String> {
    let value = call.context.value.map(|value| value / MAX_VALUE);
    let Volume { input, level, password } = call.parameters;
    let level = level.or(value).ok_or("say how loud, or map a controller to this")?;
    if !(0.0..=1.0).contains(&level) {
        return Err(format!("a level is 0 to 1, not {level}"));
    }
    // People hear ratios: the middle of a fader is to sound half as loud.
    let data = json!({ "inputName": input, "inputVolumeMul": level.powi(3) });
    ask(password.as_deref(), "SetInputVolume", &data)
}

fn record(call: Call<Option<Access>>) -> Result<Value, String> {
    ask(password(&call.parameters), "ToggleRecord", &Value::Null)
}

fn stream(call: Call<Option<Access>>) -> Result<Value, String> {
    ask(password(&call.parameters), "ToggleStream", &Value::Null)
}

fn password(access: &Option<Access>) -> Option<&str> {
    access.as_ref().and_then(|access| access.password.as_deref())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_go_around() {
        let names: Vec<_> = ["a", "b", "c"].map(str::to_owned).into();
        let step = |current, by| stepped(&names, current, by).map(String::as_str);
        assert_eq!(step("a", 1), Some("b"));
        assert_eq!(step("c", 1), Some("a"));
        assert_eq!(step("a", -1), Some("c"));
        assert_eq!(step("b", -4), Some("a"));
        assert_eq!(step("gone", 1), Some("b"));
        assert_eq!(stepped(&[], "a", 1), None);
    }
}
