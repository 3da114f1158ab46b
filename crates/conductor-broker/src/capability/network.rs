//! Network: HTTP and HTTPS requests, WebSockets.
//!
//! A request is checked once more at every redirect. Which addresses a host name has, and where they lead, is found out where
//! the connection is made ([`lookup`], [`route`], [`dial`]), so nothing can change between the check and the connection. What
//! crosses the wire is counted there as well ([`wire`]).

mod body;
mod dial;
mod exchange;
mod failure;
mod frames;
mod headers;
mod inbox;
mod link;
mod lookup;
mod meter;
mod route;
mod seats;
mod secrets;
mod service;
mod target;
mod traffic;
mod waiting;
mod websocket;
mod wire;

use std::fmt;
use std::marker::PhantomData;
use std::sync::Arc;
use std::time::{Duration, Instant};

use conductor_abi::{Capability, HttpRequest, HttpResponse, Risk};
use conductor_policy::grant::{Grant, Grants};
use conductor_policy::scope::{AddressKind, Excerpt, NetworkMethod};
use hyper::header::HeaderMap;

use super::{Call, Operation, Refusal, decode, encode, granted};
use crate::handles::Live;

use exchange::Reply;
use secrets::{Carried, Names};
use target::Target;

pub(crate) use body::{Body, HttpRead, PieceByPiece};
pub(crate) use service::{Connections, Service};
pub(crate) use websocket::{Socket, WebSocketOpen, WebSocketReceive, WebSocketSend};

/// Longest request with all its redirects; a plugin's own time limit may be shorter.
const MAX_REQUEST_TIME: Duration = Duration::from_secs(30);

/// Most redirects that one request follows; ends a loop between servers.
const MAX_REDIRECTS: usize = 5;

/// Longest URL in bytes.
const MAX_URL_BYTES: usize = 8 * 1024;

/// Sends one HTTP request, follows its redirects and answers with what `A` makes of the response.
pub(crate) struct Http<A>(PhantomData<A>);

/// What becomes of the response to a request.
trait HttpAnswer {
    /// Name of the operation in the audit.
    const NAME: &'static str;

    /// The encoded answer; waiting for more of the response ends at `deadline`.
    fn answer(reply: Reply, call: &Call<'_>, deadline: Instant) -> Result<Vec<u8>, Refusal>;
}

/// Answers with the whole body.
pub(crate) struct WholeBody;

/// A request that follows the rules of HTTP and of this host.
pub(crate) struct Outgoing<'a> {
    target: Target,
    headers: HeaderMap,
    secrets: Names,
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

impl<A: HttpAnswer> Operation for Http<A> {
    const CAPABILITY: Capability = Capability::Network;
    const NAME: &'static str = A::NAME;
    type Request<'a> = Outgoing<'a>;
    type Permit = Permit;

    fn parse(request: &[u8]) -> Result<Outgoing<'_>, Refusal> {
        Outgoing::parse(request)
    }

    fn needs(request: &Outgoing<'_>) -> Option<String> {
        Some(request.target.scope())
    }

    fn check(request: &Outgoing<'_>, grant: &Grant) -> Result<Permit, Refusal> {
        check_target(&request.target, grant)
    }

    fn risk(request: &Outgoing<'_>, permit: Option<&Permit>) -> Risk {
        risk_of(&request.target, &request.secrets, permit)
    }

    fn act(request: &Outgoing<'_>, permit: Permit, call: &Call<'_>) -> Result<Vec<u8>, Refusal> {
        let deadline = call.deadline.min(Instant::now() + MAX_REQUEST_TIME);
        A::answer(request.follow(permit, call, deadline)?, call, deadline)
    }
}

impl HttpAnswer for WholeBody {
    const NAME: &'static str = "http-request";

    fn answer(reply: Reply, call: &Call<'_>, deadline: Instant) -> Result<Vec<u8>, Refusal> {
        let status = reply.status.as_u16();
        let headers = headers::received(&reply.headers)?;
        let body = exchange::body(reply, call, deadline)?;
        encode(&HttpResponse { status, headers, body })
    }
}

impl<'a> Outgoing<'a> {
    fn parse(request: &'a [u8]) -> Result<Self, Refusal> {
        headers::check_count(request)?;
        let HttpRequest { method, url, headers, body } = decode(request)?;
        let method = NetworkMethod::parse(method)
            .filter(|method| *method != NetworkMethod::WebSocket)
            .ok_or_else(|| Refusal::invalid("the method must be GET, HEAD, POST, PUT, PATCH or DELETE"))?;
        if !method.has_body() && !body.is_empty() {
            return Err(Refusal::invalid(format!("a {method} request has no body")));
        }
        secrets::refuse_in("a URL", url)?;
        let headers = headers::outgoing(&headers)?;
        let secrets = Names::of(&headers)?;
        Ok(Outgoing { target: Target::parse(method, url)?, headers, secrets, body })
    }

    /// Sends the request and follows redirects, as far as a response that is none.
    fn follow(&self, permit: Permit, call: &Call<'_>, deadline: Instant) -> Result<Reply, Refusal> {
        secrets::refuse_in_content(self.body, call.session)?;
        let mut permit = permit;
        let mut target = self.target.clone();
        let mut headers = self.headers.clone();
        for _ in 0..=MAX_REDIRECTS {
            let body = if target.method().has_body() { self.body } else { &[] };
            call.session.connections().meter().traffic().admit()?;
            let reply = exchange::send(&target, &headers, body, permit, call, deadline)?;
            let Some(next) = target.redirected(reply.status, &reply.headers)? else {
                return Ok(reply);
            };
            headers::follow(&mut headers, &target, &next);
            permit = check_again(&next, call).map_err(|refusal| refusal.after("a redirect"))?;
            target = next;
        }
        Err(Refusal::failed(format!("more than {MAX_REDIRECTS} redirects")))
    }
}

impl fmt::Display for Outgoing<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", self.target, self.secrets)
    }
}

/// Holds a target against the grants of this moment.
fn check_again(target: &Target, call: &Call<'_>) -> Result<Permit, Refusal> {
    check_target(target, granted(&call.grants(), Capability::Network)?)
}

/// The risk of reaching a target: what is inside the user's own machine or network, or may be, is of more than low risk, and
/// so is what carries a secret.
fn risk_of(target: &Target, secrets: &Names, permit: Option<&Permit>) -> Risk {
    let may_be_inside = match permit {
        Some(permit) => permit.reach == Reach::Inside,
        None => {
            target.is_inside()
                || target.address().map(AddressKind::of).is_some_and(|kind| !may_connect(kind, false))
        }
    };
    let own = Capability::Network.risk();
    if may_be_inside || !secrets.is_empty() { own.max(Risk::Medium) } else { own }
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
    if let Some(kind) = target.address().map(AddressKind::of)
        && !may_connect(kind, named)
    {
        return Err(private(target, &format!("is {kind}")));
    }
    Ok(Permit { reach: if named { Reach::Inside } else { Reach::Public } })
}

/// Whether what goes on with a target is still allowed.
fn is_covered(target: &Target, carried: &Carried, grants: &Grants) -> bool {
    granted(grants, Capability::Network).and_then(|grant| check_target(target, grant)).is_ok()
        && carried.check(target).is_ok()
}

/// What the plugin opened under a number, if it may still use it.
fn opened<T: Live>(number: u32, call: &Call<'_>) -> Result<Arc<T>, Refusal> {
    let (live, is_covered) = call.session.handles().get_with::<T>(number, &call.session.grants())?;
    if is_covered {
        return Ok(live);
    }
    live.end();
    Err(taken_away())
}

fn taken_away() -> Refusal {
    Refusal::denied("Network: the capability was taken away")
}

/// Whether a connection may go to an address of this kind.
fn may_connect(kind: AddressKind, named: bool) -> bool {
    kind == AddressKind::Public || (named && kind.can_be_named())
}

fn private(target: &Target, what: &str) -> Refusal {
    let host = Excerpt::new(&target.host().to_string());
    Refusal::denied(format!("Network: host {host} {what}, and no grant names it"))
}
