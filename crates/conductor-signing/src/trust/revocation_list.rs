//! Lists of revocations that one party gives to others, signed and numbered.
//!
//! | member | value |
//! |---|---|
//! | `version` | 1 |
//! | `algorithm` | `"Ed25519"` |
//! | `public_key` | key of the issuer, 64 lower-case hex digits |
//! | `payload` | base64 of the exact bytes that are signed |
//! | `signature` | over the pre-authentication encoding of DSSE of these bytes, with a payload type of its own |
//!
//! The payload is `{issuer, sequence, issued_at, revoked}`; `revoked` is a list of `{public_key | digest, kind?,
//! revoked_at, reason}`. Every list of an issuer has a higher number than the list before, so that an old list cannot
//! pass as new; the highest number is [`MAX_LIST_SEQUENCE`]. The payload is verified before it is parsed.

use conductor_store::{UtcTime, escape};
use data_encoding::BASE64;
use serde::Serialize;

use crate::document::dsse::pre_authentication_encoding;
use crate::document::{ALGORITHM, FormatError, Members, ValueError, bounded, parse_base64, parse_signature};
use crate::key::{PrivateKey, PrivateKeyError, PublicKey, private_key};
use crate::text::Digest;
use crate::text::shown_text::ShownTextError;
use crate::trust::entry::{Line, MAX_TEXT_BYTES};
use crate::trust::revocation::{Revocation, RevocationKind, Revoked};

/// DSSE payload type of a list.
pub const REVOCATIONS_PAYLOAD_TYPE: &str = "application/vnd.conductor.revocations.v1+json";

/// The only version of the format.
pub const REVOCATION_LIST_VERSION: u64 = 1;

/// Largest list in bytes; a list is parsed before its signature is verified.
pub const MAX_REVOCATION_LIST_BYTES: usize = 1024 * 1024;

/// Most entries of a list; all of them go into one file of the trust store.
pub const MAX_LISTED_REVOCATIONS: usize = 2048;

/// Highest number of a list: the highest whole number that every reader of JSON has, 2^53 − 1.
pub const MAX_LIST_SEQUENCE: u64 = (1 << 53) - 1;

/// A list that its issuer signed. The only ways to get a value are to verify a list and to make one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RevocationList {
    issuer: PublicKey,
    sequence: u64,
    issued_at: UtcTime,
    entries: Vec<Revocation>,
    json: String,
    digest: Digest,
}

impl RevocationList {
    /// Parses a list and verifies its signature.
    ///
    /// # Errors
    ///
    /// Fails with the first reason why the list is not valid.
    pub fn parse(json: &[u8]) -> Result<Self, RevocationListError> {
        if json.len() > MAX_REVOCATION_LIST_BYTES {
            return Err(RevocationListError::TooLarge);
        }
        let mut members = Members::parse(json)?;
        let version = members.unsigned("version")?;
        if version != REVOCATION_LIST_VERSION {
            return Err(RevocationListError::Version { found: version });
        }
        let algorithm = members.text("algorithm")?;
        if algorithm != ALGORITHM {
            return Err(RevocationListError::Algorithm { found: algorithm });
        }
        let key = |members: &mut Members, field| members.parsed(field, |text| Ok(text.parse::<PublicKey>()?));
        let issuer = key(&mut members, "public_key")?;
        let payload = members.parsed("payload", parse_base64)?;
        let signature = members.parsed("signature", parse_signature)?;
        members.finish()?;
        if !issuer.accepts(&pre_authentication_encoding(REVOCATIONS_PAYLOAD_TYPE, &payload), &signature) {
            return Err(RevocationListError::SignatureInvalid { key: issuer });
        }
        let mut fields = Members::parse(&payload)?;
        if key(&mut fields, "issuer")? != issuer {
            return Err(RevocationListError::OtherIssuer { key: issuer });
        }
        let sequence = fields.unsigned("sequence")?;
        if sequence > MAX_LIST_SEQUENCE {
            return Err(RevocationListError::Sequence { found: sequence });
        }
        let list = Self {
            issuer,
            sequence,
            issued_at: fields.parsed("issued_at", |text| Ok(text.parse::<UtcTime>()?))?,
            entries: fields
                .optional_objects("revoked", MAX_LISTED_REVOCATIONS)?
                .unwrap_or_default()
                .into_iter()
                .map(|fields| take_entry(fields, issuer))
                .collect::<Result<_, _>>()?,
            json: String::from_utf8_lossy(json).into_owned(),
            digest: Digest::from_bytes(&payload),
        };
        fields.finish()?;
        Ok(list)
    }

    /// Signs a list.
    ///
    /// # Errors
    ///
    /// Fails if the key does not sign, or there are more entries than a list may have.
    pub fn make(
        issuer: &dyn PrivateKey,
        sequence: u64,
        entries: &[Revocation],
    ) -> Result<Self, RevocationListError> {
        let payload = PayloadWire {
            issuer: issuer.public_key().to_string(),
            sequence,
            issued_at: UtcTime::now().to_string(),
            revoked: entries.iter().map(EntryWire::of).collect(),
        };
        let encode = |error: serde_json::Error| RevocationListError::Encode { cause: error.to_string() };
        let payload = serde_json::to_vec(&payload).map_err(encode)?;
        let encoded = pre_authentication_encoding(REVOCATIONS_PAYLOAD_TYPE, &payload);
        let refused = |error: PrivateKeyError| RevocationListError::Key { cause: error.to_string() };
        let signature = private_key::sign(issuer, &encoded).map_err(refused)?;
        let list = ListWire {
            version: REVOCATION_LIST_VERSION,
            algorithm: ALGORITHM,
            public_key: issuer.public_key().to_string(),
            payload: BASE64.encode(&payload),
            signature: signature.to_string(),
        };
        let json = serde_json::to_string_pretty(&list).map_err(encode)? + "\n";
        // The new list is checked as everybody else will check it.
        Self::parse(json.as_bytes())
    }

    /// The key that issued the list.
    #[must_use]
    pub const fn issuer(&self) -> &PublicKey {
        &self.issuer
    }

    /// The number of the list among the lists of its issuer.
    #[must_use]
    pub const fn sequence(&self) -> u64 {
        self.sequence
    }

    /// When the list was issued, as the issuer states.
    #[must_use]
    pub const fn issued_at(&self) -> &UtcTime {
        &self.issued_at
    }

    /// The revocations in the list.
    #[must_use]
    pub fn entries(&self) -> &[Revocation] {
        &self.entries
    }

    /// The list as JSON, for giving to others.
    #[must_use]
    pub fn json(&self) -> &str {
        &self.json
    }

    /// SHA-256 of the signed payload, which distinguishes two lists of the same number.
    pub(crate) const fn digest(&self) -> Digest {
        self.digest
    }
}

fn take_entry(mut fields: Members, issuer: PublicKey) -> Result<Revocation, FormatError> {
    let key = fields.optional_parsed("public_key", |text| Ok(PublicKey::for_comparison(text)?))?;
    let digest = fields.optional_parsed("digest", |text| {
        text.parse::<Digest>().map_err(|_| ValueError::Hex { digits: 64 })
    })?;
    let revoked = match (key, digest) {
        (Some(key), None) => Revoked::Key(key),
        (None, Some(digest)) => Revoked::Digest(digest),
        (Some(_), Some(_)) | (None, None) => {
            return Err(
                fields.value_error("public_key", ValueError::Word { known: "either this or `digest`" })
            );
        }
    };
    let entry = Revocation {
        revoked,
        kind: fields.optional_parsed("kind", str::parse::<RevocationKind>)?.unwrap_or_default(),
        revoked_at: fields.parsed("revoked_at", |text| Ok(text.parse::<UtcTime>()?))?,
        reason: fields.parsed("reason", |text| bounded(text, MAX_TEXT_BYTES))?,
        name: None,
        issuer: Some(issuer),
        line: Line::default(),
    };
    fields.finish()?;
    Ok(entry)
}

#[derive(Serialize)]
struct ListWire {
    version: u64,
    algorithm: &'static str,
    public_key: String,
    payload: String,
    signature: String,
}

#[derive(Serialize)]
struct PayloadWire<'a> {
    issuer: String,
    sequence: u64,
    issued_at: String,
    revoked: Vec<EntryWire<'a>>,
}

#[derive(Serialize)]
struct EntryWire<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    public_key: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    digest: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    kind: Option<&'static str>,
    revoked_at: String,
    reason: &'a str,
}

impl<'a> EntryWire<'a> {
    fn of(entry: &'a Revocation) -> Self {
        let (public_key, digest, kind) = match &entry.revoked {
            Revoked::Key(key) => (Some(key.to_string()), None, Some(entry.kind.name())),
            Revoked::Digest(digest) => (None, Some(digest.to_string()), None),
        };
        let revoked_at = entry.revoked_at.to_string();
        Self { public_key, digest, kind, revoked_at, reason: &entry.reason }
    }
}

/// Why a list is not valid.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RevocationListError {
    /// The list is larger than [`MAX_REVOCATION_LIST_BYTES`].
    #[error("revocation list is larger than {MAX_REVOCATION_LIST_BYTES} bytes")]
    TooLarge,
    /// The list does not follow the format.
    #[error("revocation list is malformed: {0}")]
    Format(#[from] FormatError),
    /// The list has another version.
    #[error("revocation list has version {found}, this program knows version {REVOCATION_LIST_VERSION}")]
    Version {
        /// Version found.
        found: u64,
    },
    /// The list names another signature algorithm.
    #[error("revocation list has algorithm `{}`, this program knows {ALGORITHM}", escape::terminal(found))]
    Algorithm {
        /// Algorithm found.
        found: String,
    },
    /// The signature is not valid for the key.
    #[error("signature of key {key} under the revocation list is not valid")]
    SignatureInvalid {
        /// The key.
        key: PublicKey,
    },
    /// The signed payload names another issuer than the key that signed.
    #[error("revocation list that key {key} signed names another issuer")]
    OtherIssuer {
        /// The key.
        key: PublicKey,
    },
    /// The issuer may not revoke for all plugins.
    #[error("revocation list comes from {key}, {why}")]
    NoAuthority {
        /// The issuer.
        key: PublicKey,
        /// Why the issuer may not.
        why: &'static str,
    },
    /// The number of the list is too high.
    #[error("revocation list has the number {found}, the highest is {MAX_LIST_SEQUENCE}")]
    Sequence {
        /// The number.
        found: u64,
    },
    /// The list is dated too far in the future.
    #[error("revocation list of {key} was issued at {at}, which lies ahead")]
    Ahead {
        /// The issuer.
        key: PublicKey,
        /// The date of the list.
        at: UtcTime,
    },
    /// A reason may not be shown as it is.
    #[error("revocation list: reason for {revoked}: {cause}")]
    Reason {
        /// The key or digest.
        revoked: String,
        /// The rule that the reason breaks.
        cause: ShownTextError,
    },
    /// Another list was made with the same key while this list was being signed.
    #[error("list {sequence} of {key} was made by somebody else at this moment")]
    Raced {
        /// The issuer.
        key: PublicKey,
        /// The number.
        sequence: u64,
    },
    /// A later list of the issuer was imported.
    #[error("replay: this is list {found} of {key}, list {known} was imported already")]
    Replay {
        /// The issuer.
        key: PublicKey,
        /// Number of this list.
        found: u64,
        /// The highest number imported.
        known: u64,
    },
    /// Another list with the same number was imported.
    #[error("fork: another list {sequence} of {key} was imported already")]
    Fork {
        /// The issuer.
        key: PublicKey,
        /// The number.
        sequence: u64,
    },
    /// The key did not sign.
    #[error("{}", escape::terminal(cause))]
    Key {
        /// The error of the key.
        cause: String,
    },
    /// The list could not be written as JSON.
    #[error("cannot write the list as JSON: {cause}")]
    Encode {
        /// The cause.
        cause: String,
    },
}

impl RevocationListError {
    /// What to do about the error.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::NoAuthority { .. } => {
                Some("if you have the list from somebody whom you believe in this: --force".to_owned())
            }
            Self::Replay { .. } => Some(
                "nothing is to be done if you imported the later list; if its number was a mistake, and the issuer says so: --force"
                    .to_owned(),
            ),
            Self::Ahead { .. } => {
                Some("set the clock if it is wrong; if the issuer's was, and the issuer says so: --force".to_owned())
            }
            Self::Fork { .. } => Some(
                "one of the two lists is not the issuer's: ask the issuer; if the key was stolen: conductor-sign trust \
                 revoke <key>"
                    .to_owned(),
            ),
            Self::Sequence { .. } => Some("have the issuer make the list again, with another key".to_owned()),
            Self::Reason { .. } => Some("have the issuer give another reason and make the list again".to_owned()),
            Self::Raced { .. } => Some("make the list again".to_owned()),
            Self::Key { .. } | Self::Encode { .. } => None,
            Self::TooLarge
            | Self::Format(_)
            | Self::Version { .. }
            | Self::Algorithm { .. }
            | Self::SignatureInvalid { .. }
            | Self::OtherIssuer { .. } => Some("get the list again from its issuer".to_owned()),
        }
    }
}

#[cfg(test)]
mod tests;
