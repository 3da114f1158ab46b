//! First act: a developer signs, a user verifies and trusts.

use crate::demo::stage::Stage;
use crate::error::TaskError;

/// Path of the demo's key, without the ending.
pub(crate) const KEY: &str = ".conductor/my-plugin-key";

/// The arguments that name the signer.
pub(crate) const DEVELOPER: [&str; 4] = ["--name", "Ada Example", "--email", "ada@example.org"];

/// Generates a key, signs every plugin, and shows the result of verification before and after the key is trusted.
pub(crate) fn show(stage: &mut Stage) -> Result<(), TaskError> {
    stage.act("Sign and trust");
    let generated = stage.show("conductor-sign", &["generate-key", KEY])?;
    stage.record_status("a key pair is generated", &generated, 0);

    let signed = stage.show("conductor-sign", &signing("plugins/chord.wasm", KEY))?;
    stage.record_status("a plugin is signed", &signed, 0);
    for plugin in ["notes", "webhook", "hostile"] {
        let path = format!("plugins/{plugin}.wasm");
        let signed = stage.run("conductor-sign", &signing(&path, KEY))?;
        stage.record_status(&format!("{plugin} is signed with the same key"), &signed, 0);
    }

    let verified = stage.show("conductor-sign", &["verify", "plugins/chord.wasm"])?;
    stage.record_status("verified before its key is trusted: valid, untrusted", &verified, 3);

    let public = String::from_utf8_lossy(&stage.read(&format!("{KEY}.public"))?).trim().to_owned();
    let trusted = stage.show("conductor-sign", &["trust", "add", &public, "Ada Example"])?;
    stage.record_status("the key is trusted", &trusted, 0);

    let verified = stage.show("conductor-sign", &["verify", "plugins/chord.wasm"])?;
    stage.record_status("verified after its key was trusted: valid, trusted", &verified, 0);
    Ok(())
}

/// Arguments that sign a plugin.
pub(crate) fn signing<'a>(plugin: &'a str, key: &'a str) -> Vec<&'a str> {
    [&["sign", plugin, key], &DEVELOPER[..]].concat()
}
