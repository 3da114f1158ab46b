//! Media players, after MPRIS 2.2.

use conductor_abi::MediaKey;
use conductor_broker::devices::DesktopError;
use zbus::OwnedVariant;

use super::bus::{Bus, Kind, Object};
use super::unavailable;

/// The beginning of the names of players.
const PREFIX: &str = "org.mpris.MediaPlayer2.";

const PATH: &str = "/org/mpris/MediaPlayer2";

const DAEMON: Object<'static> = Object { service: "org.freedesktop.DBus", path: "/org/freedesktop/DBus" };

/// Most players that are asked whether they play.
const MAX_PLAYERS: usize = 16;

/// Whether a player plays. The keys of the player with the least value are pressed.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Playing {
    Plays,
    Rests,
    Unknown,
}

pub(super) fn press(key: MediaKey, wanted: Option<&str>) -> Result<String, DesktopError> {
    let bus = Bus::connect(Kind::Session)?;
    let names: Vec<String> = bus.call(&DAEMON, DAEMON.service, "ListNames", &())?;
    let mut there: Vec<&str> = names.iter().filter_map(|name| name.strip_prefix(PREFIX)).collect();
    there.sort_unstable();
    let player = meant(&there, wanted, |player| playing(&bus, player)).ok_or_else(|| {
        let there: Vec<&str> = there.iter().copied().take(MAX_PLAYERS).collect();
        unavailable(match wanted.filter(|_| !there.is_empty()) {
            None => "no media player is open".to_owned(),
            Some(wanted) => format!("no media player named {wanted} is open; there is {}", there.join(", ")),
        })
    })?;
    let service = format!("{PREFIX}{player}");
    let object = Object { service: &service, path: PATH };
    bus.call::<()>(&object, "org.mpris.MediaPlayer2.Player", method(key), &())?;
    Ok(player.to_owned())
}

/// The player to press keys of. If a name is wanted, this is the player with that name, or else, among the windows of
/// that name, the first that plays. If no name is wanted, it is the first of all players that plays.
fn meant<'p>(there: &[&'p str], wanted: Option<&str>, playing: impl Fn(&str) -> Playing) -> Option<&'p str> {
    if let Some(exact) = there.iter().find(|player| Some(**player) == wanted) {
        return Some(exact);
    }
    let fits = |player: &&&str| wanted.is_none_or(|wanted| is_named(player, wanted));
    there.iter().filter(fits).take(MAX_PLAYERS).min_by_key(|player| playing(player)).copied()
}

/// Whether `player` is the wanted name, or a window of the player with that name.
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
    fn the_exact_name_comes_first_and_then_the_window_that_plays() {
        let playing = |player: &str| match player {
            "mpv.b" | "vlc" => Playing::Plays,
            "mpv" | "mpv.c" => Playing::Rests,
            _ => Playing::Unknown,
        };
        for (there, wanted, player) in [
            (&["mpv", "mpv.b"][..], Some("mpv"), Some("mpv")),
            (&["mpv.a", "mpv.b", "mpv.c", "vlc"], Some("mpv"), Some("mpv.b")),
            (&["mpv.a", "mpv.c"], Some("mpv"), Some("mpv.c")),
            (&["mpv.a", "mpv.d"], Some("mpv"), Some("mpv.a")),
            (&["mpv.a", "mpv.b"], Some("mpv.a"), Some("mpv.a")),
            (&["mpv", "vlc"], None, Some("vlc")),
            (&["mpv", "mpv.b"], None, Some("mpv.b")),
            (&["mpvx"], Some("mpv"), None),
            (&[], None, None),
        ] {
            assert_eq!(meant(there, wanted, playing), player, "{wanted:?} of {there:?}");
        }
    }

    #[test]
    fn a_player_is_found_by_its_name_or_that_of_its_program() {
        assert!(is_named("mpv", "mpv") && is_named("firefox.instance_1_2", "firefox"));
        assert!(!is_named("mpvx", "mpv") && !is_named("mpv", "mpv.2"));
    }
}
