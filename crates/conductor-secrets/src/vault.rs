//! Which place keeps a secret: the Secret Service where there is one, else the file.

use std::path::PathBuf;
#[cfg(target_os = "linux")]
use std::sync::Arc;
#[cfg(target_os = "linux")]
use std::sync::Mutex;
use std::time::Duration;

use conductor_broker::devices::{SecretValueError, SecretValues};
use conductor_policy::secret::{KeptIn, SecretId, SecretPlace};
use conductor_signing::SecretText;

use crate::error::KeepError;
use crate::file::FileVault;
#[cfg(target_os = "linux")]
use crate::service::{Service, ServiceError, Unlocking};

/// Longest wait for the person whom the Secret Service asks to unlock a collection, where nothing else waits meanwhile.
pub const PROMPT_PATIENCE: Duration = Duration::from_secs(50);

/// Keeps secrets and reads them.
pub struct Vault {
    file: FileVault,
    /// The bus of the Secret Service; the one of the user's session if none is named.
    #[cfg(target_os = "linux")]
    bus: Option<String>,
    #[cfg(target_os = "linux")]
    unlocking: Arc<Mutex<Unlocking>>,
}

impl Vault {
    /// Keeps secrets in the Secret Service of the user's session where there is one, else in the file at `path`.
    #[must_use]
    pub fn new(path: PathBuf) -> Self {
        Self {
            file: FileVault::new(path),
            #[cfg(target_os = "linux")]
            bus: None,
            #[cfg(target_os = "linux")]
            unlocking: Arc::default(),
        }
    }

    /// As [`Vault::new`], with the Secret Service on the bus at this address.
    #[cfg(target_os = "linux")]
    #[must_use]
    pub fn on_bus(path: PathBuf, address: String) -> Self {
        Self { bus: Some(address), ..Self::new(path) }
    }

    /// The file.
    #[must_use]
    pub const fn file(&self) -> &FileVault {
        &self.file
    }

    /// Keeps a secret, and says where. `label` is what the user's keyring shows for it. If the collection is locked, the
    /// user is asked to unlock it, for as long as `patience`.
    ///
    /// # Errors
    ///
    /// Says why the secret is not kept. A Secret Service that is there and refuses is an error: the secret does not go
    /// into the file instead.
    pub fn keep(
        &self,
        id: &SecretId,
        label: &str,
        text: &SecretText,
        patience: Duration,
    ) -> Result<KeptIn, KeepError> {
        #[cfg(target_os = "linux")]
        match Service::connect(self.bus.as_deref())
            .and_then(|service| service.keep(id, label, text, patience))
        {
            Ok(()) => return Ok(KeptIn::SecretService),
            Err(ServiceError::Absent) => {}
            Err(error) => return Err(error.into()),
        }
        #[cfg(not(target_os = "linux"))]
        let _ = (label, patience);
        self.file.keep(id, text).map(|()| KeptIn::File)
    }

    /// Forgets a secret. If the collection is locked, the user is asked to unlock it, for as long as `patience`.
    ///
    /// # Errors
    ///
    /// Says why the secret is still kept.
    pub fn forget(&self, place: &SecretPlace, patience: Duration) -> Result<(), KeepError> {
        match place.kept_in {
            KeptIn::File => self.file.forget(&place.id),
            #[cfg(target_os = "linux")]
            KeptIn::SecretService => Ok(Service::connect(self.bus.as_deref())?.forget(&place.id, patience)?),
            #[cfg(not(target_os = "linux"))]
            KeptIn::SecretService => {
                let _ = patience;
                Err(KeepError::Service { reason: "there is none on this system".to_owned() })
            }
        }
    }

    /// Asks the user to unlock the collection, on a thread of its own, unless somebody is asked already or has just
    /// declined.
    #[cfg(target_os = "linux")]
    fn ask_to_unlock(&self, id: &SecretId) {
        if Unlocking::begin(&self.unlocking) {
            let (bus, id, unlocking) = (self.bus.clone(), id.clone(), Arc::clone(&self.unlocking));
            let asking = std::thread::Builder::new().name("unlock".to_owned());
            let asked = asking.spawn({
                let unlocking = Arc::clone(&unlocking);
                move || {
                    let service = Service::connect(bus.as_deref());
                    let unlocked = service.and_then(|service| service.unlock_item(&id, PROMPT_PATIENCE));
                    if let Err(error) = &unlocked {
                        tracing::warn!(
                            "the collection of secrets stays locked: {}",
                            KeepError::from_ref(error)
                        );
                    }
                    Unlocking::end(&unlocking, unlocked.is_ok());
                }
            });
            if asked.is_err() {
                Unlocking::end(&unlocking, false);
            }
        }
    }
}

impl SecretValues for Vault {
    fn read(&self, place: &SecretPlace) -> Result<SecretText, SecretValueError> {
        let unavailable =
            |error: &dyn std::fmt::Display| SecretValueError::Unavailable { reason: error.to_string() };
        match place.kept_in {
            KeptIn::File => {
                let read = self.file.read(&place.id).map_err(|error| unavailable(&error))?;
                read.ok_or(SecretValueError::Missing)
            }
            #[cfg(target_os = "linux")]
            KeptIn::SecretService => {
                let read = Service::connect(self.bus.as_deref()).and_then(|service| service.read(&place.id));
                match read {
                    Ok(Some(text)) => Ok(text),
                    Ok(None) => Err(SecretValueError::Missing),
                    Err(ServiceError::Locked(_)) => {
                        self.ask_to_unlock(&place.id);
                        Err(SecretValueError::Locked)
                    }
                    Err(error @ (ServiceError::Absent | ServiceError::Failed(_))) => {
                        Err(unavailable(&KeepError::from(error)))
                    }
                }
            }
            #[cfg(not(target_os = "linux"))]
            KeptIn::SecretService => Err(unavailable(&"there is no Secret Service on this system")),
        }
    }
}

#[cfg(target_os = "linux")]
impl KeepError {
    fn from_ref(error: &ServiceError) -> Self {
        match error {
            ServiceError::Absent => {
                Self::Service { reason: "nothing answers on the session's bus".to_owned() }
            }
            ServiceError::Locked(why) => Self::Locked { why },
            ServiceError::Failed(reason) => Self::Service { reason: reason.clone() },
        }
    }
}

#[cfg(target_os = "linux")]
impl From<ServiceError> for KeepError {
    fn from(error: ServiceError) -> Self {
        Self::from_ref(&error)
    }
}
