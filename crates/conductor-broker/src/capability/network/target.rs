//! Where a request goes: a URL whose parts were read once.

use std::fmt;
use std::net::IpAddr;

use conductor_call::Refusal;
use conductor_policy::scope::{Excerpt, NetworkMethod, is_inside_host, literal, normal_host, written};
use hyper::StatusCode;
use hyper::header::{HeaderMap, LOCATION};
use url::{Host, Url};

use super::MAX_URL_BYTES;

/// Method and URL of a request, with host and port in the form that scopes are compared with.
#[derive(Clone, Debug)]
pub(super) struct Target {
    method: NetworkMethod,
    url: Url,
    host: Host<String>,
    port: u16,
}

impl Target {
    /// Reads an absolute URL. The `url` crate turns every spelling of an IPv4 address (decimal, octal, hexadecimal,
    /// short) into the address, so that only the result needs to be checked.
    pub(super) fn parse(method: NetworkMethod, url: &str) -> Result<Self, Refusal> {
        if url.len() > MAX_URL_BYTES {
            return Err(Refusal::invalid(format!("a URL has at most {MAX_URL_BYTES} bytes")));
        }
        let parsed = Url::parse(url)
            .map_err(|error| Refusal::invalid(format!("{} is not a URL: {error}", Excerpt::new(url))))?;
        Self::new(method, parsed)
    }

    fn new(method: NetworkMethod, mut url: Url) -> Result<Self, Refusal> {
        let shown = || Excerpt::new(url.as_str());
        let schemes = if method == NetworkMethod::WebSocket { ["ws", "wss"] } else { ["http", "https"] };
        if !schemes.contains(&url.scheme()) {
            return Err(Refusal::invalid(format!(
                "{} is neither {} nor {}",
                shown(),
                schemes[0],
                schemes[1]
            )));
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err(Refusal::invalid("a URL must not carry a user name or a password"));
        }
        let (Some(host), Some(port)) = (url.host(), url.port_or_known_default()) else {
            return Err(Refusal::invalid(format!("{} names no host", shown())));
        };
        let host = normal_host(host);
        url.set_fragment(None);
        Ok(Self { method, url, host, port })
    }

    /// Where a response sends the client on to, if it is a redirect (RFC 9110, section 15.4).
    pub(super) fn redirected(
        &self,
        status: StatusCode,
        headers: &HeaderMap,
    ) -> Result<Option<Self>, Refusal> {
        let method = match (status, self.method) {
            (StatusCode::SEE_OTHER, method) if method != NetworkMethod::Head => NetworkMethod::Get,
            (StatusCode::MOVED_PERMANENTLY | StatusCode::FOUND, NetworkMethod::Post) => NetworkMethod::Get,
            (
                StatusCode::MOVED_PERMANENTLY
                | StatusCode::FOUND
                | StatusCode::SEE_OTHER
                | StatusCode::TEMPORARY_REDIRECT
                | StatusCode::PERMANENT_REDIRECT,
                method,
            ) => method,
            _ => return Ok(None),
        };
        let Some(location) = headers.get(LOCATION) else {
            return Ok(None);
        };
        let bad = || Refusal::failed(format!("{self} answered with a redirect that leads nowhere"));
        let location = location.to_str().map_err(|_| bad())?;
        if location.len() > MAX_URL_BYTES {
            return Err(bad());
        }
        let next = Self::new(method, self.url.join(location).map_err(|_| bad())?)
            .map_err(|refusal| Refusal::failed(format!("after a redirect: {}", refusal.reason)))?;
        if self.is_secure() && !next.is_secure() {
            return Err(Refusal::failed(format!("{self} redirects from https to http")));
        }
        Ok(Some(next))
    }

    /// The least scope that covers it.
    pub(super) fn scope(&self) -> String {
        let host = self.host();
        let host = if [80, 443].contains(&self.port()) {
            host.to_string()
        } else {
            format!("{host}:{}", self.port())
        };
        format!("{};methods={}", written(&host), self.method)
    }

    pub(super) const fn method(&self) -> NetworkMethod {
        self.method
    }

    pub(super) const fn url(&self) -> &Url {
        &self.url
    }

    pub(super) const fn host(&self) -> &Host<String> {
        &self.host
    }

    pub(super) const fn port(&self) -> u16 {
        self.port
    }

    /// Whether the connection is encrypted.
    pub(super) fn is_secure(&self) -> bool {
        matches!(self.url.scheme(), "https" | "wss")
    }

    /// The address, if the host is a literal one.
    pub(super) const fn address(&self) -> Option<IpAddr> {
        literal(&self.host)
    }

    /// Whether the host is a name that is only answered on the user's own machine or network.
    pub(super) fn is_inside(&self) -> bool {
        self.address().is_none() && is_inside_host(&self.host)
    }

    /// Whether two targets have the same scheme, host and port (RFC 6454, section 5).
    pub(super) fn same_origin(&self, other: &Self) -> bool {
        self.url.scheme() == other.url.scheme() && self.host == other.host && self.port == other.port
    }
}

impl fmt::Display for Target {
    /// Method, scheme, host and port: path and query may hold secrets of the plugin's user.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let origin = format!("{}://{}:{}", self.url.scheme(), self.host, self.port);
        write!(f, "{} {}", self.method, Excerpt::new(&origin))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn target(url: &str) -> Result<Target, Refusal> {
        Target::parse(NetworkMethod::Get, url)
    }

    #[test]
    fn every_spelling_of_an_address_is_the_address() {
        for url in [
            "http://127.0.0.1/",
            "http://2130706433/",
            "http://0x7f000001/",
            "http://0177.0.0.1/",
            "http://0x7f.1/",
            "http://127.1/",
            "http://127.0.0.1./",
            "http://%31%32%37.0.0.1/",
            "http://１２７.0.0.1/",
            "http:\\\\127.0.0.1\\",
        ] {
            let address = target(url).expect(url).address();
            assert_eq!(address, Some(IpAddr::from([127, 0, 0, 1])), "{url}");
        }
    }

    #[test]
    fn urls_that_hide_their_host_are_refused() {
        for url in [
            "http://user@example.com/",
            "http://a:b@example.com/",
            "ftp://example.com/",
            "file:///etc/passwd",
            "x",
            "",
        ] {
            assert!(target(url).is_err(), "{url}");
        }
    }

    #[test]
    fn redirects_are_read_as_http_says() {
        let location = |text: &str| HeaderMap::from_iter([(LOCATION, text.parse().expect("a header"))]);
        let post = Target::parse(NetworkMethod::Post, "https://a.example/x/y").expect("a URL");
        let next = |status, text| post.redirected(status, &location(text));

        let seen = next(StatusCode::SEE_OTHER, "../z").expect("allowed").expect("a redirect");
        assert_eq!((seen.method(), seen.url().as_str()), (NetworkMethod::Get, "https://a.example/z"));
        let kept =
            next(StatusCode::TEMPORARY_REDIRECT, "//b.example/").expect("allowed").expect("a redirect");
        assert_eq!(kept.method(), NetworkMethod::Post);
        assert!(!kept.same_origin(&post));
        assert!(next(StatusCode::FOUND, "http://a.example/").is_err());
        assert!(next(StatusCode::FOUND, "file:///etc/passwd").is_err());
        assert!(next(StatusCode::FOUND, "https://user@b.example/").is_err());
        assert!(next(StatusCode::OK, "https://b.example/").expect("allowed").is_none());
        assert!(post.redirected(StatusCode::FOUND, &HeaderMap::new()).expect("allowed").is_none());
    }
}
