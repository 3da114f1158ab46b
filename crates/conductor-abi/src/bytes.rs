//! Bytes as one value, for formats that write them in another form than a list of numbers.

use alloc::vec::Vec;
use core::fmt;

use serde::de::{Error, Visitor};
use serde::{Deserializer, Serializer};

pub(crate) fn serialize<S: Serializer>(bytes: &[u8], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_bytes(bytes)
}

pub(crate) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<u8>, D::Error> {
    deserializer.deserialize_byte_buf(Bytes)
}

struct Bytes;

impl Visitor<'_> for Bytes {
    type Value = Vec<u8>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("bytes")
    }

    fn visit_bytes<E: Error>(self, bytes: &[u8]) -> Result<Vec<u8>, E> {
        Ok(bytes.to_vec())
    }

    fn visit_byte_buf<E: Error>(self, bytes: Vec<u8>) -> Result<Vec<u8>, E> {
        Ok(bytes)
    }
}

#[cfg(test)]
mod tests {
    use crate::HttpPiece;

    #[test]
    fn bytes_are_on_the_wire_what_a_list_of_numbers_is() {
        for length in [0_usize, 1, 127, 128, 300] {
            let bytes = alloc::vec![0xfe_u8; length];
            let wire = postcard::to_allocvec(&HttpPiece { bytes: bytes.clone() }).expect("encodes");
            assert_eq!(postcard::to_allocvec(&bytes), Ok(wire.clone()));
            assert_eq!(postcard::from_bytes(&wire), Ok(HttpPiece { bytes }));
        }
    }
}
