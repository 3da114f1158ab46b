//! Letting a plugin in: whether its signature satisfies the policy, and whether it is the plugin that its alias is
//! bound to.

use std::path::Path;

use conductor_abi::Capability;
use conductor_broker::audit::{AuditEvent, AuditRecord, AuditSink, AuditText};
use conductor_policy::binding::{Alias, Arrived, BindingChange, BindingError, Bindings, Judged, NewBinding};
use conductor_policy::grant::store::{GrantStore, GrantStoreError};
use conductor_policy::grant::{GrantSpec, SessionGrants};
use conductor_signing::keeper::Keeper;
use conductor_signing::{
    Digest, NewPin, NewRotations, PluginName, PublicKey, TrustError, TrustStore, UnverifiedPlugin,
    VerificationPolicy, VerifiedPlugin, VerifyError,
};

use crate::config::WasmConfig;

/// The input of the decision whether a plugin is let in.
pub(crate) struct Admission<'a> {
    pub(crate) config: &'a WasmConfig,
    pub(crate) policy: &'a VerificationPolicy,
    /// The alias that the plugin is loaded under, if it has one.
    pub(crate) alias: Option<&'a Alias>,
    /// What the configuration grants to the plugin that the alias stands for.
    pub(crate) granted: &'a [GrantSpec],
    /// The change that the user has accepted.
    pub(crate) accepted: Option<Digest>,
    pub(crate) session: &'a SessionGrants,
    /// The audit, which records that the user has accepted a plugin.
    pub(crate) audit: Option<&'a dyn AuditSink>,
}

/// A plugin that was let in, with what is to be recorded once it was loaded.
pub(crate) struct Admitted {
    pub(crate) plugin: VerifiedPlugin,
    trust: TrustStore,
    binding: Option<NewBinding>,
}

/// The result of comparing a plugin with its alias.
enum Looked {
    /// The plugin is the one that the alias is bound to, or the first under the alias.
    Itself(Box<Admitted>),
    /// The plugin is another one than the alias is bound to.
    Another(Another),
}

/// Another plugin than the one that the alias is bound to.
struct Another {
    change: Box<BindingChange>,
    /// Cosigners of the earlier plugin who have signed this plugin as well.
    cosigners: Vec<PublicKey>,
}

impl Another {
    fn of(change: Box<BindingChange>, plugin: &VerifiedPlugin, seen: &TrustStore) -> Self {
        let cosigners = seen.cosigners_kept(&change.before.name, plugin).present;
        Self { change, cosigners }
    }
}

/// What is to be recorded of a plugin that was let in, once it was loaded.
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
    /// The bindings cannot be used, so nobody knows whether this is the plugin that its alias is bound to.
    Binding(BindingError),
    /// The plugin is another one than its alias is bound to.
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
    /// Verifies a plugin and compares it with the one that its alias is bound to. If the user has accepted exactly this
    /// other plugin, the alias is bound to it from now on, even if loading it then fails.
    pub(crate) fn admit(&self, plugin: UnverifiedPlugin) -> Result<Admitted, NotAdmitted> {
        let (Some(directory), Some(alias)) = (&self.config.trust_dir, self.alias) else {
            let trust = self.config.trust_dir.as_ref().map(TrustStore::load).transpose()?.unwrap_or_default();
            return Ok(Admitted { plugin: plugin.verify(self.policy, &trust)?, trust, binding: None });
        };
        let keeper = Keeper::of(directory);
        let again = self.accepted.map(|accepted| (accepted, plugin.clone()));
        let admitted = match (self.look(alias, plugin, &keeper)?, again) {
            (Looked::Itself(admitted), _) => admitted,
            (Looked::Another(another), Some((accepted, plugin))) if another.change.shown() == accepted => {
                self.accept(&another, &keeper)?;
                // The accepted plugin is judged in the same way as in each later load.
                match self.look(alias, plugin, &keeper)? {
                    Looked::Itself(admitted) => admitted,
                    Looked::Another(another) => return Err(NotAdmitted::Another(another.change)),
                }
            }
            (Looked::Another(another), _) => return Err(NotAdmitted::Another(another.change)),
        };
        if admitted.binding.as_ref().is_some_and(NewBinding::is_first) {
            // These are denials that the user made by the alias, before the plugin's own name was known.
            self.carry_denials(&keeper, alias.as_plugin_name(), admitted.plugin.name())?;
        }
        Ok(*admitted)
    }

    /// The question that the user would be asked if the plugin were loaded; `None` if there is no question.
    pub(crate) fn question(&self, plugin: UnverifiedPlugin) -> Result<Option<BindingChange>, NotAdmitted> {
        let (Some(directory), Some(alias)) = (&self.config.trust_dir, self.alias) else { return Ok(None) };
        match self.look(alias, plugin, &Keeper::of(directory))? {
            Looked::Itself(_) => Ok(None),
            Looked::Another(another) => Ok(Some(*another.change)),
        }
    }

    /// The plugin, if it would be let in. Nothing is written.
    pub(crate) fn verified(&self, plugin: UnverifiedPlugin) -> Result<VerifiedPlugin, NotAdmitted> {
        let (Some(directory), Some(alias)) = (&self.config.trust_dir, self.alias) else {
            let trust = self.config.trust_dir.as_ref().map(TrustStore::load).transpose()?.unwrap_or_default();
            return Ok(plugin.verify(self.policy, &trust)?);
        };
        match self.look(alias, plugin, &Keeper::of(directory))? {
            Looked::Itself(admitted) => Ok(admitted.plugin),
            Looked::Another(another) => Err(NotAdmitted::Another(another.change)),
        }
    }

    /// Verifies a plugin and compares it with the one that its alias is bound to. Nothing is written.
    fn look(&self, alias: &Alias, plugin: UnverifiedPlugin, keeper: &Keeper) -> Result<Looked, NotAdmitted> {
        let (trust, bindings) = (TrustStore::load(keeper)?, Bindings::load(keeper)?);
        // If the plugin's name is pinned to another publisher, the user is asked about the change of the alias, instead
        // of reading an error about the pin.
        if bindings.of(alias).is_some()
            && let Some((name, key)) = self.other_publisher(&plugin, &trust)
        {
            let pinned = trust.as_if_pinned(&name, key);
            let verified = plugin.clone().verify(self.policy, &pinned)?;
            let arrived = Arrived { trust: &pinned, ..self.arrived(alias, &verified, &trust) };
            if let Judged::Another(change) = arrived.judge(&bindings, |name| self.denied_to(keeper, name))? {
                return Ok(Looked::Another(Another::of(change, &verified, &trust)));
            }
        }
        let verified = plugin.verify(self.policy, &trust)?;
        let arrived = self.arrived(alias, &verified, &trust);
        match arrived.judge(&bindings, |name| self.denied_to(keeper, name))? {
            Judged::Another(change) => Ok(Looked::Another(Another::of(change, &verified, &trust))),
            Judged::Itself(binding) => {
                Ok(Looked::Itself(Box::new(Admitted { plugin: verified, trust, binding: Some(binding) })))
            }
        }
    }

    fn arrived<'p>(
        &'p self,
        alias: &'p Alias,
        plugin: &'p VerifiedPlugin,
        trust: &'p TrustStore,
    ) -> Arrived<'p> {
        let unsigned_max_risk = self.config.unsigned_max_risk;
        Arrived { alias, plugin, trust, seen: trust, granted: self.granted, unsigned_max_risk }
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

    /// Records the user's decision that the alias stands for another plugin. Denials of the earlier plugin are copied
    /// to the new one first, and the alias is bound last: until then, the question remains open.
    fn accept(&self, another: &Another, keeper: &Keeper) -> Result<(), NotAdmitted> {
        let Another { change, cosigners } = another;
        let BindingChange { alias, before, now, pinned_until_now, .. } = &**change;
        if before.name != now.name {
            self.carry_denials(keeper, &before.name, &now.name)?;
        }
        if let Some(key) = now.publisher
            && (pinned_until_now.is_some() || !cosigners.is_empty())
        {
            TrustStore::pin_accepted(keeper, &now.name, key, cosigners)?;
        }
        let binding = NewBinding::accepted(alias.clone(), before.clone(), now.clone());
        let event = event(&binding);
        binding.record(keeper)?;
        if let (Some(event), Some(audit)) = (event, self.audit) {
            // Before accepting, the caller has checked that records can be kept; if a record is lost, the sink reports
            // it.
            let _ = audit.record(&AuditRecord::now(Some(now.name.as_str()), event));
        }
        Ok(())
    }

    /// Denies to plugins of one name what was denied to plugins of another name.
    fn carry_denials(&self, keeper: &Keeper, from: &PluginName, to: &PluginName) -> Result<(), NotAdmitted> {
        if from != to && !self.denied_to(keeper, from)?.is_empty() {
            self.session.carry_denials(from, to);
            GrantStore::carry_denials(keeper, from, to)?;
        }
        Ok(())
    }

    fn denied_to(&self, keeper: &Keeper, name: &PluginName) -> Result<Vec<Capability>, BindingError> {
        let mut denied = self.session.unkept_of(name);
        denied.extend(GrantStore::load(keeper)?.denials_of(name).map(|denial| denial.capability));
        Ok(Capability::ALL.into_iter().filter(|capability| denied.contains(capability)).collect())
    }
}

impl Admitted {
    /// The plugin, and what is to be recorded once it was loaded.
    pub(crate) fn into_parts(self) -> (VerifiedPlugin, News) {
        let Self { plugin, trust, binding } = self;
        let (rotations, pin) = (trust.new_rotations(&plugin), trust.new_pin(&plugin));
        (plugin, News { rotations, pin, binding })
    }
}

impl News {
    /// The audit record of the alias's binding, if the binding changed.
    pub(crate) fn event(&self) -> Option<AuditEvent> {
        self.binding.as_ref().and_then(event)
    }

    /// Writes down rotations, pin and binding.
    pub(crate) fn record(self, directory: &Path) -> Result<(), NotAdmitted> {
        let Self { rotations, pin, binding } = self;
        // The rotation comes first: a pin that moved along a rotation must not exist without the rotation.
        rotations.map_or(Ok(()), |rotations| rotations.record(directory))?;
        pin.map_or(Ok(()), |pin| pin.record(directory))?;
        Ok(binding.map_or(Ok(()), |binding| binding.record(&Keeper::of(directory)))?)
    }
}

/// The audit record of a binding, if the alias was bound to another plugin.
fn event(binding: &NewBinding) -> Option<AuditEvent> {
    let (alias, before, after) = binding.change()?;
    let (alias, before, after) = (alias.to_string(), AuditText::of(before), AuditText::of(after));
    Some(AuditEvent::AliasBound { alias, before, after })
}
