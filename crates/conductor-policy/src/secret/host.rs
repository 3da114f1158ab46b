//! One host of a secret.

use std::fmt;
use std::str::FromStr;

use url::Host;

use crate::scope::{Excerpt, HostPattern};

/// A single host that a secret may go to, as `HOST` or `HOST:PORT`. Without a port it stands for ports 80 and 443, as in
/// scopes. It is compared with the host of a URL after both were read in the same way, so letters of either case, an
/// international name and its ASCII form, and a trailing dot are the same host, and nothing else is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SecretHost(HostPattern);

/// A text that does not name a single host.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "{} is no single host; write `api.example.org`, `api.example.org:8443`, `localhost:8123` or `[::1]:8080`",
    Excerpt::new(text)
)]
pub struct SecretHostError {
    /// The text.
    pub text: String,
}

impl SecretHost {
    /// Whether this is the host and port of a request.
    #[must_use]
    pub fn is(&self, host: &Host<String>, port: u16) -> bool {
        self.0.covers(host, port)
    }
}

impl FromStr for SecretHost {
    type Err = SecretHostError;

    fn from_str(text: &str) -> Result<Self, SecretHostError> {
        let pattern = HostPattern::parse(text).filter(HostPattern::is_single);
        pattern.map(Self).ok_or_else(|| SecretHostError { text: text.to_owned() })
    }
}

impl fmt::Display for SecretHost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scope::normal_host;

    #[test]
    fn a_host_is_itself_however_it_is_written() {
        let is = |host: &str, url: &str| {
            let url = url::Url::parse(url).expect("a URL");
            let found = normal_host(url.host().expect("a host"));
            let host: SecretHost = host.parse().expect("a host");
            host.is(&found, url.port_or_known_default().expect("a port"))
        };
        for url in ["https://api.example.org/", "https://API.Example.ORG./x", "http://api.example.org"] {
            assert!(is("api.example.org", url), "{url}");
        }
        assert!(is("bücher.example", "https://xn--bcher-kva.example/"));
        for url in [
            "https://api.example.org:8443/",
            "https://example.org/",
            "https://x.api.example.org/",
            "https://api.example.org.evil.example/",
            "https://аpi.example.org/",
            "https://api-example.org/",
        ] {
            assert!(!is("api.example.org", url), "{url}");
        }
        assert!(is("localhost:8123", "http://localhost:8123/"));
        assert!(!is("localhost:8123", "http://127.0.0.1:8123/"));
        assert!(!is("127.0.0.1:80", "http://[::ffff:127.0.0.1]/"));
        for text in ["*", "*.example.org", "example.org:*", "", ":80", "https://a.example", "a.example:0"] {
            assert!(text.parse::<SecretHost>().is_err(), "{text}");
        }
    }
}
