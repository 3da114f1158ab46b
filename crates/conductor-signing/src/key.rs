//! Keys and signatures: public keys, their fingerprints, private keys wherever they are kept, and the files of a key
//! pair. This room knows only `text`.

mod fingerprint;
mod key_file;
pub(crate) mod private_key;
mod public_key;

pub use fingerprint::Fingerprint;
pub use key_file::{FoundKey, KeyFileError, KeyPaths, SigningKey};
pub use private_key::{PrivateKey, PrivateKeyError, check_private_key};
pub use public_key::{KeyError, PublicKey, Signature, SignatureError};
