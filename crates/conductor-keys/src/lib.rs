//! Where the private keys of plugin signers are kept: in files, plain or encrypted, on tokens and in agents.
//!
//! Programs that only verify plugins do not depend on this crate, and so load no PKCS#11 modules, which are other
//! people's code in the process. Every key is a [`PrivateKey`](conductor_signing::PrivateKey), and `conductor-signing`
//! verifies its signatures before writing them anywhere.
//!
//! In reading order:
//!
//! - `spec`: how the user says where a private key is; `token_uri`: the URI of a key on a token
//! - `key_ring`: opens keys wherever they are
//! - `encrypted`: keys in files; `algorithm_name`: names of the algorithms in them; `stranger`: files that hold no
//!   private key
//! - `pkcs11`: keys on tokens
//! - `agent`: keys in ssh-agents
//! - `prompt`: passphrases and PINs, asked for on the terminal or read from a file
//! - `error`: why a private key could not be opened or made

#![forbid(unsafe_code)]

mod agent;
mod algorithm_name;
mod encrypted;
mod error;
mod key_ring;
mod pkcs11;
mod prompt;
mod spec;
mod stranger;
mod token_uri;

pub use agent::AgentError;
pub use encrypted::{
    EncryptedKeyError, MAX_KEY_FILE_BYTES, MAX_PASSPHRASE_BYTES, MAX_PBKDF2_ROUNDS, MAX_SCRYPT_BYTES, encrypt,
};
pub use error::KeyError;
pub use key_ring::{KeyRing, OfferedKey, Offers};
pub use pkcs11::TokenError;
pub use prompt::{Prompt, PromptError, Terminal, drop_typed_ahead, read_secret_file};
pub use spec::{AgentKey, Devices, KeySpec, SpecError};
pub use stranger::Stranger;
pub use token_uri::{MAX_URI_BYTES, TokenUri, TokenUriError};
