//! A connection to OBS after the greeting of its protocol, obs-websocket 5.

use std::fmt;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use conductor_plugin::HostError;
use conductor_plugin::websocket::{Event, WebSocket};
use serde::Deserialize;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

/// The subprotocol in which messages are JSON.
const SUBPROTOCOL: &str = "obswebsocket.json";

/// The version of requests that this plugin uses.
const RPC_VERSION: u32 = 1;

/// How long OBS may take to answer.
const PATIENCE: Duration = Duration::from_secs(2);

/// Most other messages that may come before an answer. This plugin subscribes to no events.
const MAX_OTHERS: usize = 16;

/// The kinds of message.
mod op {
    pub(super) const HELLO: u32 = 0;
    pub(super) const IDENTIFY: u32 = 1;
    pub(super) const IDENTIFIED: u32 = 2;
    pub(super) const REQUEST: u32 = 6;
    pub(super) const RESPONSE: u32 = 7;
}

/// Why OBS did not do what it was asked for.
#[derive(Debug)]
pub(crate) enum Error {
    /// The connection cannot be used any more. Another connection may work.
    Lost(String),
    /// OBS or the host refused.
    Refused(String),
}

/// A connection.
pub(crate) struct Session {
    socket: WebSocket,
    requests: u64,
}

#[derive(Deserialize)]
struct Message {
    op: u32,
    #[serde(default)]
    d: Value,
}

impl Session {
    /// Connects, and proves the password if OBS asks for one.
    pub(crate) fn open(address: &str, password: Option<&str>) -> Result<Self, Error> {
        let socket = WebSocket::open(&format!("ws://{address}/"), SUBPROTOCOL).map_err(refused)?;
        let session = Self { socket, requests: 0 };
        let hello = session.next(op::HELLO)?;
        let mut identify = json!({ "rpcVersion": RPC_VERSION, "eventSubscriptions": 0 });
        if let Some(authentication) = hello.get("authentication") {
            let text = |name| authentication.get(name).and_then(Value::as_str).unwrap_or_default();
            let password = password.ok_or_else(|| {
                Error::Refused("OBS wants a password: add the parameter `password`".to_owned())
            })?;
            identify["authentication"] = proof(password, text("salt"), text("challenge")).into();
        }
        session.send(op::IDENTIFY, &identify)?;
        session.next(op::IDENTIFIED).map_err(|error| match error {
            Error::Lost(cause) => Error::Refused(format!("OBS did not let the plugin in: {cause}")),
            refused @ Error::Refused(_) => refused,
        })?;
        Ok(session)
    }

    /// Sends a request and waits for the data of its response.
    pub(crate) fn ask(&mut self, request: &str, data: &Value) -> Result<Value, Error> {
        self.requests += 1;
        let id = self.requests.to_string();
        let mut message = json!({ "requestType": request, "requestId": id });
        if !data.is_null() {
            message["requestData"] = data.clone();
        }
        self.send(op::REQUEST, &message)?;
        for _ in 0..MAX_OTHERS {
            let mut response = self.next(op::RESPONSE)?;
            if response.get("requestId").and_then(Value::as_str) == Some(&id) {
                let status = &response["requestStatus"];
                if status["result"] == true {
                    return Ok(response["responseData"].take());
                }
                let comment = status["comment"].as_str().unwrap_or("it says no more");
                return Err(Error::Refused(format!(
                    "OBS refused {request} with code {}: {comment}",
                    status["code"]
                )));
            }
        }
        Err(Error::Lost("OBS answers other questions than this one".to_owned()))
    }

    fn send(&self, op: u32, data: &Value) -> Result<(), Error> {
        self.socket.send_text(&json!({ "op": op, "d": data }).to_string()).map_err(lost)
    }

    /// The data of the next message of one kind. Other messages are skipped.
    fn next(&self, op: u32) -> Result<Value, Error> {
        for _ in 0..MAX_OTHERS {
            match self.socket.receive(PATIENCE).map_err(lost)? {
                Event::Text(text) => {
                    let message: Message = serde_json::from_str(&text)
                        .map_err(|error| Error::Lost(format!("this is not OBS: {error}")))?;
                    if message.op == op {
                        return Ok(message.d);
                    }
                }
                Event::Binary(_) => {}
                Event::Nothing => return Err(Error::Lost("OBS does not answer".to_owned())),
                Event::Closed { code, reason } => {
                    return Err(Error::Lost(format!("OBS closed the connection with code {code}: {reason}")));
                }
            }
        }
        Err(Error::Lost("OBS says other things than it is asked for".to_owned()))
    }
}

/// The proof that the plugin knows the password, without the password itself.
fn proof(password: &str, salt: &str, challenge: &str) -> String {
    let hash = |text: String| STANDARD.encode(Sha256::digest(text));
    hash(hash(format!("{password}{salt}")) + challenge)
}

fn lost(error: HostError) -> Error {
    Error::Lost(error.to_string())
}

fn refused(error: HostError) -> Error {
    Error::Refused(error.to_string())
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (Self::Lost(cause) | Self::Refused(cause)) = self;
        f.write_str(cause)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The values were computed with `openssl dgst -sha256 -binary | base64`.
    #[test]
    fn the_password_is_proved_as_the_protocol_says() {
        let proof = proof(
            "supersecretpassword",
            "lM1GncleQOaCu9lT1yeUZhFYnqhsLLP1G5lAGo3ixaI=",
            "+IxH4CnCiqpX1rM9scsNynZzbOe4KhDeYcTNS3PDaeY=",
        );
        assert_eq!(proof, "1Ct943GAT+6YQUUX47Ia/ncufilbe6+oD6lY+5kaCu4=");
    }
}
