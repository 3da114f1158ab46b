//! Header fields: which ones a plugin may set, which ones follow a redirect, which ones it gets to see.

use conductor_call::Refusal;
use conductor_policy::scope::Excerpt;
use hyper::header::{
    ACCEPT, ACCEPT_LANGUAGE, CONTENT_ENCODING, CONTENT_LANGUAGE, CONTENT_TYPE, HeaderMap, HeaderName,
    HeaderValue, USER_AGENT,
};

use super::secrets;
use super::target::Target;

/// Most header fields of a request; stops a small message from becoming a large list in the host.
const MAX_HEADERS: u64 = 64;

/// Most bytes of names and values of a request's header fields.
const MAX_HEADER_BYTES: usize = 16 * 1024;

/// Most bytes of names and values of a response's header fields; stops a server from filling the host's memory.
pub(super) const MAX_RECEIVED_BYTES: usize = 64 * 1024;

/// What requests are sent as, where the plugin does not say.
const DEFAULT_USER_AGENT: &str = concat!("conductor/", env!("CARGO_PKG_VERSION"));

/// Fields that belong to the connection or to the framing of messages, so they are the host's (RFC 9110, section
/// 7.6.1; RFC 9112, section 6); a plugin that set them could make one request look like two.
const RESERVED: [&str; 13] = [
    "connection",
    "content-length",
    "expect",
    "host",
    "http2-settings",
    "keep-alive",
    "proxy-authenticate",
    "proxy-authorization",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
];

/// Fields that follow a redirect to another origin; any other may hold a secret for the first one.
const FOLLOWING: [HeaderName; 6] =
    [ACCEPT, ACCEPT_LANGUAGE, CONTENT_ENCODING, CONTENT_LANGUAGE, CONTENT_TYPE, USER_AGENT];

/// Refuses a request with too many fields before the list is allocated. On the wire a structure is its fields in
/// order, and a list starts with its length.
pub(super) fn check_count(request: &[u8]) -> Result<(), Refusal> {
    match postcard::take_from_bytes::<(&str, &str, u64)>(request) {
        Ok(((_, _, count), _)) if count > MAX_HEADERS => {
            Err(Refusal::invalid(format!("a request has at most {MAX_HEADERS} header fields")))
        }
        Ok(_) => Ok(()),
        Err(error) => Err(Refusal::invalid(format!("the request cannot be decoded: {error}"))),
    }
}

/// The fields that a plugin sets. Names and values with characters that could end the field are refused.
pub(super) fn outgoing(fields: &[(&str, &str)]) -> Result<HeaderMap, Refusal> {
    let bytes: usize = fields.iter().map(|(name, value)| name.len() + value.len()).sum();
    if bytes > MAX_HEADER_BYTES {
        return Err(Refusal::invalid(format!("header fields have at most {MAX_HEADER_BYTES} bytes")));
    }
    let mut headers = HeaderMap::new();
    for (name, value) in fields {
        let shown = Excerpt::new(name);
        let name = HeaderName::from_bytes(name.as_bytes())
            .map_err(|_| Refusal::invalid(format!("{shown} is not the name of a header field")))?;
        if RESERVED.contains(&name.as_str()) {
            return Err(Refusal::invalid(format!("header field {shown} is set by the host")));
        }
        secrets::check_value(value)?;
        let value = HeaderValue::from_str(value)
            .map_err(|_| Refusal::invalid(format!("the value of header field {shown} is not allowed")))?;
        headers.append(name, value);
    }
    headers.entry(USER_AGENT).or_insert(HeaderValue::from_static(DEFAULT_USER_AGENT));
    Ok(headers)
}

/// Adapts the fields to the next target of a redirect. No field with a secret goes to another origin, whatever its name.
pub(super) fn follow(headers: &mut HeaderMap, from: &Target, to: &Target) {
    let may_follow = |name: &HeaderName| {
        FOLLOWING.contains(name) && headers.get_all(name).iter().all(|value| !secrets::is_in(value))
    };
    let kept = |name: &HeaderName| {
        let is_of_body = matches!(*name, CONTENT_ENCODING | CONTENT_LANGUAGE | CONTENT_TYPE);
        (from.same_origin(to) || may_follow(name)) && (to.method().has_body() || !is_of_body)
    };
    let dropped: Vec<_> = headers.keys().filter(|name| !kept(name)).cloned().collect();
    for name in dropped {
        headers.remove(name);
    }
}

/// The fields of a response, for the plugin; values that are not UTF-8 are left out.
pub(super) fn received(headers: &HeaderMap) -> Result<Vec<(String, String)>, Refusal> {
    let bytes: usize = headers.iter().map(|(name, value)| name.as_str().len() + value.len()).sum();
    if bytes > MAX_RECEIVED_BYTES {
        return Err(Refusal::too_large(format!(
            "the header fields of the response have {bytes} bytes, more than {MAX_RECEIVED_BYTES}"
        )));
    }
    Ok(headers
        .iter()
        .filter_map(|(name, value)| {
            let value = std::str::from_utf8(value.as_bytes()).ok()?;
            Some((name.as_str().to_owned(), value.to_owned()))
        })
        .collect())
}

#[cfg(test)]
mod tests {
    use conductor_policy::scope::NetworkMethod;

    use super::*;

    #[test]
    fn fields_that_could_split_a_request_are_refused() {
        let cases = [
            ("a\r\nb", "c"),
            ("a", "b\r\nhost: c"),
            ("a", "b\nc"),
            ("a", "b\0"),
            ("", "a"),
            ("a b", "c"),
            ("Host", "a"),
            ("TRANSFER-ENCODING", "chunked"),
            ("content-length", "0"),
            ("Connection", "x-secret"),
        ];
        for field in cases {
            assert!(outgoing(&[field]).is_err(), "{field:?}");
        }
        assert!(outgoing(&[("authorization", "Bearer x"), ("x-note", "café")]).is_ok());
        assert!(outgoing(&[("x", &"y".repeat(MAX_HEADER_BYTES))]).is_err());
    }

    #[test]
    fn secrets_do_not_follow_to_another_origin() {
        let target = |url| Target::parse(NetworkMethod::Post, url).expect("a URL");
        let fields = [
            ("authorization", "x"),
            ("x-api-key", "x"),
            ("cookie", "x"),
            ("accept", "x"),
            ("content-type", "x"),
        ];
        let from = target("https://a.example/");
        let mut headers = outgoing(&fields).expect("allowed");
        follow(&mut headers, &from, &target("https://a.example/other"));
        assert_eq!(headers.len(), 6);
        for other in ["https://b.example/", "https://a.example:444/", "http://a.example:443/"] {
            let mut headers = outgoing(&fields).expect("allowed");
            follow(&mut headers, &from, &target(other));
            let mut names: Vec<_> = headers.keys().map(HeaderName::as_str).collect();
            names.sort_unstable();
            assert_eq!(names, ["accept", "content-type", "user-agent"], "{other}");
        }
    }
}
