//! PKCS#11 URIs (RFC 7512): which module, which token, which key, and where the PIN comes from.
//!
//! The parser is strict where a lenient parser could pick another key than the user means: an attribute that occurs
//! twice, is neither known nor a vendor's, or has an invalid escape is an error.

use std::ffi::OsString;
use std::fmt;
use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};
use std::path::{Path, PathBuf};
use std::str::FromStr;

use conductor_store::escape;
use zeroize::Zeroizing;

/// Longest URI in bytes; no token has names of that length.
pub const MAX_URI_BYTES: usize = 4096;

/// A PKCS#11 URI. It has no `Debug`, because there may be a PIN in it.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct TokenUri {
    /// Label of the token.
    pub token: Option<String>,
    /// Manufacturer of the token.
    pub manufacturer: Option<String>,
    /// Serial number of the token.
    pub serial: Option<String>,
    /// Model of the token.
    pub model: Option<String>,
    /// Number of the slot.
    pub slot_id: Option<u64>,
    /// Label of the key.
    pub object: Option<String>,
    /// `CKA_ID` of the key.
    pub id: Option<Vec<u8>>,
    /// The module, a shared library.
    pub module_path: Option<PathBuf>,
    /// Name of a module; only the system knows the path for the name.
    pub module_name: Option<String>,
    /// File that holds the PIN.
    pub pin_source: Option<PathBuf>,
    /// The PIN itself.
    pub pin_value: Option<Zeroizing<String>>,
}

impl FromStr for TokenUri {
    type Err = TokenUriError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text.len() > MAX_URI_BYTES {
            return Err(TokenUriError::TooLong);
        }
        let rest = text.strip_prefix("pkcs11:").ok_or(TokenUriError::Scheme)?;
        let (path, query) = rest.split_once('?').unwrap_or((rest, ""));
        let mut uri = Self::default();
        let mut seen: Vec<&str> = Vec::new();
        let attributes = path.split(';').map(|part| (part, true));
        // RFC 7512 puts module and PIN attributes behind `?`, separated by `&`; people also write them among the other
        // attributes.
        let attributes = attributes.chain(query.split('&').map(|part| (part, false)));
        for (attribute, in_path) in attributes.filter(|(part, _)| !part.is_empty()) {
            let (name, value) = attribute
                .split_once('=')
                .ok_or_else(|| TokenUriError::NoValue { name: attribute.to_owned() })?;
            if seen.contains(&name) {
                return Err(TokenUriError::Repeated { name: name.to_owned() });
            }
            seen.push(name);
            uri.set(name, value, in_path)?;
        }
        Ok(uri)
    }
}

impl TokenUri {
    fn set(&mut self, name: &str, value: &str, in_path: bool) -> Result<(), TokenUriError> {
        let bytes = decode(value).ok_or_else(|| TokenUriError::Escape { name: name.to_owned() })?;
        let text = || {
            String::from_utf8(bytes.to_vec()).map_err(|_| TokenUriError::NotText { name: name.to_owned() })
        };
        let path = || PathBuf::from(OsString::from_vec(bytes.to_vec()));
        match (name, in_path) {
            ("token", true) => self.token = Some(text()?),
            ("manufacturer", true) => self.manufacturer = Some(text()?),
            ("serial", true) => self.serial = Some(text()?),
            ("model", true) => self.model = Some(text()?),
            ("slot-id", true) => {
                let number = text()?.parse().map_err(|_| TokenUriError::SlotId)?;
                self.slot_id = Some(number);
            }
            ("object", true) => self.object = Some(text()?),
            ("id", true) => self.id = Some(bytes.to_vec()),
            ("type", true) => {
                let kind = text()?;
                if kind != "private" {
                    return Err(TokenUriError::Type { found: kind });
                }
            }
            ("module-path", _) => self.module_path = Some(path()),
            ("module-name", _) => self.module_name = Some(text()?),
            ("pin-source", _) => self.pin_source = Some(pin_file(&path())?),
            ("pin-value", _) => self.pin_value = Some(Zeroizing::new(text()?)),
            // These attributes describe the library of the token, which `module-path` chooses here, and so they are
            // ignored.
            (
                "library-manufacturer"
                | "library-description"
                | "library-version"
                | "slot-description"
                | "slot-manufacturer",
                true,
            ) => {}
            (vendor, _) if vendor.starts_with("x-") => {}
            (other, _) => return Err(TokenUriError::Unknown { name: other.to_owned() }),
        }
        Ok(())
    }

    /// The URI without its PIN, so that it can be shown and used again.
    #[must_use]
    pub fn without_pin(&self) -> Self {
        Self { pin_value: None, ..self.clone() }
    }
}

/// The file that `pin-source` names: a path, or a `file:` URI of this machine.
fn pin_file(value: &Path) -> Result<PathBuf, TokenUriError> {
    let bytes = value.as_os_str().as_bytes();
    if bytes.first() == Some(&b'|') {
        // RFC 7512 lets a `|` begin a command. A signing tool that runs commands from a URI would have a security hole.
        return Err(TokenUriError::PinCommand);
    }
    let path = bytes.strip_prefix(b"file:").map_or(bytes, |rest| rest.strip_prefix(b"//").unwrap_or(rest));
    Ok(PathBuf::from(OsString::from_vec(path.to_vec())))
}

impl fmt::Display for TokenUri {
    /// Shows the URI without its PIN.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("pkcs11:")?;
        let path = |path: &PathBuf| path.as_os_str().as_bytes().to_vec();
        let text = |text: &String| text.clone().into_bytes();
        let attributes = [
            ("module-path", self.module_path.as_ref().map(path)),
            ("module-name", self.module_name.as_ref().map(text)),
            ("slot-id", self.slot_id.map(|id| id.to_string().into_bytes())),
            ("token", self.token.as_ref().map(text)),
            ("manufacturer", self.manufacturer.as_ref().map(text)),
            ("serial", self.serial.as_ref().map(text)),
            ("model", self.model.as_ref().map(text)),
            ("object", self.object.as_ref().map(text)),
            ("id", self.id.clone()),
            ("pin-source", self.pin_source.as_ref().map(path)),
        ];
        let mut is_first = true;
        for (name, value) in attributes {
            let Some(value) = value else { continue };
            if !is_first {
                f.write_str(";")?;
            }
            is_first = false;
            write!(f, "{name}=")?;
            // The bytes of an identifier are not text, even where they look like it.
            let plain =
                |byte: u8| name != "id" && (byte.is_ascii_alphanumeric() || b"-._~/:".contains(&byte));
            for byte in value {
                if plain(byte) { write!(f, "{}", char::from(byte))? } else { write!(f, "%{byte:02X}")? }
            }
        }
        Ok(())
    }
}

/// Undoes percent-encoding (RFC 3986, section 2.1).
fn decode(text: &str) -> Option<Zeroizing<Vec<u8>>> {
    let mut decoded = Zeroizing::new(Vec::with_capacity(text.len()));
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        if byte == b'%' {
            let digit = |byte: Option<u8>| char::from(byte?).to_digit(16);
            let (high, low) = (digit(bytes.next())?, digit(bytes.next())?);
            decoded.push(u8::try_from(high * 16 + low).ok()?);
        } else {
            decoded.push(byte);
        }
    }
    Some(decoded)
}

/// Why a text is not a PKCS#11 URI of a private key.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TokenUriError {
    /// The URI is longer than [`MAX_URI_BYTES`].
    #[error("PKCS#11 URI is longer than {MAX_URI_BYTES} bytes")]
    TooLong,
    /// The URI does not begin with `pkcs11:`.
    #[error("PKCS#11 URI does not begin with `pkcs11:`")]
    Scheme,
    /// An attribute has no `=`.
    #[error("attribute `{}` of the PKCS#11 URI has no value", escape::terminal(name))]
    NoValue {
        /// The attribute.
        name: String,
    },
    /// An attribute occurs for the second time.
    #[error("attribute `{}` occurs twice in the PKCS#11 URI", escape::terminal(name))]
    Repeated {
        /// The attribute.
        name: String,
    },
    /// RFC 7512 does not know the attribute, or knows it only in the other part of the URI.
    #[error(
        "attribute `{}` of the PKCS#11 URI is not known; known are token, object, id, serial, manufacturer, model, slot-id, \
         type, module-path, module-name, pin-source and pin-value",
        escape::terminal(name)
    )]
    Unknown {
        /// The attribute.
        name: String,
    },
    /// An attribute has a percent sign without two hex digits behind it.
    #[error(
        "attribute `{}` of the PKCS#11 URI has a `%` without two hex digits behind it",
        escape::terminal(name)
    )]
    Escape {
        /// The attribute.
        name: String,
    },
    /// The bytes of an attribute are not UTF-8.
    #[error("attribute `{}` of the PKCS#11 URI is not UTF-8 text", escape::terminal(name))]
    NotText {
        /// The attribute.
        name: String,
    },
    /// `slot-id` is not a number.
    #[error("`slot-id` of the PKCS#11 URI is not a number")]
    SlotId,
    /// The URI is about another type of object than a private key.
    #[error("the PKCS#11 URI is about a `{}`, a signature needs `type=private`", escape::terminal(found))]
    Type {
        /// The type of object.
        found: String,
    },
    /// `pin-source` is a command.
    #[error("`pin-source` of the PKCS#11 URI is a command; only files are read")]
    PinCommand,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<TokenUri, TokenUriError> {
        text.parse()
    }

    #[test]
    fn uris_survive_being_shown() {
        let text = "pkcs11:module-path=/usr/lib/softhsm/libsofthsm2.so;slot-id=7;token=My%20token;manufacturer=SoftHSM%20\
                    project;serial=0123;model=SoftHSM%20v2;object=release%3Bkey;id=%01%AF;pin-source=/etc/pin";
        let uri = parse(text).unwrap_or_else(|error| panic!("{error}"));
        assert_eq!(uri.token.as_deref(), Some("My token"));
        assert_eq!(uri.object.as_deref(), Some("release;key"));
        assert_eq!(uri.id, Some(vec![1, 0xaf]));
        assert_eq!(uri.to_string(), text.replace("                    ", ""));
        let again = parse(&uri.to_string()).unwrap_or_else(|error| panic!("{error}"));
        assert!(again == uri);
    }

    #[test]
    fn modules_and_pins_stand_where_the_rfc_puts_them() {
        let uri = parse("pkcs11:token=t;object=o?module-path=/m.so&pin-source=file:///etc/pin")
            .unwrap_or_else(|error| panic!("{error}"));
        assert_eq!(uri.module_path.as_deref(), Some(Path::new("/m.so")));
        assert_eq!(uri.pin_source.as_deref(), Some(Path::new("/etc/pin")));
        let uri =
            parse("pkcs11:object=o?pin-value=12%2634&x-vendor=1").unwrap_or_else(|error| panic!("{error}"));
        assert_eq!(uri.pin_value.as_ref().map(|pin| pin.as_str()), Some("12&34"));
        assert!(!uri.to_string().contains("12"), "a PIN is not shown");
        assert!(uri.without_pin().pin_value.is_none());
    }

    #[test]
    fn what_could_mean_another_key_is_refused() {
        let name = |name: &str| name.to_owned();
        for (text, error) in [
            ("pkcs12:object=o", TokenUriError::Scheme),
            ("", TokenUriError::Scheme),
            ("pkcs11:object", TokenUriError::NoValue { name: name("object") }),
            ("pkcs11:object=a;object=b", TokenUriError::Repeated { name: name("object") }),
            (
                "pkcs11:object=a?module-path=a&module-path=b",
                TokenUriError::Repeated { name: name("module-path") },
            ),
            ("pkcs11:colour=red", TokenUriError::Unknown { name: name("colour") }),
            ("pkcs11:?object=o", TokenUriError::Unknown { name: name("object") }),
            ("pkcs11:object=%4", TokenUriError::Escape { name: name("object") }),
            ("pkcs11:object=%zz", TokenUriError::Escape { name: name("object") }),
            ("pkcs11:object=%FF", TokenUriError::NotText { name: name("object") }),
            ("pkcs11:slot-id=-1", TokenUriError::SlotId),
            ("pkcs11:type=cert", TokenUriError::Type { found: name("cert") }),
            ("pkcs11:object=o?pin-source=%7Cid", TokenUriError::PinCommand),
        ] {
            assert_eq!(parse(text).err(), Some(error), "{text}");
        }
        let long = format!("pkcs11:object={}", "o".repeat(MAX_URI_BYTES));
        assert_eq!(parse(&long).err(), Some(TokenUriError::TooLong));
    }
}
