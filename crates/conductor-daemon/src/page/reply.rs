//! Answers over HTTP. Each answer says to the browser what it may do with the answer.

use std::pin::Pin;
use std::task::{Context, Poll};

use hyper::StatusCode;
use hyper::body::{Body, Bytes, Frame, SizeHint};
use hyper::header::{ALLOW, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};

use super::events::EventBody;
use crate::control::{Refusal, RefusalCause, Response};

/// Headers of every answer. The page may load its own files and ask its own server, and nothing else; no other site may
/// show it in a frame or read it from another origin.
pub(super) const HEADERS: [(&str, &str); 9] = [
    (
        "content-security-policy",
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; \
         form-action 'none'; base-uri 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; \
         trusted-types 'none'",
    ),
    ("x-content-type-options", "nosniff"),
    ("x-frame-options", "DENY"),
    ("referrer-policy", "no-referrer"),
    ("cross-origin-opener-policy", "same-origin"),
    ("cross-origin-resource-policy", "same-origin"),
    ("cross-origin-embedder-policy", "require-corp"),
    (
        "permissions-policy",
        "accelerometer=(), autoplay=(), camera=(), clipboard-read=(), display-capture=(), encrypted-media=(), \
         fullscreen=(), geolocation=(), gyroscope=(), magnetometer=(), microphone=(), midi=(), payment=(), \
         publickey-credentials-get=(), screen-wake-lock=(), serial=(), usb=(), xr-spatial-tracking=()",
    ),
    ("cache-control", "no-store"),
];

/// An answer.
pub(super) type Reply = hyper::Response<ReplyBody>;

/// The body of an answer.
pub(super) enum ReplyBody {
    /// A body that is complete, if there is one.
    Whole(Option<Bytes>),
    /// Events, which go on until the session ends.
    Events(Box<EventBody>),
}

/// Why a request is refused.
#[derive(Debug)]
pub(super) struct Problem {
    status: StatusCode,
    refusal: Box<Refusal>,
    allow: Option<&'static str>,
}

impl Problem {
    pub(super) fn new(status: StatusCode, cause: RefusalCause, message: impl Into<String>) -> Self {
        Self { status, refusal: Box::new(Refusal::new(cause, message.into())), allow: None }
    }

    /// A refusal, with the status that fits it.
    pub(super) fn of(refusal: Refusal) -> Self {
        Self { status: status_of(refusal.cause), refusal: Box::new(refusal), allow: None }
    }

    /// A path that is asked with another method.
    pub(super) fn other_method(allowed: &'static str) -> Self {
        let message = format!("this is asked with {allowed}");
        let problem = Self::new(StatusCode::METHOD_NOT_ALLOWED, RefusalCause::Malformed, message);
        Self { allow: Some(allowed), ..problem }
    }

    pub(super) fn with_hint(mut self, hint: String) -> Self {
        self.refusal.hint = Some(hint);
        self
    }

    #[cfg(test)]
    pub(super) const fn status(&self) -> StatusCode {
        self.status
    }

    pub(super) fn into_reply(self) -> Reply {
        let mut reply = json(self.status, Response::Refused(*self.refusal).to_line());
        if let Some(allow) = self.allow {
            reply.headers_mut().insert(ALLOW, HeaderValue::from_static(allow));
        }
        reply
    }
}

/// What the control interface answers.
pub(super) fn of_response(response: &Response) -> Reply {
    let status =
        if let Response::Refused(refusal) = response { status_of(refusal.cause) } else { StatusCode::OK };
    json(status, response.to_line())
}

/// A line of JSON as an answer.
pub(super) fn json(status: StatusCode, line: String) -> Reply {
    whole(status, "application/json", Bytes::from(line))
}

/// Bytes of a media type as an answer.
pub(super) fn whole(status: StatusCode, media_type: &'static str, bytes: Bytes) -> Reply {
    let mut reply = empty(status);
    reply.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(media_type));
    *reply.body_mut() = ReplyBody::Whole(Some(bytes));
    reply
}

/// An answer with a status and no body.
pub(super) fn empty(status: StatusCode) -> Reply {
    let mut reply = hyper::Response::new(ReplyBody::Whole(None));
    *reply.status_mut() = status;
    reply
}

/// Events as an answer, sent as they happen.
pub(super) fn events(body: EventBody) -> Reply {
    let mut reply = empty(StatusCode::OK);
    reply.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("text/event-stream"));
    *reply.body_mut() = ReplyBody::Events(Box::new(body));
    reply
}

/// Adds [`HEADERS`].
pub(super) fn protect(headers: &mut HeaderMap) {
    for (name, value) in HEADERS {
        headers.insert(HeaderName::from_static(name), HeaderValue::from_static(value));
    }
}

/// The status that fits a refusal.
const fn status_of(cause: RefusalCause) -> StatusCode {
    match cause {
        RefusalCause::NoSession => StatusCode::UNAUTHORIZED,
        RefusalCause::OtherUser
        | RefusalCause::PluginProgram
        | RefusalCause::UnknownAsker
        | RefusalCause::Foreign => StatusCode::FORBIDDEN,
        RefusalCause::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
        RefusalCause::UnknownVersion | RefusalCause::Malformed => StatusCode::BAD_REQUEST,
        RefusalCause::UnknownPlugin | RefusalCause::UnknownPath => StatusCode::NOT_FOUND,
        RefusalCause::NotLoaded
        | RefusalCause::NotPermitted
        | RefusalCause::NotGrantable
        | RefusalCause::NotWaiting
        | RefusalCause::NotAsShown
        | RefusalCause::UnknownAction
        | RefusalCause::NotChanged
        | RefusalCause::NotTrusted
        | RefusalCause::NoPage => StatusCode::CONFLICT,
        RefusalCause::NotCalled | RefusalCause::TookTooLong => StatusCode::SERVICE_UNAVAILABLE,
    }
}

impl Body for ReplyBody {
    type Data = Bytes;
    type Error = std::convert::Infallible;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        match self.get_mut() {
            Self::Whole(bytes) => Poll::Ready(bytes.take().map(|bytes| Ok(Frame::data(bytes)))),
            Self::Events(events) => {
                events.poll_next(context).map(|bytes| bytes.map(|bytes| Ok(Frame::data(bytes))))
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Whole(bytes) => bytes.is_none(),
            Self::Events(_) => false,
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Whole(bytes) => SizeHint::with_exact(bytes.as_ref().map_or(0, |bytes| bytes.len() as u64)),
            Self::Events(_) => SizeHint::new(),
        }
    }
}
