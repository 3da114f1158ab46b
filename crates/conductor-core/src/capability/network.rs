//! Network: HTTP and HTTPS requests.
//!
//! A request is checked once more at every redirect, and the addresses that a host name has are checked where the
//! connection is made ([`lookup`]), so nothing can change between the check and the connection.

mod exchange;
mod headers;
mod lookup;
mod service;
mod target;

use std::fmt;
use std::net::{IpAddr, UdpSocket};
use std::time::{Duration, Instant};

use conductor_abi::{Capability, HttpRequest, HttpResponse};
use reqwest::header::HeaderMap;

use super::{Call, Operation, Refusal, decode, encode, granted};
use crate::grant::Grant;
use crate::scope::{AddressKind, Excerpt, HttpMethod};

use target::Target;

pub(crate) use service::{Connections, Service};

/// Longest request with all its redirects; a plugin's own time limit may be shorter.
const MAX_REQUEST_TIME: Duration = Duration::from_secs(30);

/// Most redirects that one request follows; ends a loop between servers.
const MAX_REDIRECTS: usize = 5;

/// Longest URL in bytes.
const MAX_URL_BYTES: usize = 8 * 1024;

/// Sends one HTTP request and follows its redirects.
pub(crate) struct Http;

/// A request that follows the rules of HTTP and of this host.
pub(crate) struct Outgoing<'a> {
    target: Target,
    headers: HeaderMap,
    body: &'a [u8],
}

/// Proof that a target was checked, and how far its connection may reach.
pub(crate) struct Permit {
    reach: Reach,
}

/// Which addresses a connection may go to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Reach {
    /// Public ones.
    Public,
    /// Also those of the user's own machine and network, because a grant names the host.
    Inside,
}

impl Operation for Http {
    const CAPABILITY: Capability = Capability::Network;
    const NAME: &'static str = "http-request";
    type Request<'a> = Outgoing<'a>;
    type Permit = Permit;

    fn parse(request: &[u8]) -> Result<Outgoing<'_>, Refusal> {
        headers::check_count(request)?;
        let HttpRequest { method, url, headers, body } = decode(request)?;
        let method =
            HttpMethod::parse(method).ok_or_else(|| Refusal::invalid("the method must be GET or POST"))?;
        if method == HttpMethod::Get && !body.is_empty() {
            return Err(Refusal::invalid("a GET request has no body"));
        }
        if url.len() > MAX_URL_BYTES {
            return Err(Refusal::invalid(format!("a URL has at most {MAX_URL_BYTES} bytes")));
        }
        let headers = headers::outgoing(&headers)?;
        Ok(Outgoing { target: Target::parse(method, url)?, headers, body })
    }

    fn check(request: &Outgoing<'_>, grant: &Grant) -> Result<Permit, Refusal> {
        check_target(&request.target, grant)
    }

    fn act(request: &Outgoing<'_>, permit: Permit, call: &Call<'_>) -> Result<Vec<u8>, Refusal> {
        let deadline = call.deadline.min(Instant::now() + MAX_REQUEST_TIME);
        let mut permit = permit;
        let mut target = request.target.clone();
        let mut headers = request.headers.clone();
        for _ in 0..=MAX_REDIRECTS {
            let body = if target.method() == HttpMethod::Post { request.body } else { &[] };
            let received = exchange::exchange(&target, &headers, body, permit, call.session, deadline)?;
            let Some(next) = target.redirected(received.status, &received.headers)? else {
                return encode(&HttpResponse {
                    status: received.status.as_u16(),
                    headers: headers::received(&received.headers)?,
                    body: received.body,
                });
            };
            headers::follow(&mut headers, &target, &next);
            permit = check_again(&next, call).map_err(|refusal| {
                Refusal::new(refusal.status, format!("after a redirect: {}", refusal.reason))
            })?;
            target = next;
        }
        Err(Refusal::failed(format!("more than {MAX_REDIRECTS} redirects")))
    }
}

impl fmt::Display for Outgoing<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.target.fmt(f)
    }
}

/// Holds a target against the grants of this moment.
fn check_again(target: &Target, call: &Call<'_>) -> Result<Permit, Refusal> {
    check_target(target, granted(&call.session.grants(), Capability::Network)?)
}

/// Holds a target against what was declared and granted. A private address needs more than a scope that covers it:
/// the user must have named that host.
fn check_target(target: &Target, grant: &Grant) -> Result<Permit, Refusal> {
    let (host, port, method) = (target.host(), target.port(), target.method());
    let covering = grant
        .covering(|scope| scope.as_network().is_some_and(|scope| scope.allows(host, port, method)))
        .map_err(|outside| Refusal::denied(format!("Network: {target} is {outside}")))?;
    let named = covering.iter().any(|allowance| {
        allowance.source().names_scope()
            && allowance.scope().as_network().is_some_and(|scope| scope.names_private(host, port))
    });
    if target.is_inside() && !named {
        return Err(private(target, "is on the user's own machine or network"));
    }
    if let Some(kind) = target.address().map(kind_here)
        && !may_connect(kind, named)
    {
        return Err(private(target, &format!("is {kind}")));
    }
    Ok(Permit { reach: if named { Reach::Inside } else { Reach::Public } })
}

/// What an address is on this machine: its own public address leads to services that are meant for itself.
fn kind_here(address: IpAddr) -> AddressKind {
    let kind = AddressKind::of(address);
    if kind == AddressKind::Public && is_own(address) { AddressKind::Loopback } else { kind }
}

/// Whether the address is one of this machine's: only to those can a socket be bound.
fn is_own(address: IpAddr) -> bool {
    UdpSocket::bind((address, 0)).is_ok()
}

/// Whether a connection may go to an address of this kind.
fn may_connect(kind: AddressKind, named: bool) -> bool {
    kind == AddressKind::Public || (named && kind.can_be_named())
}

fn private(target: &Target, what: &str) -> Refusal {
    let host = Excerpt::new(&target.host().to_string());
    Refusal::denied(format!("Network: host {host} {what}, and no grant names it"))
}
