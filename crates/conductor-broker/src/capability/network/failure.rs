//! Why there is no answer, and what of that the plugin is told.

use std::error::Error;
use std::io;

use conductor_abi::Status;
use conductor_call::{Limit, Refusal};
use conductor_policy::scope::Excerpt;
use tokio_tungstenite::tungstenite;

use super::lookup::LookupError;
use super::meter::Meter;
use super::route::Place;
use super::seats::NoSeat;
use super::target::Target;
use super::wire::Met;
use super::{Reach, private};

/// Why there is no answer.
#[derive(Debug)]
pub(super) enum Failure {
    Lookup(LookupError),
    NoSeat(NoSeat),
    Connection(io::Error),
    Http(hyper::Error),
    WebSocket(tungstenite::Error),
    /// A limit ended the connection.
    Limit(Limit),
    TimedOut,
    /// A secret may not be sent, or cannot be read.
    Secret(Refusal),
    /// The body is larger than so many bytes.
    TooLarge(usize),
}

impl Failure {
    /// A connection that broke, by a limit if it met one.
    pub(super) fn broken(error: impl Into<Self>, met: &Met) -> Self {
        met.limit().map_or_else(|| error.into(), Self::Limit)
    }

    /// What it leads to. Where the plugin may reach public hosts only, it does not learn whether a name leads inside or is
    /// not known: otherwise it could find out which names exist there.
    pub(super) fn refusal(self, target: &Target, reach: Reach, meter: &Meter) -> Refusal {
        match self {
            Self::Lookup(error) => by_lookup(error, target, reach),
            Self::NoSeat(none) => none.into(),
            Self::Secret(refusal) => refusal,
            Self::Limit(Limit::NetworkRate) => meter.traffic().refusal(),
            Self::Limit(limit) => {
                let reason = format!("the connection of {target} was ended: {limit}");
                Refusal::by(limit, Status::RateLimited, reason)
            }
            Self::TimedOut => Refusal::timed_out(format!("{target} did not answer in time")),
            Self::TooLarge(max) => {
                let reason = format!("the answer of {target} is larger than {max} bytes");
                Refusal::by(Limit::MessageBytes, Status::TooLarge, reason)
            }
            Self::Http(error) if error.is_parse_too_large() => {
                Refusal::too_large(format!("the header fields of the answer of {target} are too large"))
            }
            Self::Connection(error) => failed(target, &error),
            Self::Http(error) => failed(target, deepest(&error)),
            Self::WebSocket(error) => failed(target, &error),
        }
    }
}

fn by_lookup(error: LookupError, target: &Target, reach: Reach) -> Refusal {
    let refusal = match error {
        LookupError::Busy(_) | LookupError::AllBusy => {
            return Refusal::by(Limit::NetworkLookups, Status::RateLimited, format!("{target}: {error}"));
        }
        LookupError::Refused(place @ (Place::Inside(_) | Place::NoHost(_) | Place::Outside)) => {
            private(target, &format!("leads to {}", super::lookup::place(&place)))
        }
        LookupError::Refused(Place::Nowhere) | LookupError::Resolver(_) => failed(target, &error),
        LookupError::Unknown(error) => Refusal::new(
            Status::Unavailable,
            format!("{target} is not connected to: it cannot be found out where it leads, {error}"),
        ),
    };
    match reach {
        Reach::Inside => refusal,
        Reach::Public => refusal.told_as(
            Status::Failed,
            format!("{target} failed: the host has no address that this plugin may connect to"),
        ),
    }
}

fn failed(target: &Target, cause: &dyn Error) -> Refusal {
    Refusal::failed(format!("{target} failed: {}", Excerpt::new(&cause.to_string())))
}

/// The last error in the chain of causes, which says what went wrong where the others say during what.
fn deepest(error: &hyper::Error) -> &dyn Error {
    let mut deepest: &dyn Error = error;
    while let Some(source) = deepest.source() {
        deepest = source;
    }
    deepest
}

impl From<Refusal> for Failure {
    fn from(refusal: Refusal) -> Self {
        Self::Secret(refusal)
    }
}

impl From<LookupError> for Failure {
    fn from(error: LookupError) -> Self {
        Self::Lookup(error)
    }
}

impl From<NoSeat> for Failure {
    fn from(none: NoSeat) -> Self {
        Self::NoSeat(none)
    }
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        Self::Connection(error)
    }
}

impl From<hyper::Error> for Failure {
    fn from(error: hyper::Error) -> Self {
        Self::Http(error)
    }
}

impl From<tungstenite::Error> for Failure {
    fn from(error: tungstenite::Error) -> Self {
        Self::WebSocket(error)
    }
}
