//! The shape that all capabilities share: an operation is parsed, checked and only then acted on.
//!
//! A capability is one file here. Adding an operation adds a type that implements [`Operation`] in that file, or what is
//! left of it where several are alike ([`continuation`], [`listing`]), and one line in the broker's list.

pub(crate) mod audio;
pub(crate) mod continuation;
pub mod filesystem;
pub(crate) mod listing;
pub(crate) mod midi;
pub(crate) mod network;
#[cfg(target_os = "linux")]
pub(crate) mod subprocess;
pub(crate) mod system_control;
pub(crate) mod waiting;

use std::fmt;
#[cfg(target_os = "linux")]
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use conductor_abi::{Capability, Risk};
use conductor_call::{Caller, Refusal};
#[cfg(target_os = "linux")]
use conductor_confine::measuring::Allowance;
use conductor_policy::grant::{Decision, Deed, Grant, Grants};
use conductor_sounding::Player;
use serde::Deserialize;

use crate::devices::Devices;
use crate::grant_changes::GrantChanges;
use crate::handles::{Handles, Live};
use crate::held_secrets::SecretsNow;

/// How long a wait goes on at most between two looks at who waits for the answer. A worker is ended by others than its
/// caller, the kernel among them, and nobody tells a wait of that.
pub(crate) const LOOK_FOR_CALLER_EVERY: Duration = Duration::from_millis(50);

/// A caller that waits for as long as it takes.
#[cfg(test)]
pub(crate) struct Patient;

#[cfg(test)]
impl Caller for Patient {
    fn is_gone(&self) -> bool {
        false
    }
}

/// One operation of one capability.
pub(crate) trait Operation {
    /// The capability that the operation belongs to.
    const CAPABILITY: Capability;

    /// Name of the operation in the audit.
    const NAME: &'static str;

    /// Whether each use is recorded; looking whether something came through what is open says nothing new.
    const RECORDS_USE: bool = true;

    /// Whether it only goes on with what an earlier operation has begun and left open, so that no grant is used by it.
    const GOES_ON: bool = false;

    /// The request, decoded and held against the rules of the operation; it may borrow from the guest's bytes.
    type Request<'a>: fmt::Display;

    /// Proof that a request was checked.
    type Permit;

    /// The least scope under which the request is allowed; none for one that only goes on with what is open.
    fn needs(_request: &Self::Request<'_>) -> Option<String> {
        None
    }

    /// Decodes a request and refuses what is malformed or too large, whoever asks.
    fn parse(request: &[u8]) -> Result<Self::Request<'_>, Refusal>;

    /// Holds a request against what was declared and granted.
    fn check(request: &Self::Request<'_>, grant: &Grant) -> Result<Self::Permit, Refusal>;

    /// The risk of doing it; without a permit, as far as the request shows.
    fn risk(_request: &Self::Request<'_>, _permit: Option<&Self::Permit>) -> Risk {
        Self::CAPABILITY.risk()
    }

    /// Does what was asked for.
    fn act(request: &Self::Request<'_>, permit: Self::Permit, call: &Call<'_>) -> Result<Vec<u8>, Refusal>;
}

/// What an operation may ask of the session of the plugin that calls.
pub(crate) trait Resources {
    /// The plugin's name.
    fn plugin(&self) -> &str;

    /// What the plugin may do now. What is granted for once and in use is among it. Nothing while everything is paused.
    fn grants(&self) -> Arc<Grants>;

    /// Changes of the grants.
    fn changes(&self) -> &GrantChanges;

    /// What the plugin keeps open.
    fn handles(&self) -> &Handles;

    /// Largest request and largest answer in bytes.
    fn max_message_bytes(&self) -> usize;

    /// The devices of the host.
    fn devices(&self) -> &Devices;

    /// The user's secrets that the plugin may have used.
    fn secrets(&self) -> &SecretsNow;

    /// Plays on the MIDI outputs for the plugin.
    fn player(&self) -> &Player;

    /// The HTTP service of the host.
    fn http(&self) -> &network::Service;

    /// The HTTP connections of the plugin.
    fn connections(&self) -> &network::Connections;

    /// Places for the programs that the plugin runs.
    #[cfg(target_os = "linux")]
    fn programs(&self) -> &waiting::Places;

    /// What the plugin has under way on the desktop, and how often it asked for it.
    fn desktop(&self) -> &system_control::Uses;

    /// What the plugin plays.
    fn studio(&self) -> &audio::Studio;

    /// The plugin's own directory on this machine, if it may write there now.
    #[cfg(target_os = "linux")]
    fn data_directory(&self) -> Option<PathBuf>;

    /// The same directory, and how much may be in it.
    #[cfg(target_os = "linux")]
    fn data_allowance(&self) -> Option<Allowance>;
}

/// The call that an operation is part of.
pub(crate) struct Call<'a> {
    /// What the session of the plugin that calls has for it.
    pub(crate) session: &'a dyn Resources,
    /// When the plugin's time is over.
    pub(crate) deadline: Instant,
    /// What the operation is to grants for once.
    pub(crate) deed: Deed,
    /// Who waits for its answer.
    pub(crate) caller: &'a dyn Caller,
}

impl Call<'_> {
    /// What the operation may rely on now.
    pub(crate) fn grants(&self) -> Arc<Grants> {
        self.session.grants().open_to(self.deed)
    }

    /// Fails if nobody waits for the answer any more.
    pub(crate) fn is_waited_for(&self, what: &dyn fmt::Display) -> Result<(), Refusal> {
        if self.caller.is_gone() {
            return Err(Refusal::failed(format!("{what} was ended, because the plugin was ended meanwhile")));
        }
        Ok(())
    }

    /// Keeps open what the operation has begun, and returns its number.
    pub(crate) fn keep_open(&self, live: Arc<dyn Live>) -> Result<u32, Refusal> {
        self.session.handles().insert(live, self.deed, || self.session.grants())
    }
}

/// The grant of a capability, or why there is none.
pub(crate) fn granted(grants: &Grants, capability: Capability) -> Result<&Grant, Refusal> {
    match grants.decision(capability) {
        Decision::Granted(grant) => Ok(grant),
        refused @ (Decision::NotDeclared
        | Decision::NotGranted { .. }
        | Decision::Denied
        | Decision::AboveCeiling { .. }
        | Decision::NothingToGrant) => Err(Refusal::denied(format!("{capability} is {refused}"))),
    }
}

/// Decodes a request; bytes left over are refused, so that one request has one encoding.
pub(crate) fn decode<'a, T: Deserialize<'a>>(request: &'a [u8]) -> Result<T, Refusal> {
    match postcard::take_from_bytes(request) {
        Ok((value, [])) => Ok(value),
        Ok((_, rest)) => Err(Refusal::invalid(format!("the request has {} bytes too many", rest.len()))),
        Err(error) => Err(Refusal::invalid(format!("the request cannot be decoded: {error}"))),
    }
}

/// Refuses a request that carries anything, for an operation that asks for nothing more.
pub(crate) fn empty(request: &[u8]) -> Result<(), Refusal> {
    if request.is_empty() { Ok(()) } else { Err(Refusal::invalid("the request must be empty")) }
}

/// Encodes an answer.
pub(crate) fn encode<T: serde::Serialize>(answer: &T) -> Result<Vec<u8>, Refusal> {
    postcard::to_allocvec(answer)
        .map_err(|error| Refusal::failed(format!("the answer cannot be encoded: {error}")))
}
