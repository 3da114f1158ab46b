//! Telling requests apart: two are the same if they have the same code of authentication, over all of their bytes. What a
//! record shows of a request is cut where it is long, so that is never compared.

use std::fmt;

use hmac::{Hmac, KeyInit, Mac};
use serde::{Serialize, Serializer};
use sha2::Sha256;
use zeroize::Zeroizing;

/// What the key of a log is made with from the seed of the key that signs its checkpoints.
const KEY_CONTEXT: &[u8] = b"conductor audit request key v1\n";

/// What the code of every request begins with, so that it means nothing elsewhere.
const REQUEST_CONTEXT: &[u8] = b"conductor audit request v1\n";

/// Bytes of a key and of a code.
const BYTES: usize = 32;

/// The key under which the requests of a log are authenticated: without it nobody can try which request a code stands for.
pub struct AuditKey(Zeroizing<[u8; BYTES]>);

impl AuditKey {
    /// A key of these bytes, which nobody else may know.
    #[must_use]
    pub fn from_bytes(bytes: [u8; BYTES]) -> Self {
        Self(Zeroizing::new(bytes))
    }

    /// The key that belongs to the seed of a signing key.
    pub(super) fn of_seed(seed: &[u8; BYTES]) -> Self {
        let mut mac = keyed(seed);
        mac.update(KEY_CONTEXT);
        Self::from_bytes(mac.finalize().into_bytes().into())
    }

    /// The code of a request: HMAC-SHA-256 (RFC 2104) over `conductor audit request v1`, the name of the operation, each
    /// with a line feed, and all bytes that the plugin asked with.
    #[must_use]
    pub fn code(&self, operation: &str, request: &[u8]) -> RequestCode {
        let mut mac = keyed(&self.0);
        mac.update(REQUEST_CONTEXT);
        mac.update(operation.as_bytes());
        mac.update(b"\n");
        mac.update(request);
        RequestCode(mac.finalize().into_bytes().into())
    }
}

/// HMAC-SHA-256, which takes a key shorter than a block as if zeros followed it (RFC 2104, section 2).
fn keyed(key: &[u8; BYTES]) -> Hmac<Sha256> {
    let mut block = Zeroizing::new([0; 64]);
    block[..BYTES].copy_from_slice(key);
    Hmac::new((&*block).into())
}

/// What a whole request is told from others by; in hex where it is written.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct RequestCode([u8; BYTES]);

impl fmt::Display for RequestCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for RequestCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RequestCode({self})")
    }
}

impl Serialize for RequestCode {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_is_over_operation_and_every_byte_under_the_key() {
        let key = AuditKey::from_bytes([7; BYTES]);
        let code = key.code("run", b"abc");
        assert_eq!(code, AuditKey::from_bytes([7; BYTES]).code("run", b"abc"));
        for other in [key.code("run", b"abd"), key.code("ru", b"nabc"), key.code("run", b"abc\0")] {
            assert_ne!(other, code);
        }
        assert_ne!(AuditKey::from_bytes([8; BYTES]).code("run", b"abc"), code);
    }

    /// Worked out with another implementation: `printf … | openssl dgst -sha256 -mac HMAC -macopt hexkey:0707…`.
    #[test]
    fn a_code_is_hmac_sha_256() {
        let key = AuditKey::from_bytes([7; BYTES]);
        assert_eq!(
            key.code("run", b"abc").to_string(),
            "21f6a699c6da69b3c092274649a9b7735db13b931670e9f124368852ee9b5ef6"
        );
    }
}
