//! WebSockets, for plugins with the Network capability.
//!
//! ```no_run
//! use std::time::Duration;
//! use conductor_plugin::websocket::{Event, WebSocket};
//!
//! let lamp = WebSocket::open("wss://lamp.example.org/live", "")?;
//! lamp.send_text("on")?;
//! if let Event::Text(state) = lamp.receive(Duration::from_millis(200))? {
//!     conductor_plugin::log::info(&state);
//! }
//! # Ok::<(), conductor_plugin::HostError>(())
//! ```
//!
//! A WebSocket stays open across calls, as long as the instance lives and the grant holds. Messages that arrive between
//! calls wait; if too many wait, the host stops reading.

use std::time::Duration;

use conductor_abi::{Op, WebSocketMessage, WebSocketOpen, WebSocketOpened, WebSocketReceive, WebSocketSend};

pub use conductor_abi::WebSocketEvent as Event;

#[cfg(doc)]
use crate::Status;
use crate::{HostError, host};

/// A WebSocket. Dropping this value closes it.
#[derive(Debug)]
pub struct WebSocket {
    socket: u32,
    protocol: String,
}

impl WebSocket {
    /// Opens a WebSocket at an absolute `ws` or `wss` URL. `protocols` are the subprotocols that the server may choose
    /// from, separated by commas; empty for none.
    ///
    /// # Errors
    ///
    /// [`Status::Denied`] if Network was not granted for this host and for WebSockets, [`Status::TimedOut`] if the
    /// server does not answer, [`Status::Failed`] if the server refuses.
    pub fn open(url: &str, protocols: &str) -> Result<Self, HostError> {
        let request = WebSocketOpen { url, protocols, headers: Vec::new() };
        let answer = host::exchange(Op::WebSocketOpen, &request)?;
        let WebSocketOpened { socket, protocol } = host::decode(&answer)?;
        Ok(Self { socket, protocol })
    }

    /// The subprotocol that the server chose; empty for none.
    #[must_use]
    pub fn protocol(&self) -> &str {
        &self.protocol
    }

    /// Sends a text.
    ///
    /// # Errors
    ///
    /// Fails if the WebSocket is no longer open, or is no longer granted.
    pub fn send_text(&self, text: &str) -> Result<(), HostError> {
        self.send(WebSocketMessage::Text(text))
    }

    /// Sends bytes.
    ///
    /// # Errors
    ///
    /// As [`WebSocket::send_text`].
    pub fn send_binary(&self, bytes: &[u8]) -> Result<(), HostError> {
        self.send(WebSocketMessage::Binary(bytes))
    }

    /// Waits for the next event, in whole milliseconds and no longer than the call may take. [`Event::Nothing`] if
    /// nothing arrived in that time.
    ///
    /// # Errors
    ///
    /// Fails if the WebSocket was closed, which the last event has said, or is no longer granted.
    pub fn receive(&self, wait: Duration) -> Result<Event, HostError> {
        let wait_ms = u32::try_from(wait.as_millis()).unwrap_or(u32::MAX);
        let request = WebSocketReceive { socket: self.socket, wait_ms };
        host::decode(&host::exchange(Op::WebSocketReceive, &request)?)
    }

    fn send(&self, message: WebSocketMessage<'_>) -> Result<(), HostError> {
        host::exchange(Op::WebSocketSend, &WebSocketSend { socket: self.socket, message }).map(drop)
    }
}

impl Drop for WebSocket {
    fn drop(&mut self) {
        // If the WebSocket is closed already, closing it fails and changes nothing.
        let _ = host::exchange(Op::WebSocketClose, &self.socket);
    }
}
