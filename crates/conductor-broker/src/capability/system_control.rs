//! SystemControl: volume, media keys, notifications, the lock of the screen, the browser.
//!
//! Each operation is a [`Deed`], which is carried out on a thread of its own: the programs of a desktop may take their
//! time, and the plugin's is bounded.

use std::fmt;
use std::marker::PhantomData;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use conductor_abi::{Capability, MediaKey, MediaPress, MuteChange, Notification, Status, VolumeChange};
use conductor_policy::grant::Grant;
use conductor_policy::scope::{Excerpt, SystemOperation};
use url::Url;

use super::{Call, Operation, Refusal, decode, empty, encode, granted, waiting};
use crate::devices::{self, DesktopError};
use crate::rate::Window;

/// Longest that one operation is waited for; a call's own time may be shorter.
const MAX_TIME: Duration = Duration::from_secs(3);

/// Most operations of one plugin that are under way, also those that nobody waits for any more: a desktop that does not
/// answer costs no more threads than this.
const MAX_UNDER_WAY: usize = 4;

/// Most notifications, and most URLs that are opened, in a minute; more would take the screen away from the user.
const MAX_PER_MINUTE: u32 = 10;

/// Most times in a minute that the screen is locked; more would keep the user out.
const MAX_LOCKS_PER_MINUTE: u32 = 2;

/// Longest summary of a notification in bytes.
const MAX_SUMMARY_BYTES: usize = 256;

/// Longest body of a notification in bytes.
const MAX_BODY_BYTES: usize = 2048;

/// Longest URL in bytes.
const MAX_URL_BYTES: usize = 2048;

/// Longest name of a player in bytes.
const MAX_PLAYER_BYTES: usize = 128;

const MINUTE: Duration = Duration::from_secs(60);

/// One deed on the desktop, decoded and held against its own rules.
pub(crate) trait Deed: fmt::Display + Send + Sized + 'static {
    /// The operation of the scope that it belongs to.
    const OPERATION: SystemOperation;

    /// Decodes a request.
    fn parse(request: &[u8]) -> Result<Self, Refusal>;

    /// How often it may be done, where that is bounded further than host calls are.
    fn pace(_uses: &Uses) -> Option<&Window> {
        None
    }

    /// Does it. It may take as long as it takes.
    fn carry_out(self, desktop: &dyn devices::Desktop, plugin: &str) -> Result<Answer, DesktopError>;
}

/// An encoded answer, or why it could not be encoded.
type Answer = Result<Vec<u8>, Refusal>;

/// A deed as an operation.
pub(crate) struct Desktop<D>(PhantomData<D>);

/// What a plugin has under way, and how often it asked.
pub(crate) struct Uses {
    under_way: waiting::Places,
    notifications: Window,
    urls: Window,
    locks: Window,
}

impl Default for Uses {
    fn default() -> Self {
        Self {
            under_way: waiting::Places::new(MAX_UNDER_WAY),
            notifications: Window::new(MAX_PER_MINUTE, MINUTE),
            urls: Window::new(MAX_PER_MINUTE, MINUTE),
            locks: Window::new(MAX_LOCKS_PER_MINUTE, MINUTE),
        }
    }
}

/// A request: the deed is taken out of it to be done.
pub(crate) struct Request<D>(D);

impl<D: fmt::Display> fmt::Display for Request<D> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl<D: Deed + Clone> Operation for Desktop<D> {
    const CAPABILITY: Capability = Capability::SystemControl;
    const NAME: &'static str = D::OPERATION.name();
    type Request<'a> = Request<D>;
    type Permit = ();

    fn parse(request: &[u8]) -> Result<Request<D>, Refusal> {
        D::parse(request).map(Request)
    }

    fn needs(_request: &Request<D>) -> Option<String> {
        Some(D::OPERATION.to_string())
    }

    fn check(_request: &Request<D>, grant: &Grant) -> Result<(), Refusal> {
        grant
            .covering(|scope| {
                scope.as_system_control().is_some_and(|scope| scope.operations().contains(&D::OPERATION))
            })
            .map(|_allowances| ())
            .map_err(|outside| Refusal::denied(format!("SystemControl: `{}` is {outside}", D::OPERATION)))
    }

    fn act(request: &Request<D>, (): (), call: &Call<'_>) -> Result<Vec<u8>, Refusal> {
        let session = call.session;
        let uses = session.desktop();
        if let Some(window) = D::pace(uses)
            && !window.admit(Instant::now())
        {
            let reason = format!("`{}` at most {} times in a minute", D::OPERATION, window.max());
            return Err(Refusal::new(Status::RateLimited, reason));
        }
        let place = uses.under_way.take("the desktop")?;
        let (deed, plugin) = (request.0.clone(), session.plugin().to_owned());
        let desktop = Arc::clone(&session.devices().desktop);
        let deadline = call.deadline.min(Instant::now() + MAX_TIME);
        let still_granted = || Self::check(request, granted(&call.grants(), Capability::SystemControl)?);
        let done = waiting::until_done(&D::OPERATION, call, deadline, still_granted, |finish| {
            let work = move || {
                let done = deed.carry_out(&*desktop, &plugin);
                drop(place);
                finish.with(done);
            };
            let thread = thread::Builder::new().name("conductor-desktop".to_owned()).spawn(work);
            thread.map(|_detached| ()).map_err(|error| Refusal::failed(format!("no thread starts: {error}")))
        })?;
        done.map_err(|error| refusal(D::OPERATION, &error))?
    }
}

fn refusal(operation: SystemOperation, error: &DesktopError) -> Refusal {
    let status = match error {
        DesktopError::Unavailable { .. } => Status::Unavailable,
        DesktopError::Failed { .. } => Status::Failed,
    };
    Refusal::new(
        status,
        format!(
            "SystemControl: `{operation}` {}",
            match error {
                DesktopError::Unavailable { .. } => format!("is {error}"),
                DesktopError::Failed { .. } => format!("failed: {error}"),
            }
        ),
    )
}

/// Reads or sets the volume.
#[derive(Clone)]
pub(crate) struct Volume(VolumeChange);

impl Deed for Volume {
    const OPERATION: SystemOperation = SystemOperation::Volume;

    fn parse(request: &[u8]) -> Result<Self, Refusal> {
        let change = decode(request)?;
        let is_allowed = match change {
            VolumeChange::Read => true,
            VolumeChange::Set(level) => (0.0..=1.0).contains(&level),
            VolumeChange::By(difference) => (-1.0..=1.0).contains(&difference),
        };
        if is_allowed {
            return Ok(Self(change));
        }
        Err(Refusal::invalid("a level is 0 to 1, and a difference -1 to 1"))
    }

    fn carry_out(self, desktop: &dyn devices::Desktop, _plugin: &str) -> Result<Answer, DesktopError> {
        desktop.volume(self.0).map(|state| encode(&state))
    }
}

impl fmt::Display for Volume {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            VolumeChange::Read => f.write_str("read"),
            VolumeChange::Set(level) => write!(f, "to {level:.3}"),
            VolumeChange::By(difference) => write!(f, "by {difference:+.3}"),
        }
    }
}

/// Mutes or unmutes.
#[derive(Clone)]
pub(crate) struct Mute(MuteChange);

impl Deed for Mute {
    const OPERATION: SystemOperation = SystemOperation::Mute;

    fn parse(request: &[u8]) -> Result<Self, Refusal> {
        decode(request).map(Self)
    }

    fn carry_out(self, desktop: &dyn devices::Desktop, _plugin: &str) -> Result<Answer, DesktopError> {
        desktop.mute(self.0).map(|state| encode(&state))
    }
}

impl fmt::Display for Mute {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.0 {
            MuteChange::Mute => "on",
            MuteChange::Unmute => "off",
            MuteChange::Toggle => "change over",
        })
    }
}

/// Presses a key of a media player.
#[derive(Clone)]
pub(crate) struct Media {
    key: MediaKey,
    player: Option<String>,
}

impl Deed for Media {
    const OPERATION: SystemOperation = SystemOperation::Media;

    fn parse(request: &[u8]) -> Result<Self, Refusal> {
        let MediaPress { key, player } = decode(request)?;
        let is_name = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_');
        if player.len() > MAX_PLAYER_BYTES || !player.bytes().all(is_name) {
            let reason =
                format!("a player's name has letters, digits, `.`, `-` and `_`, at most {MAX_PLAYER_BYTES}");
            return Err(Refusal::invalid(reason));
        }
        Ok(Self { key, player: (!player.is_empty()).then(|| player.to_owned()) })
    }

    fn carry_out(self, desktop: &dyn devices::Desktop, _plugin: &str) -> Result<Answer, DesktopError> {
        desktop.media(self.key, self.player.as_deref()).map(|player| encode(&player))
    }
}

impl fmt::Display for Media {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.key {
            MediaKey::Play => "play",
            MediaKey::Pause => "pause",
            MediaKey::PlayPause => "play or pause",
            MediaKey::Stop => "stop",
            MediaKey::Next => "next",
            MediaKey::Previous => "previous",
        })?;
        self.player.iter().try_for_each(|player| write!(f, " of {player}"))
    }
}

/// Shows a notification.
#[derive(Clone)]
pub(crate) struct Notify {
    summary: String,
    body: String,
}

impl Deed for Notify {
    const OPERATION: SystemOperation = SystemOperation::Notify;

    fn parse(request: &[u8]) -> Result<Self, Refusal> {
        let Notification { summary, body } = decode(request)?;
        if summary.len() > MAX_SUMMARY_BYTES || body.len() > MAX_BODY_BYTES {
            return Err(Refusal::too_large(format!(
                "a summary has at most {MAX_SUMMARY_BYTES} bytes, a body {MAX_BODY_BYTES}"
            )));
        }
        let is_text = |text: &str| text.chars().all(|char| char == '\n' || !char.is_control());
        if summary.trim().is_empty() || summary.contains('\n') || !is_text(summary) || !is_text(body) {
            return Err(Refusal::invalid(
                "a summary is one line, and neither it nor the body has control characters",
            ));
        }
        Ok(Self { summary: summary.to_owned(), body: body.to_owned() })
    }

    fn pace(uses: &Uses) -> Option<&Window> {
        Some(&uses.notifications)
    }

    /// The plugin's name comes first: nobody shall take it for a message of the system.
    fn carry_out(self, desktop: &dyn devices::Desktop, plugin: &str) -> Result<Answer, DesktopError> {
        desktop.notify(&format!("{plugin}: {}", self.summary), &self.body).map(|()| Ok(Vec::new()))
    }
}

impl fmt::Display for Notify {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        Excerpt::new(&self.summary).fmt(f)
    }
}

/// Locks the screen.
#[derive(Clone)]
pub(crate) struct Lock;

impl Deed for Lock {
    const OPERATION: SystemOperation = SystemOperation::Lock;

    fn parse(request: &[u8]) -> Result<Self, Refusal> {
        empty(request).map(|()| Self)
    }

    fn pace(uses: &Uses) -> Option<&Window> {
        Some(&uses.locks)
    }

    fn carry_out(self, desktop: &dyn devices::Desktop, _plugin: &str) -> Result<Answer, DesktopError> {
        desktop.lock().map(|()| Ok(Vec::new()))
    }
}

impl fmt::Display for Lock {
    fn fmt(&self, _f: &mut fmt::Formatter<'_>) -> fmt::Result {
        Ok(())
    }
}

/// Opens a URL.
#[derive(Clone)]
pub(crate) struct OpenUrl(Url);

impl Deed for OpenUrl {
    const OPERATION: SystemOperation = SystemOperation::OpenUrl;

    /// Pages of the web alone: other schemes start other programs, or open files.
    fn parse(request: &[u8]) -> Result<Self, Refusal> {
        let text = std::str::from_utf8(request)
            .map_err(|_| Refusal::invalid("the request must be a URL in UTF-8"))?;
        if text.len() > MAX_URL_BYTES {
            return Err(Refusal::too_large(format!("a URL has at most {MAX_URL_BYTES} bytes")));
        }
        let shown = Excerpt::new(text);
        let url =
            Url::parse(text).map_err(|error| Refusal::invalid(format!("{shown} is not a URL: {error}")))?;
        if !matches!(url.scheme(), "http" | "https") || !url.has_host() {
            return Err(Refusal::invalid(format!("{shown} is no page of the web: neither http nor https")));
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err(Refusal::invalid("a URL must not carry a user name or a password"));
        }
        Ok(Self(url))
    }

    fn pace(uses: &Uses) -> Option<&Window> {
        Some(&uses.urls)
    }

    fn carry_out(self, desktop: &dyn devices::Desktop, _plugin: &str) -> Result<Answer, DesktopError> {
        desktop.open_url(self.0.as_str()).map(|()| Ok(Vec::new()))
    }
}

impl fmt::Display for OpenUrl {
    /// The host: path and query may hold secrets.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let host = format!("{}://{}", self.0.scheme(), self.0.host_str().unwrap_or_default());
        Excerpt::new(&host).fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wire(value: &impl serde::Serialize) -> Vec<u8> {
        postcard::to_allocvec(value).expect("encodes")
    }

    #[test]
    fn only_pages_of_the_web_are_opened() {
        for url in [
            "https://example.org/a?b=c",
            "http://example.org",
            "https://b\u{fc}cher.example/",
            "HTTPS://example.org",
        ] {
            assert!(OpenUrl::parse(url.as_bytes()).is_ok(), "{url}");
        }
        for url in [
            "file:///etc/passwd",
            "javascript:alert(1)",
            "mailto:a@example.org",
            "vscode://x",
            "--help",
            "-new-window",
            "/bin/sh",
            "https://a:b@example.org/",
            "http:",
            "",
        ] {
            assert!(OpenUrl::parse(url.as_bytes()).is_err(), "{url}");
        }
        let long = format!("https://example.org/{}", "x".repeat(MAX_URL_BYTES));
        assert!(OpenUrl::parse(long.as_bytes()).is_err());
        let OpenUrl(url) = OpenUrl::parse(b"https://example.org/\n\"x").expect("a URL");
        assert_eq!(url.as_str(), "https://example.org/%22x", "nothing is left that a shell would read");
    }

    #[test]
    fn levels_are_within_bounds() {
        for change in [VolumeChange::Read, VolumeChange::Set(1.0), VolumeChange::By(-1.0)] {
            assert!(Volume::parse(&wire(&change)).is_ok(), "{change:?}");
        }
        for change in [
            VolumeChange::Set(1.01),
            VolumeChange::Set(-0.01),
            VolumeChange::Set(f32::NAN),
            VolumeChange::Set(f32::INFINITY),
            VolumeChange::By(f32::NAN),
            VolumeChange::By(2.0),
        ] {
            assert!(Volume::parse(&wire(&change)).is_err(), "{change:?}");
        }
    }

    #[test]
    fn notifications_and_players_are_plain_text() {
        let notify = |summary, body| Notify::parse(&wire(&Notification { summary, body }));
        assert!(notify("hello", "two\nlines").is_ok());
        for (summary, body) in [("", "x"), ("a\nb", ""), ("a\u{1b}[2J", ""), ("a", "\0")] {
            assert!(notify(summary, body).is_err(), "{summary:?} {body:?}");
        }
        let long = "x".repeat(MAX_BODY_BYTES + 1);
        assert!(notify(&long[..=MAX_SUMMARY_BYTES], "").is_err());
        assert!(notify("x", &long).is_err());
        let media = |player| Media::parse(&wire(&MediaPress { key: MediaKey::Next, player }));
        assert!(media("").is_ok() && media("mpv.instance-1").is_ok());
        assert!(media("mpv /x").is_err() && media("a\u{e9}").is_err());
    }
}
