//! Whether a plugin is the one that its alias is bound to.

use conductor_abi::{Capability, Risk};
use conductor_signing::keeper::Keeper;
use conductor_signing::{Pin, PluginName, PublicKey, TrustStore, VerifiedPlugin};

use super::{Alias, BindingChange, BindingError, Bindings, Bound};
use crate::grant::GrantSpec;

/// A plugin that has come to an alias.
pub struct Arrived<'a> {
    /// The alias.
    pub alias: &'a Alias,
    /// The plugin.
    pub plugin: &'a VerifiedPlugin,
    /// By what its publisher's line is known.
    pub trust: &'a TrustStore,
    /// What was seen of plugin names until now.
    pub seen: &'a TrustStore,
    /// What the configuration grants to whatever is behind the alias.
    pub granted: &'a [GrantSpec],
    /// Highest risk that is granted to what nobody signed.
    pub unsigned_max_risk: Risk,
}

/// What a plugin is to its alias.
pub enum Judged {
    /// The one that it is bound to, or the first; what is to be remembered of it once it was loaded.
    Itself(NewBinding),
    /// Another one.
    Another(Box<BindingChange>),
}

/// What is to be remembered of an alias once a plugin was loaded under it.
#[must_use = "an alias that is not bound is bound to whatever is loaded next"]
pub struct NewBinding {
    alias: Alias,
    before: Option<Bound>,
    after: Bound,
}

impl Arrived<'_> {
    /// Holds the plugin against what the alias is bound to. `denied_to` tells what is denied to plugins of a name.
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

    /// What is to be remembered where the alias was bound to `before`.
    pub fn binding(&self, before: Option<Bound>) -> NewBinding {
        NewBinding { alias: self.alias.clone(), before, after: self.bound() }
    }

    fn is(&self, before: &Bound) -> bool {
        *self.plugin.name() == before.name
            && match (&before.publisher, self.plugin.publisher()) {
                (None, None) => true,
                (Some(key), Some(_)) => self.trust.is_of_line(self.plugin, key),
                // Whoever signs it is somebody new. Nothing hangs on that unless more takes effect than before.
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

/// The highest risk that a grant of the configuration could come to. A bare name grants what is declared, which is of medium
/// risk where it names hosts inside or System Exclusive.
fn risk(spec: &GrantSpec) -> Risk {
    spec.scope().map_or_else(|| spec.capability().risk().max(Risk::Medium), crate::scope::Scope::risk)
}

impl NewBinding {
    /// What is to be remembered once the user has accepted a plugin.
    pub const fn accepted(alias: Alias, before: Bound, after: Bound) -> Self {
        Self { alias, before: Some(before), after }
    }

    /// Whether nothing was loaded under the alias before.
    pub const fn is_first(&self) -> bool {
        self.before.is_none()
    }

    /// The alias, the plugin that it was bound to and the one that it is bound to now, if these are two.
    pub fn change(&self) -> Option<(&Alias, &Bound, &Bound)> {
        let Self { alias, before, after } = self;
        let before = before.as_ref().filter(|before| !before.is_other_version_of(after))?;
        Some((alias, before, after))
    }

    /// Writes down what is new.
    ///
    /// # Errors
    ///
    /// Fails if the alias was bound to another plugin meanwhile, or the file cannot be read or written.
    pub fn record(self, keeper: &Keeper) -> Result<(), BindingError> {
        let Self { alias, before, after } = self;
        if before.as_ref() == Some(&after) { Ok(()) } else { Bindings::bind(keeper, alias, before, after) }
    }
}
