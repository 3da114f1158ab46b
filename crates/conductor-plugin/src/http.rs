//! HTTP requests, for plugins with the Network capability.
//!
//! ```no_run
//! use conductor_plugin::http;
//!
//! let lamp = http::get("https://lamp.example.org/state")?;
//! let answer = http::Request::post("https://lamp.example.org/state", "text/plain", "off")
//!     .header("authorization", "Bearer 1234")
//!     .send()?;
//! assert!(answer.is_success());
//! # Ok::<(), conductor_plugin::HostError>(())
//! ```

use std::borrow::Cow;

use conductor_abi::{HttpOpened, HttpPiece, HttpRead, HttpRequest, HttpResponse, Op, Status};
use serde::Serialize;

use crate::{HostError, host};

/// Fetches `url`.
///
/// # Errors
///
/// As [`Request::send`].
pub fn get(url: &str) -> Result<Response, HostError> {
    Request::get(url).send()
}

/// Sends `body` to `url` as JSON.
///
/// # Errors
///
/// As [`Request::send`], and with [`Status::Invalid`] if `body` cannot be written as JSON.
pub fn post_json(url: &str, body: &impl Serialize) -> Result<Response, HostError> {
    let body = serde_json::to_vec(body).map_err(|error| {
        HostError::new(Status::Invalid, format!("body cannot be written as JSON: {error}"))
    })?;
    Request::post(url, "application/json", body).send()
}

/// The text that stands for a secret in the value of a header field. The host puts the secret there if the request goes
/// to one of the secret's hosts, over TLS or to this machine, and otherwise refuses the request. The plugin does not see
/// the secret, which the user enters; its name and hosts are declared in `secrets` of [`plugin!`](crate::plugin).
///
/// ```
/// use conductor_plugin::http;
///
/// let request = http::Request::get("https://api.example.org/state")
///     .header("authorization", format!("Bearer {}", http::secret("token")));
/// ```
#[must_use]
pub fn secret(name: &str) -> String {
    format!("{{secret:{name}}}")
}

/// A request that is being built.
#[derive(Clone, Debug)]
pub struct Request<'a> {
    method: &'static str,
    url: &'a str,
    headers: Vec<(Cow<'a, str>, Cow<'a, str>)>,
    body: Vec<u8>,
}

impl<'a> Request<'a> {
    /// A request for an absolute `http` or `https` URL. The method is `GET`, `HEAD`, `POST`, `PUT`, `PATCH` or `DELETE`.
    #[must_use]
    pub const fn new(method: &'static str, url: &'a str) -> Self {
        Self { method, url, headers: Vec::new(), body: Vec::new() }
    }

    /// A GET request.
    #[must_use]
    pub const fn get(url: &'a str) -> Self {
        Self::new("GET", url)
    }

    /// A POST request with a body of the given media type.
    #[must_use]
    pub fn post(url: &'a str, content_type: &'a str, body: impl Into<Vec<u8>>) -> Self {
        Self::new("POST", url).body(content_type, body)
    }

    /// Sets the body, with its media type; only `POST`, `PUT` and `PATCH` have one.
    #[must_use]
    pub fn body(mut self, content_type: &'a str, body: impl Into<Vec<u8>>) -> Self {
        self.body = body.into();
        self.header("content-type", content_type)
    }

    /// Adds a header field.
    #[must_use]
    pub fn header(mut self, name: impl Into<Cow<'a, str>>, value: impl Into<Cow<'a, str>>) -> Self {
        self.headers.push((name.into(), value.into()));
        self
    }

    /// Sends the request and waits for the whole response, whatever its status code.
    ///
    /// # Errors
    ///
    /// [`Status::Denied`] if Network was not granted for this host and method, [`Status::TimedOut`] and
    /// [`Status::TooLarge`] at the host's limits, [`Status::Failed`] if there was no response.
    pub fn send(&self) -> Result<Response, HostError> {
        let answer = host::exchange(Op::HttpRequest, &self.wire())?;
        let HttpResponse { status, headers, body } = host::decode(&answer)?;
        Ok(Response { status, headers, body })
    }

    /// Sends the request, waits for the header fields, and leaves the body to be read piece by piece. This is for
    /// bodies that are larger than the answer of a host call may be, or that have no end.
    ///
    /// # Errors
    ///
    /// As [`Request::send`].
    pub fn open(&self) -> Result<Body, HostError> {
        let answer = host::exchange(Op::HttpOpen, &self.wire())?;
        let HttpOpened { body, status, headers } = host::decode(&answer)?;
        Ok(Body { number: body, status, headers })
    }

    fn wire(&self) -> HttpRequest<'_> {
        let headers = self.headers.iter().map(|(name, value)| (&**name, &**value)).collect();
        HttpRequest { method: self.method, url: self.url, headers, body: &self.body }
    }
}

/// The body of a response that is still arriving. Dropping it ends the response.
#[derive(Debug)]
pub struct Body {
    number: u32,
    /// Status code (RFC 9110, section 15).
    pub status: u16,
    /// Header fields with lower-case names.
    pub headers: Vec<(String, String)>,
}

impl Body {
    /// Waits for more bytes of the body, at most `max`. Returns none at the end.
    ///
    /// # Errors
    ///
    /// [`Status::TimedOut`] if nothing came in time, [`Status::Failed`] if the connection broke, [`Status::Denied`] if
    /// the grant was taken away.
    pub fn read(&self, max: u32) -> Result<Vec<u8>, HostError> {
        let answer = host::exchange(Op::HttpRead, &HttpRead { body: self.number, max })?;
        let HttpPiece { bytes } = host::decode(&answer)?;
        Ok(bytes)
    }
}

impl Drop for Body {
    fn drop(&mut self) {
        // If the response has ended already, closing it fails and changes nothing.
        let _ = host::exchange(Op::HttpClose, &self.number);
    }
}

/// The response to a [`Request`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Response {
    /// Status code (RFC 9110, section 15).
    pub status: u16,
    /// Header fields with lower-case names.
    pub headers: Vec<(String, String)>,
    /// Body.
    pub body: Vec<u8>,
}

impl Response {
    /// Whether the status code is between 200 and 299.
    #[must_use]
    pub fn is_success(&self) -> bool {
        (200..300).contains(&self.status)
    }

    /// The first header field with this name. Names are compared without regard to case.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers
            .iter()
            .find(|(field, _)| field.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.as_str())
    }

    /// The body as text; bytes that are not UTF-8 become U+FFFD.
    #[must_use]
    pub fn text(&self) -> Cow<'_, str> {
        String::from_utf8_lossy(&self.body)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_are_found_without_regard_to_case() {
        let response =
            Response { status: 204, headers: vec![("x-id".into(), "7".into())], body: b"a\xff".to_vec() };
        assert_eq!(response.header("X-Id"), Some("7"));
        assert_eq!(response.header("x-other"), None);
        assert!(response.is_success());
        assert_eq!(response.text(), "a\u{fffd}");
    }

    #[test]
    fn there_is_no_network_outside_the_host() {
        let error = get("https://example.org/").expect_err("no host");
        assert_eq!(error.status(), Status::Unavailable);
        assert_eq!(error.to_string(), "no host outside WebAssembly");
    }
}
