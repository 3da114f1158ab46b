//! Notifications, after the Desktop Notifications Specification 1.2.

use std::collections::HashMap;

use conductor_broker::devices::DesktopError;
use zbus::Variant;

use super::bus::{Bus, Kind, Object};

const SERVER: Object<'static> =
    Object { service: "org.freedesktop.Notifications", path: "/org/freedesktop/Notifications" };

/// The value with which the server chooses how long to show the message.
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

/// Escapes markup in a body, which a server may interpret. Summaries are plain text for all servers.
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
