//! Volume and mute of PipeWire's output.

use std::process::Stdio;

use serde_json::json;

use super::session::Session;
use super::sound::start;

const GRANT: &str = "SystemControl=volume,mute";

/// What the sound server itself reports.
pub(super) fn wpctl(session: &Session) -> String {
    let mut command = session.command("wpctl");
    command.args(["get-volume", "@DEFAULT_AUDIO_SINK@"]).stdout(Stdio::piped());
    String::from_utf8_lossy(&command.output().expect("wpctl starts").stdout).trim().to_owned()
}

#[test]
fn the_volume_is_set_and_muted() {
    let mut session = Session::start();
    start(&mut session);
    let volume = |parameters| session.reply("media", &[GRANT], "volume", &parameters);
    assert_eq!(volume(json!({ "level": 0.4 })), json!({ "level": 0.4, "muted": false }));
    assert_eq!(wpctl(&session), "Volume: 0.40");
    assert_eq!(volume(json!({ "by": -0.15 })), json!({ "level": 0.25, "muted": false }));
    assert_eq!(wpctl(&session), "Volume: 0.25");
    assert_eq!(volume(json!({ "by": 1.0 })), json!({ "level": 1.0, "muted": false }));
    assert_eq!(wpctl(&session), "Volume: 1.00", "no louder than unamplified");

    let mute = |parameters| session.reply("media", &[GRANT], "mute", &parameters);
    assert_eq!(mute(json!({ "muted": true })), json!({ "level": 1.0, "muted": true }));
    assert_eq!(wpctl(&session), "Volume: 1.00 [MUTED]");
    assert_eq!(mute(json!({})), json!({ "level": 1.0, "muted": false }));
    assert_eq!(wpctl(&session), "Volume: 1.00");

    let level = json!({ "level": 0.1 });
    session.refused(
        "media",
        "SystemControl=mute",
        "volume",
        &level,
        "`volume` is outside the scope that was granted",
    );
    session.refused("media", GRANT, "volume", &json!({ "level": 1.5 }), "a level is 0 to 1");
    assert_eq!(wpctl(&session), "Volume: 1.00", "what was refused changed nothing");

    session.end_last();
    session.refused(
        "media",
        GRANT,
        "volume",
        &level,
        "unavailable here, because the sound server has no output",
    );
    session.end_last();
    session.refused("media", GRANT, "volume", &level, "unavailable here, because no sound server answers");
}
