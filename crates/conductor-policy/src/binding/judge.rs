//! Judges whether a plugin is the one that its alias is bound to.

use conductor_abi::{Capability, Risk};
use conductor_signing::keeper::Keeper;
use conductor_signing::{Pin, PluginName, PublicKey, TrustStore, VerifiedPlugin};

use super::{Alias, BindingChange, BindingError, Bindings, Bound};
use crate::grant::GrantSpec;

/// A plugin that was found behind an alias.
pub struct Arrived<'a> {
    /// The alias.
    pub alias: &'a Alias,
    /// The plugin.
    pub plugin: &'a VerifiedPlugin,
    /// The trust store that knows the line of keys of the plugin's publisher.
    pub trust: &'a TrustStore,
    /// The trust store with the pins from before this load.
    pub seen: &'a TrustStore,
    /// What the configuration grants to any plugin behind the alias.
    pub granted: &'a [GrantSpec],
    /// Highest risk that is granted to unsigned plugins.
    pub unsigned_max_risk: Risk,
}

/// What a plugin is to its alias.
pub enum Judged {
    /// The plugin that the alias is bound to, or the first one; with the binding to record once the plugin is loaded.
    Itself(NewBinding),
    /// Another plugin.
    Another(Box<BindingChange>),
}

/// The binding of an alias, to be recorded once a plugin was loaded under the alias.
#[must_use = "an alias that is not bound is bound to whatever is loaded next"]
pub struct NewBinding {
    alias: Alias,
    before: Option<Bound>,
    after: Bound,
}

impl Arrived<'_> {
    /// Compares the plugin with the one that the alias is bound to. `denied_to` returns what is denied to plugins of a
    /// name.
    pub fn judge(
        &self,
        bindings: &Bindings,
        denied_to: impl FnOnce(&PluginName) -> Result<Vec<Capability>, BindingError>,
    ) -> Result<Judged, BindingError> {
        let Some(before) = bindings.of(self.alias) else { return Ok(Judged::Itself(self.binding(None))) };
        if self.is(before) {
            return Ok(Judged::Itself(self.binding(Some(before.clone()))));
        }
        let now = self.bound();
        let pinned = self.seen.pin(&now.name).and_then(Pin::publisher).map(|publisher| publisher.key);
        let is_another =
            |key: &PublicKey| now.publisher.is_some() && !self.trust.is_of_line(self.plugin, key);
        Ok(Judged::Another(Box::new(BindingChange {
            alias: self.alias.clone(),
            before: before.clone(),
            digest: self.plugin.digest(),
            trust: self.plugin.trust().clone(),
            ignored: self.plugin.ignored_signature().map(ToString::to_string),
            granted: self.granted.to_vec(),
            denied: denied_to(&before.name)?,
            missing_cosigners: self.seen.cosigners_kept(&before.name, self.plugin).missing,
            lacks_statement: self.seen.statement_seen_at(&before.name).is_some()
                && self.plugin.statement().is_none(),
            pinned_until_now: pinned.filter(is_another),
            now,
        })))
    }

    /// The binding to record if the alias was bound to `before`.
    pub fn binding(&self, before: Option<Bound>) -> NewBinding {
        NewBinding { alias: self.alias.clone(), before, after: self.bound() }
    }

    fn is(&self, before: &Bound) -> bool {
        *self.plugin.name() == before.name
            && match (&before.publisher, self.plugin.publisher()) {
                (None, None) => true,
                (Some(key), Some(_)) => self.trust.is_of_line(self.plugin, key),
                // The plugin was unsigned and is signed now. That matters only if a grant of the configuration is above
                // the ceiling of unsigned plugins, and would now take effect for the first time.
                (None, Some(_)) => self.granted.iter().all(|spec| risk(spec) <= self.unsigned_max_risk),
                (Some(_), None) => false,
            }
    }

    fn bound(&self) -> Bound {
        let stated = || self.plugin.statement()?.plugin_version.clone();
        let version = self.plugin.manifest().map(|manifest| manifest.version.clone()).or_else(stated);
        Bound {
            name: self.plugin.name().clone(),
            publisher: self.plugin.publisher().map(|publisher| *publisher.key()),
            version,
        }
    }
}

/// The highest risk that a grant of the configuration may have. A bare name grants what the plugin declares, which is
/// of medium risk if it names hosts inside the user's network or System Exclusive.
fn risk(spec: &GrantSpec) -> Risk {
    spec.scope().map_or_else(|| spec.capability().risk().max(Risk::Medium), crate::scope::Scope::risk)
}

impl NewBinding {
    /// The binding to record once the user has accepted a plugin.
    pub const fn accepted(alias: Alias, before: Bound, after: Bound) -> Self {
        Self { alias, before: Some(before), after }
    }

    /// Whether nothing was loaded under the alias before.
    pub const fn is_first(&self) -> bool {
        self.before.is_none()
    }

    /// The alias, the plugin that it was bound to and the one that it is bound to now, if the two differ.
    pub fn change(&self) -> Option<(&Alias, &Bound, &Bound)> {
        let Self { alias, before, after } = self;
        let before = before.as_ref().filter(|before| !before.is_other_version_of(after))?;
        Some((alias, before, after))
    }

    /// Records the binding, if it is new.
    ///
    /// # Errors
    ///
    /// Fails if the alias was bound to another plugin meanwhile, or the file cannot be read or written.
    pub fn record(self, keeper: &Keeper) -> Result<(), BindingError> {
        let Self { alias, before, after } = self;
        if before.as_ref() == Some(&after) { Ok(()) } else { Bindings::bind(keeper, alias, before, after) }
    }
}
