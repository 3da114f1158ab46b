//! Rotations from an old key to a new key, by which users who trust the old key trust the new key without being asked.
//!
//! A rotation is a statement that both keys sign. The rotations of one publisher form a chain, oldest first, which is
//! JSON beside the plugin, in `<plugin>.wasm.rotation.json`:
//!
//! | member | value |
//! |---|---|
//! | `version` | 1 |
//! | `algorithm` | `"Ed25519"` |
//! | `links` | 1 to 64 of `{old_key, new_key, statement, old_signature, new_signature}` |
//!
//! `statement` is the base64 of the exact bytes that both signatures are made over, in the pre-authentication encoding
//! of DSSE with a payload type of its own, so that no signature for another purpose is valid here. The statement has at
//! most 384 bytes and these members:
//!
//! | member | value |
//! |---|---|
//! | `old_key`, `new_key` | 64 lower-case hex digits each |
//! | `sequence` | 1 for the first rotation of a publisher, and one more for each that follows, up to 64 |
//! | `rotated_at` | when the rotation was made, RFC 3339, UTC |
//! | `valid_from` | the time from which the new key signs and the old key does not |
//! | `keeps` | purposes that the old key keeps: `"sign"`, `"revoke"`; absent if none |

mod error;
mod lineage;
mod rotate;
#[cfg(test)]
mod tests;

use std::ffi::OsString;
use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use conductor_store::UtcTime;
use data_encoding::BASE64;
use serde::Serialize;

pub use error::RotationError;
pub use lineage::{Ancestor, Lineage};
pub use rotate::{RotateError, RotationRequest};

use crate::document::dsse::pre_authentication_encoding;
use crate::document::{ALGORITHM, FormatError, Members, ValueError, parse_base64, parse_signature};
use crate::key::{PublicKey, Signature};

/// DSSE payload type of a rotation's statement.
pub const ROTATION_PAYLOAD_TYPE: &str = "application/vnd.conductor.rotation.v1+json";

/// The only version of the chain's format.
pub const ROTATION_VERSION: u64 = 1;

/// Largest chain in bytes; a chain is parsed before its signatures are verified.
pub const MAX_ROTATION_BYTES: usize = 64 * 1024;

/// Most links of a chain, and most steps back along the descent of a key; each costs two verifications.
pub const MAX_ROTATION_LINKS: usize = 64;

/// Highest sequence number of a link. A chain may arrive in parts, so without this bound the holder of one trusted key
/// could fill the file of accepted rotations for everybody else.
const MAX_SEQUENCE: u64 = MAX_ROTATION_LINKS as u64;

/// Longest statement in bytes: the longest that this program makes, and some white space. Accepted statements are kept,
/// so without this bound inflated statements would fill the file of accepted rotations for everybody else.
pub const MAX_ROTATION_STATEMENT_BYTES: usize = 384;

/// Path of the rotations of a plugin: `<plugin>.rotation.json`.
#[must_use]
pub fn rotation_path(plugin: &Path) -> PathBuf {
    let mut path = OsString::from(plugin);
    path.push(".rotation.json");
    PathBuf::from(path)
}

/// One rotation, signed by both keys. The only ways to get a value are to verify a rotation and to make one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RotationLink {
    /// The old key.
    pub old: PublicKey,
    /// The new key.
    pub new: PublicKey,
    /// Place of the rotation in its chain, from 1 to [`MAX_ROTATION_LINKS`].
    pub sequence: u64,
    /// When the rotation was made, as both keys state.
    pub rotated_at: UtcTime,
    /// The time from which the rotation is valid.
    pub valid_from: UtcTime,
    /// The purposes that the old key keeps.
    pub keeps: Vec<Purpose>,
    signed: SignedLink,
}

/// A link as it stands in a chain's JSON.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct SignedLink {
    pub(crate) old_key: PublicKey,
    pub(crate) new_key: PublicKey,
    pub(crate) statement: Vec<u8>,
    pub(crate) old_signature: Signature,
    pub(crate) new_signature: Signature,
}

/// A purpose of a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// Signing plugins.
    Sign,
    /// Issuing revocation lists.
    Revoke,
}

impl Purpose {
    /// The word in documents and output.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Sign => "sign",
            Self::Revoke => "revoke",
        }
    }
}

impl fmt::Display for Purpose {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl FromStr for Purpose {
    type Err = ValueError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        [Self::Sign, Self::Revoke]
            .into_iter()
            .find(|purpose| purpose.name() == text)
            .ok_or(ValueError::Word { known: "`sign` and `revoke`" })
    }
}

impl RotationLink {
    /// Whether the old key may go on signing plugins.
    #[must_use]
    pub fn keeps_signing(&self) -> bool {
        self.keeps.contains(&Purpose::Sign)
    }

    /// Whether the old key may go on issuing revocation lists.
    #[must_use]
    pub fn keeps_revoking(&self) -> bool {
        self.keeps.contains(&Purpose::Revoke)
    }

    /// The link as it stands in a chain's JSON.
    pub(crate) const fn signed(&self) -> &SignedLink {
        &self.signed
    }

    /// Verifies a link and reads its statement.
    pub(crate) fn verify(signed: SignedLink) -> Result<Self, RotationError> {
        let (old, new) = (signed.old_key, signed.new_key);
        if signed.statement.len() > MAX_ROTATION_STATEMENT_BYTES {
            return Err(RotationError::StatementTooLong { old, new });
        }
        let encoded = pre_authentication_encoding(ROTATION_PAYLOAD_TYPE, &signed.statement);
        for (key, signature) in [(old, &signed.old_signature), (new, &signed.new_signature)] {
            if !key.accepts(&encoded, signature) {
                return Err(RotationError::SignatureInvalid { key });
            }
        }
        let malformed = |cause| RotationError::Statement { old, new, cause };
        let mut members = Members::parse(&signed.statement).map_err(malformed)?;
        let key = |members: &mut Members, field| members.parsed(field, |text| Ok(text.parse::<PublicKey>()?));
        let stated = (
            key(&mut members, "old_key").map_err(malformed)?,
            key(&mut members, "new_key").map_err(malformed)?,
        );
        if stated != (old, new) {
            return Err(RotationError::StatementDisagrees { old, new });
        }
        if old == new {
            return Err(RotationError::SameKey { key: old });
        }
        let time = |members: &mut Members, field| members.parsed(field, |text| Ok(text.parse::<UtcTime>()?));
        let link = Self {
            old,
            new,
            sequence: members.unsigned("sequence").map_err(malformed)?,
            rotated_at: time(&mut members, "rotated_at").map_err(malformed)?,
            valid_from: time(&mut members, "valid_from").map_err(malformed)?,
            keeps: members.optional_texts("keeps", 2, str::parse).map_err(malformed)?.unwrap_or_default(),
            signed,
        };
        members.finish().map_err(malformed)?;
        if link.sequence == 0 {
            return Err(RotationError::Gap { old, new, expected: 1, found: 0 });
        }
        if link.sequence > MAX_SEQUENCE {
            return Err(RotationError::TooLong);
        }
        Ok(link)
    }
}

/// Rotations that follow each other, oldest first. The only ways to get a value are to verify a chain and to make one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RotationChain {
    links: Vec<RotationLink>,
}

impl RotationChain {
    /// Parses and verifies a chain: both signatures of every link, their order, their numbers.
    ///
    /// # Errors
    ///
    /// Fails with the first reason why the chain is not valid.
    pub fn parse(json: &[u8]) -> Result<Self, RotationError> {
        if json.len() > MAX_ROTATION_BYTES {
            return Err(RotationError::TooLarge);
        }
        let mut members = Members::parse(json)?;
        let version = members.unsigned("version")?;
        if version != ROTATION_VERSION {
            return Err(RotationError::Version { found: version });
        }
        let algorithm = members.text("algorithm")?;
        if algorithm != ALGORITHM {
            return Err(RotationError::Algorithm { found: algorithm });
        }
        let links = members.optional_objects("links", MAX_ROTATION_LINKS)?.unwrap_or_default();
        members.finish()?;
        let links = links
            .into_iter()
            .map(|mut fields| {
                let signed = SignedLink::take(&mut fields)?;
                fields.finish()?;
                RotationLink::verify(signed)
            })
            .collect::<Result<_, RotationError>>()?;
        Self::of(links)
    }

    /// The links, oldest first.
    #[must_use]
    pub fn links(&self) -> &[RotationLink] {
        &self.links
    }

    /// The chain as JSON, ending in a newline.
    #[must_use]
    pub fn to_json(&self) -> String {
        let links = self.links.iter().map(|link| LinkWire::of(&link.signed)).collect();
        let wire = ChainWire { version: ROTATION_VERSION, algorithm: ALGORITHM, links };
        // The value holds only strings, numbers and lists, so that serialising it cannot fail.
        serde_json::to_string_pretty(&wire).unwrap_or_default() + "\n"
    }

    /// Checks the order and the numbers of verified links.
    fn of(links: Vec<RotationLink>) -> Result<Self, RotationError> {
        if links.is_empty() {
            return Err(RotationError::Empty);
        }
        if links.len() > MAX_ROTATION_LINKS {
            return Err(RotationError::TooLong);
        }
        for (place, link) in links.iter().enumerate() {
            let earlier = links.get(..place).unwrap_or_default();
            if let Some(before) = earlier.last() {
                if link.old != before.new {
                    return Err(RotationError::Broken { after: before.new, found: link.old });
                }
                check_follows(before, link)?;
            }
            if earlier.iter().any(|before| before.old == link.new) {
                return Err(RotationError::Loop { key: link.new });
            }
        }
        Ok(Self { links })
    }
}

/// Checks that `link`, which begins with the key that `before` ends with, is the next link.
fn check_follows(before: &RotationLink, link: &RotationLink) -> Result<(), RotationError> {
    let expected = before.sequence.saturating_add(1);
    if link.sequence != expected {
        let (old, new, found) = (link.old, link.new, link.sequence);
        return Err(RotationError::Gap { old, new, expected, found });
    }
    if link.valid_from.timestamp() < before.valid_from.timestamp() {
        return Err(RotationError::Backdated { old: link.old, new: link.new });
    }
    Ok(())
}

impl SignedLink {
    fn take(members: &mut Members) -> Result<Self, FormatError> {
        let key = |members: &mut Members, field| members.parsed(field, |text| Ok(text.parse::<PublicKey>()?));
        Ok(Self {
            old_key: key(members, "old_key")?,
            new_key: key(members, "new_key")?,
            statement: members.parsed("statement", parse_base64)?,
            old_signature: members.parsed("old_signature", parse_signature)?,
            new_signature: members.parsed("new_signature", parse_signature)?,
        })
    }
}

#[derive(Serialize)]
struct ChainWire {
    version: u64,
    algorithm: &'static str,
    links: Vec<LinkWire>,
}

#[derive(Serialize)]
pub(crate) struct LinkWire {
    old_key: String,
    new_key: String,
    statement: String,
    old_signature: String,
    new_signature: String,
}

impl LinkWire {
    pub(crate) fn of(link: &SignedLink) -> Self {
        Self {
            old_key: link.old_key.to_string(),
            new_key: link.new_key.to_string(),
            statement: BASE64.encode(&link.statement),
            old_signature: link.old_signature.to_string(),
            new_signature: link.new_signature.to_string(),
        }
    }
}
