//! Secrets of the user in header fields: a plugin writes `{secret:NAME}`, and the host puts the secret there.
//!
//! A placeholder is replaced in values of header fields only, on a connection that is made, immediately before the request
//! goes into it. What the connection leads to decides, not what the plugin asked for: its host must be one of the
//! secret's, and it must be encrypted or end on this machine. A placeholder that cannot be replaced refuses the request:
//! it is never sent as it is.

use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;

use bytes::Bytes;
use conductor_call::Refusal;
use conductor_policy::scope::Excerpt;
use conductor_policy::secret::{HeldSecrets, SecretPlace, SecretUse, check_text};
use conductor_signing::SecretText;
use hyper::header::{HeaderMap, HeaderValue};
use tokio::task::spawn_blocking;
use url::Host;
use zeroize::Zeroizing;

use crate::capability::Resources;
use crate::devices::{SecretValueError, SecretValues};
use crate::held_secrets::SecretsNow;

use super::failure::Failure;
use super::target::Target;

/// How a placeholder begins.
const BEGINNING: &str = "{secret:";

/// Most secrets of one request, so that the audit names each of them whole.
const MAX_IN_REQUEST: usize = 3;

/// Most bytes of a request's header fields with the secrets in them; one short placeholder may stand for a long secret
/// many times.
const MAX_FILLED_BYTES: usize = 32 * 1024;

/// Longest name of a secret in bytes, as in manifests.
const MAX_NAME_BYTES: usize = 64;

/// The names of the secrets that stand in header fields, each once.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Names(Arc<[String]>);

/// A part of the value of a header field.
enum Part<'v> {
    Text(&'v str),
    Secret(&'v str),
}

/// The secrets that a request carries, and whether it still may.
#[derive(Clone, Default)]
pub(super) struct Carried {
    names: Names,
    now: SecretsNow,
}

/// Puts secrets into header fields.
pub(super) struct Filler {
    carried: Carried,
    values: Arc<dyn SecretValues>,
}

/// What a connection leads to.
#[derive(Clone, Copy)]
pub(super) struct Way<'a> {
    pub(super) host: &'a Host<String>,
    pub(super) port: u16,
    pub(super) is_secure: bool,
    /// The address at its other end, once there is one.
    pub(super) peer: Option<SocketAddr>,
}

impl Names {
    /// The names in header fields.
    pub(super) fn of(headers: &HeaderMap) -> Result<Self, Refusal> {
        let mut names: Vec<String> = Vec::new();
        for value in headers.values() {
            for part in parts_of(value)? {
                if let Part::Secret(name) = part
                    && !names.iter().any(|known| known == name)
                {
                    names.push(name.to_owned());
                }
            }
        }
        if names.len() > MAX_IN_REQUEST {
            return Err(Refusal::invalid(format!("a request carries at most {MAX_IN_REQUEST} secrets")));
        }
        names.sort_unstable();
        Ok(Self(names.into()))
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// What follows the description of a request in the audit.
impl fmt::Display for Names {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, name) in self.0.iter().enumerate() {
            write!(f, "{} `{name}`", if index == 0 { ", with the secret" } else { " and" })?;
        }
        Ok(())
    }
}

impl Carried {
    /// What header fields carry for the plugin of a session.
    pub(super) fn by(headers: &HeaderMap, session: &dyn Resources) -> Result<Self, Refusal> {
        Ok(Self { names: Names::of(headers)?, now: session.secrets().clone() })
    }

    /// Whether the plugin may now send these secrets to a target, as far as that is known without a connection.
    pub(super) fn check(&self, target: &Target) -> Result<(), Refusal> {
        let way = Way { host: target.host(), port: target.port(), is_secure: target.is_secure(), peer: None };
        self.places(way).map(drop)
    }

    /// Where the secrets are kept, each with its name, if all of them may be sent on this way.
    fn places(&self, way: Way<'_>) -> Result<Vec<(String, SecretPlace)>, Refusal> {
        if self.names.is_empty() {
            return Ok(Vec::new());
        }
        let now = self.now.get();
        let places = self.names.0.iter().map(|name| Ok((name.clone(), place(&now, name, way)?)));
        places.collect()
    }

    /// What puts the secrets into the request.
    pub(super) fn filler(&self, session: &dyn Resources) -> Filler {
        Filler { carried: self.clone(), values: Arc::clone(&session.devices().secrets) }
    }
}

/// Where a secret is kept, if it may be sent on this way.
fn place(now: &HeldSecrets, name: &str, way: Way<'_>) -> Result<SecretPlace, Refusal> {
    let Way { host, port, is_secure, peer } = way;
    let to = || Excerpt::new(&format!("{host}:{port}")).to_string();
    let place = match now.use_of(name, host, port) {
        SecretUse::Allowed(place) => place.clone(),
        SecretUse::Undeclared => {
            return Err(denied(format!("the plugin declares no secret `{name}`")));
        }
        SecretUse::NotEntered => {
            return Err(denied(format!("the user has not entered the secret `{name}`")));
        }
        SecretUse::Unconfirmed => {
            return Err(denied(format!("the user has not confirmed {} for the secret `{name}`", to())));
        }
        SecretUse::OtherHost => {
            return Err(denied(format!("{} is none of the hosts of the secret `{name}`", to())));
        }
    };
    let ends_here = is_this_machine(host) && peer.is_none_or(|peer| peer.ip().to_canonical().is_loopback());
    if is_secure || ends_here {
        Ok(place)
    } else {
        Err(denied(format!("the secret `{name}` goes to {} over TLS only", to())))
    }
}

/// Whether a host is a name or address that only this machine has (RFC 6761, section 6.3; RFC 1122, section 3.2.1.3).
fn is_this_machine(host: &Host<String>) -> bool {
    match host {
        Host::Domain(domain) => domain == "localhost" || domain.ends_with(".localhost"),
        Host::Ipv4(address) => address.is_loopback(),
        Host::Ipv6(address) => address.is_loopback(),
    }
}

impl Filler {
    /// Puts the secrets into header fields that are about to be sent on this way.
    pub(super) async fn fill(&self, headers: &mut HeaderMap, way: Way<'_>) -> Result<(), Failure> {
        let places = self.carried.places(way)?;
        if places.is_empty() {
            return Ok(());
        }
        let (values, wanted) = (Arc::clone(&self.values), places.clone());
        let reading = spawn_blocking(move || {
            let read = wanted.iter().map(|(name, place)| Ok((name.clone(), read(&*values, name, place)?)));
            read.collect::<Result<Vec<_>, Refusal>>()
        });
        let texts = reading.await.map_err(|_| Refusal::failed("the secrets were not read"))??;
        // One of them may have been taken away, or entered anew, while they were read.
        if self.carried.places(way)? != places {
            return Err(denied("the secrets were changed meanwhile".to_owned()).into());
        }
        let mut left = MAX_FILLED_BYTES;
        for value in headers.values_mut() {
            if let Some(filled) = filled(value, &texts, &mut left)? {
                *value = filled;
            }
        }
        Ok(())
    }
}

/// Reads a secret, and looks once more at whether it can end a header field: other programs may write where it is kept.
fn read(values: &dyn SecretValues, name: &str, place: &SecretPlace) -> Result<SecretText, Refusal> {
    let unreadable = |why: &dyn fmt::Display| {
        let reason = format!("the secret `{name}` cannot be used: {}", Excerpt::new(&why.to_string()));
        Refusal::new(conductor_abi::Status::Unavailable, reason)
    };
    let text = values.read(place).map_err(|error: SecretValueError| unreadable(&error))?;
    check_text(&text).map_err(|error| unreadable(&error))?;
    Ok(text)
}

/// The value with secrets in the place of its placeholders; nothing if it has none. `left` is how many bytes all values
/// may still have.
fn filled(
    value: &HeaderValue,
    texts: &[(String, SecretText)],
    left: &mut usize,
) -> Result<Option<HeaderValue>, Refusal> {
    let parts = parts_of(value)?;
    if parts.iter().all(|part| matches!(part, Part::Text(_))) {
        return Ok(None);
    }
    let mut whole = Vec::with_capacity(parts.len());
    for part in parts {
        whole.push(match part {
            Part::Text(text) => text,
            Part::Secret(name) => {
                let found = texts.iter().find(|(known, _)| known == name);
                found.ok_or_else(|| denied(format!("the secret `{name}` was not read")))?.1.expose()
            }
        });
    }
    let length = whole.iter().map(|part| part.len()).sum::<usize>();
    *left = left.checked_sub(length).ok_or_else(|| {
        Refusal::invalid(format!("header fields with their secrets have at most {MAX_FILLED_BYTES} bytes"))
    })?;
    // It has its final size from the start, so no shorter copy is left behind.
    let mut bytes = Zeroizing::new(Vec::with_capacity(length));
    whole.iter().for_each(|part| bytes.extend_from_slice(part.as_bytes()));
    let mut filled = HeaderValue::from_maybe_shared(Bytes::from_owner(bytes))
        .map_err(|_| denied("a secret cannot stand in a header field".to_owned()))?;
    // It is neither shown nor kept in the tables of HTTP/2.
    filled.set_sensitive(true);
    Ok(Some(filled))
}

fn denied(reason: String) -> Refusal {
    Refusal::denied(format!("Network: {reason}"))
}

fn parts_of(value: &HeaderValue) -> Result<Vec<Part<'_>>, Refusal> {
    // What is not UTF-8 did not come from a plugin.
    std::str::from_utf8(value.as_bytes()).map_or_else(|_| Ok(Vec::new()), parts)
}

/// Reads the value of a header field. What begins like a placeholder and is none is refused.
fn parts(value: &str) -> Result<Vec<Part<'_>>, Refusal> {
    let mut found = Vec::new();
    let mut rest = value;
    while let Some(start) = beginning(rest) {
        let (text, placeholder) = rest.split_at(start);
        found.push(Part::Text(text));
        let name = placeholder.strip_prefix(BEGINNING).and_then(|inner| inner.split_once('}'));
        let Some((name, after)) = name.filter(|(name, _)| is_name(name)) else {
            return Err(Refusal::invalid(
                "a secret is written `{secret:NAME}`, in lower case and with a name as in the manifest",
            ));
        };
        found.push(Part::Secret(name));
        rest = after;
    }
    found.push(Part::Text(rest));
    Ok(found)
}

/// Where something begins that looks like a placeholder.
fn beginning(text: &str) -> Option<usize> {
    text.to_ascii_lowercase().find(BEGINNING)
}

fn is_name(name: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
    name.len() <= MAX_NAME_BYTES
        && name.bytes().next().is_some_and(|first| first.is_ascii_alphanumeric())
        && name.bytes().all(allowed)
}

/// Whether a secret is to stand in the value of a header field.
pub(super) fn is_in(value: &HeaderValue) -> bool {
    !parts_of(value).is_ok_and(|parts| parts.iter().all(|part| matches!(part, Part::Text(_))))
}

/// Refuses a value of a header field that has what looks like a placeholder and is none.
pub(super) fn check_value(value: &str) -> Result<(), Refusal> {
    parts(value).map(drop)
}

/// Refuses what looks like a placeholder where none is replaced.
pub(super) fn refuse_in(what: &str, text: &str) -> Result<(), Refusal> {
    let plain = text.to_ascii_lowercase().replace("%7b", "{").replace("%3a", ":");
    if plain.contains(BEGINNING) {
        return Err(Refusal::invalid(format!(
            "`{{secret:NAME}}` stands in values of header fields only, not in {what}"
        )));
    }
    Ok(())
}

/// Refuses content in which a placeholder of a secret of the plugin stands: it would not be replaced, so the plugin does
/// not mean what it sends. Other content is the plugin's own.
pub(super) fn refuse_in_content(content: &[u8], session: &dyn Resources) -> Result<(), Refusal> {
    let now = session.secrets().get();
    for view in now.all() {
        let placeholder = format!("{BEGINNING}{}}}", view.declared.name);
        if content.windows(placeholder.len()).any(|window| window == placeholder.as_bytes()) {
            return Err(Refusal::invalid(format!(
                "`{placeholder}` stands in values of header fields only, not in what is sent after them"
            )));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_looks_like_a_placeholder_is_one_or_is_refused() {
        let read = |value: &str| -> Result<Vec<String>, Refusal> {
            Ok(parts(value)?
                .iter()
                .map(|part| match part {
                    Part::Text(text) => format!("={text}"),
                    Part::Secret(name) => format!("?{name}"),
                })
                .collect())
        };
        assert_eq!(read("Bearer {secret:a.b-c_1}").expect("reads"), ["=Bearer ", "?a.b-c_1", "="]);
        assert_eq!(read("{secret:a}{secret:b}").expect("reads"), ["=", "?a", "=", "?b", "="]);
        for text in ["", "plain", "{secret}", "{ secret:a}", "{other:a}", "secret:a", "}{"] {
            assert_eq!(read(text).expect("reads"), [format!("={text}")]);
        }
        for value in [
            "{secret:",
            "{secret:}",
            "{secret:a",
            "{secret: a}",
            "{secret:a }",
            "{secret:{secret:a}}",
            "{secret:a{secret:b}",
            "{SECRET:a}",
            "{Secret:a}",
            "{secret:../a}",
            "{secret:-a}",
            "{secret:ä}",
            "ok {secret:a} {secret:",
        ] {
            assert!(read(value).is_err(), "{value}");
        }
        assert!(read(&format!("{{secret:{}}}", "x".repeat(65))).is_err());
    }

    #[test]
    fn a_secret_that_looks_like_a_placeholder_is_not_read_again() {
        let texts = [("a".to_owned(), SecretText::new("{secret:b}".to_owned()))];
        let mut left = MAX_FILLED_BYTES;
        let value = HeaderValue::from_static("x {secret:a} y");
        let filled = filled(&value, &texts, &mut left).expect("fits").expect("filled");
        assert_eq!(filled.as_bytes(), b"x {secret:b} y");
        assert!(filled.is_sensitive() && !format!("{filled:?}").contains("secret:b"));
        assert_eq!(left, MAX_FILLED_BYTES - 14);
    }

    #[test]
    fn many_placeholders_do_not_become_many_bytes() {
        let texts = [("a".to_owned(), SecretText::new("x".repeat(4096)))];
        let value = HeaderValue::from_str(&"{secret:a}".repeat(9)).expect("a value");
        assert!(filled(&value, &texts, &mut { MAX_FILLED_BYTES }).is_err());
    }

    #[test]
    fn this_machine_is_what_is_called_so() {
        let host = |text: &str| Host::parse(text).expect("a host");
        for name in ["localhost", "hub.localhost", "127.0.0.1", "127.8.8.8", "[::1]"] {
            assert!(is_this_machine(&host(name)), "{name}");
        }
        for name in ["localhost.example", "xlocalhost", "127.0.0.1.example", "10.0.0.1", "[::2]", "hub.local"]
        {
            assert!(!is_this_machine(&host(name)), "{name}");
        }
    }

    #[test]
    fn the_audit_names_each_secret() {
        let headers = HeaderMap::from_iter([
            (hyper::header::AUTHORIZATION, HeaderValue::from_static("{secret:b} {secret:a}")),
            (hyper::header::COOKIE, HeaderValue::from_static("{secret:a}")),
        ]);
        assert_eq!(Names::of(&headers).expect("read").to_string(), ", with the secret `a` and `b`");
        let four = HeaderValue::from_static("{secret:a}{secret:b}{secret:c}{secret:d}");
        let headers = HeaderMap::from_iter([(hyper::header::COOKIE, four)]);
        assert!(Names::of(&headers).is_err());
    }
}
