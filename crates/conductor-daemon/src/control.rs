//! The control interface: how a running daemon is asked and given orders.
//!
//! There is one [`Request`] and one [`Response`]; transports only decode, authenticate and encode. The transport here
//! is a Unix socket that belongs to the user who runs the daemon. A client sends one line of JSON and gets one line
//! back, and the connection ends. A client that asks for events gets lines for as long as it reads.

mod approval;
mod asker;
mod binding;
mod change;
mod client;
mod connection;
mod describe;
mod details;
mod excerpt;
mod interface;
mod keys;
mod log;
mod message;
mod preview;
mod revocation;
mod safety;
mod secrets;
mod server;
pub(crate) mod settings;
mod shown;
mod socket;
mod unloaded;

pub(crate) use asker::Asker;
pub(crate) use change::{Change, ChangeOrder, Changed};
pub use client::{ClientError, ask, follow};
pub use connection::MAX_REQUEST_BYTES;
pub(crate) use interface::{Answer, Interface, Watched};
pub use message::{
    Accepted, ActionStatus, ActivityStatus, AuditStatus, BindingChangeStatus, BoundStatus, DaemonStatus,
    DeclaredSecret, DeclaredSetting, EXCHANGE_WAIT, EarlierStatus, EventCounts, GrantStatus, Granted, Hidden,
    InputStatus, InputWord, InstalledStatus, KeyRevoked, KeyState, KeyStatus, KeyTrusted, LONG_WAIT,
    Landlock, Lasts, LimitStatus, PROTOCOL_VERSION, PageAddress, PendingStatus, PluginCounts, PluginDetails,
    PluginPreview, PluginSecrets, PluginState, PluginStatus, ProgramsStatus, PublisherStatus, Refusal,
    RefusalCause, Reloaded, Removed, Request, RequestStatus, Response, Resumed, RevocationStatus, RevokeAs,
    Revoked, SafetyStatus, SafetyTerm, SecretStatus, SecretsStatus, SettingStatus, Silenced, Triggered,
    TrustWord, WallStatus,
};
pub(crate) use preview::{Place, preview, previewed};
pub use server::MAX_CONNECTIONS;
pub(crate) use server::Server;
pub use socket::SocketError;
pub(crate) use unloaded::Installed;
