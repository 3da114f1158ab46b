//! What the machine offers to plugins; whoever embeds the host decides.

mod audio;
mod secrets;
mod sounding;

use std::fmt;
use std::io;
use std::net::{IpAddr, ToSocketAddrs};
use std::sync::Arc;

use conductor_abi::{MediaKey, MuteChange, VolumeChange, VolumeState};
use conductor_policy::scope::{Excerpt, NetworkPrefix};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use thiserror::Error;

#[cfg(target_os = "linux")]
use crate::launcher::Launcher;

pub use audio::{AUDIO_RATE, AudioError, AudioOutputs, AudioSource};
pub use secrets::{SecretValueError, SecretValues};
pub(crate) use sounding::Pausable;
pub use sounding::Sounding;

/// Most additional root certificates; each is compared with every certificate chain that a server presents.
const MAX_ROOTS: usize = 256;

/// Devices and services of the machine that granted plugins reach through the broker.
#[derive(Clone)]
pub struct Devices {
    /// Where MIDI messages go.
    pub midi: Arc<dyn MidiOutputs>,
    /// What plugins leave sounding there, shared with other hosts; without it, the host keeps that to itself.
    pub sounding: Option<Sounding>,
    /// Where MIDI messages come from.
    pub midi_inputs: Arc<dyn MidiInputs>,
    /// Where sound goes.
    pub audio: Arc<dyn AudioOutputs>,
    /// Certificate authorities that HTTPS trusts beside the public ones.
    pub http_roots: RootCertificates,
    /// How host names become addresses.
    pub names: Arc<dyn NameResolver>,
    /// What the user says about which addresses are of their own network.
    pub networks: Arc<Networks>,
    /// Where the secrets are that the user entered for plugins.
    pub secrets: Arc<dyn SecretValues>,
    /// The user's desktop.
    pub desktop: Arc<dyn Desktop>,
    /// What starts programs.
    #[cfg(target_os = "linux")]
    pub launcher: Option<Launcher>,
}

impl Default for Devices {
    /// No MIDI outputs, no sound, no additional certificate authorities, the system's resolver, no secrets, no desktop, no
    /// programs.
    fn default() -> Self {
        Self {
            midi: Arc::new(NoMidiOutputs),
            sounding: None,
            midi_inputs: Arc::new(NoMidiInputs),
            audio: Arc::new(audio::NoAudioOutputs),
            http_roots: RootCertificates::default(),
            names: Arc::new(SystemResolver),
            networks: Arc::default(),
            secrets: Arc::new(secrets::NoSecrets),
            desktop: Arc::new(NoDesktop),
            #[cfg(target_os = "linux")]
            launcher: None,
        }
    }
}

impl fmt::Debug for Devices {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Devices").field("http_roots", &self.http_roots.0.len()).finish_non_exhaustive()
    }
}

/// MIDI output ports. Plugins call at the same time; a slow port must not hold up the others.
pub trait MidiOutputs: Send + Sync {
    /// Names of the ports.
    fn ports(&self) -> Vec<String>;

    /// Whether there is a port of this name.
    fn has(&self, port: &str) -> bool {
        self.ports().iter().any(|known| known == port)
    }

    /// Sends one complete MIDI message to a port, without waiting.
    ///
    /// # Errors
    ///
    /// Says whether the port is unknown, cannot be used now, or failed.
    fn send(&self, port: &str, message: &[u8]) -> Result<(), MidiError>;
}

/// MIDI inputs that plugins subscribe to.
pub trait MidiInputs: Send + Sync {
    /// Names of the inputs.
    fn ports(&self) -> Vec<String>;

    /// Hands every message of an input to `sink` as it comes, with the milliseconds since the Unix epoch, until what is
    /// returned is dropped. The sink does not wait.
    ///
    /// # Errors
    ///
    /// Says whether the input is unknown or cannot be used.
    fn subscribe(&self, port: &str, sink: MidiSink) -> Result<Box<dyn Send + Sync>, MidiError>;
}

/// Takes a MIDI message, complete and with its status byte, and when it came.
pub type MidiSink = Arc<dyn Fn(u64, &[u8]) + Send + Sync>;

/// A machine without MIDI inputs.
struct NoMidiInputs;

impl MidiInputs for NoMidiInputs {
    fn ports(&self) -> Vec<String> {
        Vec::new()
    }

    fn subscribe(&self, _port: &str, _sink: MidiSink) -> Result<Box<dyn Send + Sync>, MidiError> {
        Err(MidiError::Unavailable { reason: "no MIDI inputs are read here".to_owned() })
    }
}

/// Why a MIDI message was not sent, or an input not subscribed to.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum MidiError {
    /// No port has this name.
    #[error("there is no MIDI port named {}", Excerpt::new(port))]
    UnknownPort {
        /// The name.
        port: String,
    },
    /// MIDI output is not possible here and now.
    #[error("{reason}")]
    Unavailable {
        /// Why.
        reason: String,
    },
    /// The port was there and failed.
    #[error("MIDI port {} failed: {}", Excerpt::new(port), Excerpt::new(reason))]
    Failed {
        /// The port.
        port: String,
        /// What the device said.
        reason: String,
    },
}

/// A machine without MIDI outputs.
struct NoMidiOutputs;

impl MidiOutputs for NoMidiOutputs {
    fn ports(&self) -> Vec<String> {
        Vec::new()
    }

    fn send(&self, _port: &str, _message: &[u8]) -> Result<(), MidiError> {
        Err(MidiError::Unavailable { reason: "no MIDI outputs are configured".to_owned() })
    }
}

/// What belongs to the user's desktop. Each function may wait for other programs; the broker calls it on a thread of its own,
/// and waits no longer than the plugin may.
pub trait Desktop: Send + Sync {
    /// Reads or changes the volume of the output. A level never becomes more than 1 by it.
    ///
    /// # Errors
    ///
    /// Says what is missing, or what failed.
    fn volume(&self, change: VolumeChange) -> Result<VolumeState, DesktopError>;

    /// Mutes or unmutes the output.
    ///
    /// # Errors
    ///
    /// As [`Desktop::volume`].
    fn mute(&self, change: MuteChange) -> Result<VolumeState, DesktopError>;

    /// Presses a key of a media player, of the one that plays if none is named, and returns its name.
    ///
    /// # Errors
    ///
    /// As [`Desktop::volume`].
    fn media(&self, key: MediaKey, player: Option<&str>) -> Result<String, DesktopError>;

    /// Shows a message. Both texts are to be shown as they are, not as markup.
    ///
    /// # Errors
    ///
    /// As [`Desktop::volume`].
    fn notify(&self, summary: &str, body: &str) -> Result<(), DesktopError>;

    /// Locks the screen.
    ///
    /// # Errors
    ///
    /// As [`Desktop::volume`].
    fn lock(&self) -> Result<(), DesktopError>;

    /// Opens a URL, of `http` or `https`, in the user's browser.
    ///
    /// # Errors
    ///
    /// As [`Desktop::volume`].
    fn open_url(&self, url: &str) -> Result<(), DesktopError>;
}

/// Why something was not done on the desktop.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum DesktopError {
    /// A part that it needs is missing.
    #[error("unavailable here, because {reason}")]
    Unavailable {
        /// What is missing.
        reason: String,
    },
    /// It was tried and failed.
    #[error("{}", Excerpt::new(reason))]
    Failed {
        /// What the other program said.
        reason: String,
    },
}

/// A host without a desktop.
struct NoDesktop;

impl NoDesktop {
    fn refused<T>() -> Result<T, DesktopError> {
        Err(DesktopError::Unavailable { reason: "this host reaches no desktop".to_owned() })
    }
}

impl Desktop for NoDesktop {
    fn volume(&self, _change: VolumeChange) -> Result<VolumeState, DesktopError> {
        Self::refused()
    }

    fn mute(&self, _change: MuteChange) -> Result<VolumeState, DesktopError> {
        Self::refused()
    }

    fn media(&self, _key: MediaKey, _player: Option<&str>) -> Result<String, DesktopError> {
        Self::refused()
    }

    fn notify(&self, _summary: &str, _body: &str) -> Result<(), DesktopError> {
        Self::refused()
    }

    fn lock(&self) -> Result<(), DesktopError> {
        Self::refused()
    }

    fn open_url(&self, _url: &str) -> Result<(), DesktopError> {
        Self::refused()
    }
}

/// Turns host names into addresses. It may block; the broker calls it on a thread of its own and checks every
/// address.
pub trait NameResolver: Send + Sync {
    /// The addresses of a host name.
    ///
    /// # Errors
    ///
    /// Fails if the name has no address or cannot be looked up.
    fn resolve(&self, name: &str) -> io::Result<Vec<IpAddr>>;
}

/// The operating system's resolver, with its hosts file and search domains.
struct SystemResolver;

impl NameResolver for SystemResolver {
    fn resolve(&self, name: &str) -> io::Result<Vec<IpAddr>> {
        Ok((name, 0).to_socket_addrs()?.map(|address| address.ip()).collect())
    }
}

/// Which addresses are the user's own network and which are not, where the routing table does not tell. The longest network
/// that an address is in counts, and of equal ones the inner one. Neither this machine's own addresses nor those that are
/// reserved for inner networks become outer ones by it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Networks {
    /// Inside: reached by plugins only under a grant that names the host.
    pub inside: Vec<NetworkPrefix>,
    /// Outside: reached like the rest of the internet.
    pub outside: Vec<NetworkPrefix>,
}

/// Certificates of private authorities.
#[derive(Clone, Default)]
pub struct RootCertificates(Vec<CertificateDer<'static>>);

impl RootCertificates {
    /// Reads every certificate of a PEM file (RFC 7468).
    ///
    /// # Errors
    ///
    /// Fails if the file holds no certificate, too many of them, or one that is not an X.509 certificate.
    pub fn from_pem(pem: &[u8]) -> Result<Self, RootsError> {
        let mut roots = Vec::new();
        for certificate in CertificateDer::pem_slice_iter(pem) {
            let index = roots.len();
            if index == MAX_ROOTS {
                return Err(RootsError::TooMany);
            }
            let certificate =
                certificate.map_err(|error| RootsError::Malformed { index, cause: error.to_string() })?;
            rustls::RootCertStore::empty()
                .add(certificate.clone())
                .map_err(|error| RootsError::Malformed { index, cause: error.to_string() })?;
            roots.push(certificate);
        }
        if roots.is_empty() { Err(RootsError::Empty) } else { Ok(Self(roots)) }
    }

    /// The certificates.
    pub(crate) fn certificates(&self) -> &[CertificateDer<'static>] {
        &self.0
    }
}

/// Why additional root certificates were refused.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum RootsError {
    /// The file holds no certificate.
    #[error("no PEM certificate found")]
    Empty,
    /// The file holds more than 256 certificates.
    #[error("more than {MAX_ROOTS} certificates")]
    TooMany,
    /// A certificate cannot be read.
    #[error("certificate {index} (counted from 0) cannot be read: {cause}")]
    Malformed {
        /// Position in the file, from 0.
        index: usize,
        /// What is wrong with it.
        cause: String,
    },
}
