//! The keys of a multimedia keyboard on a MIDI controller: play, next, louder, mute.

#![forbid(unsafe_code)]

use conductor_plugin::desktop::{self, MediaKey, MuteChange, VolumeChange, VolumeState};
use conductor_plugin::{Call, HostError, plugin};
use serde::Deserialize;
use serde_json::{Value, json};

plugin! {
    capabilities: {
        SystemControl("volume,mute,media"): "presses the keys of your media players and sets the volume",
    },
    actions: {
        /// Sets the volume of the output.
        volume {
            level: "0 to 1; from the value of the controller if absent",
            by: "instead: how much louder, or softer if negative, such as 0.05",
        },
        /// Mutes the output, or lets it be heard.
        mute { muted: "true or false; changes it over if absent" },
        /// Goes on playing.
        play { player: "name of the player, such as mpv; the one that plays if absent" },
        /// Rests.
        pause { player: "as for play" },
        /// Plays if it rests, and rests if it plays.
        play_pause as "play-pause" { player: "as for play" },
        /// Stops.
        stop { player: "as for play" },
        /// Goes to the next piece.
        next { player: "as for play" },
        /// Goes to the piece before.
        previous { player: "as for play" },
    },
}

/// The largest value of a MIDI controller.
const MAX_VALUE: f64 = 127.0;

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Volume {
    level: Option<f64>,
    by: Option<f64>,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Mute {
    muted: Option<bool>,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Player {
    player: Option<String>,
}

fn volume(call: Call<Option<Volume>>) -> Result<Value, String> {
    let parameters = call.parameters.unwrap_or_default();
    let change = change(&parameters, call.context.value)?;
    desktop::volume(change).map(shown).map_err(|error| error.to_string())
}

/// The change that the parameters ask for. A controller's value is used if no level is given.
fn change(parameters: &Volume, value: Option<f64>) -> Result<VolumeChange, &'static str> {
    match (parameters.level, parameters.by) {
        (Some(_), Some(_)) => Err("say `level` or `by`, not both"),
        (None, Some(by)) => Ok(VolumeChange::By(by as f32)),
        (Some(level), None) => Ok(VolumeChange::Set(level as f32)),
        (None, None) => value
            .map(|value| VolumeChange::Set((value / MAX_VALUE) as f32))
            .ok_or("say how loud, or map a controller to this"),
    }
}

fn mute(call: Call<Option<Mute>>) -> Result<Value, HostError> {
    let change = match call.parameters.unwrap_or_default().muted {
        None => MuteChange::Toggle,
        Some(true) => MuteChange::Mute,
        Some(false) => MuteChange::Unmute,
    };
    desktop::mute(change).map(shown)
}

fn shown(state: VolumeState) -> Value {
    // Three decimal places, like the requested level. Further digits are noise of the number format.
    let level = (f64::from(state.level) * 1000.0).round() / 1000.0;
    json!({ "level": level, "muted": state.muted })
}

fn press(key: MediaKey, call: &Call<Option<Player>>) -> Result<Value, HostError> {
    let player = call.parameters.as_ref().and_then(|parameters| parameters.player.as_deref());
    desktop::press(key, player).map(|player| json!({ "player": player }))
}

fn play(call: Call<Option<Player>>) -> Result<Value, HostError> {
    press(MediaKey::Play, &call)
}

fn pause(call: Call<Option<Player>>) -> Result<Value, HostError> {
    press(MediaKey::Pause, &call)
}

fn play_pause(call: Call<Option<Player>>) -> Result<Value, HostError> {
    press(MediaKey::PlayPause, &call)
}

fn stop(call: Call<Option<Player>>) -> Result<Value, HostError> {
    press(MediaKey::Stop, &call)
}

fn next(call: Call<Option<Player>>) -> Result<Value, HostError> {
    press(MediaKey::Next, &call)
}

fn previous(call: Call<Option<Player>>) -> Result<Value, HostError> {
    press(MediaKey::Previous, &call)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_level_comes_from_the_parameters_or_the_controller() {
        let changed = |level, by, value| change(&Volume { level, by }, value);
        assert_eq!(changed(Some(0.5), None, Some(127.0)), Ok(VolumeChange::Set(0.5)));
        assert_eq!(changed(None, None, Some(127.0)), Ok(VolumeChange::Set(1.0)));
        assert_eq!(changed(None, Some(-0.25), Some(3.0)), Ok(VolumeChange::By(-0.25)));
        assert!(changed(None, None, None).is_err() && changed(Some(0.1), Some(0.1), None).is_err());
    }
}
