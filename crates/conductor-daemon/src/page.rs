//! The Plugin Manager's server: HTTP on the loopback interface, for a browser on the same machine.
//!
//! The server is a second transport of the control interface: it checks where a request comes from and who sends it,
//! decodes it, hands it to the [`Interface`](crate::control::Interface) and encodes the answer. A connection carries
//! one request and ends, as on the control socket, so nothing that follows a request is ever read as another one.

mod access;
mod api;
mod connection;
mod disk;
mod events;
mod files;
mod origin;
mod peer;
mod reply;
mod server;
mod staging;
mod ticket;
mod wire;

pub(crate) use server::Server;
pub(crate) use staging::Staging;
