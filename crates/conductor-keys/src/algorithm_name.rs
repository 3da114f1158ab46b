//! Names of the algorithms that key files of other programs name by object identifier.

use pkcs8::ObjectIdentifier;

/// Schemes of PBES1 (RFC 8018, appendix A.3) and of PKCS #12 (RFC 7292, appendix C), ciphers and functions that OpenSSL knows for
/// PBES2, and algorithms of keys.
const NAMES: [(&str, &str); 41] = [
    ("1.2.840.113549.1.5.1", "PBES1 (MD2 and DES)"),
    ("1.2.840.113549.1.5.3", "PBES1 (MD5 and DES)"),
    ("1.2.840.113549.1.5.4", "PBES1 (MD2 and RC2)"),
    ("1.2.840.113549.1.5.6", "PBES1 (MD5 and RC2)"),
    ("1.2.840.113549.1.5.10", "PBES1 (SHA-1 and DES)"),
    ("1.2.840.113549.1.5.11", "PBES1 (SHA-1 and RC2)"),
    ("1.2.840.113549.1.12.1.1", "PBES1 of PKCS #12 (SHA-1 and RC4)"),
    ("1.2.840.113549.1.12.1.2", "PBES1 of PKCS #12 (SHA-1 and RC4 of 40 bits)"),
    ("1.2.840.113549.1.12.1.3", "PBES1 of PKCS #12 (SHA-1 and 3DES)"),
    ("1.2.840.113549.1.12.1.4", "PBES1 of PKCS #12 (SHA-1 and 3DES of two keys)"),
    ("1.2.840.113549.1.12.1.5", "PBES1 of PKCS #12 (SHA-1 and RC2)"),
    ("1.2.840.113549.1.12.1.6", "PBES1 of PKCS #12 (SHA-1 and RC2 of 40 bits)"),
    ("1.2.840.113549.1.5.14", "PBMAC1"),
    ("1.2.840.113549.3.7", "3DES"),
    ("1.3.14.3.2.7", "DES"),
    ("1.2.840.113549.3.2", "RC2"),
    ("1.2.840.113549.3.9", "RC5"),
    ("1.3.6.1.4.1.3029.1.2", "Blowfish"),
    ("1.2.840.113533.7.66.10", "CAST5"),
    ("1.3.6.1.4.1.188.7.1.1.2", "IDEA"),
    ("1.2.392.200011.61.1.1.1.2", "Camellia-128"),
    ("1.2.392.200011.61.1.1.1.3", "Camellia-192"),
    ("1.2.392.200011.61.1.1.1.4", "Camellia-256"),
    ("1.2.410.200046.1.1.2", "ARIA-128"),
    ("1.2.410.200046.1.1.7", "ARIA-192"),
    ("1.2.410.200046.1.1.12", "ARIA-256"),
    ("1.2.410.200004.1.4", "SEED"),
    ("1.2.156.10197.1.104.2", "SM4"),
    ("1.2.840.113549.2.6", "PBKDF2 of HMAC-MD5"),
    ("1.2.840.113549.2.12", "PBKDF2 of HMAC-SHA-512/224"),
    ("1.2.840.113549.2.13", "PBKDF2 of HMAC-SHA-512/256"),
    ("1.2.156.10197.1.401.2", "PBKDF2 of HMAC-SM3"),
    ("1.2.840.113549.1.1.1", "RSA"),
    ("1.2.840.113549.1.1.10", "RSA-PSS"),
    ("1.2.840.10040.4.1", "DSA"),
    ("1.2.840.10045.2.1", "ECDSA"),
    ("1.3.101.110", "X25519"),
    ("1.3.101.111", "X448"),
    ("1.3.101.113", "Ed448"),
    ("1.2.840.113549.1.3.1", "Diffie-Hellman"),
    ("1.3.6.1.4.1.11591.4.11", "scrypt at a cost that is too high"),
];

/// Families of algorithms that are named together: modes of AES that are not read (NIST, Computer Security Objects
/// Register), and PBKDF2 with functions of SHA-3.
const FAMILIES: [(&str, &str); 2] = [
    ("2.16.840.1.101.3.4.1.", "AES in a mode other than CBC and GCM"),
    ("2.16.840.1.101.3.4.2.", "PBKDF2 of HMAC-SHA-3"),
];

/// The name of an algorithm; an algorithm that is not in the tables is named by its object identifier.
pub(crate) fn name_of(oid: ObjectIdentifier) -> String {
    let number = oid.to_string();
    let name = NAMES.iter().find(|(known, _)| *known == number);
    let family = FAMILIES.iter().find(|(family, _)| number.starts_with(family));
    name.or(family).map_or_else(|| format!("the algorithm {number}"), |(_, name)| (*name).to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_number_is_one_and_has_one_name() {
        for (index, (number, name)) in NAMES.iter().enumerate() {
            let oid: ObjectIdentifier = number.parse().unwrap_or_else(|error| panic!("{number}: {error}"));
            assert_eq!(name_of(oid), *name);
            assert!(NAMES.iter().skip(index + 1).all(|(other, _)| other != number), "{number}");
        }
        let unknown: ObjectIdentifier = "1.2.3".parse().unwrap_or_else(|error| panic!("{error}"));
        assert_eq!(name_of(unknown), "the algorithm 1.2.3");
    }
}
