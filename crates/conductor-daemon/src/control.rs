//! The control interface: how a running daemon is asked and told.
//!
//! There is one [`Request`] and one [`Response`]; whatever carries them only decodes, authenticates and encodes. The
//! carrier here is a Unix socket that belongs to the user who runs the daemon: one line of JSON there, one line back,
//! and the connection ends; who asks for events gets lines for as long as it reads.

mod approval;
mod client;
mod connection;
mod interface;
mod message;
mod server;
mod socket;

pub use client::{ClientError, ask, follow};
pub use connection::{EXCHANGE_WAIT, MAX_REQUEST_BYTES};
pub(crate) use interface::Interface;
pub use message::{
    AuditStatus, DaemonStatus, EarlierStatus, EventCounts, GrantStatus, Granted, LONG_WAIT, Landlock, Lasts,
    PROTOCOL_VERSION, PendingStatus, PluginCounts, PluginDetails, PluginState, PluginStatus, Refusal,
    RefusalCause, Reloaded, Request, RequestStatus, Response, Resumed, Revoked, Triggered, WallStatus,
};
pub use server::MAX_CONNECTIONS;
pub(crate) use server::Server;
pub use socket::SocketError;
