//! Bodies that are read piece by piece, because they are larger than one answer may be, or have no end.

use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use bytes::Bytes;
use conductor_abi::{Capability, HttpOpened, HttpPiece};
use conductor_call::{Caller, Refusal};
use conductor_policy::grant::Grants;

use crate::capability::continuation::{Closable, Continuation};
use crate::capability::{Call, decode, encode};
use crate::handles::Live;

use super::exchange::Reply;
use super::inbox::{Inbox, Taken};
use super::secrets::Carried;
use super::target::Target;
use super::waiting::AbortOnDrop;
use super::{HttpAnswer, MAX_REQUEST_TIME, headers, is_covered, opened, taken_away};

/// Bytes of an answer that are not the piece's own.
const OVERHEAD: usize = 16;

/// Answers without the body, which is left to be read.
pub(crate) struct PieceByPiece;

/// Reads more of a body.
pub(crate) struct HttpRead;

/// A body under way.
pub(crate) struct Body {
    target: Target,
    carried: Carried,
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
        let (target, carried) = (reply.target().clone(), reply.carried().clone());
        let task = service.runtime().spawn(read(reply, Arc::clone(&pieces)));
        let task = AbortOnDrop(task.abort_handle());
        let (is_done, was_ended) = (AtomicBool::new(false), AtomicBool::new(false));
        Ok(Self { target, carried, pieces, rest: Mutex::default(), is_done, was_ended, task })
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
        is_covered(&self.target, &self.carried, grants)
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

impl Closable for Body {
    const CAPABILITY: Capability = Capability::Network;
    const CLOSING: &'static str = "http-close";
    const WORD: &'static str = "body ";
}

impl HttpAnswer for PieceByPiece {
    const NAME: &'static str = "http-open";

    fn answer(reply: Reply, call: &Call<'_>, _deadline: Instant) -> Result<Vec<u8>, Refusal> {
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

impl Continuation for HttpRead {
    const CAPABILITY: Capability = Capability::Network;
    const NAME: &'static str = "http-read";
    type Request<'a> = Read;

    fn parse(request: &[u8]) -> Result<Read, Refusal> {
        let read: conductor_abi::HttpRead = decode(request)?;
        if read.max == 0 {
            return Err(Refusal::invalid("a piece has at least one byte"));
        }
        Ok(Read(read))
    }

    fn act(request: &Read, call: &Call<'_>) -> Result<Vec<u8>, Refusal> {
        let Read(conductor_abi::HttpRead { body: number, max }) = *request;
        let body = opened::<Body>(number, call)?;
        let most = call.session.max_message_bytes().saturating_sub(OVERHEAD).max(1);
        let deadline = call.deadline.min(Instant::now() + MAX_REQUEST_TIME);
        let piece = body.next(most.min(max as usize), deadline, call.caller)?;
        encode(&HttpPiece { bytes: piece.to_vec() })
    }
}
