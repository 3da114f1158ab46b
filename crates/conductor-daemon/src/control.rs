//! The control interface: how a running daemon is asked and told.
//!
//! There is one [`Request`] and one [`Response`]; whatever carries them only decodes, authenticates and encodes. The
//! carrier here is a Unix socket that belongs to the user who runs the daemon: one line of JSON there, one line back,
//! and the connection ends; who asks for events gets lines for as long as it reads.

mod approval;
mod asker;
mod binding;
mod change;
mod client;
mod connection;
mod describe;
mod excerpt;
mod interface;
mod keys;
mod log;
mod message;
mod preview;
mod revocation;
mod safety;
mod server;
mod shown;
mod socket;

pub(crate) use asker::Asker;
pub(crate) use change::{Change, ChangeOrder, Changed};
pub use client::{ClientError, ask, follow};
pub use connection::MAX_REQUEST_BYTES;
pub(crate) use interface::{Answer, Interface, Watched};
pub use message::{
    Accepted, ActionStatus, ActivityStatus, AuditStatus, BindingChangeStatus, BoundStatus, DaemonStatus,
    EXCHANGE_WAIT, EarlierStatus, EventCounts, GrantStatus, Granted, InputStatus, InputWord, InstalledStatus,
    KeyRevoked, KeyState, KeyStatus, KeyTrusted, LONG_WAIT, Landlock, Lasts, LimitStatus, PROTOCOL_VERSION,
    PageAddress, PendingStatus, PluginCounts, PluginDetails, PluginPreview, PluginState, PluginStatus,
    ProgramsStatus, PublisherStatus, Refusal, RefusalCause, Reloaded, Request, RequestStatus, Response,
    Resumed, RevocationStatus, RevokeAs, Revoked, SafetyStatus, SafetyTerm, Triggered, TrustWord, WallStatus,
};
pub(crate) use preview::{Place, preview, previewed};
pub use server::MAX_CONNECTIONS;
pub(crate) use server::Server;
pub use socket::SocketError;
