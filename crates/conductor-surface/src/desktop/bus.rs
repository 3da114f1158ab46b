//! Calls over D-Bus, each with a time limit.

use std::time::Duration;

use conductor_broker::devices::DesktopError;
use serde::Serialize;
use serde::de::DeserializeOwned;
use zbus::connection::Builder;

use zbus::{Connection, DBusError as _, DynamicType, Type, fdo};

use super::{failed, unavailable};

/// Longest wait for one answer.
const MAX_TIME: Duration = Duration::from_secs(2);

/// The beginning of the names of errors with which a bus says that it cannot start a service.
const CANNOT_START: &str = "org.freedesktop.DBus.Error.Spawn.";

/// Which of the two buses.
#[derive(Clone, Copy)]
pub(super) enum Kind {
    /// The bus of the user's session.
    Session,
    /// The bus of the machine.
    System,
}

impl Kind {
    const fn name(self) -> &'static str {
        match self {
            Self::Session => "session bus",
            Self::System => "system bus",
        }
    }
}

/// A connection.
pub(super) struct Bus(Connection);

/// An object of a service.
pub(super) struct Object<'a> {
    pub(super) service: &'a str,
    pub(super) path: &'a str,
}

/// Why a call got no answer.
pub(super) enum CallError {
    /// No program has the service's name, or the object does not exist.
    Missing(String),
    /// The service refused or broke.
    Failed(String),
}

impl From<CallError> for DesktopError {
    fn from(error: CallError) -> Self {
        match error {
            CallError::Missing(reason) => unavailable(reason),
            CallError::Failed(reason) => failed(reason),
        }
    }
}

impl Bus {
    pub(super) fn connect(kind: Kind) -> Result<Self, DesktopError> {
        let builder = match kind {
            Kind::Session => Builder::session(),
            Kind::System => Builder::system(),
        };
        let connected = zruntime::block_on(async {
            let connecting = builder.method_timeout(MAX_TIME).build();
            zruntime::SharedRuntime::current()?
                .timeout(MAX_TIME, connecting)
                .await?
                .map_err(std::io::Error::other)
        });
        connected.map(Self).map_err(|error| unavailable(format!("no {} answers: {error}", kind.name())))
    }

    /// Calls a method and waits for its answer.
    pub(super) fn call<A: DeserializeOwned + Type>(
        &self,
        object: &Object<'_>,
        interface: &str,
        method: &str,
        arguments: &(impl Serialize + DynamicType),
    ) -> Result<A, CallError> {
        let Object { service, path } = *object;
        let called =
            zruntime::block_on(self.0.call_method(Some(service), path, Some(interface), method, arguments));
        let answer = called.and_then(|message| message.body().deserialize());
        #[expect(clippy::wildcard_enum_match_arm, reason = "every error but these two means the same here")]
        answer.map_err(|error| match error {
            zbus::Error::FDO(error)
                if matches!(*error, fdo::Error::ServiceUnknown(_) | fdo::Error::NameHasNoOwner(_)) =>
            {
                CallError::Missing(format!("nothing is there as {service}"))
            }
            zbus::Error::FDO(error) if error.name().starts_with(CANNOT_START) => {
                CallError::Missing(format!("{service} cannot be started: {error}"))
            }
            error => CallError::Failed(format!("{service} answers {method} with: {error}")),
        })
    }
}
