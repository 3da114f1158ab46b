//! Scope of Network: hosts, methods, and whether named hosts may be on the user's own network.

use std::fmt;

use url::Host;

use super::error::ScopeError;
use super::grammar::{Fields, Parts};
use super::host::HostPattern;

/// Hosts, and the methods of talking to them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NetworkScope {
    hosts: Vec<HostPattern>,
    methods: Vec<NetworkMethod>,
    private: bool,
}

impl NetworkScope {
    pub(super) const KEYS: &'static [&'static str] = &["hosts", "methods", "private"];

    pub(super) fn from_fields(fields: Fields) -> Result<Self, ScopeError> {
        Ok(Self {
            hosts: fields.list("hosts", HostPattern::ALLOWED, HostPattern::parse)?,
            methods: fields.list("methods", NetworkMethod::ALLOWED, NetworkMethod::parse)?,
            private: fields.flag("private")?,
        })
    }

    /// What a grant of this scope grants. If the scope names no host, that is every host on the ports of the web.
    #[must_use]
    pub(super) fn granted(mut self) -> Self {
        if self.hosts.is_empty() {
            self.hosts.push(HostPattern::WEB);
        }
        self
    }

    /// Whether this scope covers a request. A scope without hosts covers every host and port, because a plugin that
    /// declares it leaves the naming to the user. Whether the host's address may be private is checked separately.
    #[must_use]
    pub fn allows(&self, host: &Host<String>, port: u16, method: NetworkMethod) -> bool {
        let host_fits = self.hosts.is_empty() || self.hosts.iter().any(|pattern| pattern.covers(host, port));
        let method_fits = self.methods.is_empty() || self.methods.contains(&method);
        host_fits && method_fits
    }

    /// Whether this scope names the host as one that may be on the user's own machine or network: by a name or an
    /// address that can be nowhere else, or by `private=yes`.
    #[must_use]
    pub fn names_private(&self, host: &Host<String>, port: u16) -> bool {
        self.hosts.iter().any(|pattern| {
            pattern.is_exact() && pattern.covers(host, port) && (self.private || pattern.is_inside())
        })
    }

    /// Whether this scope leads to the user's own machine or network.
    #[must_use]
    pub fn reaches_inside(&self) -> bool {
        self.private || self.hosts.iter().any(HostPattern::is_inside)
    }
}

impl fmt::Display for NetworkScope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut parts = Parts::new(f);
        parts.first(&self.hosts)?;
        parts.key("methods", &self.methods)?;
        parts.flag("private", self.private)
    }
}

/// A method of talking to a server: a method of HTTP (RFC 9110, section 9; RFC 5789), or a WebSocket (RFC 6455).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NetworkMethod {
    /// Fetch something.
    Get,
    /// Fetch the header fields of something.
    Head,
    /// Send something.
    Post,
    /// Replace something.
    Put,
    /// Change something.
    Patch,
    /// Delete something.
    Delete,
    /// Open a WebSocket, through which both sides may send anything.
    WebSocket,
}

impl NetworkMethod {
    const ALL: [Self; 7] =
        [Self::Get, Self::Head, Self::Post, Self::Put, Self::Patch, Self::Delete, Self::WebSocket];

    /// What a method may be, for error messages.
    const ALLOWED: &'static str = "write `GET`, `HEAD`, `POST`, `PUT`, `PATCH`, `DELETE` or `WEBSOCKET`";

    /// Reads a method. Case matters (RFC 9110, section 9.1).
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|method| method.name() == text)
    }

    /// The method as it is written in a scope and, for HTTP, as it is sent.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Get => "GET",
            Self::Head => "HEAD",
            Self::Post => "POST",
            Self::Put => "PUT",
            Self::Patch => "PATCH",
            Self::Delete => "DELETE",
            Self::WebSocket => "WEBSOCKET",
        }
    }

    /// Whether a request with this method carries a body.
    #[must_use]
    pub const fn has_body(self) -> bool {
        match self {
            Self::Post | Self::Put | Self::Patch => true,
            Self::Get | Self::Head | Self::Delete | Self::WebSocket => false,
        }
    }
}

impl fmt::Display for NetworkMethod {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
