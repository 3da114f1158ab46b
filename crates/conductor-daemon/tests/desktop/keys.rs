//! Media keys of mpv, which speaks MPRIS through its plugin.

use serde_json::json;

use super::logind::bus_call;
use super::session::Session;

/// Where Debian installs mpv's plugin for MPRIS.
const MPRIS: &str = "/usr/lib/mpv-mpris/mpris.so";

const GRANT: &str = "SystemControl=media";

fn status(session: &Session) -> String {
    status_of(session, "mpv")
}

fn status_of(session: &Session, player: &str) -> String {
    let service = format!("org.mpris.MediaPlayer2.{player}");
    let player = (service.as_str(), "/org/mpris/MediaPlayer2");
    let property = ("org.mpris.MediaPlayer2.Player", "PlaybackStatus");
    let value = bus_call(session, player, "org.freedesktop.DBus.Properties", "Get", &property);
    value.and_then(|value: zbus::OwnedVariant| String::try_from(value).ok()).unwrap_or_default()
}

#[test]
fn keys_of_a_player_are_pressed() {
    let mut session = Session::start();
    session.refused("media", GRANT, "pause", &json!({}), "unavailable here, because no media player is open");

    let script = format!("--script={MPRIS}");
    let silence = "av://lavfi:anullsrc";
    session.run("mpv", "mpv mpv-mpris", &["--no-config", "--no-video", "--ao=null", &script, silence]);
    session.wait("mpv plays", || status(&session) == "Playing");

    let press = |key, parameters| session.reply("media", &[GRANT], key, &parameters);
    assert_eq!(press("pause", json!({})), json!({ "player": "mpv" }));
    session.wait("mpv rests", || status(&session) == "Paused");
    assert_eq!(press("play-pause", json!({ "player": "mpv" })), json!({ "player": "mpv" }));
    session.wait("mpv plays again", || status(&session) == "Playing");

    let other = json!({ "player": "vlc" });
    session.refused("media", GRANT, "pause", &other, "no media player named vlc is open; there is mpv");
    session.refused(
        "media",
        "SystemControl=volume",
        "pause",
        &json!({}),
        "`media` is outside the scope that was granted",
    );
    assert_eq!(status(&session), "Playing");

    press("stop", json!({}));
    session.wait("mpv stops", || status(&session) != "Playing");
}

/// mpv's plugin names the first window after the program, and further windows after the program and their process.
#[test]
fn of_several_windows_the_named_one_is_meant_and_otherwise_the_one_that_plays() {
    let mut session = Session::start();
    let script = format!("--script={MPRIS}");
    let window = ["--no-config", "--no-video", "--ao=null", &script, "av://lavfi:anullsrc"];
    session.run("mpv", "mpv mpv-mpris", &[&window[..], &["--pause"]].concat());
    session.wait("the first rests", || status(&session) == "Paused");
    session.run("mpv", "mpv mpv-mpris", &[&window[..], &["--pause"]].concat());
    session.wait("the second is there", || windows(&session).len() == 1);
    let resting = windows(&session);
    session.run("mpv", "mpv mpv-mpris", &window);
    session.wait("the third is there", || windows(&session).len() == 2);
    let playing = windows(&session).into_iter().find(|name| !resting.contains(name)).expect("a window");
    session.wait("the third plays", || status_of(&session, &playing) == "Playing");

    let press = |key, parameters| session.reply("media", &[GRANT], key, &parameters)["player"].clone();
    assert_eq!(press("play", json!({ "player": "mpv" })), "mpv", "the exact name");
    session.wait("the first plays", || status(&session) == "Playing");
    let quit = ("org.mpris.MediaPlayer2.mpv", "/org/mpris/MediaPlayer2");
    let _: Option<()> = bus_call(&session, quit, "org.mpris.MediaPlayer2", "Quit", &());
    session.wait("the first is gone", || status(&session).is_empty());
    assert_eq!(press("pause", json!({ "player": "mpv" })), playing.as_str(), "the one that plays");
    session.wait("the third rests", || status_of(&session, &playing) == "Paused");
    let named = json!({ "player": resting[0] });
    assert_eq!(press("play", named), resting[0].as_str());
    session.wait("the second plays", || status_of(&session, &resting[0]) == "Playing");
}

/// The names of all mpv windows but the first.
fn windows(session: &Session) -> Vec<String> {
    let bus = ("org.freedesktop.DBus", "/org/freedesktop/DBus");
    let names: Vec<String> = bus_call(session, bus, bus.0, "ListNames", &()).expect("names");
    names
        .iter()
        .filter_map(|name| name.strip_prefix("org.mpris.MediaPlayer2."))
        .filter(|name| *name != "mpv")
        .map(str::to_owned)
        .collect()
}
