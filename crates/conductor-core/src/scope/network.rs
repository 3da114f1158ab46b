//! Scope of Network: hosts, methods, and whether named hosts may be on the user's own network.

use std::fmt;

use url::Host;

use super::error::ScopeError;
use super::grammar::{Fields, Parts};
use super::host::HostPattern;

/// Hosts and methods of HTTP requests.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NetworkScope {
    hosts: Vec<HostPattern>,
    methods: Vec<HttpMethod>,
    private: bool,
}

impl NetworkScope {
    pub(super) const KEYS: &'static [&'static str] = &["hosts", "methods", "private"];

    pub(super) fn from_fields(fields: Fields) -> Result<Self, ScopeError> {
        Ok(Self {
            hosts: fields.list("hosts", HostPattern::ALLOWED, HostPattern::parse)?,
            methods: fields.list("methods", "write `GET` or `POST`", HttpMethod::parse)?,
            private: fields.flag("private")?,
        })
    }

    /// What is granted without asking where a plugin names no host: every host on the ports of the web.
    #[must_use]
    pub fn web(methods: &[HttpMethod]) -> Self {
        Self { hosts: vec![HostPattern::WEB], methods: methods.to_vec(), private: false }
    }

    /// Methods that were named; none means every method.
    #[must_use]
    pub fn methods(&self) -> &[HttpMethod] {
        &self.methods
    }

    /// Whether a host was named at all.
    #[must_use]
    pub fn names_hosts(&self) -> bool {
        !self.hosts.is_empty()
    }

    /// Whether this scope covers a request. Whether the host's address may be a private one is another question.
    #[must_use]
    pub fn allows(&self, host: &Host<String>, port: u16, method: HttpMethod) -> bool {
        let host_fits = self.hosts.is_empty() || self.hosts.iter().any(|pattern| pattern.covers(host, port));
        let method_fits = self.methods.is_empty() || self.methods.contains(&method);
        host_fits && method_fits
    }

    /// Whether this scope names the host itself, as one that may be on the user's own machine or network: by a name
    /// or an address that can be nowhere else, or by `private=yes`.
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

/// A method of HTTP requests that plugins may use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HttpMethod {
    /// Fetch something.
    Get,
    /// Send something.
    Post,
}

impl HttpMethod {
    /// Reads a method; the case matters (RFC 9110, section 9.1).
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        match text {
            "GET" => Some(Self::Get),
            "POST" => Some(Self::Post),
            _ => None,
        }
    }

    /// The method as it is sent.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Get => "GET",
            Self::Post => "POST",
        }
    }
}

impl fmt::Display for HttpMethod {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
