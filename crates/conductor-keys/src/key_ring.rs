//! Opens keys wherever they are kept; remembers the PKCS#11 modules that it loaded and the key files that it found.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use conductor_signing::{FoundKey, KeyFileError, KeyPaths, PrivateKey, PublicKey, SigningKey};
use conductor_store::{escape, secret};
use cryptoki::types::AuthPin;
use zeroize::Zeroizing;

use crate::agent::Agent;
use crate::encrypted::{self, MAX_KEY_FILE_BYTES};
use crate::error::{KeyError, PASSPHRASE, PIN};
use crate::pkcs11::{Module, TokenError};
use crate::prompt::{Prompt, read_secret_file};
use crate::spec::{Devices, KeySpec};
use crate::stranger::Stranger;
use crate::token_uri::TokenUri;

/// Opens keys. A PKCS#11 module is loaded once, however many of its keys are used.
pub struct KeyRing<'p> {
    prompt: &'p mut dyn Prompt,
    devices: Devices,
    passphrase_file: Option<PathBuf>,
    agent_socket: Option<PathBuf>,
    modules: BTreeMap<PathBuf, Module>,
    taken: Vec<FoundKey>,
}

/// A key that a token or an agent offers for signing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OfferedKey {
    /// The text to give as a hardware key.
    pub spec: String,
    /// The public half.
    pub public_key: PublicKey,
    /// The label or comment of the key; escape it before showing it.
    pub label: String,
}

/// The keys that tokens and agents offer.
#[derive(Debug, Default)]
pub struct Offers {
    /// The keys.
    pub keys: Vec<OfferedKey>,
    /// Modules and agents that could not be asked, and why.
    pub unreachable: Vec<(String, KeyError)>,
}

impl<'p> KeyRing<'p> {
    /// A key ring that asks `prompt` for secrets, unless they are in a file.
    #[must_use]
    pub fn new(prompt: &'p mut dyn Prompt, devices: Devices) -> Self {
        Self {
            prompt,
            devices,
            passphrase_file: None,
            agent_socket: None,
            modules: BTreeMap::new(),
            taken: Vec::new(),
        }
    }

    /// The same key ring, which reads the passphrase of key files from a file.
    #[must_use]
    pub fn with_passphrase_file(self, passphrase_file: Option<PathBuf>) -> Self {
        Self { passphrase_file, ..self }
    }

    /// The same key ring, with an agent at this socket.
    #[must_use]
    pub fn with_agent(self, agent_socket: Option<PathBuf>) -> Self {
        Self { agent_socket, ..self }
    }

    /// The devices and the PKCS#11 module of the configuration.
    #[must_use]
    pub const fn devices(&self) -> &Devices {
        &self.devices
    }

    /// The key files that were opened, each with the files that the argument could have meant instead.
    #[must_use]
    pub fn taken(&self) -> &[FoundKey] {
        &self.taken
    }

    /// Opens a key, ready to sign.
    ///
    /// # Errors
    ///
    /// Each variant of [`KeyError`] is one cause.
    pub fn open(&mut self, spec: &KeySpec) -> Result<Box<dyn PrivateKey>, KeyError> {
        match spec {
            KeySpec::File(path) => {
                let found = FoundKey::from_argument(path)?;
                let key = self.open_file(&found.file);
                self.taken.push(found);
                Ok(Box::new(key?))
            }
            KeySpec::Token(uri) => {
                let uri = self.located(uri)?;
                let (module, pin) = self.module_and_pin(&uri)?;
                Ok(Box::new(module.open(&uri, pin)?))
            }
            KeySpec::Agent(key) => Ok(Box::new(Agent::at(self.agent_socket.as_deref())?.open(key.as_ref())?)),
        }
    }

    /// Makes a key on a token, and returns it with a URI by which it can be found again.
    ///
    /// # Errors
    ///
    /// Fails if the spec does not name a token, if the token has such a key already, or if the token cannot make the
    /// key.
    pub fn generate(&mut self, spec: &KeySpec) -> Result<(Box<dyn PrivateKey>, TokenUri), KeyError> {
        match spec {
            KeySpec::Token(uri) => {
                let uri = self.located(uri)?;
                let (module, pin) = self.module_and_pin(&uri)?;
                let (key, uri) = module.generate(&uri, pin)?;
                Ok((Box::new(key), uri))
            }
            KeySpec::File(_) | KeySpec::Agent(_) => Err(KeyError::AgentCannotMake),
        }
    }

    /// Writes a key pair with the private half encrypted; neither file may exist.
    ///
    /// # Errors
    ///
    /// Fails if there is no passphrase, or if a file exists or cannot be written.
    pub fn write_encrypted(&mut self, key: &SigningKey, paths: &KeyPaths) -> Result<(), KeyError> {
        paths.check_free()?;
        let passphrase = match &self.passphrase_file {
            Some(path) => read_secret_file(path).map_err(KeyError::Secret)?,
            None => {
                let path = escape::path(&paths.private);
                let first = self.passphrase(&format!("Passphrase for {path}"))?;
                if first != self.passphrase("The same passphrase again")? {
                    return Err(KeyError::Mismatch);
                }
                first
            }
        };
        let pem = encrypted::encrypt(key, &passphrase).map_err(KeyError::Encrypt)?;
        Ok(paths.create(pem.as_bytes(), &key.public_key())?)
    }

    /// The keys that the modules of the configuration, the given modules and the agent offer.
    pub fn offers(&mut self, modules: &[PathBuf]) -> Offers {
        let mut offers = Offers::default();
        let configured =
            self.devices.devices.values().filter_map(|uri| uri.parse::<TokenUri>().ok()?.module_path);
        let mut paths: Vec<PathBuf> = configured.chain(self.devices.pkcs11_module.clone()).collect();
        paths.extend(modules.iter().cloned());
        paths.sort();
        paths.dedup();
        for path in paths {
            let keys = self.module(&path).and_then(|module| Ok(module.keys()?));
            match keys {
                Ok(keys) => offers.keys.extend(keys.into_iter().map(|key| OfferedKey {
                    label: key.uri.object.clone().unwrap_or_default(),
                    spec: key.uri.to_string(),
                    public_key: key.public_key,
                })),
                Err(error) => offers.unreachable.push((escape::path(&path), error)),
            }
        }
        let identities = match self.agent_socket.as_deref() {
            Some(socket) => Agent::at(Some(socket)).and_then(|agent| agent.identities()),
            None => return offers,
        };
        match identities {
            Ok((identities, _)) => offers.keys.extend(identities.into_iter().map(|identity| OfferedKey {
                spec: format!("ssh-agent:SHA256:{}", identity.fingerprint),
                public_key: identity.public_key,
                label: identity.label(),
            })),
            Err(error) => offers.unreachable.push(("ssh-agent".to_owned(), error.into())),
        }
        offers
    }

    fn open_file(&mut self, path: &Path) -> Result<SigningKey, KeyError> {
        let bytes = secret::read(path, MAX_KEY_FILE_BYTES as u64).map_err(KeyFileError::File)?;
        if !encrypted::is_pem(&bytes) {
            return match Stranger::without_pem(&bytes) {
                Some(what) => {
                    let source = encrypted::EncryptedKeyError::Stranger(what);
                    Err(KeyError::Encrypted { path: path.to_owned(), source })
                }
                None => Ok(SigningKey::from_bytes(path, &bytes)?),
            };
        }
        // Only an error about the content of the file is reported with the path of the file.
        let opened = encrypted::read(&bytes, || match &self.passphrase_file {
            Some(file) => read_secret_file(file).map_err(|error| Opening::Other(KeyError::Secret(error))),
            None => {
                self.passphrase(&format!("Passphrase for {}", escape::path(path))).map_err(Opening::Other)
            }
        });
        opened.map_err(|error| match error {
            Opening::Content(source) => KeyError::Encrypted { path: path.to_owned(), source },
            Opening::Other(error) => error,
        })
    }

    fn passphrase(&mut self, question: &str) -> Result<Zeroizing<Vec<u8>>, KeyError> {
        let asked = self.prompt.ask(question);
        let asked = asked.map_err(|source| KeyError::Prompt { what: PASSPHRASE, source })?;
        Ok(Zeroizing::new(asked.as_bytes().to_vec()))
    }

    /// The URI, with the path of its module filled in.
    fn located(&self, uri: &TokenUri) -> Result<TokenUri, KeyError> {
        let module_path = match (&uri.module_path, &uri.module_name, &self.devices.pkcs11_module) {
            (Some(path), _, _) => path.clone(),
            (None, Some(name), _) => return Err(TokenError::ModuleName { name: name.clone() }.into()),
            (None, None, Some(path)) => path.clone(),
            (None, None, None) => return Err(TokenError::NoModule.into()),
        };
        Ok(TokenUri { module_path: Some(module_path), ..uri.clone() })
    }

    fn module(&mut self, path: &Path) -> Result<&Module, KeyError> {
        load(&mut self.modules, path)
    }

    /// The module of a located URI, and a function that gives the PIN.
    fn module_and_pin<'s>(&'s mut self, uri: &'s TokenUri) -> Result<(&'s Module, AskPin<'s>), KeyError> {
        let path = uri.module_path.as_deref().ok_or(TokenError::NoModule)?;
        let module = load(&mut self.modules, path)?;
        let prompt = &mut *self.prompt;
        let pin: AskPin<'s> = Box::new(move |token: &str| {
            if let Some(pin) = &uri.pin_value {
                return Ok(AuthPin::from(pin.as_str()));
            }
            if let Some(path) = &uri.pin_source {
                let bytes = read_secret_file(path).map_err(KeyError::Secret)?;
                let text =
                    std::str::from_utf8(&bytes).map_err(|_| KeyError::PinText { path: path.clone() })?;
                return Ok(AuthPin::from(text));
            }
            let asked = prompt.ask(&format!("PIN of the token {}", escape::terminal(token)));
            let asked = asked.map_err(|source| KeyError::Prompt { what: PIN, source })?;
            Ok(AuthPin::from(asked.as_str()))
        });
        Ok((module, pin))
    }
}

fn load<'m>(modules: &'m mut BTreeMap<PathBuf, Module>, path: &Path) -> Result<&'m Module, KeyError> {
    match modules.entry(path.to_owned()) {
        std::collections::btree_map::Entry::Occupied(entry) => Ok(entry.into_mut()),
        std::collections::btree_map::Entry::Vacant(entry) => Ok(entry.insert(Module::load(path)?)),
    }
}

/// Gives the PIN of the token with this label.
type AskPin<'s> = Box<dyn FnOnce(&str) -> Result<AuthPin, KeyError> + 's>;

/// Why a PEM file was not opened: an error in its content, or any other error.
enum Opening {
    Content(encrypted::EncryptedKeyError),
    Other(KeyError),
}

impl From<encrypted::EncryptedKeyError> for Opening {
    fn from(error: encrypted::EncryptedKeyError) -> Self {
        Self::Content(error)
    }
}
