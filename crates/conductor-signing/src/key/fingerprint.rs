//! A form of a public key for people: short enough to be read out, and long enough that nobody can make another key
//! with the same fingerprint.

use std::fmt;

use bip39::Mnemonic;

use crate::key::public_key::PublicKey;
use crate::text::Digest;

/// Bytes of the fingerprint that the words stand for. With 128 bits, nobody can find a second key with the same words.
const WORD_BYTES: usize = 16;

/// SHA-256 of the 32 bytes of a public key.
///
/// In hex the fingerprint has 16 groups of 4 digits. In words it is the first 128 bits and a checksum of 4 bits, as 12
/// words of the English list of BIP 39. No two words of the list begin with the same four letters, so the words can be
/// told apart over the telephone. The words are not a secret and open nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fingerprint(Digest);

impl PublicKey {
    /// The key's fingerprint.
    #[must_use]
    pub fn fingerprint(&self) -> Fingerprint {
        Fingerprint(Digest::from_bytes(self.as_bytes()))
    }
}

impl Fingerprint {
    /// Hex digits in groups of 4, in two lines of 8 groups.
    #[must_use]
    pub fn hex_lines(&self) -> Vec<String> {
        let digits = self.0.to_string();
        let groups: Vec<&str> = (0..16).filter_map(|place| digits.get(place * 4..place * 4 + 4)).collect();
        groups.chunks(8).map(|line| line.join(" ")).collect()
    }

    /// The fingerprint as 12 words.
    #[must_use]
    pub fn words(&self) -> Vec<&'static str> {
        let bytes = self.0.as_bytes().get(..WORD_BYTES).unwrap_or_default();
        // BIP 39 has words for entropy of 16 bytes, so this does not fail.
        Mnemonic::from_entropy(bytes).map(|mnemonic| mnemonic.words().collect()).unwrap_or_default()
    }

    /// The words in two lines of 6.
    #[must_use]
    pub fn word_lines(&self) -> Vec<String> {
        self.words().chunks(6).map(|line| line.join(" ")).collect()
    }
}

impl fmt::Display for Fingerprint {
    /// Shows 64 hex digits.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fingerprint_is_the_same_everywhere() {
        let key: PublicKey =
            "3dab8dbfaeb804085e879791d395d6afabe268535a2bc98ea70afa1edd291cca".parse().expect("a key");
        let fingerprint = key.fingerprint();
        assert_eq!(fingerprint.hex_lines().join(" ").replace(' ', ""), fingerprint.to_string());
        assert_eq!(fingerprint.hex_lines().len(), 2);
        let words = fingerprint.words();
        assert_eq!((words.len(), fingerprint.word_lines().len()), (12, 2));
        let back = Mnemonic::parse_normalized(&words.join(" ")).expect("words with their checksum");
        let (bytes, length) = back.to_entropy_array();
        assert_eq!(&bytes[..length], &fingerprint.0.as_bytes()[..WORD_BYTES]);
    }
}
