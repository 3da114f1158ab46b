//! Operations on what an earlier operation has left open: they use no grant, and one of them is to close it.

use std::fmt;
use std::marker::PhantomData;

use conductor_abi::Capability;
use conductor_policy::grant::Grant;

use super::{Call, Operation, Refusal, decode};
use crate::handles::Live;

/// An operation that only goes on with what an earlier one has begun and left open.
pub(crate) trait Continuation {
    /// The capability that the operation belongs to.
    const CAPABILITY: Capability;

    /// Name of the operation in the audit.
    const NAME: &'static str;

    /// Whether each use is recorded, as [`Operation::RECORDS_USE`].
    const RECORDS_USE: bool = false;

    /// The request, as [`Operation::Request`].
    type Request<'a>: fmt::Display;

    /// Decodes a request, as [`Operation::parse`].
    fn parse(request: &[u8]) -> Result<Self::Request<'_>, Refusal>;

    /// Does what was asked for. What is open has ended if it is not covered any more.
    fn act(request: &Self::Request<'_>, call: &Call<'_>) -> Result<Vec<u8>, Refusal>;
}

/// A continuation as an operation.
pub(crate) struct Continued<C>(PhantomData<C>);

impl<C: Continuation> Operation for Continued<C> {
    const CAPABILITY: Capability = C::CAPABILITY;
    const NAME: &'static str = C::NAME;
    const RECORDS_USE: bool = C::RECORDS_USE;
    const GOES_ON: bool = true;
    type Request<'a> = C::Request<'a>;
    type Permit = ();

    fn parse(request: &[u8]) -> Result<C::Request<'_>, Refusal> {
        C::parse(request)
    }

    /// What is open is held against the grants whenever they change.
    fn check(_request: &C::Request<'_>, _grant: &Grant) -> Result<(), Refusal> {
        Ok(())
    }

    fn act(request: &C::Request<'_>, (): (), call: &Call<'_>) -> Result<Vec<u8>, Refusal> {
        C::act(request, call)
    }
}

/// Something open that a plugin may close.
pub(crate) trait Closable: Live {
    /// The capability that it belongs to.
    const CAPABILITY: Capability;

    /// Name in the audit of closing it.
    const CLOSING: &'static str;

    /// What stands before its number in the audit.
    const WORD: &'static str = "";
}

/// Closes something.
pub(crate) struct Close<T>(PhantomData<T>);

/// What is to be closed.
pub(crate) struct Closing {
    word: &'static str,
    number: u32,
}

impl fmt::Display for Closing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", self.word, self.number)
    }
}

impl<T: Closable> Continuation for Close<T> {
    const CAPABILITY: Capability = T::CAPABILITY;
    const NAME: &'static str = T::CLOSING;
    type Request<'a> = Closing;

    fn parse(request: &[u8]) -> Result<Closing, Refusal> {
        Ok(Closing { word: T::WORD, number: decode(request)? })
    }

    fn act(request: &Closing, call: &Call<'_>) -> Result<Vec<u8>, Refusal> {
        call.session.handles().close::<T>(request.number).map(|_closed| Vec::new())
    }
}
