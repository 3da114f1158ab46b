//! The control interface: how a running daemon is asked and told.
//!
//! There is one [`Request`] and one [`Response`]; whatever carries them only decodes, authenticates and encodes. The
//! carrier here is a Unix socket that belongs to the user who runs the daemon: one line of JSON there, one line back,
//! and the connection ends.

mod approval;
mod client;
mod connection;
mod interface;
mod message;
mod server;
mod socket;

pub use client::{ANSWER_WAIT, ClientError, ask};
pub use connection::{EXCHANGE_WAIT, MAX_REQUEST_BYTES};
pub(crate) use interface::Interface;
pub use message::{
    AuditStatus, DaemonStatus, EarlierStatus, EventCounts, GrantStatus, Granted, Landlock, Lasts,
    PROTOCOL_VERSION, PendingStatus, PluginCounts, PluginDetails, PluginState, PluginStatus, Refusal,
    RefusalCause, Request, RequestStatus, Response, Resumed, Revoked, WallStatus,
};
pub use server::MAX_CONNECTIONS;
pub(crate) use server::Server;
pub use socket::SocketError;
