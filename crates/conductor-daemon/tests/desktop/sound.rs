//! Volume and mute of PipeWire's output.

use std::fs;
use std::process::Stdio;

use serde_json::json;

use super::session::Session;

const SCOPE: &str = "volume,mute";

/// An output that nobody hears.
const SINK: &str = r#"context.objects = [ { factory = adapter args = {
    factory.name = support.null-audio-sink node.name = silence media.class = Audio/Sink audio.position = [ FL FR ]
} } ]"#;

/// Starts PipeWire with an output.
fn start(session: &mut Session) {
    let place = session.path("home/.config/pipewire/pipewire.conf.d");
    fs::create_dir_all(&place).expect("directory");
    fs::write(place.join("sink.conf"), SINK).expect("configuration");
    session.run("pipewire", "pipewire", &[]);
    session.wait("PipeWire starts", || session.path("run/pipewire-0").exists());
    session.run("wireplumber", "wireplumber", &[]);
    session.wait("there is an output", || wpctl(session).contains("Volume"));
}

/// What the sound server itself says.
fn wpctl(session: &Session) -> String {
    let mut command = session.command("wpctl");
    command.args(["get-volume", "@DEFAULT_AUDIO_SINK@"]).stdout(Stdio::piped());
    String::from_utf8_lossy(&command.output().expect("wpctl starts").stdout).trim().to_owned()
}

#[test]
fn the_volume_is_set_and_muted() {
    let mut session = Session::start();
    start(&mut session);
    let volume = |parameters| session.reply("media", SCOPE, "volume", &parameters);
    assert_eq!(volume(json!({ "level": 0.4 })), json!({ "level": 0.4, "muted": false }));
    assert_eq!(wpctl(&session), "Volume: 0.40");
    assert_eq!(volume(json!({ "by": -0.15 })), json!({ "level": 0.25, "muted": false }));
    assert_eq!(wpctl(&session), "Volume: 0.25");
    assert_eq!(volume(json!({ "by": 1.0 })), json!({ "level": 1.0, "muted": false }));
    assert_eq!(wpctl(&session), "Volume: 1.00", "no louder than unamplified");

    let mute = |parameters| session.reply("media", SCOPE, "mute", &parameters);
    assert_eq!(mute(json!({ "muted": true })), json!({ "level": 1.0, "muted": true }));
    assert_eq!(wpctl(&session), "Volume: 1.00 [MUTED]");
    assert_eq!(mute(json!({})), json!({ "level": 1.0, "muted": false }));
    assert_eq!(wpctl(&session), "Volume: 1.00");

    let level = json!({ "level": 0.1 });
    session.refused("media", "mute", "volume", &level, "`volume` is outside the scope that was granted");
    session.refused("media", SCOPE, "volume", &json!({ "level": 1.5 }), "a level is 0 to 1");
    assert_eq!(wpctl(&session), "Volume: 1.00", "what was refused changed nothing");

    session.end_last();
    session.refused(
        "media",
        SCOPE,
        "volume",
        &level,
        "unavailable here, because the sound server has no output",
    );
    session.end_last();
    session.refused("media", SCOPE, "volume", &level, "unavailable here, because no sound server answers");
}
