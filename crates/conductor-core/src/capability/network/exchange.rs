//! One request and its response, without redirects.

use std::error::Error;
use std::time::Instant;

use conductor_abi::Status;
use reqwest::header::HeaderMap;
use reqwest::{Client, Method, RequestBuilder, Response};

use crate::capability::{Call, Refusal};
use crate::outcome::Limit;
use crate::scope::{Excerpt, NetworkMethod};

use super::lookup::LookupError;
use super::target::Target;
use super::{Permit, private, waiting};

/// Why there is no response.
enum Failure {
    Http(reqwest::Error),
    TooLarge,
}

/// Sends a request and waits for the header fields of its response.
pub(super) fn send(
    target: &Target,
    headers: &HeaderMap,
    body: &[u8],
    permit: Permit,
    call: &Call<'_>,
    deadline: Instant,
) -> Result<Response, Refusal> {
    let session = call.session;
    let service = session.http().started(session.devices())?;
    let client = session.connections().client(permit.reach, service, session.devices())?;
    let request = request(client, target, headers, body);
    waiting::carry_out(target, call, deadline, request.send())?
        .map_err(|error| refusal(target, Failure::Http(error), 0))
}

/// Waits for the whole body of a response.
pub(super) fn body(
    target: &Target,
    response: Response,
    call: &Call<'_>,
    deadline: Instant,
) -> Result<Vec<u8>, Refusal> {
    let max = call.session.max_message_bytes();
    let whole = receive(response, target.method(), max);
    waiting::carry_out(target, call, deadline, whole)?.map_err(|failure| refusal(target, failure, max))
}

/// What went wrong with a body that is read piece by piece.
pub(super) fn broken(target: &Target, error: reqwest::Error) -> Refusal {
    refusal(target, Failure::Http(error), 0)
}

fn request(client: &Client, target: &Target, headers: &HeaderMap, body: &[u8]) -> RequestBuilder {
    let method = match target.method() {
        NetworkMethod::Head => Method::HEAD,
        NetworkMethod::Post => Method::POST,
        NetworkMethod::Put => Method::PUT,
        NetworkMethod::Patch => Method::PATCH,
        NetworkMethod::Delete => Method::DELETE,
        NetworkMethod::Get | NetworkMethod::WebSocket => Method::GET,
    };
    let request = client.request(method, target.url().clone()).headers(headers.clone());
    if target.method().has_body() { request.body(body.to_vec()) } else { request }
}

/// Reads the body piece by piece, so that a larger one is refused when it grows too large and not when it has arrived.
async fn receive(mut response: Response, method: NetworkMethod, max_body: usize) -> Result<Vec<u8>, Failure> {
    let announced = response.content_length().unwrap_or(0);
    if announced > max_body as u64 && method != NetworkMethod::Head {
        return Err(Failure::TooLarge);
    }
    let mut body = Vec::new();
    while let Some(piece) = response.chunk().await.map_err(Failure::Http)? {
        if body.len() + piece.len() > max_body {
            return Err(Failure::TooLarge);
        }
        body.extend_from_slice(&piece);
    }
    Ok(body)
}

fn refusal(target: &Target, failure: Failure, max_body: usize) -> Refusal {
    let error = match failure {
        Failure::TooLarge => {
            let reason = format!("the answer of {target} is larger than {max_body} bytes");
            return Refusal::by(Limit::MessageBytes, Status::TooLarge, reason);
        }
        Failure::Http(error) => error,
    };
    match source_of::<LookupError>(&error) {
        Some(LookupError::Refused(kind)) => return private(target, &format!("has {kind}")),
        Some(LookupError::Resolver(_) | LookupError::Busy) | None => {}
    }
    if error.is_timeout() {
        return Refusal::timed_out(format!("{target} did not answer in time"));
    }
    let cause = Excerpt::new(&deepest(&error).to_string());
    Refusal::failed(format!("{target} failed: {cause}"))
}

/// The first error of this type in the chain of causes.
fn source_of<T: Error + 'static>(error: &reqwest::Error) -> Option<&T> {
    let mut next = error.source();
    while let Some(error) = next {
        if let Some(found) = error.downcast_ref() {
            return Some(found);
        }
        next = error.source();
    }
    None
}

/// The last error in the chain of causes, which says what went wrong where the others say during what.
fn deepest(error: &reqwest::Error) -> &dyn Error {
    let mut deepest: &dyn Error = error;
    while let Some(source) = deepest.source() {
        deepest = source;
    }
    deepest
}
