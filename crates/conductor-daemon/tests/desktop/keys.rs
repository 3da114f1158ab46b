//! Media keys of mpv, which speaks MPRIS through its plugin.

use serde_json::json;

use super::logind::bus_call;
use super::session::Session;

/// Where Debian has mpv's plugin for MPRIS.
const MPRIS: &str = "/usr/lib/mpv-mpris/mpris.so";

const GRANT: &str = "SystemControl=media";

fn status(session: &Session) -> String {
    let player = ("org.mpris.MediaPlayer2.mpv", "/org/mpris/MediaPlayer2");
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
