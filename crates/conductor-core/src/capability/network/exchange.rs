//! One request and its response, without redirects, ended at once when its time is over or its grant is taken away.

use std::error::Error;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::time::Instant;

use conductor_abi::{Capability, Status};
use reqwest::header::HeaderMap;
use reqwest::{Client, Method, RequestBuilder, StatusCode};
use tokio::task::AbortHandle;

use crate::broker::Session;
use crate::capability::{Refusal, granted};
use crate::outcome::Limit;
use crate::scope::{Excerpt, HttpMethod};

use super::lookup::LookupError;
use super::target::Target;
use super::{Permit, check_target, private};

/// A response.
pub(super) struct Received {
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    pub(super) body: Vec<u8>,
}

/// What the waiting thread is woken by.
enum Event {
    Done(Result<Received, Failure>),
    GrantsChanged,
}

/// Why there is no response.
enum Failure {
    Http(reqwest::Error),
    TooLarge,
}

/// Sends a request and waits for the response on the calling thread; the work is done on the service's.
pub(super) fn exchange(
    target: &Target,
    headers: &HeaderMap,
    body: &[u8],
    permit: Permit,
    session: &Session,
    deadline: Instant,
) -> Result<Received, Refusal> {
    let service = session.http().started(session.devices())?;
    let client = session.connections().client(permit.reach, service, session.devices())?;
    let request = request(client, target, headers, body);
    let (sender, events) = mpsc::channel();

    // The first look at the grants follows the subscription, so that no change falls between check and subscription.
    let announce = sender.clone();
    let _subscription = session.changes().subscribe(move || {
        // The receiver is gone when the exchange is over.
        let _ = announce.send(Event::GrantsChanged);
    });
    still_granted(target, session)?;

    let max_body = session.max_message_bytes();
    let task = service.runtime().spawn(async move {
        let _ = sender.send(Event::Done(receive(request, max_body).await));
    });
    let _abort = AbortOnDrop(task.abort_handle());
    loop {
        match events.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
            Ok(Event::Done(result)) => return result.map_err(|failure| refusal(target, failure, max_body)),
            Ok(Event::GrantsChanged) => still_granted(target, session)?,
            Err(RecvTimeoutError::Timeout) => {
                return Err(Refusal::timed_out(format!("{target} did not answer in time")));
            }
            Err(RecvTimeoutError::Disconnected) => {
                return Err(Refusal::failed(format!("{target} was given up by the host")));
            }
        }
    }
}

fn still_granted(target: &Target, session: &Session) -> Result<(), Refusal> {
    check_target(target, granted(&session.grants(), Capability::Network)?)?;
    Ok(())
}

/// Ends a task that nobody waits for any more, and with it the connection.
struct AbortOnDrop(AbortHandle);

impl Drop for AbortOnDrop {
    fn drop(&mut self) {
        self.0.abort();
    }
}

fn request(client: &Client, target: &Target, headers: &HeaderMap, body: &[u8]) -> RequestBuilder {
    let method = match target.method() {
        HttpMethod::Get => Method::GET,
        HttpMethod::Post => Method::POST,
    };
    let request = client.request(method, target.url().clone()).headers(headers.clone());
    match target.method() {
        HttpMethod::Get => request,
        HttpMethod::Post => request.body(body.to_vec()),
    }
}

/// Sends the request and reads the body piece by piece, so that a larger one is refused when it grows too large and
/// not when it has arrived.
async fn receive(request: RequestBuilder, max_body: usize) -> Result<Received, Failure> {
    let mut response = request.send().await.map_err(Failure::Http)?;
    let announced = response.content_length().unwrap_or(0);
    if announced > max_body as u64 {
        return Err(Failure::TooLarge);
    }
    let status = response.status();
    let headers = std::mem::take(response.headers_mut());
    let mut body = Vec::new();
    while let Some(piece) = response.chunk().await.map_err(Failure::Http)? {
        if body.len() + piece.len() > max_body {
            return Err(Failure::TooLarge);
        }
        body.extend_from_slice(&piece);
    }
    Ok(Received { status, headers, body })
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
