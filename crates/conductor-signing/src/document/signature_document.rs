//! The signature document `<plugin>.wasm.sig`: JSON with the fields of Conductor 1.0, a signed statement beside them,
//! and cosignatures, which are of another form: no cosignature can stand where the publisher's signature does.
//!
//! | member | value |
//! |---|---|
//! | `version`, `algorithm` | 1, `"Ed25519"` |
//! | `plugin_hash`, `plugin_size` | SHA-256 of the file, 64 lower-case hex digits; its bytes |
//! | `public_key`, `signature` | the publisher's key, and its signature over the 32 raw bytes of the digest |
//! | `signed_at`, `developer` | when and who, as the publisher claims |
//! | `statement`, `statement_signature` | base64 of a [`Statement`](crate::Statement), and the signature over it; absent in documents of Conductor 1.0 |
//! | `cosignatures` | list of `{public_key, statement, statement_signature}`, see [`Cosignature`] |
//!
//! Members that this version does not know are refused: they could be a restriction, and `version` is what tells a
//! reader that the format changed. What was parsed is well-formed, not verified.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use conductor_store::UtcTime;
use data_encoding::BASE64;
use serde::Serialize;

use crate::document::developer::Developer;
use crate::document::json::{FormatError, Members, ValueError, parse_base64, parse_signature};
use crate::key::{PublicKey, Signature};
use crate::text::Digest;

/// Largest document in bytes; it is read whole and parsed before anything about it is known.
pub const MAX_DOCUMENT_BYTES: usize = 64 * 1024;

/// The only version of the format.
pub const DOCUMENT_VERSION: u64 = 1;

/// The only algorithm.
pub const ALGORITHM: &str = "Ed25519";

/// Most cosignatures in a document; each costs a verification.
pub const MAX_COSIGNATURES: usize = 16;

/// Where the document of a plugin file is: the same path with `.sig` appended.
#[must_use]
pub fn signature_path(plugin: &Path) -> PathBuf {
    let mut path = OsString::from(plugin);
    path.push(".sig");
    path.into()
}

/// A parsed signature document.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignatureDocument {
    /// Digest of the plugin file that the document is about.
    pub plugin_hash: Digest,
    /// Bytes of that file.
    pub plugin_size: u64,
    /// The publisher's endorsement.
    pub signer: Endorsement,
    /// Endorsements of the publisher's by others.
    pub cosignatures: Vec<Cosignature>,
}

/// The publisher's endorsement of a plugin: a signature over its digest, who claims to have made it, and optionally a
/// signed statement.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Endorsement {
    /// The key that signed.
    pub public_key: PublicKey,
    /// Ed25519 over the 32 raw bytes of the digest.
    pub signature: Signature,
    /// When, as claimed.
    pub signed_at: UtcTime,
    /// Who, as claimed.
    pub developer: Developer,
    /// What the signer states; without it, date and developer are nobody's word.
    pub statement: Option<SignedStatement>,
}

/// A cosigner's endorsement of what another key published. Its one signature is over a
/// [`CosignerStatement`](crate::CosignerStatement), which names that key; who cosigned and when stands there alone, so
/// nothing of it can be shown before it was verified.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cosignature {
    /// The key that cosigned.
    pub public_key: PublicKey,
    pub(crate) statement: SignedStatement,
}

/// The bytes of a statement and the signature over their pre-authentication encoding.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignedStatement {
    pub(crate) bytes: Vec<u8>,
    pub(crate) signature: Signature,
}

impl SignatureDocument {
    /// Every key that signed, the publisher's first.
    pub fn keys(&self) -> impl Iterator<Item = &PublicKey> {
        std::iter::once(&self.signer.public_key)
            .chain(self.cosignatures.iter().map(|cosignature| &cosignature.public_key))
    }

    /// Parses a document.
    ///
    /// # Errors
    ///
    /// Fails if the document is larger than [`MAX_DOCUMENT_BYTES`], of another version or algorithm, or not exactly of
    /// the format.
    pub fn parse(json: &[u8]) -> Result<Self, DocumentError> {
        if json.len() > MAX_DOCUMENT_BYTES {
            return Err(DocumentError::TooLarge);
        }
        let mut members = Members::parse(json)?;
        let version = members.unsigned("version")?;
        if version != DOCUMENT_VERSION {
            return Err(DocumentError::Version { found: version });
        }
        let algorithm = members.text("algorithm")?;
        if algorithm != ALGORITHM {
            return Err(DocumentError::Algorithm { found: algorithm });
        }
        let document = Self {
            plugin_hash: members
                .parsed("plugin_hash", |text| text.parse().map_err(|_| ValueError::Hex { digits: 64 }))?,
            plugin_size: members.unsigned("plugin_size")?,
            signer: Endorsement::take(&mut members)?,
            cosignatures: members
                .optional_objects("cosignatures", MAX_COSIGNATURES)?
                .unwrap_or_default()
                .into_iter()
                .map(|mut fields| {
                    let cosignature = Cosignature::take(&mut fields)?;
                    fields.finish()?;
                    Ok(cosignature)
                })
                .collect::<Result<_, FormatError>>()?,
        };
        members.finish()?;
        Ok(document)
    }

    /// The document as JSON, ending in a newline.
    #[must_use]
    pub fn to_json(&self) -> String {
        let wire = DocumentWire {
            version: DOCUMENT_VERSION,
            algorithm: ALGORITHM,
            plugin_hash: self.plugin_hash.to_string(),
            plugin_size: self.plugin_size,
            signer: EndorsementWire::of(&self.signer),
            cosignatures: self.cosignatures.iter().map(CosignatureWire::of).collect(),
        };
        // Strings, numbers and lists only: there is nothing in it that could fail to serialise.
        serde_json::to_string_pretty(&wire).unwrap_or_default() + "\n"
    }
}

impl Cosignature {
    fn take(members: &mut Members) -> Result<Self, FormatError> {
        Ok(Self {
            public_key: members.parsed("public_key", |text| Ok(text.parse::<PublicKey>()?))?,
            statement: SignedStatement {
                bytes: members.parsed("statement", parse_base64)?,
                signature: members.parsed("statement_signature", parse_signature)?,
            },
        })
    }
}

impl Endorsement {
    fn take(members: &mut Members) -> Result<Self, FormatError> {
        Ok(Self {
            public_key: members.parsed("public_key", |text| Ok(text.parse::<PublicKey>()?))?,
            signature: members.parsed("signature", parse_signature)?,
            signed_at: members.parsed("signed_at", |text| Ok(text.parse::<UtcTime>()?))?,
            developer: Developer::take(members)?,
            statement: SignedStatement::take(members)?,
        })
    }
}

impl SignedStatement {
    fn take(members: &mut Members) -> Result<Option<Self>, FormatError> {
        let bytes = members.optional_parsed("statement", parse_base64)?;
        let signature = members.optional_parsed("statement_signature", parse_signature)?;
        match (bytes, signature) {
            (Some(bytes), Some(signature)) => Ok(Some(Self { bytes, signature })),
            (None, None) => Ok(None),
            (Some(_), None) => {
                Err(members.value_error("statement", ValueError::Without { other: "statement_signature" }))
            }
            (None, Some(_)) => {
                Err(members.value_error("statement_signature", ValueError::Without { other: "statement" }))
            }
        }
    }
}

#[derive(Serialize)]
struct DocumentWire<'a> {
    version: u64,
    algorithm: &'static str,
    plugin_hash: String,
    plugin_size: u64,
    #[serde(flatten)]
    signer: EndorsementWire<'a>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    cosignatures: Vec<CosignatureWire>,
}

#[derive(Serialize)]
struct EndorsementWire<'a> {
    public_key: String,
    signature: String,
    signed_at: String,
    developer: &'a Developer,
    #[serde(skip_serializing_if = "Option::is_none")]
    statement: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    statement_signature: Option<String>,
}

#[derive(Serialize)]
struct CosignatureWire {
    public_key: String,
    statement: String,
    statement_signature: String,
}

impl<'a> EndorsementWire<'a> {
    fn of(endorsement: &'a Endorsement) -> Self {
        let statement = endorsement.statement.as_ref();
        Self {
            public_key: endorsement.public_key.to_string(),
            signature: endorsement.signature.to_string(),
            signed_at: endorsement.signed_at.to_string(),
            developer: &endorsement.developer,
            statement: statement.map(|statement| BASE64.encode(&statement.bytes)),
            statement_signature: statement.map(|statement| statement.signature.to_string()),
        }
    }
}

impl CosignatureWire {
    fn of(cosignature: &Cosignature) -> Self {
        Self {
            public_key: cosignature.public_key.to_string(),
            statement: BASE64.encode(&cosignature.statement.bytes),
            statement_signature: cosignature.statement.signature.to_string(),
        }
    }
}

/// Why a signature document could not be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DocumentError {
    /// Larger than [`MAX_DOCUMENT_BYTES`].
    #[error("signature document is larger than {MAX_DOCUMENT_BYTES} bytes")]
    TooLarge,
    /// Of another version.
    #[error("signature document has version {found}, this program knows version {DOCUMENT_VERSION}")]
    Version {
        /// Version found.
        found: u64,
    },
    /// Signed with another algorithm.
    #[error(
        "signature document has algorithm `{}`, this program knows {ALGORITHM}",
        conductor_store::escape::terminal(found)
    )]
    Algorithm {
        /// Algorithm found.
        found: String,
    },
    /// Not of the format.
    #[error("signature document is malformed: {0}")]
    Format(#[from] FormatError),
}

#[cfg(test)]
mod confusion;
