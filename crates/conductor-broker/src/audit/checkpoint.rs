//! Where the chain stood, signed and kept outside the log: who cuts lines off its end cannot take that back.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use conductor_signing::{KeyPaths, PublicKey, Signature, SigningKey, UtcTime, atomic_file, dsse, guarded};
use serde::{Deserialize, Serialize};

use super::paths::beside;
use super::synced::Synced;
use super::{AuditKey, Head};

/// What a checkpoint's signature says that it is over.
const PAYLOAD_TYPE: &str = "application/vnd.conductor.audit-checkpoint.v1+json";

/// Largest checkpoint file; it holds a few hundred bytes.
const MAX_BYTES: u64 = 4096;

/// Version of the file.
const VERSION: u32 = 1;

/// Where the chain of a log stood.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Checkpoint {
    /// The last line then.
    pub head: Head,
    /// When.
    pub time: UtcTime,
    /// The key that signed it.
    pub key: PublicKey,
}

/// What is signed.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Body {
    version: u32,
    sequence: u64,
    chain: String,
    time: String,
}

/// The file.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Signed {
    body: String,
    public_key: String,
    signature: String,
}

/// Signs checkpoints of one log.
pub(super) struct Notary {
    path: PathBuf,
    key: SigningKey,
}

impl Notary {
    /// Takes the key beside the log, or makes one.
    pub(super) fn of(log: &Path) -> Result<Self, String> {
        let paths = KeyPaths::from_argument(&beside(log, ".key")).map_err(|error| error.to_string())?;
        let key = match paths.private.symlink_metadata() {
            Err(error) if error.kind() == ErrorKind::NotFound => {
                let key = SigningKey::generate().map_err(|error| error.to_string())?;
                key.write_new(&paths).map_err(|error| error.to_string())?;
                key
            }
            // What is wrong with a file that cannot be looked at, reading it says.
            Ok(_) | Err(_) => SigningKey::read(&paths.private).map_err(|error| error.to_string())?,
        };
        Ok(Self { path: file(log), key })
    }

    /// The key under which the requests of this log are told apart.
    pub(super) fn request_key(&self) -> AuditKey {
        self.key.with_seed(AuditKey::of_seed)
    }

    /// Replaces the checkpoint. Only what is on the disk is signed for: after a power cut nothing signed is missing.
    pub(super) fn sign(&self, synced: Synced) -> Result<(), String> {
        let Head { sequence, chain } = synced.head();
        let body =
            Body { version: VERSION, sequence, chain: chain.to_string(), time: UtcTime::now().to_string() };
        let body = serde_json::to_string(&body).map_err(|error| error.to_string())?;
        let signature =
            dsse::sign(&self.key, PAYLOAD_TYPE, body.as_bytes()).map_err(|error| error.to_string())?;
        let (public_key, signature) = (self.key.public_key().to_string(), signature.to_string());
        let text = serde_json::to_string(&Signed { body, public_key, signature });
        let text = text.map_err(|error| error.to_string())? + "\n";
        atomic_file::replace(&self.path, text.as_bytes(), atomic_file::PRIVATE)
            .map_err(|error| error.to_string())
    }
}

/// Where the checkpoint of a log is.
pub(super) fn file(log: &Path) -> PathBuf {
    beside(log, ".checkpoint")
}

/// Reads the checkpoint of a log; `None` where there is none.
pub(super) fn read(log: &Path) -> Result<Option<Checkpoint>, String> {
    let bytes = guarded::read_decisions(&file(log), MAX_BYTES).map_err(|error| error.to_string())?;
    if bytes.is_empty() {
        return Ok(None);
    }
    let damaged = |what: &str| format!("the checkpoint is damaged: {what}");
    let signed: Signed = serde_json::from_slice(&bytes).map_err(|error| damaged(&error.to_string()))?;
    let key: PublicKey = signed.public_key.parse().map_err(|_| damaged("its key is none"))?;
    let signature: Signature = signed.signature.parse().map_err(|_| damaged("its signature is none"))?;
    if !dsse::accepts(&key, PAYLOAD_TYPE, signed.body.as_bytes(), &signature) {
        return Err(damaged("its signature does not hold"));
    }
    let body: Body = serde_json::from_str(&signed.body).map_err(|error| damaged(&error.to_string()))?;
    if body.version != VERSION {
        return Err(damaged("its version is not known"));
    }
    let chain = body.chain.parse().map_err(|_| damaged("its value is none"))?;
    let time = body.time.parse().map_err(|_| damaged("its time is none"))?;
    Ok(Some(Checkpoint { head: Head { sequence: body.sequence, chain }, time, key }))
}

/// The key that signs the checkpoints of a log, if there is one.
pub(super) fn public_key(log: &Path) -> Option<PublicKey> {
    let paths = KeyPaths::from_argument(&beside(log, ".key")).ok()?;
    SigningKey::read(&paths.private).ok().map(|key| key.public_key())
}
