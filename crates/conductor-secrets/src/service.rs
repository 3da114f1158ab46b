//! The Secret Service of the desktop, after its specification (freedesktop.org, version 0.2), over D-Bus.
//!
//! Secrets cross the bus of the user's session as they are (the algorithm `plain`): its socket is the user's own, and
//! whoever can read it can ask the service for the secrets as well.

use std::collections::HashMap;
use std::io;
use std::num::NonZeroUsize;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use conductor_policy::secret::SecretId;
use conductor_signing::SecretText;
use futures_util::StreamExt as _;
use serde::Serialize;
use serde::de::DeserializeOwned;
use zbus::connection::Builder;
use zbus::{
    Connection, DBusError as _, DynamicType, MatchRule, MessageStream, ObjectPath, OwnedObjectPath,
    OwnedVariant, Type, Variant, fdo, message,
};
use zeroize::{Zeroize as _, Zeroizing};

/// Longest wait for one answer of the service, which asks nobody for it.
const ANSWER_WAIT: Duration = Duration::from_secs(2);

/// How long nobody is asked again to unlock a collection after the question was declined, or not answered.
const ASK_AGAIN_AFTER: Duration = Duration::from_secs(5 * 60);

/// Most signals of one prompt that wait to be read.
const MAX_SIGNALS: usize = 4;

const SERVICE: &str = "org.freedesktop.secrets";
const SERVICE_PATH: &str = "/org/freedesktop/secrets";
const SERVICE_INTERFACE: &str = "org.freedesktop.Secret.Service";
const COLLECTION_INTERFACE: &str = "org.freedesktop.Secret.Collection";
const ITEM_INTERFACE: &str = "org.freedesktop.Secret.Item";
const PROMPT_INTERFACE: &str = "org.freedesktop.Secret.Prompt";

/// The bus itself, which knows who owns a name.
const BUS: &str = "org.freedesktop.DBus";
const BUS_PATH: &str = "/org/freedesktop/DBus";

/// The path that stands for "none".
const NONE: &str = "/";

/// Attributes by which a secret is found.
const SCHEMA: (&str, &str) = ("xdg:schema", "org.conductor.PluginSecret");
const ID: &str = "conductor-id";

/// The beginning of the names of errors with which a bus says that it cannot start a service.
const CANNOT_START: &str = "org.freedesktop.DBus.Error.Spawn.";

/// The Secret Service, with a session of this program.
pub(crate) struct Service {
    bus: Connection,
    session: OwnedObjectPath,
}

/// Why the service did not do something.
#[derive(Debug)]
pub(crate) enum ServiceError {
    /// There is no such service here, or it has no place for secrets.
    Absent,
    /// A collection is locked; what became of asking for it.
    Locked(&'static str),
    /// The service refused or broke.
    Failed(String),
}

/// Whether somebody is asked to unlock the collection.
#[derive(Default)]
pub(crate) enum Unlocking {
    /// Nobody is.
    #[default]
    Rests,
    /// Somebody is.
    Asking,
    /// Somebody declined, or did not answer, at this time.
    Declined(Instant),
}

impl Unlocking {
    /// Whether the caller is to ask now.
    pub(crate) fn begin(unlocking: &Mutex<Self>) -> bool {
        let mut state = unlocking.lock().unwrap_or_else(PoisonError::into_inner);
        let begins = match &*state {
            Self::Rests => true,
            Self::Asking => false,
            Self::Declined(at) => at.elapsed() >= ASK_AGAIN_AFTER,
        };
        if begins {
            *state = Self::Asking;
        }
        begins
    }

    /// Notes how the question ended.
    pub(crate) fn end(unlocking: &Mutex<Self>, is_unlocked: bool) {
        let ended = if is_unlocked { Self::Rests } else { Self::Declined(Instant::now()) };
        *unlocking.lock().unwrap_or_else(PoisonError::into_inner) = ended;
    }
}

/// A secret on the bus: the session, parameters of its algorithm, the bytes, their media type.
type OnBus = (OwnedObjectPath, Vec<u8>, Vec<u8>, String);

impl Service {
    /// Connects to the bus at an address, or to that of the user's session, and opens a session with the service.
    pub(crate) fn connect(bus: Option<&str>) -> Result<Self, ServiceError> {
        let connected = zruntime::block_on(async {
            let builder = match bus {
                Some(address) => Builder::address(address),
                None => Builder::session(),
            };
            let connecting = builder.method_timeout(ANSWER_WAIT).build();
            zruntime::SharedRuntime::current()?
                .timeout(ANSWER_WAIT, connecting)
                .await?
                .map_err(io::Error::other)
        });
        let bus = connected.map_err(|_| ServiceError::Absent)?;
        let arguments = ("plain", Variant::from(""));
        let opened = call(&bus, SERVICE_PATH, SERVICE_INTERFACE, "OpenSession", &arguments);
        let (_, session): (OwnedVariant, OwnedObjectPath) = opened?;
        Ok(Self { bus, session })
    }

    /// Reads a secret; `None` if there is none of this name. Nobody is asked to unlock anything.
    pub(crate) fn read(&self, id: &SecretId) -> Result<Option<SecretText>, ServiceError> {
        let (unlocked, locked) = self.find(id)?;
        let Some(item) = unlocked.first() else {
            return if locked.is_empty() {
                Ok(None)
            } else {
                Err(ServiceError::Locked("you are asked to unlock it"))
            };
        };
        let (secret,): (OnBus,) = self.call_item(item, "GetSecret", &(&self.session,))?;
        let (_, _, bytes, _) = secret;
        match String::from_utf8(bytes) {
            Ok(text) => Ok(Some(SecretText::new(text))),
            Err(error) => {
                error.into_bytes().zeroize();
                Err(ServiceError::Failed("what it keeps is no text".to_owned()))
            }
        }
    }

    /// Keeps a secret in the default collection.
    pub(crate) fn keep(
        &self,
        id: &SecretId,
        label: &str,
        text: &SecretText,
        patience: Duration,
    ) -> Result<(), ServiceError> {
        let collection: OwnedObjectPath =
            call(&self.bus, SERVICE_PATH, SERVICE_INTERFACE, "ReadAlias", &("default",))?;
        if collection.as_str() == NONE {
            return Err(ServiceError::Absent);
        }
        self.unlock(&collection, patience)?;
        let attributes = attributes(id);
        let properties: HashMap<&str, Variant<'_>> = HashMap::from([
            ("org.freedesktop.Secret.Item.Label", Variant::from(label)),
            ("org.freedesktop.Secret.Item.Attributes", Variant::from(attributes)),
        ]);
        let bytes = Zeroizing::new(text.expose().as_bytes().to_vec());
        let secret = (&self.session, &[][..] as &[u8], bytes.as_slice(), "text/plain");
        let arguments = (properties, secret, true);
        let created = call(&self.bus, collection.as_str(), COLLECTION_INTERFACE, "CreateItem", &arguments);
        let (_, prompt): (OwnedObjectPath, OwnedObjectPath) = created?;
        self.answer(&prompt, patience)?;
        match self.read(id)? {
            Some(kept) if kept == *text => Ok(()),
            Some(_) | None => Err(ServiceError::Failed("it does not keep what it was given".to_owned())),
        }
    }

    /// Forgets a secret.
    pub(crate) fn forget(&self, id: &SecretId, patience: Duration) -> Result<(), ServiceError> {
        let (unlocked, locked) = self.find(id)?;
        for item in &locked {
            self.unlock(item, patience)?;
        }
        for item in unlocked.iter().chain(&locked) {
            let prompt: OwnedObjectPath = self.call_item(item, "Delete", &())?;
            self.answer(&prompt, patience)?;
        }
        Ok(())
    }

    /// Asks the user to unlock the collection of a secret.
    pub(crate) fn unlock_item(&self, id: &SecretId, patience: Duration) -> Result<(), ServiceError> {
        let (_, locked) = self.find(id)?;
        locked.iter().try_for_each(|item| self.unlock(item, patience))
    }

    /// The items of a secret: those that can be read, and those that are locked.
    fn find(&self, id: &SecretId) -> Result<(Vec<OwnedObjectPath>, Vec<OwnedObjectPath>), ServiceError> {
        call(&self.bus, SERVICE_PATH, SERVICE_INTERFACE, "SearchItems", &(attributes(id),))
    }

    fn call_item<A: DeserializeOwned + Type>(
        &self,
        item: &OwnedObjectPath,
        method: &str,
        arguments: &(impl Serialize + DynamicType),
    ) -> Result<A, ServiceError> {
        call(&self.bus, item.as_str(), ITEM_INTERFACE, method, arguments)
    }

    /// Unlocks a collection or an item, and asks the user if need be.
    fn unlock(&self, object: &OwnedObjectPath, patience: Duration) -> Result<(), ServiceError> {
        let arguments = (vec![ObjectPath::from(object)],);
        let unlocked = call(&self.bus, SERVICE_PATH, SERVICE_INTERFACE, "Unlock", &arguments);
        let (_, prompt): (Vec<OwnedObjectPath>, OwnedObjectPath) = unlocked?;
        self.answer(&prompt, patience)
    }

    /// Has the service ask the user, and waits for the answer.
    fn answer(&self, prompt: &OwnedObjectPath, patience: Duration) -> Result<(), ServiceError> {
        if prompt.as_str() == NONE {
            return Ok(());
        }
        let failed = |error: &dyn std::fmt::Display| ServiceError::Failed(error.to_string());
        let completed = zruntime::block_on(async {
            // Anybody on the bus may send a signal that looks like the answer.
            let owner =
                self.bus.call_method(Some(BUS), BUS_PATH, Some(BUS), "GetNameOwner", &(SERVICE,)).await;
            let owner = owner.map_err(|error| failed(&error))?;
            let owner: String = owner.body().deserialize().map_err(|error| failed(&error))?;
            let rule = MatchRule::builder()
                .msg_type(message::Type::Signal)
                .sender(owner.as_str())
                .interface(PROMPT_INTERFACE)
                .member("Completed")
                .path(prompt.as_str())
                .build()
                .map_err(|error| failed(&error))?;
            let signals =
                MessageStream::for_match_rule(rule, &self.bus, NonZeroUsize::new(MAX_SIGNALS)).await;
            let mut signals = signals.map_err(|error| failed(&error))?;
            let asked = self
                .bus
                .call_method(Some(SERVICE), prompt.as_str(), Some(PROMPT_INTERFACE), "Prompt", &("",))
                .await;
            asked.map_err(|error| failed(&error))?;
            let waiting = zruntime::SharedRuntime::current().map_err(|error| failed(&error))?;
            let answered = waiting.timeout(patience, signals.next()).await;
            answered.map_err(|_| ServiceError::Locked("nobody has unlocked it in time"))
        });
        let Some(Ok(signal)) = completed? else {
            return Err(ServiceError::Failed("it went away while it asked you".to_owned()));
        };
        let (is_dismissed, _): (bool, OwnedVariant) =
            signal.body().deserialize().map_err(|error| failed(&error))?;
        if is_dismissed {
            Err(ServiceError::Locked("it was not unlocked when you were asked"))
        } else {
            Ok(())
        }
    }
}

/// Attributes by which a secret is found.
fn attributes(id: &SecretId) -> HashMap<&str, &str> {
    HashMap::from([SCHEMA, (ID, id.as_str())])
}

/// Calls a method of the service and waits for its answer.
fn call<A: DeserializeOwned + Type>(
    bus: &Connection,
    path: &str,
    interface: &str,
    method: &str,
    arguments: &(impl Serialize + DynamicType),
) -> Result<A, ServiceError> {
    let called = zruntime::block_on(bus.call_method(Some(SERVICE), path, Some(interface), method, arguments));
    let answer = called.and_then(|message| message.body().deserialize());
    #[expect(clippy::wildcard_enum_match_arm, reason = "every error but these means the same here")]
    answer.map_err(|error| match error {
        zbus::Error::FDO(error)
            if matches!(*error, fdo::Error::ServiceUnknown(_) | fdo::Error::NameHasNoOwner(_))
                || error.name().starts_with(CANNOT_START) =>
        {
            ServiceError::Absent
        }
        error => ServiceError::Failed(format!("it answers {method} with: {error}")),
    })
}
