//! The user's desktop, for plugins with SystemControl.
//!
//! On Linux: the volume through WirePlumber's `wpctl`, media players through MPRIS and notifications through the
//! session bus, the lock of the screen through logind, URLs through `xdg-open`.

#[cfg(target_os = "linux")]
mod bus;
#[cfg(target_os = "linux")]
mod lock;
#[cfg(target_os = "linux")]
mod notification;
#[cfg(target_os = "linux")]
mod player;
#[cfg(target_os = "linux")]
mod program;
#[cfg(target_os = "linux")]
mod volume;

use conductor_abi::{MediaKey, MuteChange, VolumeChange, VolumeState};
use conductor_broker::devices::{Desktop, DesktopError};

/// The desktop of the user who runs the program.
pub struct UserDesktop;

#[cfg(target_os = "linux")]
impl Desktop for UserDesktop {
    fn volume(&self, change: VolumeChange) -> Result<VolumeState, DesktopError> {
        volume::volume(change)
    }

    fn mute(&self, change: MuteChange) -> Result<VolumeState, DesktopError> {
        volume::mute(change)
    }

    fn media(&self, key: MediaKey, player: Option<&str>) -> Result<String, DesktopError> {
        player::press(key, player)
    }

    fn notify(&self, summary: &str, body: &str) -> Result<(), DesktopError> {
        notification::show(summary, body)
    }

    fn lock(&self) -> Result<(), DesktopError> {
        lock::lock()
    }

    fn open_url(&self, url: &str) -> Result<(), DesktopError> {
        program::open_url(url)
    }
}

#[cfg(not(target_os = "linux"))]
impl UserDesktop {
    fn missing<T>() -> Result<T, DesktopError> {
        Err(unavailable("Conductor does not reach the desktop of this operating system yet"))
    }
}

#[cfg(not(target_os = "linux"))]
impl Desktop for UserDesktop {
    fn volume(&self, _change: VolumeChange) -> Result<VolumeState, DesktopError> {
        Self::missing()
    }

    fn mute(&self, _change: MuteChange) -> Result<VolumeState, DesktopError> {
        Self::missing()
    }

    fn media(&self, _key: MediaKey, _player: Option<&str>) -> Result<String, DesktopError> {
        Self::missing()
    }

    fn notify(&self, _summary: &str, _body: &str) -> Result<(), DesktopError> {
        Self::missing()
    }

    fn lock(&self) -> Result<(), DesktopError> {
        Self::missing()
    }

    fn open_url(&self, _url: &str) -> Result<(), DesktopError> {
        Self::missing()
    }
}

fn unavailable(reason: impl Into<String>) -> DesktopError {
    DesktopError::Unavailable { reason: reason.into() }
}

#[cfg(target_os = "linux")]
fn failed(reason: impl Into<String>) -> DesktopError {
    DesktopError::Failed { reason: reason.into() }
}
