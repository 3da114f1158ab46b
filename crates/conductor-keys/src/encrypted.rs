//! Private keys in PEM files: encrypted with a passphrase, as PKCS#8 (RFC 5958) with PBES2 (RFC 8018), scrypt (RFC 7914) and
//! AES-256. OpenSSL reads and writes the same files.

use conductor_signing::SigningKey;
use pkcs8::der::asn1::OctetStringRef;
use pkcs8::der::pem::LineEnding;
use pkcs8::der::{Decode as _, SecretDocument};
use pkcs8::pkcs5::EncryptionScheme;
use pkcs8::pkcs5::pbes2::{self, Kdf};
use pkcs8::{AlgorithmIdentifierRef, EncryptedPrivateKeyInfoRef, ObjectIdentifier, PrivateKeyInfoRef};
use zeroize::Zeroizing;

/// Largest key file in bytes; one encrypted key takes some 400.
pub const MAX_KEY_FILE_BYTES: usize = 16 * 1024;

/// Longest passphrase in bytes.
pub const MAX_PASSPHRASE_BYTES: usize = 1024;

/// Most memory that a key file may make scrypt use; stops a file from filling the machine's memory.
pub const MAX_SCRYPT_BYTES: u64 = 256 * 1024 * 1024;

/// Most rounds that a key file may make PBKDF2 use; stops a file from taking minutes.
pub const MAX_PBKDF2_ROUNDS: u32 = 10_000_000;

/// Cost of scrypt for new files, N = 2^14, r = 8, p = 5: as much work as with more memory, in the 32 MiB that OpenSSL allows
/// it (OWASP Password Storage Cheat Sheet).
const LOG_N: u8 = 14;
const PARALLELIZATION: u32 = 5;

/// Ed25519 (RFC 8410, section 3).
const ED25519: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.101.112");

const ENCRYPTED: &str = "ENCRYPTED PRIVATE KEY";
const PLAIN: &str = "PRIVATE KEY";

/// Encrypts a key for a file.
///
/// # Errors
///
/// Fails if the passphrase is empty or too long, or there is no randomness.
pub fn encrypt(key: &SigningKey, passphrase: &[u8]) -> Result<Zeroizing<String>, EncryptedKeyError> {
    check_passphrase(passphrase)?;
    let (mut salt, mut iv) = ([0; 16], [0; 16]);
    for random in [&mut salt, &mut iv] {
        getrandom::fill(random).map_err(|_| EncryptedKeyError::Random)?;
    }
    let invalid = |_| EncryptedKeyError::Format;
    let cost =
        pkcs8::pkcs5::scrypt::Params::new(LOG_N, 8, PARALLELIZATION).map_err(|_| EncryptedKeyError::Cost)?;
    let parameters =
        pbes2::Parameters::generate_scrypt_aes256cbc(cost, &salt, iv).map_err(|_| EncryptedKeyError::Cost)?;
    key.with_seed(|seed| {
        // CurvePrivateKey (RFC 8410, section 7): an OCTET STRING around the seed.
        let mut inner = Zeroizing::new(Vec::with_capacity(seed.len() + 2));
        inner.extend_from_slice(&[0x04, 0x20]);
        inner.extend_from_slice(seed);
        let algorithm = AlgorithmIdentifierRef { oid: ED25519, parameters: None };
        let info = PrivateKeyInfoRef::new(
            algorithm,
            OctetStringRef::new(&inner).map_err(|_| EncryptedKeyError::Format)?,
        );
        let encrypted =
            info.encrypt_with_params(parameters, passphrase).map_err(|_| EncryptedKeyError::Format)?;
        encrypted.to_pem(ENCRYPTED, LineEnding::LF).map_err(invalid)
    })
}

/// Whether a file is PEM, encrypted or not, rather than a bare seed.
pub(crate) fn is_pem(bytes: &[u8]) -> bool {
    bytes.starts_with(b"-----BEGIN ")
}

/// Reads a key from PEM; `passphrase` is asked for only if it is encrypted.
pub(crate) fn read<E: From<EncryptedKeyError>>(
    pem: &[u8],
    passphrase: impl FnOnce() -> Result<Zeroizing<Vec<u8>>, E>,
) -> Result<SigningKey, E> {
    let pem = std::str::from_utf8(pem).map_err(|_| EncryptedKeyError::Format)?;
    let (label, document) = SecretDocument::from_pem(pem).map_err(|_| EncryptedKeyError::Format)?;
    match label {
        PLAIN => Ok(seed_of(document.as_bytes())?),
        ENCRYPTED => {
            let encrypted = EncryptedPrivateKeyInfoRef::from_der(document.as_bytes())
                .map_err(|_| EncryptedKeyError::Format)?;
            check_cost(&encrypted.encryption_algorithm)?;
            let passphrase = passphrase()?;
            check_passphrase(&passphrase)?;
            let decrypted = encrypted.decrypt(&passphrase).map_err(|_| EncryptedKeyError::Passphrase)?;
            Ok(seed_of(decrypted.as_bytes()).map_err(|_| EncryptedKeyError::Passphrase)?)
        }
        _ => Err(EncryptedKeyError::Format.into()),
    }
}

/// The key in a PKCS#8 structure.
fn seed_of(der: &[u8]) -> Result<SigningKey, EncryptedKeyError> {
    let info = PrivateKeyInfoRef::from_der(der).map_err(|_| EncryptedKeyError::Format)?;
    if info.algorithm.oid != ED25519 {
        return Err(EncryptedKeyError::Algorithm { oid: info.algorithm.oid.to_string() });
    }
    let inner = info.private_key.as_bytes();
    match inner.strip_prefix(&[0x04, 0x20]).and_then(|seed| seed.first_chunk()) {
        Some(seed) if inner.len() == 34 => Ok(SigningKey::from_seed(seed)),
        Some(_) | None => Err(EncryptedKeyError::Format),
    }
}

fn check_passphrase(passphrase: &[u8]) -> Result<(), EncryptedKeyError> {
    match passphrase.len() {
        0 => Err(EncryptedKeyError::Empty),
        1..=MAX_PASSPHRASE_BYTES => Ok(()),
        _ => Err(EncryptedKeyError::TooLong),
    }
}

/// Refuses what would take the machine's memory or minutes, before anything is computed.
fn check_cost(scheme: &EncryptionScheme) -> Result<(), EncryptedKeyError> {
    let EncryptionScheme::Pbes2(parameters) = scheme else { return Err(EncryptedKeyError::Scheme) };
    match &parameters.kdf {
        Kdf::Scrypt(cost) => {
            // Memory is 128 N r p at most, counting the rounds that could share it (RFC 7914, section 2).
            let memory = 128u64
                .checked_mul(cost.cost_parameter)
                .and_then(|bytes| bytes.checked_mul(u64::from(cost.block_size)))
                .and_then(|bytes| bytes.checked_mul(u64::from(cost.parallelization)));
            memory.filter(|bytes| *bytes <= MAX_SCRYPT_BYTES).map(|_| ()).ok_or(EncryptedKeyError::Cost)
        }
        Kdf::Pbkdf2(cost) if cost.iteration_count <= MAX_PBKDF2_ROUNDS => Ok(()),
        Kdf::Pbkdf2(_) => Err(EncryptedKeyError::Cost),
        _ => Err(EncryptedKeyError::Scheme),
    }
}

/// Why a PEM file is no key, or does not open.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum EncryptedKeyError {
    /// Not PEM of PKCS#8.
    #[error("not a private key in PKCS#8")]
    Format,
    /// Another kind of key.
    #[error("the private key is of algorithm {oid}, signing needs Ed25519")]
    Algorithm {
        /// Object identifier of the algorithm.
        oid: String,
    },
    /// Encrypted in a way that is not read.
    #[error("the private key is encrypted in a way that is not PBES2 with scrypt or PBKDF2")]
    Scheme,
    /// Encrypted at a cost that is too high.
    #[error(
        "opening the private key would take more than {MAX_SCRYPT_BYTES} bytes of memory or {MAX_PBKDF2_ROUNDS} rounds"
    )]
    Cost,
    /// The passphrase does not open it.
    #[error("the passphrase does not open the private key")]
    Passphrase,
    /// No passphrase.
    #[error("the passphrase is empty")]
    Empty,
    /// More than [`MAX_PASSPHRASE_BYTES`].
    #[error("the passphrase is longer than {MAX_PASSPHRASE_BYTES} bytes")]
    TooLong,
    /// No randomness.
    #[error("no randomness to encrypt the private key with")]
    Random,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn open(pem: &str, passphrase: &[u8]) -> Result<SigningKey, EncryptedKeyError> {
        read(pem.as_bytes(), || Ok(Zeroizing::new(passphrase.to_vec())))
    }

    #[test]
    fn a_passphrase_opens_what_it_closed() {
        let key = SigningKey::generate().unwrap_or_else(|error| panic!("{error}"));
        let pem = encrypt(&key, b"correct horse").unwrap_or_else(|error| panic!("{error}"));
        assert!(pem.starts_with("-----BEGIN ENCRYPTED PRIVATE KEY-----\n") && is_pem(pem.as_bytes()));
        let opened = open(&pem, b"correct horse").unwrap_or_else(|error| panic!("{error}"));
        assert_eq!(opened.public_key(), key.public_key());
        assert_eq!(open(&pem, b"correct Horse").err(), Some(EncryptedKeyError::Passphrase));
        assert_eq!(open(&pem, b"").err(), Some(EncryptedKeyError::Empty));
        assert_eq!(encrypt(&key, b"").err(), Some(EncryptedKeyError::Empty));
        let long = vec![b'x'; MAX_PASSPHRASE_BYTES + 1];
        assert_eq!(encrypt(&key, &long).err(), Some(EncryptedKeyError::TooLong));
    }

    /// The key of RFC 8410, section 10.3.
    #[test]
    fn a_key_of_the_rfc_is_read() {
        let pem = "-----BEGIN PRIVATE KEY-----\n\
                   MC4CAQAwBQYDK2VwBCIEINTuctv5E1hK1bbY8fdp+K06/nwoy/HU++CXqI9EdVhC\n\
                   -----END PRIVATE KEY-----\n";
        let key = open(pem, b"").unwrap_or_else(|error| panic!("{error}"));
        assert_eq!(
            key.public_key().to_string(),
            "19bf44096984cdfe8541bac167dc3b96c85086aa30b6b6cb0c5c38ad703166e1"
        );
    }

    #[test]
    fn a_file_does_not_decide_what_it_costs() {
        let costly = |log_n| {
            let cost =
                pkcs8::pkcs5::scrypt::Params::new(log_n, 8, 1).unwrap_or_else(|error| panic!("{error}"));
            let parameters = pbes2::Parameters::generate_scrypt_aes256cbc(cost, &[0; 16], [0; 16])
                .unwrap_or_else(|error| panic!("{error}"));
            check_cost(&parameters.into())
        };
        assert_eq!(costly(LOG_N), Ok(()));
        assert_eq!(costly(18), Ok(()));
        assert_eq!(costly(19), Err(EncryptedKeyError::Cost));
    }

    #[test]
    fn anything_else_is_no_key() {
        for text in
            ["", "-----BEGIN ", "-----BEGIN PRIVATE KEY-----\n-----END PRIVATE KEY-----\n", "\u{fffd}"]
        {
            assert_eq!(open(text, b"x").err(), Some(EncryptedKeyError::Format), "{text}");
        }
    }
}
