//! Signatures over bytes together with their type, for payloads that are more than a digest.

use crate::key::{PrivateKey, PrivateKeyError, PublicKey, Signature, private_key};

/// Signs bytes as a payload of the given type, and verifies the new signature.
///
/// # Errors
///
/// Fails if the key does not sign, or if the answer is not a valid signature of the key.
pub fn sign(key: &dyn PrivateKey, payload_type: &str, body: &[u8]) -> Result<Signature, PrivateKeyError> {
    private_key::sign(key, &pre_authentication_encoding(payload_type, body))
}

/// Whether `signature` is the key's signature over the bytes as a payload of the given type.
#[must_use]
pub fn accepts(key: &PublicKey, payload_type: &str, body: &[u8], signature: &Signature) -> bool {
    key.accepts(&pre_authentication_encoding(payload_type, body), signature)
}

/// The pre-authentication encoding of DSSE, version 1: `DSSEv1 SP LEN(type) SP type SP LEN(body) SP body`
/// (<https://github.com/secure-systems-lab/dsse/blob/v1.0.0/protocol.md>). A signature over a payload of one type is
/// never valid for a payload of another type, nor for a digest, which is 32 bytes.
pub(crate) fn pre_authentication_encoding(payload_type: &str, body: &[u8]) -> Vec<u8> {
    let mut encoded = format!("DSSEv1 {} {payload_type} {} ", payload_type.len(), body.len()).into_bytes();
    encoded.extend_from_slice(body);
    encoded
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::document::PAYLOAD_TYPE;

    #[test]
    fn the_encoding_is_that_of_dsse() {
        let encoded = pre_authentication_encoding(PAYLOAD_TYPE, b"hello");
        assert_eq!(encoded, b"DSSEv1 40 application/vnd.conductor.plugin.v1+json 5 hello");
    }
}
