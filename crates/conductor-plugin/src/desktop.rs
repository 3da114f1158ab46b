//! The user's desktop, for plugins with the SystemControl capability.
//!
//! Each function is an operation that the grant's scope must name: `volume`, `mute`, `media`, `notify`, `lock` or
//! `open-url`.
//!
//! ```no_run
//! use conductor_plugin::desktop::{self, MediaKey, VolumeChange};
//!
//! let now = desktop::volume(VolumeChange::By(0.05))?;
//! assert!(now.level <= 1.0);
//! let player = desktop::press(MediaKey::PlayPause, None)?;
//! desktop::notify("paused", &player)?;
//! # Ok::<(), conductor_plugin::HostError>(())
//! ```

use conductor_abi::{MediaPress, Notification, Op};
use serde::Serialize;
use serde::de::DeserializeOwned;

pub use conductor_abi::{MediaKey, MuteChange, VolumeChange, VolumeState};

use crate::{HostError, host};

/// Reads or changes the volume of the user's output. Returns the new volume, which is never more than 1.
///
/// # Errors
///
/// [`Status::Denied`](crate::Status::Denied) if SystemControl was not granted with `volume`,
/// [`Status::Unavailable`](crate::Status::Unavailable) if a part of the desktop is missing,
/// [`Status::Failed`](crate::Status::Failed) if the desktop refused.
pub fn volume(change: VolumeChange) -> Result<VolumeState, HostError> {
    ask(Op::Volume, &change)
}

/// Mutes or unmutes the user's output.
///
/// # Errors
///
/// As [`volume`], with `mute`.
pub fn mute(change: MuteChange) -> Result<VolumeState, HostError> {
    ask(Op::Mute, &change)
}

/// Presses a key of a media player, such as `mpv`, or of the one that plays, and returns the player's name.
///
/// # Errors
///
/// As [`volume`], with `media`.
pub fn press(key: MediaKey, player: Option<&str>) -> Result<String, HostError> {
    ask(Op::MediaKey, &MediaPress { key, player: player.unwrap_or_default() })
}

/// Shows a message. The user sees the plugin's name before it. Neither text is read as markup.
///
/// # Errors
///
/// As [`volume`], with `notify`, and [`Status::RateLimited`](crate::Status::RateLimited) after ten in a minute.
pub fn notify(summary: &str, body: &str) -> Result<(), HostError> {
    host::exchange(Op::Notify, &Notification { summary, body }).map(drop)
}

/// Locks the screen.
///
/// # Errors
///
/// As [`volume`], with `lock`, and [`Status::RateLimited`](crate::Status::RateLimited) after two in a minute.
pub fn lock() -> Result<(), HostError> {
    host::call(Op::LockScreen, &[]).map(drop)
}

/// Opens a web page, `http` or `https`, in the user's browser.
///
/// # Errors
///
/// As [`volume`], with `open-url`, and [`Status::RateLimited`](crate::Status::RateLimited) after ten in a minute.
pub fn open_url(url: &str) -> Result<(), HostError> {
    host::call(Op::OpenUrl, url.as_bytes()).map(drop)
}

fn ask<T: DeserializeOwned>(op: Op, request: &impl Serialize) -> Result<T, HostError> {
    host::decode(&host::exchange(op, request)?)
}
