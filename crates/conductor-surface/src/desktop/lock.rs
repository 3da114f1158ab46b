//! Locks the screen: logind tells the session's own program to lock it.

use conductor_broker::devices::DesktopError;

use super::bus::{Bus, CallError, Kind, Object};
use super::unavailable;

/// The session of the process that asks, or else the user's session with a screen.
const LOGIND: Object<'static> =
    Object { service: "org.freedesktop.login1", path: "/org/freedesktop/login1/session/auto" };

/// The service that locks the screen in sessions without logind.
const SCREEN_SAVER: Object<'static> =
    Object { service: "org.freedesktop.ScreenSaver", path: "/org/freedesktop/ScreenSaver" };

pub(super) fn lock() -> Result<(), DesktopError> {
    let without_logind = match Bus::connect(Kind::System) {
        Ok(bus) => match bus.call::<()>(&LOGIND, "org.freedesktop.login1.Session", "Lock", &()) {
            Ok(()) => return Ok(()),
            Err(CallError::Missing(reason)) => reason,
            Err(error @ CallError::Failed(_)) => return Err(error.into()),
        },
        Err(DesktopError::Unavailable { reason }) => reason,
        Err(error) => return Err(error),
    };
    let locked = Bus::connect(Kind::Session).and_then(|bus| {
        bus.call::<()>(&SCREEN_SAVER, SCREEN_SAVER.service, "Lock", &()).map_err(DesktopError::from)
    });
    match locked {
        Err(DesktopError::Unavailable { reason }) => {
            Err(unavailable(format!("{without_logind}, and {reason}")))
        }
        other => other,
    }
}
