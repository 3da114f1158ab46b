//! Which request of the control interface a path stands for. The control interface alone decides what becomes of it.

use std::sync::Arc;
use std::time::{Duration, Instant};

use conductor_signing::Companion;
use futures_util::future::try_join;
use http_body_util::BodyExt as _;
use hyper::body::{Body as _, Bytes, Incoming};
use hyper::header::{AUTHORIZATION, CONTENT_TYPE};
use hyper::http::request::Parts;
use hyper::{Method, StatusCode};
use serde::Deserialize;
use serde_json::json;
use tokio::sync::mpsc;
use zeroize::Zeroizing;

use super::access::{Access, Session};
use super::disk::{Disk, NotDone};
use super::events::{Changes, EventBody};
use super::files;
use super::origin::{self, Area, OwnOrigin, only};
use super::peer;
use super::reply::{self, Problem, Reply};
use super::staging::{Part, Staging};
use super::ticket::Ticket;
use crate::control::{Answer, Asker, Interface, MAX_REQUEST_BYTES, Refusal, RefusalCause, Request, Response};

/// Longest that the rest of a request and its answer may take. Requests that make plugins load or work may take longer.
const REPLY_WAIT: Duration = Duration::from_secs(10);

/// Longest that an upload may take.
const UPLOAD_WAIT: Duration = Duration::from_secs(120);

/// Time between two looks for an answer that comes later.
const LOOK_EVERY: Duration = Duration::from_millis(10);

/// Most bytes of a body with a one-time token.
const MAX_TOKEN_BODY: u64 = 1024;

/// Most bytes that are still taken of a body that was refused, so that the client is not cut off before it reads the
/// refusal.
const MAX_LEFT_OVER: u64 = 1024 * 1024;

/// Longest wait for those bytes.
const LEFT_OVER_WAIT: Duration = Duration::from_millis(500);

/// Most parts of an upload that wait to be written.
const MAX_PARTS_WAITING: usize = 4;

/// How many records of the audit log are read if the request names no number.
const USUAL_RECORDS: usize = 200;

/// The control interface as paths.
pub(super) struct Api {
    interface: Arc<Interface>,
    access: Arc<Access>,
    port: u16,
    staging: Arc<Staging>,
    disk: Disk,
    changes: Arc<Changes>,
}

impl Api {
    pub(super) fn new(interface: Arc<Interface>, access: Arc<Access>, port: u16, staging: Staging) -> Self {
        let (staging, disk) = (Arc::new(staging), Disk::default());
        Self { interface, access, port, staging, disk, changes: Arc::default() }
    }

    /// Deletes uploads that nobody came back for.
    pub(super) async fn sweep(&self) {
        // While the disk does not keep up, they stay until the next time.
        let _ = self.on_disk(Staging::sweep).await;
    }

    /// Works on the uploads.
    async fn on_disk<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Staging) -> T + Send + 'static,
    ) -> Result<T, Problem> {
        let staging = Arc::clone(&self.staging);
        self.disk.run(move || work(&staging)).await.map_err(|not_done| match not_done {
            NotDone::Busy => Problem::of(Refusal::new(RefusalCause::NotCalled, not_done.to_string())),
            NotDone::CutShort => internal(&not_done.to_string()),
        })
    }

    pub(super) fn changes(&self) -> &Changes {
        &self.changes
    }

    pub(super) fn interface(&self) -> &Interface {
        &self.interface
    }

    /// Answers a request.
    pub(super) async fn answer(&self, request: hyper::Request<Incoming>, ticket: &Arc<Ticket>) -> Reply {
        ticket.extend(REPLY_WAIT);
        let (parts, mut body) = request.into_parts();
        let reply = self.route(&parts, &mut body, ticket).await;
        let mut reply = match reply {
            Ok(reply) => reply,
            Err(problem) => {
                let rest = discard(&mut body);
                // It does not matter whether the rest of the body came.
                let _ = tokio::time::timeout(LEFT_OVER_WAIT, rest).await;
                problem.into_reply()
            }
        };
        reply::protect(reply.headers_mut());
        reply
    }

    async fn route(
        &self,
        parts: &Parts,
        body: &mut Incoming,
        ticket: &Arc<Ticket>,
    ) -> Result<Reply, Problem> {
        let path = parts.uri.path();
        let route = path.strip_prefix("/api").filter(|route| route.is_empty() || route.starts_with('/'));
        let Some(route) = route else {
            let _: OwnOrigin = origin::check(parts, Area::File, self.port)?;
            return file(&parts.method, path);
        };
        let own = origin::check(parts, Area::Api, self.port)?;
        if route == "/session" {
            return self.open(own, parts, body, ticket).await;
        }
        let session = self.session(own, parts)?;
        ticket.admit();
        let segments: Vec<&str> = route.split('/').skip(1).collect();
        let request = match segments.as_slice() {
            ["requests"] => {
                demand(&parts.method, &Method::POST, "POST")?;
                demand_json(parts)?;
                // It may hold a secret.
                let body = Zeroizing::new(read(body, MAX_REQUEST_BYTES as u64).await?);
                Request::from_line(&body).map_err(Problem::of)?
            }
            ["uploads", rest @ ..] => return self.upload(parts, rest, body, ticket).await,
            ["events"] => {
                demand(&parts.method, &Method::GET, "GET")?;
                return self.events(session, ticket);
            }
            ["status"] => Request::Status,
            ["plugins"] => Request::PluginList,
            ["plugins", plugin] => Request::PluginShow { plugin: (*plugin).to_owned() },
            ["pending"] => Request::PluginPending,
            ["keys"] => Request::TrustList,
            ["audit"] => Request::Audit { last: last(parts.uri.query())? },
            _ => return Err(unknown_path()),
        };
        if segments != ["requests"] {
            demand_read(&parts.method)?;
        }
        Ok(reply::of_response(&self.ask(session, request, ticket).await))
    }

    /// Exchanges a one-time token for the token of a session.
    async fn open(
        &self,
        _: OwnOrigin,
        parts: &Parts,
        body: &mut Incoming,
        ticket: &Ticket,
    ) -> Result<Reply, Problem> {
        #[derive(Deserialize)]
        #[serde(deny_unknown_fields)]
        struct Invitation {
            token: String,
        }
        demand(&parts.method, &Method::POST, "POST")?;
        demand_json(parts)?;
        let body = read(body, MAX_TOKEN_BODY).await?;
        let invitation: Invitation =
            serde_json::from_slice(&body).map_err(|_| malformed("a one-time token is expected"))?;
        // A client without a good token must not make the daemon read the kernel's table of connections, which takes
        // time.
        if !self.access.is_invited(&invitation.token, Instant::now()) {
            return Err(no_session("this link was used already, or is too old"));
        }
        peer::check(ticket.client_port(), self.port).map_err(Problem::of)?;
        let failed = |error: getrandom::Error| internal(&format!("there are no random numbers: {error}"));
        match self.access.redeem(&invitation.token, Instant::now()).map_err(failed)? {
            Some(token) => {
                Ok(reply::json(StatusCode::OK, format!("{}\n", json!({ "token": token.as_str() }))))
            }
            None => Err(no_session("this link was used already, or is too old")),
        }
    }

    /// The session that a request belongs to.
    fn session(&self, _: OwnOrigin, parts: &Parts) -> Result<Session, Problem> {
        let header = only(&parts.headers, AUTHORIZATION)?;
        let token = header.and_then(|value| value.strip_prefix("Bearer "));
        let session = token.and_then(|token| self.access.session(token, Instant::now()));
        session.ok_or_else(|| no_session("there is no session, or it is over"))
    }

    /// Asks the control interface.
    async fn ask(&self, _: Session, request: Request, ticket: &Ticket) -> Response {
        let wait = request.wait();
        if let Request::Ui | Request::Events = request {
            // A session cannot create another session, and events have their own path.
            let message = "this is asked over the control socket".to_owned();
            return Response::Refused(Refusal::new(RefusalCause::Malformed, message));
        }
        let later = match self.interface.begin(request, &Asker::Page) {
            Answer::Now(response) => return *response,
            Answer::Later(later) => later,
            Answer::Following(_) => {
                let message = "this goes on and on".to_owned();
                return Response::Refused(Refusal::new(RefusalCause::Malformed, message));
            }
        };
        ticket.extend(wait + REPLY_WAIT);
        let deadline = Instant::now() + wait;
        loop {
            if let Some(response) = later.look() {
                return response;
            }
            if Instant::now() >= deadline {
                return later.took_too_long();
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }

    /// Sends calls and changes as they happen.
    fn events(&self, session: Session, ticket: &Arc<Ticket>) -> Result<Reply, Problem> {
        if self.changes.are_read_enough() {
            let message = "as many pages are open as can be at once".to_owned();
            return Err(Problem::of(Refusal::new(RefusalCause::NotCalled, message)));
        }
        match self.interface.begin(Request::Events, &Asker::Page) {
            Answer::Following(calls) => {
                let session = (Arc::clone(&self.access), session);
                Ok(reply::events(EventBody::new(calls, &self.changes, session, ticket)))
            }
            Answer::Now(_) | Answer::Later(_) => Err(internal("there are no events")),
        }
    }

    /// Takes a plugin, or a file that verification reads beside a plugin.
    async fn upload(
        &self,
        parts: &Parts,
        path: &[&str],
        body: &mut Incoming,
        ticket: &Ticket,
    ) -> Result<Reply, Problem> {
        match path {
            [] => {
                demand(&parts.method, &Method::POST, "POST")?;
                ticket.extend(UPLOAD_WAIT);
                self.stage(body).await
            }
            [id] => {
                demand(&parts.method, &Method::DELETE, "DELETE")?;
                let id = (*id).to_owned();
                if self.on_disk(move |staging| staging.remove(&id)).await? {
                    Ok(reply::empty(StatusCode::NO_CONTENT))
                } else {
                    Err(unknown_path())
                }
            }
            [id, name] => {
                let companion = Companion::ALL.into_iter().find(|companion| companion.name() == *name);
                let companion = companion.ok_or_else(unknown_path)?;
                demand(&parts.method, &Method::POST, "POST")?;
                let bytes = read(body, companion.max_bytes() as u64).await?;
                let id = (*id).to_owned();
                let kept = self.on_disk(move |staging| staging.accompany(&id, companion, &bytes));
                match kept.await? {
                    Ok(true) => Ok(reply::empty(StatusCode::NO_CONTENT)),
                    Ok(false) => Err(unknown_path()),
                    Err(error) => Err(internal(&format!("the upload cannot be kept: {error}"))),
                }
            }
            [..] => Err(unknown_path()),
        }
    }

    async fn stage(&self, body: &mut Incoming) -> Result<Reply, Problem> {
        let max = self.staging.max_module_bytes();
        if body.size_hint().lower() > max {
            return Err(too_large(max));
        }
        let (parts, waiting) = mpsc::channel(MAX_PARTS_WAITING);
        let taken = self.on_disk(move |staging| staging.take(waiting));
        let (taken, ()) = try_join(taken, send_parts(body, max, parts)).await?;
        let taken = taken.map_err(|error| internal(&format!("the upload cannot be kept: {error}")))?;
        let (id, path) = taken.ok_or_else(|| {
            let message = "as many plugins are being uploaded as can be at once".to_owned();
            Problem::of(Refusal::new(RefusalCause::NotCalled, message))
        })?;
        Ok(reply::json(StatusCode::CREATED, format!("{}\n", json!({ "upload": id, "path": path }))))
    }
}

/// Hands a body of at most `max` bytes over, part by part. Ends early if nobody takes the parts any more.
async fn send_parts(body: &mut Incoming, max: u64, parts: mpsc::Sender<Part>) -> Result<(), Problem> {
    let mut size = 0;
    while let Some(bytes) = next(body).await? {
        size += bytes.len() as u64;
        if size > max {
            return Err(too_large(max));
        }
        if parts.send(Part::Bytes(bytes)).await.is_err() {
            return Ok(());
        }
    }
    // If nobody takes the end, whoever took the parts says why.
    let _ = parts.send(Part::End).await;
    Ok(())
}

/// A file of the page.
fn file(method: &Method, path: &str) -> Result<Reply, Problem> {
    let file = files::find(path).ok_or_else(unknown_path)?;
    demand_read(method)?;
    Ok(file)
}

/// Refuses every method but GET and HEAD. Browsers send these two of their own accord or for another site, so they must
/// change nothing.
fn demand_read(method: &Method) -> Result<(), Problem> {
    if *method == Method::GET || *method == Method::HEAD {
        Ok(())
    } else {
        Err(Problem::other_method("GET, HEAD"))
    }
}

fn demand(method: &Method, demanded: &Method, name: &'static str) -> Result<(), Problem> {
    if method == demanded { Ok(()) } else { Err(Problem::other_method(name)) }
}

/// Demands a media type that no form of another site can send.
fn demand_json(parts: &Parts) -> Result<(), Problem> {
    let media_type = only(&parts.headers, CONTENT_TYPE)?.unwrap_or_default();
    let media_type = media_type.split(';').next().unwrap_or_default().trim();
    if media_type.eq_ignore_ascii_case("application/json") {
        return Ok(());
    }
    let message = "the body is to be `application/json`";
    Err(Problem::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, RefusalCause::Malformed, message))
}

/// How many records of the audit log are asked for: `last=N`.
fn last(query: Option<&str>) -> Result<usize, Problem> {
    let Some(query) = query else { return Ok(USUAL_RECORDS) };
    let number = query.strip_prefix("last=").and_then(|digits| digits.parse().ok());
    number.ok_or_else(|| malformed("a number of records is asked for with `last=N`"))
}

/// The whole body, which may have at most `max` bytes.
async fn read(body: &mut Incoming, max: u64) -> Result<Vec<u8>, Problem> {
    if body.size_hint().lower() > max {
        return Err(too_large(max));
    }
    let mut whole = Vec::new();
    while let Some(bytes) = next(body).await? {
        if (whole.len() + bytes.len()) as u64 > max {
            return Err(too_large(max));
        }
        whole.extend_from_slice(&bytes);
    }
    Ok(whole)
}

/// Takes what a client still sends of a body that was refused, up to [`MAX_LEFT_OVER`] bytes.
async fn discard(body: &mut Incoming) {
    let mut left = MAX_LEFT_OVER;
    while let Ok(Some(bytes)) = next(body).await {
        match left.checked_sub(bytes.len() as u64) {
            Some(less) => left = less,
            None => return,
        }
    }
}

/// The next bytes of a body. Trailers are skipped.
async fn next(body: &mut Incoming) -> Result<Option<Bytes>, Problem> {
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|error| malformed(&format!("the body is broken: {error}")))?;
        if let Ok(bytes) = frame.into_data() {
            return Ok(Some(bytes));
        }
    }
    Ok(None)
}

fn malformed(message: &str) -> Problem {
    Problem::new(StatusCode::BAD_REQUEST, RefusalCause::Malformed, message)
}

fn too_large(max: u64) -> Problem {
    Problem::of(Refusal::new(RefusalCause::TooLarge, format!("at most {max} bytes are taken")))
}

fn unknown_path() -> Problem {
    Problem::of(Refusal::new(RefusalCause::UnknownPath, "there is nothing at this address".to_owned()))
}

fn no_session(message: &str) -> Problem {
    let refusal = Refusal::new(RefusalCause::NoSession, message.to_owned());
    Problem::of(refusal).with_hint("to open the page: conductorctl ui".to_owned())
}

fn internal(message: &str) -> Problem {
    Problem::new(StatusCode::INTERNAL_SERVER_ERROR, RefusalCause::NotChanged, message)
}
