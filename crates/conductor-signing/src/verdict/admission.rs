//! The decision about a plugin: as whom it is let in, or why it is refused, and every check that was made.
//!
//! Loading takes the outcome and drops the rest; `conductor-sign explain` shows the whole decision. There is no other
//! way to an outcome, so the two cannot disagree.

use conductor_abi::Risk;

use crate::text::{NameError, PluginName};
use crate::trust::{Continuity, Standing};
use crate::verdict::checked_signature::CheckedSignature;
use crate::verdict::checks::Step;
use crate::verdict::error::VerifyError;
use crate::verdict::policy::{SignerRule, TrustLevel};
use crate::verdict::signer::Publisher;
use crate::verdict::signer_count::TrustedSigner;

/// The decision about a plugin file under one policy and one trust store.
#[derive(Clone, Debug, PartialEq)]
pub struct Decision {
    pub(crate) steps: Vec<Step>,
    pub(crate) signature: Option<CheckedSignature>,
    pub(crate) outcome: Result<Admission, VerifyError>,
}

impl Decision {
    /// Every check in order, including the checks that were not reached.
    #[must_use]
    pub fn steps(&self) -> &[Step] {
        &self.steps
    }

    /// The signature document, if everything in it is valid for the file. The standing of the signers and the policy do
    /// not matter here.
    #[must_use]
    pub const fn signature(&self) -> Option<&CheckedSignature> {
        self.signature.as_ref()
    }

    /// Why the plugin is refused; `None` if it is let in.
    #[must_use]
    pub fn refusal(&self) -> Option<&VerifyError> {
        self.outcome.as_ref().err()
    }

    /// As whom the plugin is let in.
    ///
    /// # Errors
    ///
    /// Fails with the first reason for which the plugin is refused.
    pub fn into_result(self) -> Result<Admission, VerifyError> {
        self.outcome
    }
}

/// As whom a plugin was let in.
#[derive(Clone, Debug, PartialEq)]
pub struct Admission {
    pub(crate) signature: Option<CheckedSignature>,
    pub(crate) ignored: Option<VerifyError>,
    pub(crate) name: Result<PluginName, NameError>,
    pub(crate) name_without_statement: Option<PluginName>,
    pub(crate) continuity: Option<Continuity>,
    pub(crate) unmet_rules: Vec<SignerRule>,
    pub(crate) trusted_signers: Vec<TrustedSigner>,
}

impl Admission {
    /// Name of the plugin, if it has a valid name.
    #[must_use]
    pub fn name(&self) -> Option<&PluginName> {
        self.name.as_ref().ok()
    }

    /// The publisher, who is the same for each version of the plugin; `None` if nobody signed.
    #[must_use]
    pub fn publisher(&self) -> Option<Publisher> {
        self.continuity.as_ref().map(Publisher::of)
    }

    /// Why the plugin's signature is not valid, where the policy accepts unsigned plugins and the signature was
    /// ignored.
    #[must_use]
    pub const fn ignored_signature(&self) -> Option<&VerifyError> {
        self.ignored.as_ref()
    }

    /// How far somebody vouches for the plugin.
    #[must_use]
    pub fn trust(&self) -> TrustLevel {
        match self.signature.as_ref().map(CheckedSignature::standing) {
            None => TrustLevel::Unsigned,
            Some(Standing::Trusted { key_name, .. }) => TrustLevel::Trusted { key_name: key_name.clone() },
            Some(
                Standing::Untrusted
                | Standing::TrustExpired { .. }
                | Standing::OtherPlugins { .. }
                | Standing::OtherRole { .. }
                | Standing::Superseded { .. }
                | Standing::NotYetActive { .. }
                | Standing::FromCompromised { .. },
            ) => TrustLevel::SelfSigned,
        }
    }

    /// Highest risk of a capability that may be granted: the lowest limit that the user set for any signer who counts;
    /// `None` sets no limit.
    #[must_use]
    pub fn max_risk(&self) -> Option<Risk> {
        self.signature.as_ref().and_then(CheckedSignature::max_risk)
    }
}
