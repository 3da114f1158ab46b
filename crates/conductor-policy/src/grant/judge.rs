//! How far somebody vouches for a loaded plugin, judged again whenever that matters.
//!
//! Trust changes while a plugin runs: a key is removed or capped, trust ends, a key passes on to another. Everything
//! that follows from trust (which risk may be granted, whom grants are bound to, what is shown) is taken from one
//! judgement of that moment. Nothing is kept from the time when the plugin was loaded.

use std::path::PathBuf;

use conductor_abi::Risk;
use conductor_signing::{
    Admission, PluginFile, Publisher, TrustError, TrustLevel, TrustStore, VerificationPolicy, VerifyError,
};
use jiff::Timestamp;

use super::Ceilings;

/// How far somebody vouches for a plugin at one moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Vouched {
    /// The level of trust.
    pub trust: TrustLevel,
    /// Highest risk that may be granted; `None` if there is no ceiling.
    pub ceiling: Option<Risk>,
    /// Who answers for the plugin from one version to the next; `None` if nobody signed it.
    pub publisher: Option<Publisher>,
}

impl Vouched {
    /// The result of an admission, with the ceilings of the configuration.
    #[must_use]
    pub fn of(admission: &Admission, unsigned: Risk, self_signed: Risk) -> Self {
        let (trust, cap) = (admission.trust(), admission.max_risk());
        // The limit that the user set for a cosigner's key holds, whoever published the plugin.
        let level = Ceilings { unsigned, self_signed, trusted: None }.of(&trust);
        let ceiling = level.into_iter().chain(cap).min();
        Self { trust, ceiling, publisher: admission.publisher() }
    }
}

/// Everything that is needed to judge one plugin.
pub struct Judge {
    /// The plugin's files, which were read once.
    pub file: PluginFile,
    /// The policy about signatures.
    pub policy: VerificationPolicy,
    /// Directory of the trust store. Without it, nobody is trusted.
    pub directory: Option<PathBuf>,
    /// Highest risk of unsigned plugins.
    pub unsigned: Risk,
    /// Highest risk of plugins whose signer is not trusted.
    pub self_signed: Risk,
}

impl Judge {
    /// Judges by the trust store as it is on disk now.
    pub fn now(&self) -> Result<Vouched, JudgeError> {
        let trust = match &self.directory {
            Some(directory) => TrustStore::load(directory)?,
            None => TrustStore::default(),
        };
        Ok(self.by(&trust)?)
    }

    /// When the judgement of the plugin's files next changes through time alone.
    pub fn next_change(&self, now: Timestamp) -> Option<Timestamp> {
        self.file.next_change(now)
    }

    /// Judges by a trust store that is loaded already.
    pub fn by(&self, trust: &TrustStore) -> Result<Vouched, VerifyError> {
        let admission = self.file.judge_running(&self.policy, trust)?;
        Ok(Vouched::of(&admission, self.unsigned, self.self_signed))
    }
}

/// Why nobody vouches for a plugin any more, or why that is not known.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum JudgeError {
    /// The plugin would be refused.
    #[error(transparent)]
    Refused(#[from] VerifyError),
    /// The trust store cannot be used.
    #[error(transparent)]
    Trust(#[from] TrustError),
}
