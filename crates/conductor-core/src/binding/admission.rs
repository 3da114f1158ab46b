//! Letting a plugin in: whether its signature is good enough, and whether it is the plugin that its alias is bound to.

use std::path::Path;

use conductor_abi::Capability;
use conductor_signing::keeper::Keeper;
use conductor_signing::{
    Digest, NewPin, NewRotations, PluginName, PublicKey, TrustError, TrustStore, UnverifiedPlugin,
    VerificationPolicy, VerifiedPlugin, VerifyError,
};

use super::{Alias, Arrived, BindingChange, BindingError, Bindings, Judged, NewBinding};
use crate::audit::AuditEvent;
use crate::config::WasmConfig;
use crate::grant::store::{GrantStore, GrantStoreError};
use crate::grant::{GrantSpec, SessionGrants};

/// What a plugin is let in by.
pub(crate) struct Admission<'a> {
    pub(crate) config: &'a WasmConfig,
    pub(crate) policy: &'a VerificationPolicy,
    /// The alias that it comes to, if it comes to one.
    pub(crate) alias: Option<&'a Alias>,
    /// What the configuration grants to whatever is behind the alias.
    pub(crate) granted: &'a [GrantSpec],
    /// The change of which the user has said that it is meant.
    pub(crate) accepted: Option<Digest>,
    pub(crate) session: &'a SessionGrants,
}

/// A plugin that was let in, and what is to be remembered of it once it was loaded.
pub(crate) struct Admitted {
    pub(crate) plugin: VerifiedPlugin,
    trust: TrustStore,
    binding: Option<NewBinding>,
}

/// What is to be remembered of a plugin that was let in.
#[must_use = "what is not recorded can be taken back by the next file unnoticed"]
pub(crate) struct News {
    rotations: Option<NewRotations>,
    pin: Option<NewPin>,
    binding: Option<NewBinding>,
}

/// Why a plugin was not let in.
pub(crate) enum NotAdmitted {
    /// The trust store cannot be used.
    Trust(TrustError),
    /// The signature does not satisfy the policy.
    Verify(VerifyError),
    /// It cannot be known whether it is the plugin that its alias is bound to.
    Binding(BindingError),
    /// It is not.
    Another(Box<BindingChange>),
}

impl From<TrustError> for NotAdmitted {
    fn from(error: TrustError) -> Self {
        Self::Trust(error)
    }
}

impl From<VerifyError> for NotAdmitted {
    fn from(error: VerifyError) -> Self {
        Self::Verify(error)
    }
}

impl From<BindingError> for NotAdmitted {
    fn from(error: BindingError) -> Self {
        Self::Binding(error)
    }
}

impl From<GrantStoreError> for NotAdmitted {
    fn from(error: GrantStoreError) -> Self {
        Self::Binding(error.into())
    }
}

impl Admission<'_> {
    /// Verifies a plugin and holds it against its alias.
    pub(crate) fn admit(&self, plugin: UnverifiedPlugin) -> Result<Admitted, NotAdmitted> {
        let Some(directory) = &self.config.trust_dir else {
            let trust = TrustStore::default();
            return Ok(Admitted { plugin: plugin.verify(self.policy, &trust)?, trust, binding: None });
        };
        let trust = TrustStore::load(directory)?;
        let Some(alias) = self.alias else {
            return Ok(Admitted { plugin: plugin.verify(self.policy, &trust)?, trust, binding: None });
        };
        let keeper = Keeper::of(directory);
        let bindings = Bindings::load(&keeper)?;
        // Of a publisher whom the user has not heard of yet the user is asked about the alias, not told that a name is pinned.
        if bindings.of(alias).is_some()
            && let Some((name, key)) = self.other_publisher(&plugin, &trust)
        {
            let pinned = trust.as_if_pinned(&name, key);
            let verified = plugin.clone().verify(self.policy, &pinned)?;
            if let Judged::Another(change) = self
                .arrived(alias, &verified, &pinned)
                .judge(&bindings, |name| self.denied_to(&keeper, name))?
            {
                let binding = self.accept(alias, &verified, &pinned, change, directory)?;
                TrustStore::pin_publisher(directory, &name, key)?;
                return Ok(Admitted { plugin: verified, trust: pinned, binding: Some(binding) });
            }
        }
        let verified = plugin.verify(self.policy, &trust)?;
        let judged =
            self.arrived(alias, &verified, &trust).judge(&bindings, |name| self.denied_to(&keeper, name))?;
        let binding = match judged {
            Judged::Itself(binding) => binding,
            Judged::Another(change) => self.accept(alias, &verified, &trust, change, directory)?,
        };
        Ok(Admitted { plugin: verified, trust, binding: Some(binding) })
    }

    fn arrived<'p>(
        &'p self,
        alias: &'p Alias,
        plugin: &'p VerifiedPlugin,
        trust: &'p TrustStore,
    ) -> Arrived<'p> {
        let unsigned_max_risk = self.config.unsigned_max_risk;
        Arrived { alias, plugin, trust, granted: self.granted, unsigned_max_risk }
    }

    /// The plugin's name and its signer's key, if the name is pinned to another publisher.
    fn other_publisher(
        &self,
        plugin: &UnverifiedPlugin,
        trust: &TrustStore,
    ) -> Option<(PluginName, PublicKey)> {
        let refusal = match plugin.file().judge(self.policy, trust).into_result() {
            Ok(admission) => admission.ignored_signature().cloned()?,
            Err(refusal) => refusal,
        };
        if let VerifyError::PublisherChanged { name, found, .. } = refusal {
            Some((name, found))
        } else {
            None
        }
    }

    /// Takes the user's word for another plugin, if it is for this one. What was denied to the plugin before is denied to this
    /// one first.
    fn accept(
        &self,
        alias: &Alias,
        plugin: &VerifiedPlugin,
        trust: &TrustStore,
        change: Box<BindingChange>,
        directory: &Path,
    ) -> Result<NewBinding, NotAdmitted> {
        if self.accepted != Some(change.shown()) {
            return Err(NotAdmitted::Another(change));
        }
        let BindingChange { before, now, .. } = *change;
        if before.name != now.name {
            self.session.carry_denials(&before.name, &now.name);
            GrantStore::carry_denials(&Keeper::of(directory), &before.name, &now.name)?;
        }
        Ok(self.arrived(alias, plugin, trust).binding(Some(before)))
    }

    fn denied_to(&self, keeper: &Keeper, name: &PluginName) -> Result<Vec<Capability>, BindingError> {
        let mut denied = self.session.unkept_of(name);
        denied.extend(GrantStore::load(keeper)?.denials_of(name).map(|denial| denial.capability));
        Ok(Capability::ALL.into_iter().filter(|capability| denied.contains(capability)).collect())
    }
}

impl Admitted {
    /// The plugin, and what is to be remembered of it.
    pub(crate) fn into_parts(self) -> (VerifiedPlugin, News) {
        let Self { plugin, trust, binding } = self;
        let (rotations, pin) = (trust.new_rotations(&plugin), trust.new_pin(&plugin));
        (plugin, News { rotations, pin, binding })
    }
}

impl News {
    /// The record of what the alias is bound to, if that is new.
    pub(crate) fn event(&self) -> Option<AuditEvent> {
        self.binding.as_ref().and_then(NewBinding::event)
    }

    /// Writes down what is known of the publisher now, and what the alias is bound to.
    pub(crate) fn record(self, directory: &Path) -> Result<(), NotAdmitted> {
        let Self { rotations, pin, binding } = self;
        // The rotation first: a pin that moved along one must not stand without it.
        rotations.map_or(Ok(()), |rotations| rotations.record(directory))?;
        pin.map_or(Ok(()), |pin| pin.record(directory))?;
        Ok(binding.map_or(Ok(()), |binding| binding.record(&Keeper::of(directory)))?)
    }
}
