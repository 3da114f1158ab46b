//! How the user says where a private key is.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use conductor_signing::PublicKey;
use conductor_store::escape;

use crate::token_uri::{TokenUri, TokenUriError};

/// How the user names a key of an agent.
const AGENT: &str = "ssh-agent";

/// What the configuration says about hardware: the PKCS#11 URIs that devices stand for, and the module for URIs that
/// name no module.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Devices {
    /// PKCS#11 URIs by device path.
    pub devices: BTreeMap<PathBuf, String>,
    /// Module of PKCS#11 URIs without `module-path`.
    pub pkcs11_module: Option<PathBuf>,
}

/// Where a private key is.
#[derive(Clone, PartialEq, Eq)]
pub enum KeySpec {
    /// In a file.
    File(PathBuf),
    /// On a PKCS#11 token.
    Token(Box<TokenUri>),
    /// In the agent that `SSH_AUTH_SOCK` names.
    Agent(Option<AgentKey>),
}

/// Names one key of an agent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AgentKey {
    /// The key with this fingerprint, as `ssh-add -l` prints it, without `SHA256:`.
    Fingerprint(String),
    /// The key with this public half.
    Key(PublicKey),
    /// The key with this comment, as `ssh-add -l` prints it.
    Comment(String),
}

impl KeySpec {
    /// Reads the argument of `--hardware-key`: a PKCS#11 URI, `ssh-agent` with or without a key, or a device.
    ///
    /// # Errors
    ///
    /// Fails if the text is none of these, or a device that the configuration does not know.
    pub fn hardware(text: &str, devices: &Devices) -> Result<Self, SpecError> {
        match Self::by_scheme(text)? {
            Some(spec) => Ok(spec),
            None if Path::new(text).is_absolute() => Self::device(Path::new(text), devices)?
                .ok_or_else(|| SpecError::UnknownDevice { path: text.into() }),
            None => Err(SpecError::Unknown { text: text.to_owned() }),
        }
    }

    /// Reads an argument that is a key file, or anything that [`KeySpec::hardware`] reads.
    ///
    /// # Errors
    ///
    /// Fails if the text begins like a hardware key and is not one.
    pub fn argument(text: &str, devices: &Devices) -> Result<Self, SpecError> {
        if let Some(spec) = Self::by_scheme(text)? {
            return Ok(spec);
        }
        let device = Self::device(Path::new(text), devices)?;
        Ok(device.unwrap_or_else(|| Self::File(text.into())))
    }

    fn by_scheme(text: &str) -> Result<Option<Self>, SpecError> {
        if text.starts_with("pkcs11:") {
            return Ok(Some(Self::Token(Box::new(text.parse()?))));
        }
        if text == AGENT {
            return Ok(Some(Self::Agent(None)));
        }
        match text.strip_prefix(AGENT).and_then(|rest| rest.strip_prefix(':')) {
            Some(key) => Ok(Some(Self::Agent(Some(key.parse()?)))),
            None => Ok(None),
        }
    }

    fn device(path: &Path, devices: &Devices) -> Result<Option<Self>, SpecError> {
        let Some(uri) = devices.devices.get(path) else { return Ok(None) };
        let uri = uri.parse().map_err(|source| SpecError::Device { path: path.into(), source })?;
        Ok(Some(Self::Token(Box::new(uri))))
    }
}

impl FromStr for AgentKey {
    type Err = SpecError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if let Some(fingerprint) = text.strip_prefix("SHA256:") {
            return Ok(Self::Fingerprint(fingerprint.trim_end_matches('=').to_owned()));
        }
        if text.is_empty() {
            return Err(SpecError::NoAgentKey);
        }
        // Other programs print hex digits in capitals.
        let key = text.to_ascii_lowercase().parse().map(Self::Key);
        Ok(key.unwrap_or_else(|_| Self::Comment(text.to_owned())))
    }
}

/// Why a text does not say where a key is.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SpecError {
    /// The text is neither a URI nor an agent nor a device.
    #[error("`{}` is no hardware key", escape::terminal(text))]
    Unknown {
        /// The text.
        text: String,
    },
    /// The path is of a device that the configuration does not know.
    #[error("no PKCS#11 module is known for {}", escape::path(path))]
    UnknownDevice {
        /// The device.
        path: PathBuf,
    },
    /// The configuration gives an invalid URI for a device.
    #[error("`signing.devices` says of {}: {source}", escape::path(path))]
    Device {
        /// The device.
        path: PathBuf,
        /// What is wrong with the URI.
        source: TokenUriError,
    },
    /// The text is not a PKCS#11 URI.
    #[error(transparent)]
    Uri(#[from] TokenUriError),
    /// The text is `ssh-agent:`, which must be followed by a key, and no key follows.
    #[error("`ssh-agent:` names no key")]
    NoAgentKey,
}

impl SpecError {
    /// What to do about the error.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Unknown { .. } => Some(
                "give a PKCS#11 URI, `ssh-agent`, `ssh-agent:SHA256:…`, or the path of a device; see what there is with: \
                 conductor-sign keys list"
                    .to_owned(),
            ),
            Self::UnknownDevice { path } => Some(format!(
                "say in config.toml which key it is: [signing.devices] \"{}\" = \
                 \"pkcs11:module-path=/path/to/module.so;token=…;object=…\"",
                escape::path(path)
            )),
            Self::NoAgentKey => Some(
                "name its fingerprint, its comment or its hex digits, as conductor-sign keys list shows them".to_owned(),
            ),
            Self::Device { .. } | Self::Uri(_) => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arguments_are_files_unless_they_say_otherwise() {
        let mut devices = Devices::default();
        devices.devices.insert("/dev/yubikey".into(), "pkcs11:token=t".to_owned());
        devices.devices.insert("/dev/broken".into(), "pkcs11:token".to_owned());
        let argument = |text| KeySpec::argument(text, &devices);
        assert!(matches!(argument("keys/mine"), Ok(KeySpec::File(_))));
        assert!(matches!(argument("/keys/mine"), Ok(KeySpec::File(_))));
        assert!(matches!(argument("/dev/yubikey"), Ok(KeySpec::Token(_))));
        assert!(matches!(argument("ssh-agent"), Ok(KeySpec::Agent(None))));
        assert!(matches!(
            argument("ssh-agent:SHA256:abc"),
            Ok(KeySpec::Agent(Some(AgentKey::Fingerprint(_))))
        ));
        let hex = "ssh-agent:19BF44096984CDFE8541BAC167DC3B96C85086AA30B6B6CB0C5C38AD703166E1";
        assert!(matches!(argument(hex), Ok(KeySpec::Agent(Some(AgentKey::Key(_))))));
        assert!(matches!(
            argument("ssh-agent:ada@home"),
            Ok(KeySpec::Agent(Some(AgentKey::Comment(comment)))) if comment == "ada@home"
        ));
        assert!(matches!(argument("ssh-agent:"), Err(SpecError::NoAgentKey)));
        assert!(matches!(argument("/dev/broken"), Err(SpecError::Device { .. })));
        let hardware = |text| KeySpec::hardware(text, &devices);
        assert!(matches!(hardware("/dev/yubikey"), Ok(KeySpec::Token(_))));
        assert!(matches!(hardware("/dev/other"), Err(SpecError::UnknownDevice { .. })));
        assert!(matches!(hardware("keys/mine"), Err(SpecError::Unknown { .. })));
        assert!(matches!(hardware("pkcs11:x=y"), Err(SpecError::Uri(_))));
    }
}
