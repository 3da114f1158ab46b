//! Keys that an ssh-agent holds (draft-ietf-sshm-ssh-agent): the agent lists its keys and makes signatures.
//!
//! The two requests and answers of the protocol are a few length-prefixed strings, which are read here. Libraries for
//! the protocol would bring every algorithm that SSH knows.

use std::io::{self, Read as _, Write as _};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::Duration;

use conductor_signing::{Digest, PrivateKey, PrivateKeyError, PublicKey, Signature};
use conductor_store::escape;
use data_encoding::BASE64_NOPAD;

use crate::spec::AgentKey;

/// Longest answer that is read, as much as OpenSSH's agent sends: hundreds of keys. Stops an agent from filling memory.
const MAX_ANSWER_BYTES: usize = 256 * 1024;

/// Most keys that an error names; a person does not read a longer list.
const MAX_NAMED: usize = 10;

/// Longest wait for an answer; a person may have to touch a device first.
const PATIENCE: Duration = Duration::from_secs(60);

/// The only type of key that is of use here (RFC 8709, section 4).
const ED25519: &[u8] = b"ssh-ed25519";

const REQUEST_IDENTITIES: u8 = 11;
const IDENTITIES_ANSWER: u8 = 12;
const SIGN_REQUEST: u8 = 13;
const SIGN_RESPONSE: u8 = 14;

/// A connection to an agent.
pub(crate) struct Agent {
    socket: PathBuf,
}

/// An Ed25519 key that an agent offers.
pub(crate) struct Identity {
    pub(crate) public_key: PublicKey,
    /// The fingerprint as `ssh-add -l` prints it, without `SHA256:`.
    pub(crate) fingerprint: String,
    /// The comments of the key, one for each time that the agent lists the key. The agent may say anything: escape the
    /// comments before showing them.
    pub(crate) comments: Vec<String>,
}

impl Identity {
    /// The comments as one text.
    pub(crate) fn label(&self) -> String {
        self.comments.join(", ")
    }

    fn is(&self, meant: &AgentKey) -> bool {
        match meant {
            AgentKey::Fingerprint(fingerprint) => self.fingerprint == *fingerprint,
            AgentKey::Key(key) => self.public_key == *key,
            AgentKey::Comment(comment) => self.comments.contains(comment),
        }
    }
}

impl Agent {
    pub(crate) fn at(socket: Option<&Path>) -> Result<Self, AgentError> {
        socket.map(|socket| Self { socket: socket.to_owned() }).ok_or(AgentError::None)
    }

    /// The Ed25519 keys, each listed once, and the number of keys of other types.
    pub(crate) fn identities(&self) -> Result<(Vec<Identity>, usize), AgentError> {
        let answer = self.ask(&[REQUEST_IDENTITIES])?;
        let mut reader = Reader(&answer);
        if reader.byte()? != IDENTITIES_ANSWER {
            return Err(AgentError::Refused);
        }
        // The agent may announce more keys than it sends; reading then ends with an error.
        let count = reader.number()?;
        let (mut identities, mut others) = (Vec::<Identity>::new(), 0);
        for _ in 0..count {
            let blob = reader.string()?;
            let comment = String::from_utf8_lossy(reader.string()?).into_owned();
            let mut key = Reader(blob);
            let public_key = match (key.string()?, key.string()) {
                (ED25519, Ok(point)) => {
                    point.try_into().ok().and_then(|bytes| PublicKey::from_bytes(bytes).ok())
                }
                (_, _) => None,
            };
            let Some(public_key) = public_key else {
                others += 1;
                continue;
            };
            match identities.iter_mut().find(|identity| identity.public_key == public_key) {
                Some(identity) => identity.comments.push(comment),
                None => identities.push(Identity {
                    public_key,
                    fingerprint: BASE64_NOPAD.encode(Digest::from_bytes(blob).as_bytes()),
                    comments: vec![comment],
                }),
            }
        }
        Ok((identities, others))
    }

    /// The key that `meant` names; if `meant` is `None`, the only key of the agent.
    pub(crate) fn open(self, meant: Option<&AgentKey>) -> Result<HeldKey, AgentError> {
        let (identities, others) = self.identities()?;
        let is_meant = |identity: &&Identity| meant.is_none_or(|meant| identity.is(meant));
        let found: Vec<&Identity> = identities.iter().filter(is_meant).collect();
        match *found.as_slice() {
            [identity] => Ok(HeldKey { agent: self, public_key: identity.public_key }),
            [] if identities.is_empty() => Err(AgentError::NoKey { others }),
            [] => Err(AgentError::NotHeld { specs: specs(identities.iter()) }),
            [_, _, ..] => Err(AgentError::Several { specs: specs(found.into_iter()) }),
        }
    }

    fn ask(&self, request: &[u8]) -> Result<Vec<u8>, AgentError> {
        let failed = |source: io::Error| AgentError::Io { socket: self.socket.clone(), source };
        let mut stream = UnixStream::connect(&self.socket).map_err(failed)?;
        stream.set_read_timeout(Some(PATIENCE)).map_err(failed)?;
        stream.set_write_timeout(Some(PATIENCE)).map_err(failed)?;
        let mut frame = Vec::with_capacity(request.len() + 4);
        put_string(&mut frame, request);
        stream.write_all(&frame).map_err(failed)?;
        let mut length = [0; 4];
        stream.read_exact(&mut length).map_err(failed)?;
        let length = u32::from_be_bytes(length) as usize;
        if !(1..=MAX_ANSWER_BYTES).contains(&length) {
            return Err(AgentError::Garbage);
        }
        let mut answer = vec![0; length];
        stream.read_exact(&mut answer).map_err(failed)?;
        Ok(answer)
    }
}

/// The texts by which the user can name these keys, as many as a person reads.
fn specs<'i>(identities: impl ExactSizeIterator<Item = &'i Identity>) -> Vec<String> {
    let more = identities.len().saturating_sub(MAX_NAMED);
    let spec = |identity: &Identity| {
        format!("ssh-agent:SHA256:{} ({})", identity.fingerprint, escape::terminal(&identity.label()))
    };
    let named = identities.take(MAX_NAMED).map(spec);
    named.chain((more > 0).then(|| format!("and {more} more"))).collect()
}

/// A key that an agent holds.
pub(crate) struct HeldKey {
    agent: Agent,
    public_key: PublicKey,
}

impl HeldKey {
    fn signature(&self, message: &[u8]) -> Result<Signature, AgentError> {
        let mut blob = Vec::new();
        put_string(&mut blob, ED25519);
        put_string(&mut blob, self.public_key.as_bytes());
        let mut request = vec![SIGN_REQUEST];
        put_string(&mut request, &blob);
        put_string(&mut request, message);
        request.extend_from_slice(&0u32.to_be_bytes());
        let answer = self.agent.ask(&request)?;
        let mut reader = Reader(&answer);
        if reader.byte()? != SIGN_RESPONSE {
            return Err(AgentError::Refused);
        }
        let mut signature = Reader(reader.string()?);
        if signature.string()? != ED25519 {
            return Err(AgentError::Garbage);
        }
        let bytes = signature.string()?.try_into().map_err(|_| AgentError::Garbage)?;
        Ok(Signature::from_bytes(bytes))
    }
}

impl PrivateKey for HeldKey {
    fn public_key(&self) -> PublicKey {
        self.public_key
    }

    fn sign(&self, message: &[u8]) -> Result<Signature, PrivateKeyError> {
        self.signature(message)
            .map_err(|error| PrivateKeyError::Refused { key: self.public_key, source: Box::new(error) })
    }
}

/// Appends a string of SSH (RFC 4251, section 5): its length and its bytes.
fn put_string(to: &mut Vec<u8>, bytes: &[u8]) {
    // A message to an agent is far shorter than 4 GiB.
    to.extend_from_slice(&u32::try_from(bytes.len()).unwrap_or(u32::MAX).to_be_bytes());
    to.extend_from_slice(bytes);
}

/// Reads the fields of an answer one after another.
struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn byte(&mut self) -> Result<u8, AgentError> {
        let (byte, rest) = self.0.split_first().ok_or(AgentError::Garbage)?;
        self.0 = rest;
        Ok(*byte)
    }

    fn number(&mut self) -> Result<u32, AgentError> {
        let (number, rest) = self.0.split_first_chunk().ok_or(AgentError::Garbage)?;
        self.0 = rest;
        Ok(u32::from_be_bytes(*number))
    }

    fn string(&mut self) -> Result<&'a [u8], AgentError> {
        let length = self.number()? as usize;
        let (string, rest) = self.0.split_at_checked(length).ok_or(AgentError::Garbage)?;
        self.0 = rest;
        Ok(string)
    }
}

/// Why an agent could not be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AgentError {
    /// `SSH_AUTH_SOCK` is not set.
    #[error("there is no ssh-agent: SSH_AUTH_SOCK is not set")]
    None,
    /// The agent cannot be reached, or the connection broke.
    #[error("ssh-agent at {}: {source}", escape::path(socket))]
    Io {
        /// Socket of the agent.
        socket: PathBuf,
        /// The error of the system.
        source: io::Error,
    },
    /// The agent refused, for example because a person said no.
    #[error("ssh-agent refused")]
    Refused,
    /// The bytes that the agent sent are not an answer of the protocol.
    #[error("ssh-agent sent what is no answer")]
    Garbage,
    /// The agent holds no Ed25519 key.
    #[error("ssh-agent holds no Ed25519 key{}", if *others > 0 { format!("; it holds {others} of other types") } else { String::new() })]
    NoKey {
        /// Number of keys of other types.
        others: usize,
    },
    /// The agent holds several keys and none was named, or several keys have the comment that was named.
    #[error("ssh-agent holds several such Ed25519 keys: {}", specs.join(", "))]
    Several {
        /// The texts by which the user can name these keys.
        specs: Vec<String>,
    },
    /// The agent holds only other keys than the key that was named.
    #[error("ssh-agent does not hold that key; it holds {}", specs.join(", "))]
    NotHeld {
        /// The texts by which the user can name the keys that the agent holds.
        specs: Vec<String>,
    },
}

impl AgentError {
    /// What to do about the error.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::None => Some("start one with: eval \"$(ssh-agent)\"; ssh-add <key>".to_owned()),
            Self::NoKey { .. } => {
                Some("add one with: ssh-add <key>; make one with: ssh-keygen -t ed25519".to_owned())
            }
            Self::Several { .. } => Some("name one of them by its fingerprint".to_owned()),
            Self::NotHeld { .. } => Some(
                "add it with: ssh-add <key>; see all that it holds with: conductor-sign keys list".to_owned(),
            ),
            Self::Io { .. } | Self::Refused | Self::Garbage => None,
        }
    }
}
