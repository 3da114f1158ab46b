//! Files that people mistake for a private key, recognised by their first bytes, so that the error can say what the
//! file is and what to do.

use std::fmt;
use std::path::Path;

use conductor_store::escape;

/// The kind of a file that is not a private key in PKCS#8.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Stranger {
    /// A private key in OpenSSH's own format.
    OpenSsh,
    /// A private key in PuTTY's format.
    Putty,
    /// A private key of another algorithm than Ed25519, in a format of its own.
    OtherAlgorithm(&'static str),
    /// A public key.
    PublicKey,
    /// A certificate or a request for one.
    Certificate,
    /// A key of minisign or signify.
    Minisign,
    /// A key of OpenPGP.
    OpenPgp,
    /// A key as JSON.
    Json,
    /// ASN.1 without the text form of PEM.
    Der,
}

/// Labels in the first line of PEM that is not PKCS#8.
const LABELS: [(&str, Stranger); 13] = [
    ("OPENSSH PRIVATE KEY", Stranger::OpenSsh),
    ("RSA PRIVATE KEY", Stranger::OtherAlgorithm("RSA")),
    ("EC PRIVATE KEY", Stranger::OtherAlgorithm("ECDSA")),
    ("EC PARAMETERS", Stranger::OtherAlgorithm("ECDSA")),
    ("DSA PRIVATE KEY", Stranger::OtherAlgorithm("DSA")),
    ("PUBLIC KEY", Stranger::PublicKey),
    ("RSA PUBLIC KEY", Stranger::PublicKey),
    ("CERTIFICATE", Stranger::Certificate),
    ("TRUSTED CERTIFICATE", Stranger::Certificate),
    ("CERTIFICATE REQUEST", Stranger::Certificate),
    ("NEW CERTIFICATE REQUEST", Stranger::Certificate),
    ("PGP PRIVATE KEY BLOCK", Stranger::OpenPgp),
    ("PGP PUBLIC KEY BLOCK", Stranger::OpenPgp),
];

/// First bytes of files that are not PEM.
const BEGINNINGS: [(&str, Stranger); 8] = [
    ("PuTTY-User-Key-File-", Stranger::Putty),
    ("---- BEGIN SSH2 PUBLIC KEY", Stranger::PublicKey),
    ("ssh-", Stranger::PublicKey),
    ("sk-ssh-", Stranger::PublicKey),
    ("ecdsa-sha2-", Stranger::PublicKey),
    ("sk-ecdsa-sha2-", Stranger::PublicKey),
    ("untrusted comment:", Stranger::Minisign),
    ("{", Stranger::Json),
];

/// Length of a key file that holds just the seed (RFC 8032, section 5.1.5).
const SEED_BYTES: usize = 32;

/// Number of digits in a public key file of `conductor-sign generate-key`.
const PUBLIC_DIGITS: usize = 64;

impl Stranger {
    /// The kind of a PEM file that is not PKCS#8. The first key in the file counts, as it does for a reader.
    pub(crate) fn of_pem(pem: &[u8]) -> Option<Self> {
        let mut labels =
            pem.split(|byte| *byte == b'\n').filter_map(|line| line.strip_prefix(b"-----BEGIN "));
        let label = labels.next()?;
        let is =
            |known: &str| label.strip_prefix(known.as_bytes()).is_some_and(|rest| rest.starts_with(b"-----"));
        LABELS.iter().find(|(known, _)| is(known)).map(|(_, stranger)| *stranger)
    }

    /// The kind of a file that is not PEM. A file with the length of a seed is taken for a seed, whatever it begins
    /// with.
    pub(crate) fn without_pem(bytes: &[u8]) -> Option<Self> {
        if bytes.len() == SEED_BYTES {
            return None;
        }
        let text = bytes.trim_ascii();
        if text.len() == PUBLIC_DIGITS && text.iter().all(u8::is_ascii_hexdigit) {
            return Some(Self::PublicKey);
        }
        if is_der(bytes) {
            return Some(Self::Der);
        }
        BEGINNINGS.iter().find(|(beginning, _)| text.starts_with(beginning.as_bytes())).map(|(_, is)| *is)
    }
}

/// Whether the bytes are one sequence of ASN.1 in DER (ITU-T X.690, section 8.1): the tag of a sequence, and a length
/// that equals the length of the rest.
fn is_der(bytes: &[u8]) -> bool {
    let (length, header) = match *bytes {
        [0x30, length @ 0..=0x7f, ..] => (usize::from(length), 2),
        [0x30, 0x81, length, ..] => (usize::from(length), 3),
        [0x30, 0x82, high, low, ..] => (usize::from(high) << 8 | usize::from(low), 4),
        _ => return false,
    };
    bytes.len() == header + length
}

impl Stranger {
    /// What to do about the file at `path`.
    pub(crate) fn hint(self, path: &Path) -> String {
        let file = escape::path(path);
        let make = "make one with: conductor-sign generate-key";
        match self {
            Self::OpenSsh => format!(
                "an agent signs with it: ssh-add {file}, then --hardware-key ssh-agent in place of the file; or {make}"
            ),
            Self::Putty => {
                format!("an agent signs with it: pageant {file}, then --hardware-key ssh-agent; or {make}")
            }
            Self::OtherAlgorithm(_) | Self::Certificate | Self::Minisign | Self::OpenPgp => make.to_owned(),
            Self::PublicKey => "name the private half, which only you have".to_owned(),
            Self::Json => "write it as PEM of PKCS#8, with the program that made it; or ".to_owned() + make,
            Self::Der => format!("write it as PEM: openssl pkey -inform DER -in {file} -out {file}.pem"),
        }
    }
}

impl fmt::Display for Stranger {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::OpenSsh => f.write_str("a private key in the format of OpenSSH, which only an agent opens"),
            Self::Putty => f.write_str("a private key in the format of PuTTY, which is not read"),
            Self::OtherAlgorithm(name) => write!(f, "a private key of {name}, and signing needs Ed25519"),
            Self::PublicKey => f.write_str("a public key, and signing needs the private one"),
            Self::Certificate => f.write_str("a certificate, and signing needs a private key"),
            Self::Minisign => f.write_str("a key of minisign or signify, which is not read"),
            Self::OpenPgp => f.write_str("a key of OpenPGP, which is not read"),
            Self::Json => f.write_str("JSON, and a private key is PEM of PKCS#8 or a bare seed"),
            Self::Der => f.write_str("ASN.1 in DER, and PKCS#8 is read as PEM"),
        }
    }
}
