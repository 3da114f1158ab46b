//! Host patterns: `api.example.com`, `*.example.org`, `localhost:4455`, `[::1]:8080`, `*`.

use std::fmt;
use std::net::IpAddr;

use url::Host;

use super::address::AddressKind;

/// Ports that a pattern without a port stands for: those of `http` and `https`.
const WEB_PORTS: [u16; 2] = [80, 443];

/// Last labels of names that are resolved inside a home, an office or a machine, not by the public DNS (RFC 6761, RFC
/// 6762, RFC 8375, RFC 6762 appendix G, ICANN's `.internal`).
const INSIDE_LABELS: [&str; 9] =
    ["localhost", "local", "internal", "intranet", "lan", "home", "corp", "private", "home.arpa"];

/// Which hosts and ports a scope covers. Names are stored in ASCII form, so that look-alike letters become visible.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HostPattern {
    host: Hosts,
    port: Ports,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Hosts {
    Any,
    Under(String),
    Exactly(Host<String>),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Ports {
    Web,
    Any,
    Exactly(u16),
}

impl HostPattern {
    /// What a pattern may look like, for error messages.
    pub(super) const ALLOWED: &'static str = "write a host such as `api.example.com`, `*.example.org`, `localhost:4455`, \
         `[::1]:8080`, or `*`; without a port it stands for ports 80 and 443, with `:*` for every port";

    /// Every host on the ports of the web.
    pub(super) const WEB: Self = Self { host: Hosts::Any, port: Ports::Web };

    /// Reads a pattern.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let (host, port) = split_port(text)?;
        let host = if host == "*" {
            Hosts::Any
        } else if let Some(suffix) = host.strip_prefix("*.") {
            match plain_host(suffix)? {
                Host::Domain(domain) => Hosts::Under(domain),
                Host::Ipv4(_) | Host::Ipv6(_) => return None,
            }
        } else {
            Hosts::Exactly(plain_host(host)?)
        };
        Some(Self { host, port })
    }

    /// Whether the pattern covers a request to this host and port. [`normal_host`] must have returned the host.
    #[must_use]
    pub fn covers(&self, host: &Host<String>, port: u16) -> bool {
        let port_fits = match self.port {
            Ports::Web => WEB_PORTS.contains(&port),
            Ports::Any => true,
            Ports::Exactly(own) => own == port,
        };
        let host_fits = match &self.host {
            Hosts::Any => true,
            Hosts::Under(suffix) => match host {
                Host::Domain(domain) => is_under(domain, suffix),
                Host::Ipv4(_) | Host::Ipv6(_) => false,
            },
            Hosts::Exactly(own) => own == host,
        };
        port_fits && host_fits
    }

    /// Whether the pattern names a single host.
    #[must_use]
    pub fn is_exact(&self) -> bool {
        matches!(self.host, Hosts::Exactly(_))
    }

    /// Whether the pattern names a single host, on the ports of the web or on one.
    #[must_use]
    pub fn is_single(&self) -> bool {
        self.is_exact() && self.port != Ports::Any
    }

    /// Whether the pattern names the user's own machine or network: by a literal address that is not public, or by a
    /// name that the public DNS does not resolve.
    #[must_use]
    pub fn is_inside(&self) -> bool {
        match &self.host {
            Hosts::Any => false,
            Hosts::Under(suffix) => is_inside_name(&format!("any.{suffix}")),
            Hosts::Exactly(host) => is_inside_host(host),
        }
    }
}

impl fmt::Display for HostPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.host {
            Hosts::Any => f.write_str("*")?,
            Hosts::Under(suffix) => write!(f, "*.{suffix}")?,
            Hosts::Exactly(host) => host.fmt(f)?,
        }
        match self.port {
            Ports::Web => Ok(()),
            Ports::Any => f.write_str(":*"),
            Ports::Exactly(port) => write!(f, ":{port}"),
        }
    }
}

/// The host of a URL in the form that patterns use, without the trailing dot of the root.
#[must_use]
pub fn normal_host(host: Host<&str>) -> Host<String> {
    match host {
        Host::Domain(domain) => Host::Domain(domain.strip_suffix('.').unwrap_or(domain).to_owned()),
        Host::Ipv4(address) => Host::Ipv4(address),
        Host::Ipv6(address) => Host::Ipv6(address),
    }
}

/// The address, if the host is a literal address.
#[must_use]
pub const fn literal(host: &Host<String>) -> Option<IpAddr> {
    match host {
        Host::Domain(_) => None,
        Host::Ipv4(address) => Some(IpAddr::V4(*address)),
        Host::Ipv6(address) => Some(IpAddr::V6(*address)),
    }
}

/// Splits `host:port`. An IPv6 address is in brackets, which stay with the host.
fn split_port(text: &str) -> Option<(&str, Ports)> {
    let after_brackets = text.rfind(']').map_or(0, |index| index + 1);
    let (host, port) = match text.get(after_brackets..)?.split_once(':') {
        None => return Some((text, Ports::Web)),
        Some((rest, port)) => (text.get(..after_brackets + rest.len())?, port),
    };
    if port == "*" {
        return Some((host, Ports::Any));
    }
    let plain = !port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit()) && !port.starts_with('0');
    if plain { Some((host, Ports::Exactly(port.parse().ok()?))) } else { None }
}

/// Reads a host as URLs do, so that a pattern and a request for the same host are equal.
fn plain_host(text: &str) -> Option<Host<String>> {
    if text.contains('*') {
        return None;
    }
    let host = Host::parse(text).ok()?;
    let host = normal_host(match &host {
        Host::Domain(domain) => Host::Domain(domain.as_str()),
        Host::Ipv4(address) => Host::Ipv4(*address),
        Host::Ipv6(address) => Host::Ipv6(*address),
    });
    match &host {
        Host::Domain(domain) if domain.is_empty() || domain.split('.').any(str::is_empty) => None,
        Host::Domain(_) | Host::Ipv4(_) | Host::Ipv6(_) => Some(host),
    }
}

/// Whether a host is on the user's own machine or network, as far as its name or address shows.
pub fn is_inside_host(host: &Host<String>) -> bool {
    match (literal(host), host) {
        (Some(address), _) => AddressKind::of(address) != AddressKind::Public,
        (None, Host::Domain(domain)) => is_inside_name(domain),
        (None, Host::Ipv4(_) | Host::Ipv6(_)) => true,
    }
}

fn is_inside_name(domain: &str) -> bool {
    !domain.contains('.') || INSIDE_LABELS.iter().any(|label| is_under(domain, label))
}

/// Whether a name has at least one more label before the suffix.
fn is_under(domain: &str, suffix: &str) -> bool {
    domain.strip_suffix(suffix).is_some_and(|front| front.len() > 1 && front.ends_with('.'))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn covers(pattern: &str, url: &str) -> bool {
        let url = url::Url::parse(url).expect("a URL");
        let host = normal_host(url.host().expect("a host"));
        let pattern = HostPattern::parse(pattern).expect("a pattern");
        pattern.covers(&host, url.port_or_known_default().expect("a port"))
    }

    #[test]
    fn a_pattern_covers_what_it_names() {
        assert!(covers("api.example.com", "https://api.example.com/x"));
        assert!(covers("API.Example.com.", "http://api.example.com/x"));
        assert!(covers("api.example.com", "https://api.example.com./x"));
        assert!(!covers("api.example.com", "https://api.example.com:8443/x"));
        assert!(covers("api.example.com:*", "https://api.example.com:8443/x"));
        assert!(!covers("api.example.com", "https://example.com/"));
        assert!(covers("*.example.org", "https://a.b.example.org/"));
        assert!(!covers("*.example.org", "https://example.org/"));
        assert!(!covers("*.example.org", "https://notexample.org/"));
        assert!(covers("localhost:4455", "http://localhost:4455/"));
        assert!(!covers("localhost:4455", "http://localhost/"));
        assert!(covers("[::1]:8080", "http://[::1]:8080/"));
        assert!(covers("127.0.0.1", "http://0x7f.1/"));
        assert!(covers("2130706433", "http://127.0.0.1/"));
        assert!(covers("*", "https://anything.example/"));
        assert!(!covers("*", "https://anything.example:25/"));
    }

    #[test]
    fn what_is_no_host_is_refused() {
        let texts = [
            "",
            ".",
            "a..b",
            "a*b.example",
            "*.*.example",
            "*.",
            "*.127.0.0.1",
            "http://a",
            "a/b",
            "user@host",
            "::1",
            "a:0",
            "a:65536",
            "a:+1",
            "a:",
            "[::1",
            "a:1:2",
        ];
        for text in texts {
            assert_eq!(HostPattern::parse(text), None, "{text}");
        }
    }

    #[test]
    fn names_of_inner_networks_are_known() {
        for text in [
            "localhost",
            "a.localhost",
            "nas.local",
            "*.local",
            "router",
            "10.0.0.1",
            "x.internal",
            "[fe80::1]",
            "0",
        ] {
            assert!(HostPattern::parse(text).expect("a pattern").is_inside(), "{text}");
        }
        for text in ["example.com", "*", "*.com", "1.1.1.1", "local.example.com", "notlocal.example"] {
            assert!(!HostPattern::parse(text).expect("a pattern").is_inside(), "{text}");
        }
    }
}
