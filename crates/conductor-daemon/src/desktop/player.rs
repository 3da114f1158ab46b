//! Media players, after MPRIS 2.2.

use conductor_abi::MediaKey;
use conductor_core::devices::DesktopError;
use zbus::OwnedVariant;

use super::bus::{Bus, Kind, Object};
use super::unavailable;

/// What the names of players begin with.
const PREFIX: &str = "org.mpris.MediaPlayer2.";

const PATH: &str = "/org/mpris/MediaPlayer2";

const DAEMON: Object<'static> = Object { service: "org.freedesktop.DBus", path: "/org/freedesktop/DBus" };

/// Most players that are asked what they do.
const MAX_PLAYERS: usize = 16;

/// What a player does; the first is the one whose keys are pressed.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Playing {
    Plays,
    Rests,
    Unknown,
}

pub(super) fn press(key: MediaKey, wanted: Option<&str>) -> Result<String, DesktopError> {
    let bus = Bus::connect(Kind::Session)?;
    let names: Vec<String> = bus.call(&DAEMON, DAEMON.service, "ListNames", &())?;
    let players = names.iter().filter_map(|name| name.strip_prefix(PREFIX));
    let player = match wanted {
        Some(wanted) => players.clone().find(|player| is_named(player, wanted)).ok_or_else(|| {
            let there: Vec<&str> = players.take(MAX_PLAYERS).collect();
            unavailable(if there.is_empty() {
                "no media player is open".to_owned()
            } else {
                format!("no media player named {wanted} is open; there is {}", there.join(", "))
            })
        })?,
        None => players
            .take(MAX_PLAYERS)
            .min_by_key(|player| playing(&bus, player))
            .ok_or_else(|| unavailable("no media player is open"))?,
    };
    let service = format!("{PREFIX}{player}");
    let object = Object { service: &service, path: PATH };
    bus.call::<()>(&object, "org.mpris.MediaPlayer2.Player", method(key), &())?;
    Ok(player.to_owned())
}

/// Whether this is the player's name, or that of one of its windows.
fn is_named(player: &str, wanted: &str) -> bool {
    player.strip_prefix(wanted).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
}

fn playing(bus: &Bus, player: &str) -> Playing {
    let service = format!("{PREFIX}{player}");
    let object = Object { service: &service, path: PATH };
    let arguments = ("org.mpris.MediaPlayer2.Player", "PlaybackStatus");
    let status = bus.call::<OwnedVariant>(&object, "org.freedesktop.DBus.Properties", "Get", &arguments);
    let status = status.ok().and_then(|value| String::try_from(value).ok());
    match status.as_deref() {
        Some("Playing") => Playing::Plays,
        Some("Paused") => Playing::Rests,
        Some(_) | None => Playing::Unknown,
    }
}

const fn method(key: MediaKey) -> &'static str {
    match key {
        MediaKey::Play => "Play",
        MediaKey::Pause => "Pause",
        MediaKey::PlayPause => "PlayPause",
        MediaKey::Stop => "Stop",
        MediaKey::Next => "Next",
        MediaKey::Previous => "Previous",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_player_is_found_by_its_name_or_that_of_its_program() {
        assert!(is_named("mpv", "mpv") && is_named("firefox.instance_1_2", "firefox"));
        assert!(!is_named("mpvx", "mpv") && !is_named("mpv", "mpv.2"));
    }
}
