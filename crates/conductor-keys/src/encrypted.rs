//! Private keys in PEM files, encrypted with a passphrase: PKCS#8 (RFC 5958) with PBES2 (RFC 8018), scrypt (RFC 7914)
//! and AES-256. OpenSSL reads these files. Files that OpenSSL writes are read too: PBES2 with scrypt or PBKDF2 of
//! HMAC-SHA-1 to HMAC-SHA-512, and AES of 128, 192 and 256 bits.

use std::path::Path;

use conductor_signing::SigningKey;
use conductor_store::escape;
use pkcs8::der::asn1::OctetStringRef;
use pkcs8::der::pem::LineEnding;
use pkcs8::der::{Decode as _, Header, SecretDocument, SliceReader, Tag};
use pkcs8::pkcs5::EncryptionScheme;
use pkcs8::pkcs5::pbes2::{self, Kdf};
use pkcs8::{AlgorithmIdentifierRef, EncryptedPrivateKeyInfoRef, ObjectIdentifier, PrivateKeyInfoRef};
use zeroize::Zeroizing;

use crate::algorithm_name::name_of;
use crate::stranger::Stranger;

/// Largest key file in bytes; one encrypted key takes about 400 bytes.
pub const MAX_KEY_FILE_BYTES: usize = 16 * 1024;

/// Longest passphrase in bytes.
pub const MAX_PASSPHRASE_BYTES: usize = 1024;

/// Most memory that a key file may make scrypt use; stops a file from filling the machine's memory.
pub const MAX_SCRYPT_BYTES: u64 = 256 * 1024 * 1024;

/// Most rounds that a key file may make PBKDF2 use; stops a file from taking minutes.
pub const MAX_PBKDF2_ROUNDS: u32 = 10_000_000;

/// Cost of scrypt for new files, N = 2^14, r = 8, p = 5: the work of a setting with more memory, within the 32 MiB that
/// OpenSSL allows scrypt to use (OWASP Password Storage Cheat Sheet).
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
/// Fails if the passphrase is empty or too long, or the system gives no randomness.
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
///
/// Text may stand before the key (RFC 7468, section 2), such as the attributes that OpenSSL writes.
pub(crate) fn is_pem(bytes: &[u8]) -> bool {
    without_mark(bytes).split(|byte| *byte == b'\n').any(|line| line.starts_with(b"-----BEGIN "))
}

/// The text without the byte order mark that some editors write at its start.
fn without_mark(bytes: &[u8]) -> &[u8] {
    bytes.strip_prefix("\u{feff}".as_bytes()).unwrap_or(bytes)
}

/// Reads a key from PEM; `passphrase` is called only if the key is encrypted.
pub(crate) fn read<E: From<EncryptedKeyError>>(
    pem: &[u8],
    passphrase: impl FnOnce() -> Result<Zeroizing<Vec<u8>>, E>,
) -> Result<SigningKey, E> {
    let pem = without_mark(pem);
    if let Some(stranger) = Stranger::of_pem(pem) {
        return Err(EncryptedKeyError::Stranger(stranger).into());
    }
    let pem = std::str::from_utf8(pem).map_err(|_| EncryptedKeyError::Format)?;
    let (label, document) = SecretDocument::from_pem(pem).map_err(|_| EncryptedKeyError::Format)?;
    match label {
        PLAIN => Ok(seed_of(document.as_bytes())?),
        ENCRYPTED => {
            let encrypted = EncryptedPrivateKeyInfoRef::from_der(document.as_bytes())
                .map_err(|_| unread_scheme(document.as_bytes()))?;
            check_cost(&encrypted.encryption_algorithm)?;
            let passphrase = passphrase()?;
            check_passphrase(&passphrase)?;
            let decrypted = encrypted.decrypt(&passphrase).map_err(|_| EncryptedKeyError::Passphrase)?;
            match seed_of(decrypted.as_bytes()) {
                // A wrong passphrase can by chance give valid padding; what was decrypted is then no key.
                Err(EncryptedKeyError::Format) => Err(EncryptedKeyError::Passphrase.into()),
                opened => Ok(opened?),
            }
        }
        _ => Err(EncryptedKeyError::Format.into()),
    }
}

/// The key in a PKCS#8 structure.
fn seed_of(der: &[u8]) -> Result<SigningKey, EncryptedKeyError> {
    let info = PrivateKeyInfoRef::from_der(der).map_err(|_| EncryptedKeyError::Format)?;
    if info.algorithm.oid != ED25519 {
        return Err(EncryptedKeyError::Algorithm { name: name_of(info.algorithm.oid) });
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

/// Refuses a key that would take too much memory or minutes to open, before anything is computed.
fn check_cost(scheme: &EncryptionScheme) -> Result<(), EncryptedKeyError> {
    let EncryptionScheme::Pbes2(parameters) = scheme else {
        return Err(EncryptedKeyError::Scheme { name: name_of(scheme.oid()) });
    };
    match &parameters.kdf {
        Kdf::Scrypt(cost) => {
            // Memory is at most 128 N r p bytes, if none of the p parallel parts shares its memory (RFC 7914, section
            // 2).
            let memory = 128u64
                .checked_mul(cost.cost_parameter)
                .and_then(|bytes| bytes.checked_mul(u64::from(cost.block_size)))
                .and_then(|bytes| bytes.checked_mul(u64::from(cost.parallelization)));
            memory.filter(|bytes| *bytes <= MAX_SCRYPT_BYTES).map(|_| ()).ok_or(EncryptedKeyError::Cost)
        }
        Kdf::Pbkdf2(cost) if cost.iteration_count <= MAX_PBKDF2_ROUNDS => Ok(()),
        Kdf::Pbkdf2(_) => Err(EncryptedKeyError::Cost),
        // A later version of the library may know further derivations.
        _ => Err(EncryptedKeyError::Scheme { name: name_of(parameters.kdf.oid()) }),
    }
}

/// The part of an encrypted key (RFC 5958, section 3) that cannot be read: the scheme or, with PBES2 (RFC 8018,
/// appendix A.4), the cipher, the key derivation, or the function that the derivation uses.
fn unread_scheme(der: &[u8]) -> EncryptedKeyError {
    let scheme = SliceReader::new(der).and_then(|mut reader| {
        let tag = Header::decode(&mut reader)?;
        tag.tag().assert_eq(Tag::Sequence)?;
        AlgorithmIdentifierRef::decode(&mut reader)
    });
    let Ok(scheme) = scheme else { return EncryptedKeyError::Format };
    let parts = scheme.parameters.filter(|_| scheme.oid == pbes2::PBES2_OID).and_then(|parameters| {
        let parts: pkcs8::der::Result<_> = parameters.sequence(|reader| {
            Ok((AlgorithmIdentifierRef::decode(reader)?, AlgorithmIdentifierRef::decode(reader)?))
        });
        parts.ok()
    });
    let name = match parts {
        Some((_, cipher)) if pbes2::EncryptionScheme::try_from(cipher).is_err() => name_of(cipher.oid),
        Some((derivation, _)) => name_of(prf_of(derivation).unwrap_or(derivation.oid)),
        None => name_of(scheme.oid),
    };
    EncryptedKeyError::Scheme { name }
}

/// The pseudorandom function that PBKDF2 uses, if the parameters name one (RFC 8018, appendix A.2).
fn prf_of(derivation: AlgorithmIdentifierRef<'_>) -> Option<ObjectIdentifier> {
    let prf = derivation.parameters.filter(|_| derivation.oid == pbes2::PBKDF2_OID)?.sequence(|reader| {
        <&OctetStringRef>::decode(reader)?;
        u32::decode(reader)?;
        Option::<u16>::decode(reader)?;
        AlgorithmIdentifierRef::decode(reader)
    });
    prf.ok().map(|prf| prf.oid)
}

impl EncryptedKeyError {
    /// What to do about the error; `path` is the file.
    pub(crate) fn hint(&self, path: &Path) -> Option<String> {
        let file = escape::path(path);
        match self {
            Self::Scheme { name } => {
                // OpenSSL keeps such old ciphers in a provider of their own.
                let legacy =
                    if name.starts_with("PBES1") { " -provider default -provider legacy" } else { "" };
                Some(format!(
                    "encrypt it anew: openssl pkcs8{legacy} -topk8 -v2 aes-256-cbc -in {file} -out {file}.new"
                ))
            }
            Self::Stranger(stranger) => Some(stranger.hint(path)),
            Self::Algorithm { .. } => Some("make a key with: conductor-sign generate-key".to_owned()),
            Self::Format => Some(format!("see what it is: openssl pkey -noout -text_pub -in {file}")),
            Self::Cost | Self::Passphrase | Self::Empty | Self::TooLong | Self::Random => None,
        }
    }
}

/// Why a PEM file holds no usable key, or cannot be decrypted.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum EncryptedKeyError {
    /// Not PEM of PKCS#8.
    #[error("not a private key in PKCS#8")]
    Format,
    /// The key is of another algorithm.
    #[error("the private key is one of {name}, and signing needs Ed25519")]
    Algorithm {
        /// Name of the algorithm, or its object identifier.
        name: String,
    },
    /// The key is encrypted in a way that is not read.
    #[error(
        "the private key is encrypted with {name}, which is not read; PBES2 is, with scrypt or PBKDF2 (HMAC-SHA-1 to \
         HMAC-SHA-512) and AES"
    )]
    Scheme {
        /// Name of the scheme, or its object identifier.
        name: String,
    },
    /// The file is something else than a private key in PKCS#8.
    #[error("this is {0}")]
    Stranger(Stranger),
    /// Decrypting the key would cost too much memory or time.
    #[error(
        "opening the private key would take more than {MAX_SCRYPT_BYTES} bytes of memory or {MAX_PBKDF2_ROUNDS} rounds"
    )]
    Cost,
    /// The passphrase does not decrypt the key.
    #[error("the passphrase does not open the private key")]
    Passphrase,
    /// The passphrase is empty.
    #[error("the passphrase is empty")]
    Empty,
    /// The passphrase is longer than [`MAX_PASSPHRASE_BYTES`].
    #[error("the passphrase is longer than {MAX_PASSPHRASE_BYTES} bytes")]
    TooLong,
    /// The system gives no randomness.
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

    /// Each file of `tests/vectors/key-files` was made by OpenSSL or OpenSSH, with the passphrase `secret` if it is
    /// encrypted. The first line of the file says what reading it must give.
    #[test]
    fn files_of_other_programs_open_or_are_named() {
        let vectors = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/vectors/key-files");
        let mut opened = 0;
        for file in std::fs::read_dir(&vectors).unwrap_or_else(|error| panic!("{error}")) {
            let path = file.unwrap_or_else(|error| panic!("{error}")).path();
            let text = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{error}"));
            let expected = text.lines().next().and_then(|line| line.strip_prefix("# expect: "));
            let expected = expected.unwrap_or_else(|| panic!("{path:?} says nothing"));
            assert!(is_pem(text.as_bytes()), "{path:?}");
            match open(&text, b"secret") {
                Ok(_) => {
                    assert_eq!(expected, "opens", "{path:?}");
                    opened += 1;
                }
                Err(error) => {
                    assert!(error.to_string().contains(expected), "{path:?}: {error}");
                    let hint = error.hint(&path).unwrap_or_else(|| panic!("{path:?}: no hint"));
                    assert!(hint.contains("openssl pkcs8") == expected.contains("encrypted with"), "{hint}");
                }
            }
        }
        assert_eq!(opened, 5, "of {vectors:?}");
    }

    #[test]
    fn a_byte_order_mark_is_passed_over() {
        let pem = "\u{feff}-----BEGIN PRIVATE KEY-----\r\n\
                   MC4CAQAwBQYDK2VwBCIEINTuctv5E1hK1bbY8fdp+K06/nwoy/HU++CXqI9EdVhC\r\n\
                   -----END PRIVATE KEY-----";
        assert!(is_pem(pem.as_bytes()) && open(pem, b"").is_ok());
    }

    #[test]
    fn what_is_no_pem_is_named_by_how_it_begins() {
        let der = [&[0x30, 0x2e][..], &[1; 0x2e]].concat();
        let hex = "AB".repeat(32) + "\n";
        for (bytes, expected) in [
            (&b"ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAU+ me\n"[..], Some(Stranger::PublicKey)),
            (b"---- BEGIN SSH2 PUBLIC KEY ----\nComment: me\n", Some(Stranger::PublicKey)),
            (hex.as_bytes(), Some(Stranger::PublicKey)),
            (b"PuTTY-User-Key-File-3: ssh-ed25519\n", Some(Stranger::Putty)),
            (b"untrusted comment: minisign encrypted secret key\n", Some(Stranger::Minisign)),
            (b"{\"kty\":\"OKP\"}", Some(Stranger::Json)),
            (&der, Some(Stranger::Der)),
            (&[b'{'; 32], None),
            (&[0x30; 31], None),
            (b"", None),
        ] {
            assert_eq!(Stranger::without_pem(bytes), expected, "{:?}", String::from_utf8_lossy(bytes));
        }
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
