//! Notifications, after the Desktop Notifications Specification 1.2.

use std::collections::HashMap;

use conductor_core::devices::DesktopError;
use zbus::Variant;

use super::bus::{Bus, Kind, Object};

const SERVER: Object<'static> =
    Object { service: "org.freedesktop.Notifications", path: "/org/freedesktop/Notifications" };

/// As long as the server likes.
const DEFAULT_TIME: i32 = -1;

/// Shows a message of normal urgency, without actions.
pub(super) fn show(summary: &str, body: &str) -> Result<(), DesktopError> {
    let bus = Bus::connect(Kind::Session)?;
    let actions: &[&str] = &[];
    let hints: HashMap<&str, Variant<'_>> = HashMap::new();
    let body = escaped(body);
    let arguments = ("Conductor", 0_u32, "", summary, body.as_str(), actions, hints, DEFAULT_TIME);
    let _number: u32 = bus.call(&SERVER, SERVER.service, "Notify", &arguments)?;
    Ok(())
}

/// A server may read markup in a body; the summary is text for all of them.
fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn markup_is_text() {
        assert_eq!(escaped("<a href=\"x\">&amp;</a>"), "&lt;a href=\"x\"&gt;&amp;amp;&lt;/a&gt;");
    }
}
