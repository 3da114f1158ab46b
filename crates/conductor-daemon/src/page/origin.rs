//! Where a request comes from: this page, or somewhere else in the browser.
//!
//! A site that the user visits can make its own name lead to this machine (DNS rebinding), or send requests here across
//! origins. The first shows in `Host`, the second in `Origin` and `Sec-Fetch-Site`. A site can choose none of these
//! headers.

use hyper::header::{HOST, HeaderMap, HeaderName, ORIGIN, TRANSFER_ENCODING};
use hyper::http::request::Parts;
use hyper::{StatusCode, Version};

use super::reply::Problem;
use crate::control::RefusalCause;

/// How a browser says which site made it send a request (Fetch Metadata Request Headers, W3C).
const SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

/// What a request is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Area {
    /// A file of the page. A user who types the address comes from no site.
    File,
    /// The interface, which only the page has a reason to ask.
    Api,
}

/// Proof that no header says that a request comes from elsewhere than this page.
#[derive(Clone, Copy, Debug)]
pub(super) struct OwnOrigin(());

/// Checks that the headers of a request name this server at `port` and no foreign origin.
pub(super) fn check(parts: &Parts, area: Area, port: u16) -> Result<OwnOrigin, Problem> {
    if parts.version != Version::HTTP_11 {
        return Err(malformed("only HTTP/1.1 is spoken here"));
    }
    if parts.uri.scheme().is_some() || parts.uri.authority().is_some() || !parts.uri.path().starts_with('/') {
        return Err(malformed("a request names a path, and its host in `Host`"));
    }
    let headers = &parts.headers;
    // A body in another transfer coding would be misread (RFC 9112, section 6.1).
    if only(headers, TRANSFER_ENCODING)?.is_some_and(|coding| !coding.eq_ignore_ascii_case("chunked")) {
        return Err(malformed("a body is sent with its length, or chunked"));
    }
    let host = only(headers, HOST)?.ok_or_else(|| foreign("it names no host"))?;
    if !is_own(host, port) {
        return Err(foreign("it is meant for another host"));
    }
    if let Some(origin) = only(headers, ORIGIN)?
        && origin.strip_prefix("http://") != Some(host)
    {
        return Err(foreign("it comes from another origin"));
    }
    match (only(headers, SEC_FETCH_SITE)?, area) {
        (None | Some("same-origin"), Area::File | Area::Api) | (Some("none"), Area::File) => {
            Ok(OwnOrigin(()))
        }
        (Some(_), Area::File | Area::Api) => Err(foreign("another site had it sent")),
    }
}

/// Whether `host` is what a browser sends that found this server by its address or by `localhost`.
fn is_own(host: &str, port: u16) -> bool {
    ["127.0.0.1", "localhost"].iter().any(|name| match host.strip_prefix(name) {
        // Browsers leave out the usual port.
        Some("") => port == 80,
        Some(rest) => rest.strip_prefix(':').is_some_and(|digits| *digits == port.to_string()),
        None => false,
    })
}

/// The value of a header that may be there at most once.
pub(super) fn only(headers: &HeaderMap, name: HeaderName) -> Result<Option<&str>, Problem> {
    let mut values = headers.get_all(&name).iter();
    match (values.next(), values.next()) {
        (None, _) => Ok(None),
        (Some(value), None) => match value.to_str() {
            Ok(text) => Ok(Some(text)),
            Err(_) => Err(malformed(format!("`{name}` holds something else than ASCII"))),
        },
        (Some(_), Some(_)) => Err(malformed(format!("`{name}` is there more than once"))),
    }
}

fn malformed(message: impl Into<String>) -> Problem {
    Problem::new(StatusCode::BAD_REQUEST, RefusalCause::Malformed, message)
}

fn foreign(why: &str) -> Problem {
    let message = format!("this request is not from the Plugin Manager's own page: {why}");
    let hint = "open the page with: conductorctl ui".to_owned();
    Problem::new(StatusCode::FORBIDDEN, RefusalCause::Foreign, message).with_hint(hint)
}

#[cfg(test)]
mod tests {
    use hyper::Request;

    use super::*;

    fn status(area: Area, target: &str, headers: &[(&str, &str)]) -> u16 {
        let mut request = Request::builder().uri(target);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let (parts, ()) = request.body(()).expect("a request").into_parts();
        check(&parts, area, 4140).map_or_else(|problem| problem.status().as_u16(), |_| 200)
    }

    #[test]
    fn own_requests_pass() {
        for host in ["127.0.0.1:4140", "localhost:4140"] {
            let origin = format!("http://{host}");
            for area in [Area::File, Area::Api] {
                assert_eq!(status(area, "/", &[("host", host)]), 200);
                let own = [("host", host), ("origin", &origin), ("sec-fetch-site", "same-origin")];
                assert_eq!(status(area, "/", &own), 200);
            }
            assert_eq!(status(Area::File, "/", &[("host", host), ("sec-fetch-site", "none")]), 200);
            assert_eq!(status(Area::Api, "/api/", &[("host", host), ("sec-fetch-site", "none")]), 403);
        }
    }

    #[test]
    fn hosts_that_are_not_ours_are_refused() {
        for host in [
            "evil.example",
            "evil.example:4140",
            "127.0.0.1",
            "localhost",
            "127.0.0.1:4141",
            "127.0.0.1:04140",
            "127.0.0.1:+4140",
            "127.0.0.2:4140",
            "0.0.0.0:4140",
            "[::1]:4140",
            "[::ffff:127.0.0.1]:4140",
            "2130706433:4140",
            "0x7f000001:4140",
            "127.1:4140",
            "LOCALHOST:4140",
            "localhost.:4140",
            "a.localhost:4140",
            "localhost.evil.example:4140",
            "127.0.0.1.evil.example:4140",
            "127.0.0.1:4140.evil.example",
            "localhost:4140@evil.example",
            "evil.example#127.0.0.1:4140",
            "127.0.0.1:4140,evil.example",
            "",
        ] {
            for area in [Area::File, Area::Api] {
                assert_eq!(status(area, "/", &[("host", host)]), 403, "{host}");
            }
        }
        assert_eq!(status(Area::File, "/", &[]), 403, "no host");
        let twice = [("host", "127.0.0.1:4140"), ("host", "evil.example")];
        assert_eq!(status(Area::File, "/", &twice), 400);
        assert_eq!(status(Area::File, "http://127.0.0.1:4140/", &[("host", "127.0.0.1:4140")]), 400);
    }

    #[test]
    fn other_origins_and_sites_are_refused() {
        let host = ("host", "127.0.0.1:4140");
        for origin in [
            "null",
            "http://evil.example",
            "https://127.0.0.1:4140",
            "http://127.0.0.1",
            "http://127.0.0.1:4141",
            "http://localhost:4140",
            "http://127.0.0.1:4140/",
            "file://",
            "",
        ] {
            assert_eq!(status(Area::File, "/", &[host, ("origin", origin)]), 403, "{origin}");
            assert_eq!(status(Area::Api, "/api/", &[host, ("origin", origin)]), 403, "{origin}");
        }
        for site in ["cross-site", "same-site", "Same-Origin", "anything", ""] {
            assert_eq!(status(Area::File, "/", &[host, ("sec-fetch-site", site)]), 403, "{site}");
            assert_eq!(status(Area::Api, "/api/", &[host, ("sec-fetch-site", site)]), 403, "{site}");
        }
    }

    #[test]
    fn bodies_that_are_coded_are_refused() {
        let coded =
            |coding| status(Area::Api, "/api/", &[("host", "127.0.0.1:4140"), ("transfer-encoding", coding)]);
        assert_eq!((coded("chunked"), coded("Chunked")), (200, 200));
        assert_eq!((coded("gzip, chunked"), coded("identity"), coded("")), (400, 400, 400));
    }

    #[test]
    fn the_usual_port_is_left_out() {
        assert!(is_own("localhost", 80) && is_own("127.0.0.1:80", 80) && !is_own("localhost", 4140));
    }
}
