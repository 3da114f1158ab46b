//! One request and its response, without redirects.

use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use conductor_call::Refusal;
use conductor_policy::scope::{Excerpt, NetworkMethod};
use http_body_util::{BodyExt as _, Full};
use hyper::body::{Body as _, Incoming};
use hyper::header::{ACCEPT, HOST, HeaderMap, HeaderValue};
use hyper::{Method, Request, Response, StatusCode, Uri, Version};
use url::Position;

use crate::capability::Call;

use super::dial::Dialler;
use super::failure::Failure;
use super::frames::{FrameType, SMALL_BYTES};
use super::link::{Link, Links, NotSent};
use super::meter::Meter;
use super::secrets::{Carried, Filler};
use super::target::Target;
use super::{Permit, Reach, waiting};

/// The head of a response, and its body as it arrives.
pub(super) struct Reply {
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    target: Target,
    carried: Carried,
    reach: Reach,
    body: Incoming,
    link: Option<Link>,
    links: Links,
    meter: Arc<Meter>,
}

/// Sends a request and waits for the header fields of its response.
pub(super) fn send(
    target: &Target,
    headers: &HeaderMap,
    body: &[u8],
    permit: Permit,
    call: &Call<'_>,
    deadline: Instant,
) -> Result<Reply, Refusal> {
    let session = call.session;
    let (connections, reach) = (session.connections(), permit.reach);
    let dialler = connections.http(reach, session)?;
    let carried = Carried::by(headers, session)?;
    let filler = carried.filler(session);
    let request = request(target, headers, body)?;
    let (links, meter) = (connections.links().clone(), Arc::clone(connections.meter()));
    let sending = {
        let (target, links) = (target.clone(), links.clone());
        async move { exchange(&links, &dialler, &target, &request, &filler).await }
    };
    let sent = waiting::carry_out(target, &carried, call, deadline, sending)?;
    let (link, response) = sent.map_err(|failure| failure.refusal(target, reach, &meter))?;
    let (head, body) = response.into_parts();
    Ok(Reply {
        status: head.status,
        headers: head.headers,
        target: target.clone(),
        carried,
        reach,
        body,
        link: Some(link),
        links,
        meter,
    })
}

/// Waits for the whole body of a response.
pub(super) fn body(mut reply: Reply, call: &Call<'_>, deadline: Instant) -> Result<Vec<u8>, Refusal> {
    let (target, max) = (reply.target.clone(), call.session.max_message_bytes());
    let (reach, meter, carried) = (reply.reach, Arc::clone(&reply.meter), reply.carried.clone());
    let whole = async move { reply.whole(max).await };
    waiting::carry_out(&target, &carried, call, deadline, whole)?
        .map_err(|failure| failure.refusal(&target, reach, &meter))
}

/// Sends a request over a connection that was kept or, without one, over a new one.
async fn exchange(
    links: &Links,
    dialler: &Dialler,
    target: &Target,
    request: &Request<Full<Bytes>>,
    filler: &Filler,
) -> Result<(Link, Response<Incoming>), Failure> {
    while let Some(link) = links.reuse(dialler, target).await {
        if let Ok(sent) = send_over(link, target, request, filler).await? {
            return Ok(sent);
        }
    }
    let link = links.open(dialler, target).await?;
    match send_over(link, target, request, filler).await? {
        Ok(sent) => Ok(sent),
        Err(NotSent) => Err(std::io::Error::from(std::io::ErrorKind::ConnectionReset).into()),
    }
}

/// Sends a request over a connection, with the secrets that may go to where the connection leads.
async fn send_over(
    mut link: Link,
    target: &Target,
    request: &Request<Full<Bytes>>,
    filler: &Filler,
) -> Result<Result<(Link, Response<Incoming>), NotSent>, Failure> {
    // The copy alone gets secrets; it goes into the connection, or is overwritten.
    let mut request = request.clone();
    adapt(&mut request, link.is_http2(), target);
    filler.fill(request.headers_mut(), link.way()).await?;
    Ok(link.send(request).await?.map(|response| (link, response)))
}

fn request(target: &Target, headers: &HeaderMap, body: &[u8]) -> Result<Request<Full<Bytes>>, Refusal> {
    let method = match target.method() {
        NetworkMethod::Head => Method::HEAD,
        NetworkMethod::Post => Method::POST,
        NetworkMethod::Put => Method::PUT,
        NetworkMethod::Patch => Method::PATCH,
        NetworkMethod::Delete => Method::DELETE,
        NetworkMethod::Get | NetworkMethod::WebSocket => Method::GET,
    };
    let body = if target.method().has_body() { Bytes::copy_from_slice(body) } else { Bytes::new() };
    let mut request = Request::new(Full::new(body));
    *request.method_mut() = method;
    *request.uri_mut() = uri(target, Position::BeforeScheme)?;
    *request.headers_mut() = headers.clone();
    request.headers_mut().entry(ACCEPT).or_insert(HeaderValue::from_static("*/*"));
    Ok(request)
}

/// The URL of a target, from a part of it on.
fn uri(target: &Target, from: Position) -> Result<Uri, Refusal> {
    target.url()[from..Position::AfterQuery].parse().map_err(|error: hyper::http::uri::InvalidUri| {
        Refusal::invalid(format!("{target} cannot be asked for: {}", Excerpt::new(&error.to_string())))
    })
}

/// Says where a request goes, as the version of HTTP does: HTTP/1.1 in a header field (RFC 9112, section 3.2), HTTP/2 in the
/// URL (RFC 9113, section 8.3.1).
fn adapt(request: &mut Request<Full<Bytes>>, is_http2: bool, target: &Target) {
    if is_http2 {
        *request.version_mut() = Version::HTTP_2;
        request.headers_mut().remove(HOST);
        // It was read once before, so it can be read again.
        if let Ok(whole) = uri(target, Position::BeforeScheme) {
            *request.uri_mut() = whole;
        }
    } else {
        *request.version_mut() = Version::HTTP_11;
        let authority = &target.url()[Position::BeforeHost..Position::AfterPort];
        if let (Ok(path), Ok(host)) = (uri(target, Position::BeforePath), HeaderValue::from_str(authority)) {
            *request.uri_mut() = path;
            request.headers_mut().insert(HOST, host);
        }
    }
}

impl Reply {
    /// The next piece of the body; none at the end, from which on the connection can be used again.
    pub(super) async fn piece(&mut self) -> Result<Option<Bytes>, Failure> {
        loop {
            match self.body.frame().await {
                Some(Ok(frame)) => {
                    // Fields that follow the body are not handed on.
                    let Ok(piece) = frame.into_data() else { continue };
                    if (piece.len() as u64) < SMALL_BYTES {
                        self.meter
                            .frames()
                            .count(FrameType::SMALL_PIECE, Instant::now())
                            .map_err(Failure::Limit)?;
                    }
                    if !piece.is_empty() {
                        return Ok(Some(piece));
                    }
                }
                Some(Err(error)) => {
                    return Err(match &self.link {
                        Some(link) => Failure::broken(error, link.met()),
                        None => error.into(),
                    });
                }
                None => {
                    if let Some(link) = self.link.take() {
                        self.links.keep(link).await;
                    }
                    return Ok(None);
                }
            }
        }
    }

    /// Reads the body piece by piece, so that a larger one is refused when it grows too large and not when it has arrived.
    async fn whole(&mut self, max: usize) -> Result<Vec<u8>, Failure> {
        let announced = self.body.size_hint().lower();
        if announced > max as u64 && self.target.method() != NetworkMethod::Head {
            return Err(Failure::TooLarge(max));
        }
        let mut body = Vec::new();
        while let Some(piece) = self.piece().await? {
            if body.len() + piece.len() > max {
                return Err(Failure::TooLarge(max));
            }
            body.extend_from_slice(&piece);
        }
        Ok(body)
    }

    /// The secrets that its request carried.
    pub(super) const fn carried(&self) -> &Carried {
        &self.carried
    }

    /// Where it came from.
    pub(super) const fn target(&self) -> &Target {
        &self.target
    }

    /// What a failure to read on leads to.
    pub(super) fn refusal(&self, failure: Failure) -> Refusal {
        failure.refusal(&self.target, self.reach, &self.meter)
    }
}
