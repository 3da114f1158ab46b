//! Operations that list what a plugin may use, and nothing beyond.

use std::fmt;
use std::marker::PhantomData;

use conductor_abi::Capability;
use conductor_policy::grant::Grant;

use super::{Call, Operation, Refusal, empty};

/// An operation that lists what is there, as far as it is granted.
pub(crate) trait Listing {
    /// The capability that the operation belongs to.
    const CAPABILITY: Capability;

    /// Name of the operation in the audit.
    const NAME: &'static str;

    /// Lists what this grant covers, as an answer.
    fn list(grant: &Grant, call: &Call<'_>) -> Result<Vec<u8>, Refusal>;
}

/// A listing as an operation.
pub(crate) struct Listed<L>(PhantomData<L>);

/// A request that carries nothing.
pub(crate) struct Nothing;

impl fmt::Display for Nothing {
    fn fmt(&self, _f: &mut fmt::Formatter<'_>) -> fmt::Result {
        Ok(())
    }
}

impl<L: Listing> Operation for Listed<L> {
    const CAPABILITY: Capability = L::CAPABILITY;
    const NAME: &'static str = L::NAME;
    type Request<'a> = Nothing;
    /// The grant that the list is filtered by.
    type Permit = Grant;

    fn parse(request: &[u8]) -> Result<Nothing, Refusal> {
        empty(request).map(|()| Nothing)
    }

    fn needs(_request: &Nothing) -> Option<String> {
        Some(String::new())
    }

    fn check(_request: &Nothing, grant: &Grant) -> Result<Grant, Refusal> {
        Ok(grant.clone())
    }

    fn act(_request: &Nothing, grant: Grant, call: &Call<'_>) -> Result<Vec<u8>, Refusal> {
        L::list(&grant, call)
    }
}
