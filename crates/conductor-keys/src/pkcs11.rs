//! Keys on PKCS#11 tokens (OASIS PKCS#11 3.0): found by a URI, generated so that they cannot leave the token, and used
//! to sign.

use std::path::{Path, PathBuf};

use conductor_signing::{PrivateKey, PrivateKeyError, PublicKey, Signature};
use conductor_store::escape;
use cryptoki::context::{CInitializeArgs, CInitializeFlags, Pkcs11};
use cryptoki::error::{Error as CryptokiError, RvError};
use cryptoki::mechanism::Mechanism;
use cryptoki::mechanism::eddsa::{EddsaParams, EddsaSignatureScheme};
use cryptoki::object::{Attribute, AttributeType, KeyType, ObjectClass, ObjectHandle};
use cryptoki::session::{Session, UserType};
use cryptoki::slot::{Slot, TokenInfo};
use cryptoki::types::AuthPin;

use crate::token_uri::TokenUri;

/// The names that tokens have for the curve: by name (PKCS#11 3.0) or by object identifier (RFC 8410).
const ED25519_NAMES: [&[u8]; 2] = [b"\x13\x0cedwards25519", b"\x06\x03\x2b\x65\x70"];

/// Most keys of one token that are looked at.
const MAX_KEYS: usize = 256;

/// Length in bytes of the identifier that a new key gets.
const ID_BYTES: u32 = 8;

/// A PKCS#11 module that is loaded.
pub(crate) struct Module {
    path: PathBuf,
    library: Pkcs11,
}

/// A key on a token, without its private half.
pub(crate) struct FoundKey {
    pub(crate) uri: TokenUri,
    pub(crate) public_key: PublicKey,
}

impl Module {
    /// Loads a module into this process.
    pub(crate) fn load(path: &Path) -> Result<Self, TokenError> {
        let failed = |source| TokenError::Module { path: path.to_owned(), source: Box::new(source) };
        let library = Pkcs11::new(path).map_err(failed)?;
        library.initialize(CInitializeArgs::new(CInitializeFlags::OS_LOCKING_OK)).map_err(failed)?;
        Ok(Self { path: path.to_owned(), library })
    }

    /// Opens the key that `uri` names, ready to sign. `pin` is called only if the token wants a PIN.
    pub(crate) fn open<E: From<TokenError>>(
        &self,
        uri: &TokenUri,
        pin: impl FnOnce(&str) -> Result<AuthPin, E>,
    ) -> Result<TokenKey, E> {
        let (slot, info) = self.slot(uri)?;
        let session =
            self.library.open_ro_session(slot).map_err(|error| self.failed("open the token", error))?;
        log_in(&session, &info, pin)?;
        let mut wanted = key_template(uri, ObjectClass::PRIVATE_KEY);
        wanted.push(Attribute::Sign(true));
        let handles =
            session.find_objects(&wanted).map_err(|error| self.failed("look for the key", error))?;
        let handle = match handles.as_slice() {
            [handle] => *handle,
            [] => {
                let specs = self.specs(&session, slot, &info);
                return Err(TokenError::NoKey { uri: uri.to_string(), specs }.into());
            }
            _ => {
                let specs = self.specs(&session, slot, &info);
                return Err(TokenError::Several { uri: uri.to_string(), specs }.into());
            }
        };
        let public_key = self.public_half(&session, handle, uri)?;
        Ok(TokenKey { session, handle, public_key })
    }

    /// Makes a key that cannot leave the token, and opens it.
    pub(crate) fn generate<E: From<TokenError>>(
        &self,
        uri: &TokenUri,
        pin: impl FnOnce(&str) -> Result<AuthPin, E>,
    ) -> Result<(TokenKey, TokenUri), E> {
        let label = uri.object.clone().ok_or(TokenError::NoLabel)?;
        let (slot, info) = self.slot(uri)?;
        let session =
            self.library.open_rw_session(slot).map_err(|error| self.failed("open the token", error))?;
        log_in(&session, &info, pin)?;
        for class in [ObjectClass::PRIVATE_KEY, ObjectClass::PUBLIC_KEY] {
            let label = Attribute::Label(label.clone().into_bytes());
            let mut same = vec![vec![Attribute::Class(class), label]];
            same.extend(uri.id.clone().map(|id| vec![Attribute::Class(class), Attribute::Id(id)]));
            for template in same {
                let found = session.find_objects(&template);
                if !found.map_err(|error| self.failed("look for the key", error))?.is_empty() {
                    return Err(TokenError::Exists { uri: uri.to_string() }.into());
                }
            }
        }
        let id = match &uri.id {
            Some(id) => id.clone(),
            None => {
                session.generate_random_vec(ID_BYTES).map_err(|error| self.failed("name the key", error))?
            }
        };
        let (public, handle) = self.generate_pair(&session, &label, &id)?;
        let found = TokenUri { id: Some(id), ..self.uri_of(slot, &info, uri) };
        let public_key = self
            .point(&session, public, AttributeType::EcPoint)?
            .ok_or_else(|| TokenError::NotEd25519 { uri: found.to_string() })?;
        Ok((TokenKey { session, handle, public_key }, found))
    }

    fn generate_pair(
        &self,
        session: &Session,
        label: &str,
        id: &[u8],
    ) -> Result<(ObjectHandle, ObjectHandle), TokenError> {
        let common = |private| {
            vec![
                Attribute::Token(true),
                Attribute::Private(private),
                Attribute::Label(label.as_bytes().to_vec()),
                Attribute::Id(id.to_vec()),
            ]
        };
        let mut private = common(true);
        private.extend([Attribute::Sign(true), Attribute::Sensitive(true), Attribute::Extractable(false)]);
        let mut last = None;
        for name in ED25519_NAMES {
            let mut public = common(false);
            public.extend([Attribute::Verify(true), Attribute::EcParams(name.to_vec())]);
            match session.generate_key_pair(&Mechanism::EccEdwardsKeyPairGen, &public, &private) {
                Ok(pair) => return Ok(pair),
                Err(error) => last = Some(error),
            }
        }
        Err(match last {
            Some(error) => self.failed("make an Ed25519 key", error),
            None => TokenError::NoLabel,
        })
    }

    /// The Ed25519 keys of all tokens that are visible without a PIN.
    pub(crate) fn keys(&self) -> Result<Vec<FoundKey>, TokenError> {
        let slots = self.library.get_slots_with_initialized_token();
        let mut found = Vec::new();
        for slot in slots.map_err(|error| self.failed("list its tokens", error))? {
            let Ok(info) = self.library.get_token_info(slot) else { continue };
            let Ok(session) = self.library.open_ro_session(slot) else { continue };
            found.extend(self.keys_of(&session, slot, &info));
        }
        Ok(found)
    }

    /// The Ed25519 keys of one token, found by their public objects.
    fn keys_of(&self, session: &Session, slot: Slot, info: &TokenInfo) -> Vec<FoundKey> {
        let template = [Attribute::Class(ObjectClass::PUBLIC_KEY), Attribute::KeyType(KeyType::EC_EDWARDS)];
        let handles = session.find_objects(&template).unwrap_or_default();
        let key = |handle: ObjectHandle| {
            let public_key = self.point(session, handle, AttributeType::EcPoint).ok().flatten()?;
            let mut uri = self.uri_of(slot, info, &TokenUri::default());
            for attribute in
                session.get_attributes(handle, &[AttributeType::Label, AttributeType::Id]).ok()?
            {
                if let Attribute::Label(label) = &attribute
                    && !label.is_empty()
                {
                    uri.object = Some(String::from_utf8_lossy(label).into_owned());
                }
                if let Attribute::Id(id) = attribute
                    && !id.is_empty()
                {
                    uri.id = Some(id);
                }
            }
            Some(FoundKey { uri, public_key })
        };
        handles.into_iter().take(MAX_KEYS).filter_map(key).collect()
    }

    fn specs(&self, session: &Session, slot: Slot, info: &TokenInfo) -> Vec<String> {
        self.keys_of(session, slot, info).iter().map(|key| key.uri.to_string()).collect()
    }

    /// A URI of this module and token, with the key attributes of `meant`.
    fn uri_of(&self, slot: Slot, info: &TokenInfo, meant: &TokenUri) -> TokenUri {
        let label = info.label().trim_end();
        TokenUri {
            module_path: Some(self.path.clone()),
            token: Some(label.to_owned()).filter(|label| !label.is_empty()),
            slot_id: label.is_empty().then(|| slot.id()),
            object: meant.object.clone(),
            id: meant.id.clone(),
            pin_source: meant.pin_source.clone(),
            ..TokenUri::default()
        }
    }

    /// The only token that the URI fits.
    fn slot(&self, uri: &TokenUri) -> Result<(Slot, TokenInfo), TokenError> {
        let slots = self.library.get_slots_with_initialized_token();
        let slots = slots.map_err(|error| self.failed("list its tokens", error))?;
        let tokens: Vec<(Slot, TokenInfo)> = slots
            .into_iter()
            .filter_map(|slot| Some((slot, self.library.get_token_info(slot).ok()?)))
            .collect();
        let specs = || {
            let spec =
                |(slot, info): &(Slot, TokenInfo)| self.uri_of(*slot, info, &TokenUri::default()).to_string();
            tokens.iter().map(spec).collect::<Vec<_>>()
        };
        let says = |wanted: &Option<String>, found: &str| {
            wanted.as_ref().is_none_or(|wanted| wanted.trim_end() == found.trim_end())
        };
        let mut meant = tokens.iter().filter(|(slot, info)| {
            says(&uri.token, info.label())
                && says(&uri.manufacturer, info.manufacturer_id())
                && says(&uri.serial, info.serial_number())
                && says(&uri.model, info.model())
                && uri.slot_id.is_none_or(|id| id == slot.id())
        });
        match (meant.next(), meant.next()) {
            (Some((slot, info)), None) => Ok((*slot, info.clone())),
            (Some(_), Some(_)) => Err(TokenError::SeveralTokens { specs: specs() }),
            (None, _) => Err(TokenError::NoToken { path: self.path.clone(), specs: specs() }),
        }
    }

    /// The public half of a private key, from the private object itself or from the public object with the same
    /// identifier. A wrong public half is noticed when a signature is verified.
    fn public_half(
        &self,
        session: &Session,
        private: ObjectHandle,
        uri: &TokenUri,
    ) -> Result<PublicKey, TokenError> {
        for attribute in [AttributeType::EcPoint, AttributeType::PublicKeyInfo] {
            if let Ok(Some(key)) = self.point(session, private, attribute) {
                return Ok(key);
            }
        }
        let mut template = key_template(uri, ObjectClass::PUBLIC_KEY);
        if let Ok(attributes) = session.get_attributes(private, &[AttributeType::Id, AttributeType::Label]) {
            template =
                vec![Attribute::Class(ObjectClass::PUBLIC_KEY), Attribute::KeyType(KeyType::EC_EDWARDS)];
            let is_there = |attribute: &Attribute| matches!(attribute, Attribute::Id(bytes) | Attribute::Label(bytes) if !bytes.is_empty());
            template.extend(attributes.into_iter().filter(is_there));
        }
        let handles = session.find_objects(&template);
        let handles = handles.map_err(|error| self.failed("look for the public key", error))?;
        let not_ed25519 = || TokenError::NotEd25519 { uri: uri.to_string() };
        match handles.as_slice() {
            [handle] => self.point(session, *handle, AttributeType::EcPoint)?.ok_or_else(not_ed25519),
            _ => Err(TokenError::NoPublicKey { uri: uri.to_string() }),
        }
    }

    /// The public key in an attribute of an object: 32 bytes, bare or wrapped in DER.
    fn point(
        &self,
        session: &Session,
        handle: ObjectHandle,
        attribute: AttributeType,
    ) -> Result<Option<PublicKey>, TokenError> {
        let attributes = session
            .get_attributes(handle, &[attribute])
            .map_err(|error| self.failed("read the public key", error))?;
        let bytes = attributes.into_iter().find_map(|attribute| {
            if let Attribute::EcPoint(bytes) | Attribute::PublicKeyInfo(bytes) = attribute {
                Some(bytes)
            } else {
                None
            }
        });
        /// The bytes in front of the point in an OCTET STRING, a BIT STRING, and a SubjectPublicKeyInfo (RFC 8410).
        const WRAPPINGS: [&[u8]; 4] =
            [b"", b"\x04\x20", b"\x03\x21\x00", b"\x30\x2a\x30\x05\x06\x03\x2b\x65\x70\x03\x21\x00"];
        let point = bytes.as_deref().and_then(|bytes| {
            let bare = |wrapping: &&[u8]| bytes.strip_prefix(*wrapping)?.try_into().ok();
            WRAPPINGS.iter().find_map(bare)
        });
        Ok(point.and_then(|point: [u8; 32]| PublicKey::from_bytes(&point).ok()))
    }

    fn failed(&self, what: &'static str, source: CryptokiError) -> TokenError {
        TokenError::Failed { what, source: Box::new(source) }
    }
}

/// The attributes by which a key is searched.
fn key_template(uri: &TokenUri, class: ObjectClass) -> Vec<Attribute> {
    let mut template = vec![Attribute::Class(class), Attribute::KeyType(KeyType::EC_EDWARDS)];
    template.extend(uri.object.clone().map(|label| Attribute::Label(label.into_bytes())));
    template.extend(uri.id.clone().map(Attribute::Id));
    template
}

fn log_in<E: From<TokenError>>(
    session: &Session,
    info: &TokenInfo,
    pin: impl FnOnce(&str) -> Result<AuthPin, E>,
) -> Result<(), E> {
    if !info.login_required() {
        return Ok(());
    }
    let label = info.label().trim_end();
    // A card reader with its own keypad asks for the PIN itself.
    let pin = if info.protected_authentication_path() { None } else { Some(pin(label)?) };
    let failed = |source| TokenError::Failed { what: "log in", source: Box::new(source) };
    match session.login(UserType::User, pin.as_ref()) {
        Ok(()) | Err(CryptokiError::Pkcs11(RvError::UserAlreadyLoggedIn, _)) => Ok(()),
        Err(CryptokiError::Pkcs11(RvError::PinIncorrect | RvError::PinInvalid | RvError::PinLenRange, _)) => {
            let few = info.user_pin_count_low() || info.user_pin_final_try();
            Err(TokenError::Pin { token: label.to_owned(), few_tries_left: few }.into())
        }
        Err(CryptokiError::Pkcs11(RvError::PinLocked, _)) => {
            Err(TokenError::Locked { token: label.to_owned() }.into())
        }
        Err(error) => Err(failed(error).into()),
    }
}

/// A key on a token, with the session that it signs in.
pub(crate) struct TokenKey {
    session: Session,
    handle: ObjectHandle,
    public_key: PublicKey,
}

impl TokenKey {
    fn signature(&self, message: &[u8]) -> Result<Signature, TokenError> {
        let mechanism = Mechanism::Eddsa(EddsaParams::new(EddsaSignatureScheme::Ed25519));
        let bytes = self
            .session
            .sign(&mechanism, self.handle, message)
            .map_err(|source| TokenError::Failed { what: "sign", source: Box::new(source) })?;
        let length = bytes.len();
        let bytes = bytes.try_into().map_err(|_| TokenError::Signature { length })?;
        Ok(Signature::from_bytes(bytes))
    }
}

impl PrivateKey for TokenKey {
    fn public_key(&self) -> PublicKey {
        self.public_key
    }

    fn sign(&self, message: &[u8]) -> Result<Signature, PrivateKeyError> {
        self.signature(message)
            .map_err(|error| PrivateKeyError::Refused { key: self.public_key, source: Box::new(error) })
    }
}

/// Why a token could not be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TokenError {
    /// The URI names no module, and the configuration has none.
    #[error("no PKCS#11 module: the URI has no `module-path`")]
    NoModule,
    /// The URI names a module by its name, and names of modules are not looked up.
    #[error("the PKCS#11 module `{}` is named without its place", escape::terminal(name))]
    ModuleName {
        /// The name.
        name: String,
    },
    /// The module cannot be used.
    #[error("cannot use the PKCS#11 module {}: {source}", escape::path(path))]
    Module {
        /// The module.
        path: PathBuf,
        /// The error of the module or the system.
        source: Box<CryptokiError>,
    },
    /// The module failed at something.
    #[error("the token could not {what}: {source}")]
    Failed {
        /// What the module was to do.
        what: &'static str,
        /// The error of the module.
        source: Box<CryptokiError>,
    },
    /// The module has no token that the URI fits.
    #[error("{} has no token that the URI fits; it has {}", escape::path(path), listed(specs))]
    NoToken {
        /// The module.
        path: PathBuf,
        /// URIs of the tokens that the module has.
        specs: Vec<String>,
    },
    /// The module has more than one token that the URI fits.
    #[error("the URI fits more than one token: {}", listed(specs))]
    SeveralTokens {
        /// URIs of all tokens.
        specs: Vec<String>,
    },
    /// The token has no key that the URI fits.
    #[error("there is no Ed25519 key that may sign at {uri}; the token has {}", listed(specs))]
    NoKey {
        /// The URI.
        uri: String,
        /// URIs of the keys that the token has.
        specs: Vec<String>,
    },
    /// The token has more than one key that the URI fits.
    #[error("{uri} fits more than one key: {}", listed(specs))]
    Several {
        /// The URI.
        uri: String,
        /// URIs of all keys.
        specs: Vec<String>,
    },
    /// The public half of a key is not on the token.
    #[error("the public half of {uri} is not on the token")]
    NoPublicKey {
        /// The URI.
        uri: String,
    },
    /// The object is not an Ed25519 key, or is a weak one.
    #[error("{uri} is no sound Ed25519 key")]
    NotEd25519 {
        /// The URI.
        uri: String,
    },
    /// A new key needs a label.
    #[error("a new key needs a label: the URI has no `object`")]
    NoLabel,
    /// The token has such a key already; keys are never replaced.
    #[error("there is a key of that label or identifier already: {uri}")]
    Exists {
        /// The URI.
        uri: String,
    },
    /// The PIN is wrong.
    #[error("the PIN of the token `{}` is wrong{}", escape::terminal(token), if *few_tries_left { "; few tries are left" } else { "" })]
    Pin {
        /// Label of the token.
        token: String,
        /// Whether the token will soon lock itself.
        few_tries_left: bool,
    },
    /// The PIN was wrong too often.
    #[error("the token `{}` is locked: its PIN was wrong too often", escape::terminal(token))]
    Locked {
        /// Label of the token.
        token: String,
    },
    /// The token gave a signature of a wrong length.
    #[error("the token gave {length} bytes for a signature, which has 64")]
    Signature {
        /// Number of bytes that the token gave.
        length: usize,
    },
}

impl TokenError {
    /// What to do about the error.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::NoModule | Self::ModuleName { .. } => Some(
                "add module-path=/path/to/module.so to the URI, or set `pkcs11_module` in [signing] of config.toml".to_owned(),
            ),
            Self::NoToken { .. } | Self::SeveralTokens { .. } | Self::NoKey { .. } | Self::Several { .. } => {
                Some("see what there is, ready to be used, with: conductor-sign keys list".to_owned())
            }
            Self::NoLabel => Some("add object=my-key to the URI".to_owned()),
            Self::Exists { .. } => Some("choose another label; keys are never replaced".to_owned()),
            Self::Module { .. }
            | Self::Failed { .. }
            | Self::NoPublicKey { .. }
            | Self::NotEd25519 { .. }
            | Self::Pin { .. }
            | Self::Locked { .. }
            | Self::Signature { .. } => None,
        }
    }
}

/// The URIs as part of a sentence.
fn listed(specs: &[String]) -> String {
    if specs.is_empty() { "none".to_owned() } else { escape::terminal(&specs.join(", ")).to_string() }
}
