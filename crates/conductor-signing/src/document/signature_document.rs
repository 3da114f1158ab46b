//! The signature document `<plugin>.wasm.sig`: JSON with the fields of Conductor 1.0, a signed statement beside them,
//! and cosignatures. Cosignatures have another form, so that none is valid in the place of the publisher's signature.
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
//! Members that this version does not know are refused: a member could be a restriction, and `version` tells a reader
//! that the format changed. A parsed document is well-formed, but not verified.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use conductor_store::UtcTime;
use data_encoding::BASE64;
use serde::Serialize;

use crate::document::developer::Developer;
use crate::document::json::{FormatError, Members, ValueError, parse_base64, parse_signature};
use crate::key::{PublicKey, Signature};
use crate::text::Digest;

/// Largest document in bytes; a document is read whole and parsed before anything in it is verified.
pub const MAX_DOCUMENT_BYTES: usize = 64 * 1024;

/// The only version of the format.
pub const DOCUMENT_VERSION: u64 = 1;

/// The only signature algorithm.
pub const ALGORITHM: &str = "Ed25519";

/// Most cosignatures in a document; each costs the time of a verification.
pub const MAX_COSIGNATURES: usize = 16;

/// Path of the document of a plugin file: the plugin's path with `.sig` appended.
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
    /// Length of the plugin file in bytes.
    pub plugin_size: u64,
    /// The publisher's endorsement.
    pub signer: Endorsement,
    /// Cosignatures of the publisher's endorsement.
    pub cosignatures: Vec<Cosignature>,
}

/// The publisher's endorsement of a plugin: a signature over the digest, the name that the signer claims, and
/// optionally a signed statement.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Endorsement {
    /// The key that signed.
    pub public_key: PublicKey,
    /// Ed25519 signature over the 32 raw bytes of the digest.
    pub signature: Signature,
    /// When the key signed, as the signer claims.
    pub signed_at: UtcTime,
    /// Who signed, as the signer claims.
    pub developer: Developer,
    /// The signed statement of the signer. Without a statement, date and developer are not signed by anybody.
    pub statement: Option<SignedStatement>,
}

/// A cosigner's endorsement of a release that another key published. Its only signature is over a
/// [`CosignerStatement`](crate::CosignerStatement), which names the publisher's key. The cosigner's name and date are
/// only in this statement, so nothing of them can be shown before the signature is verified.
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
    /// Fails if the document is larger than [`MAX_DOCUMENT_BYTES`], has another version or algorithm, or does not
    /// follow the format exactly.
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
        // The value holds only strings, numbers and lists, so that serialising it cannot fail.
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
    /// The document is larger than [`MAX_DOCUMENT_BYTES`].
    #[error("signature document is larger than {MAX_DOCUMENT_BYTES} bytes")]
    TooLarge,
    /// The document has another version.
    #[error("signature document has version {found}, this program knows version {DOCUMENT_VERSION}")]
    Version {
        /// Version found.
        found: u64,
    },
    /// The document names another signature algorithm.
    #[error(
        "signature document has algorithm `{}`, this program knows {ALGORITHM}",
        conductor_store::escape::terminal(found)
    )]
    Algorithm {
        /// Algorithm found.
        found: String,
    },
    /// The document does not follow the format.
    #[error("signature document is malformed: {0}")]
    Format(#[from] FormatError),
}

#[cfg(test)]
mod confusion;
