//! Bodies that are read piece by piece, because they are larger than one answer may be, or have no end.

use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use bytes::Bytes;
use conductor_abi::{Capability, HttpOpened, HttpPiece, Risk};
use conductor_call::{Caller, Refusal};
use conductor_policy::grant::{Grant, Grants};

use crate::broker::Live;
use crate::capability::{Call, Operation, decode, encode};

use super::exchange::Reply;
use super::inbox::{Inbox, Taken};
use super::target::Target;
use super::waiting::AbortOnDrop;
use super::{
    MAX_REQUEST_TIME, Outgoing, Permit, check_target, headers, is_covered, opened, risk_of, taken_away,
};

/// Bytes of an answer that are not the piece's own.
const OVERHEAD: usize = 16;

/// Sends one HTTP request and leaves the body to be read.
pub(crate) struct HttpOpen;

/// Reads more of a body.
pub(crate) struct HttpRead;

/// Closes a body.
pub(crate) struct HttpClose;

/// A body under way.
struct Body {
    target: Target,
    pieces: Arc<Inbox<Result<Bytes, Refusal>>>,
    /// What is left of a piece of which a part was read.
    rest: Mutex<Bytes>,
    /// Whether the plugin was told that there is no more.
    is_done: AtomicBool,
    was_ended: AtomicBool,
    task: AbortOnDrop,
}

impl Body {
    /// Reads on in the background, no further than the inbox has room.
    fn read_on(reply: Reply, call: &Call<'_>) -> Result<Self, Refusal> {
        let session = call.session;
        let service = session.http().started(session.devices())?;
        let meter = Arc::clone(session.connections().meter());
        let pieces = Arc::new(Inbox::new(session.max_message_bytes(), meter));
        let target = reply.target().clone();
        let task = service.runtime().spawn(read(reply, Arc::clone(&pieces)));
        let task = AbortOnDrop(task.abort_handle());
        let (is_done, was_ended) = (AtomicBool::new(false), AtomicBool::new(false));
        Ok(Self { target, pieces, rest: Mutex::default(), is_done, was_ended, task })
    }

    /// The next bytes, at most so many; none at the end.
    fn next(&self, max: usize, deadline: Instant, caller: &dyn Caller) -> Result<Bytes, Refusal> {
        let mut rest = self.rest.lock().unwrap_or_else(PoisonError::into_inner);
        if rest.is_empty() {
            *rest = match self.pieces.take(deadline, caller) {
                Taken::Next(piece) => piece.inspect_err(|_| self.is_done.store(true, Ordering::Release))?,
                Taken::Over if self.was_ended.load(Ordering::Acquire) => return Err(taken_away()),
                Taken::Over => {
                    self.is_done.store(true, Ordering::Release);
                    Bytes::new()
                }
                Taken::Nothing => {
                    return Err(Refusal::timed_out(format!("{} sent nothing in time", self.target)));
                }
            };
        }
        let count = rest.len().min(max);
        Ok(rest.split_to(count))
    }
}

async fn read(mut reply: Reply, pieces: Arc<Inbox<Result<Bytes, Refusal>>>) {
    loop {
        pieces.has_room().await;
        match reply.piece().await {
            // A copy, because a piece holds on to all of the buffer that it came in.
            Ok(Some(piece)) => pieces.put(Ok(Bytes::copy_from_slice(&piece)), piece.len()),
            Ok(None) => break,
            Err(failure) => {
                pieces.put(Err(reply.refusal(failure)), 0);
                break;
            }
        }
    }
    pieces.finish();
}

impl Live for Body {
    fn is_covered(&self, grants: &Grants) -> bool {
        is_covered(&self.target, grants)
    }

    fn end(&self) {
        self.was_ended.store(true, Ordering::Release);
        self.task.0.abort();
        self.pieces.end();
    }

    fn has_ended(&self) -> bool {
        self.is_done.load(Ordering::Acquire) || self.was_ended.load(Ordering::Acquire)
    }
}

impl Operation for HttpOpen {
    const CAPABILITY: Capability = Capability::Network;
    const NAME: &'static str = "http-open";
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
        risk_of(&request.target, permit)
    }

    fn act(request: &Outgoing<'_>, permit: Permit, call: &Call<'_>) -> Result<Vec<u8>, Refusal> {
        let deadline = call.deadline.min(Instant::now() + MAX_REQUEST_TIME);
        let reply = request.follow(permit, call, deadline)?;
        let status = reply.status.as_u16();
        let headers = headers::received(&reply.headers)?;
        let body = Body::read_on(reply, call)?;
        encode(&HttpOpened { body: call.keep_open(Arc::new(body))?, status, headers })
    }
}

/// Which body, and how much of it.
pub(crate) struct Read(conductor_abi::HttpRead);

impl fmt::Display for Read {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "body {}", self.0.body)
    }
}

impl Operation for HttpRead {
    const CAPABILITY: Capability = Capability::Network;
    const NAME: &'static str = "http-read";
    const RECORDS_USE: bool = false;
    const GOES_ON: bool = true;
    type Request<'a> = Read;
    type Permit = ();

    fn parse(request: &[u8]) -> Result<Read, Refusal> {
        let read: conductor_abi::HttpRead = decode(request)?;
        if read.max == 0 {
            return Err(Refusal::invalid("a piece has at least one byte"));
        }
        Ok(Read(read))
    }

    /// What is open is held against the grants when it is used.
    fn check(_request: &Read, _grant: &Grant) -> Result<(), Refusal> {
        Ok(())
    }

    fn act(request: &Read, (): (), call: &Call<'_>) -> Result<Vec<u8>, Refusal> {
        let Read(conductor_abi::HttpRead { body: number, max }) = *request;
        let body = opened::<Body>(number, call)?;
        let most = call.session.max_message_bytes().saturating_sub(OVERHEAD).max(1);
        let deadline = call.deadline.min(Instant::now() + MAX_REQUEST_TIME);
        let piece = body.next(most.min(max as usize), deadline, call.caller)?;
        encode(&HttpPiece { bytes: piece.to_vec() })
    }
}

impl Operation for HttpClose {
    const CAPABILITY: Capability = Capability::Network;
    const NAME: &'static str = "http-close";
    const RECORDS_USE: bool = false;
    const GOES_ON: bool = true;
    type Request<'a> = Read;
    type Permit = ();

    fn parse(request: &[u8]) -> Result<Read, Refusal> {
        Ok(Read(conductor_abi::HttpRead { body: decode(request)?, max: 0 }))
    }

    /// Closing needs no grant of its own.
    fn check(_request: &Read, _grant: &Grant) -> Result<(), Refusal> {
        Ok(())
    }

    fn act(request: &Read, (): (), call: &Call<'_>) -> Result<Vec<u8>, Refusal> {
        call.session.handles().close::<Body>(request.0.body).map(|_| Vec::new())
    }
}
