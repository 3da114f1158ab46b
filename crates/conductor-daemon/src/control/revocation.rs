//! Takes a capability away from a plugin, whatever state the plugin is in.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::{Arc, OnceLock};

use conductor_core::Permission;
use conductor_core::binding::{Alias, Bindings};
use conductor_core::grant::Denials;
use conductor_core::grant::store::GrantStore;
use conductor_signing::PluginName;
use conductor_signing::escape::terminal;
use conductor_signing::keeper::Keeper;

use super::approval;
use super::describe::unknown;
use super::message::{Refusal, RefusalCause, Response, Revoked};
use crate::dispatch::{KnownPlugin, Roster};

/// A capability that is to be taken away from the plugin with an alias.
///
/// A denial names a plugin's own name. For a loaded plugin, that name is known. For any other, the denial is written
/// for the name that the alias is bound to, and for the name of a plugin that waits to be accepted. If nothing was
/// loaded under the alias yet, the denial is written for the alias itself, and goes over to the first plugin that is
/// loaded under it.
pub(crate) struct Revocation {
    pub(super) roster: Arc<Roster>,
    /// Not set until there is a host.
    pub(super) denials: Arc<OnceLock<Denials>>,
    pub(super) config_dir: PathBuf,
    pub(super) plugin: String,
    pub(super) capability: String,
    /// The outcome of denying the capability by name.
    pub(super) by_name: OnceLock<Result<Revoked, Refusal>>,
}

impl Revocation {
    /// Takes the capability away. Returns nothing as long as the plugin is being read, because it may have been decided
    /// about before the denial.
    pub(super) fn look(&self) -> Option<Response> {
        let everyone = self.roster.everyone();
        // The plugin that runs, the one that is being loaded in its place, and the one that was replaced.
        let meant: Vec<&Arc<KnownPlugin>> =
            everyone.iter().filter(|plugin| plugin.alias() == self.plugin).collect();
        let permissions: Vec<Permission> = meant.iter().filter_map(|plugin| plugin.permission()).collect();
        if !permissions.is_empty() {
            return Some(answer(self.revoke(&permissions, &everyone)));
        }
        let denials = self.denials.get()?;
        let by_name = self.by_name.get_or_init(|| self.revoke_by_name(denials, &meant, &everyone));
        let is_being_read = by_name.is_ok() && meant.iter().any(|plugin| plugin.is_loading());
        (!is_being_read).then(|| answer(by_name.clone()))
    }

    /// The answer if the plugin is still being read. The decisions are read again after that.
    pub(super) fn took_too_long(&self) -> Response {
        answer(self.by_name.get().cloned().unwrap_or_else(|| {
            let message = "the daemon is still starting, and nothing was revoked; try again".to_owned();
            Err(Refusal::new(RefusalCause::TookTooLong, message))
        }))
    }

    fn revoke(&self, permissions: &[Permission], everyone: &[Arc<KnownPlugin>]) -> Result<Revoked, Refusal> {
        let capability = approval::capability(&self.capability)?;
        let kept: Vec<_> = permissions.iter().map(|permission| permission.deny(capability)).collect();
        // Other plugins may have the same name.
        let is_meant = |other: &Permission| {
            let is_done = permissions.iter().any(|permission| permission.id() == other.id());
            !is_done && permissions.iter().any(|permission| permission.plugin_name() == other.plugin_name())
        };
        refresh(everyone, is_meant);
        for kept in kept {
            kept.map_err(approval::not_grantable)?;
        }
        Ok(self.revoked(capability.name()))
    }

    fn revoke_by_name(
        &self,
        denials: &Denials,
        meant: &[&Arc<KnownPlugin>],
        everyone: &[Arc<KnownPlugin>],
    ) -> Result<Revoked, Refusal> {
        let capability = approval::capability(&self.capability)?;
        let unknown = || unknown(&self.plugin, &self.roster);
        let alias: Alias = self.plugin.parse().map_err(|_| unknown())?;
        let keeper = Keeper::of(&self.config_dir);
        let bindings = Bindings::load(&keeper);
        let mut names: BTreeSet<PluginName> = meant
            .iter()
            .filter_map(|plugin| plugin.waits_for())
            .flat_map(|change| [change.before.name.clone(), change.now.name.clone()])
            .collect();
        names.extend(
            bindings.iter().filter_map(|bindings| bindings.of(&alias)).map(|bound| bound.name.clone()),
        );
        let own_name = alias.as_plugin_name();
        if names.is_empty() {
            let has_grants = || {
                let store = GrantStore::load(&keeper);
                store.is_ok_and(|store| store.grants().iter().any(|grant| grant.plugin == *own_name))
            };
            if meant.is_empty() && bindings.is_ok() && !has_grants() {
                return Err(unknown());
            }
            names.insert(own_name.clone());
        }
        let kept: Vec<_> = names.iter().map(|name| denials.deny(name, capability)).collect();
        meant.iter().for_each(|plugin| plugin.denied(capability));
        refresh(everyone, |other| names.contains(other.plugin_name()));
        for kept in kept {
            kept.map_err(approval::not_grantable)?;
        }
        match bindings {
            Ok(_) => Ok(self.revoked(capability.name())),
            Err(error) => {
                let message = format!("which plugin `{alias}` stands for cannot be read: {error}");
                Err(Refusal { hint: error.hint(), ..Refusal::new(RefusalCause::NotGrantable, message) })
            }
        }
    }

    fn revoked(&self, capability: &str) -> Revoked {
        tracing::info!(plugin = %terminal(&self.plugin), "revoked: {capability}");
        Revoked { plugin: self.plugin.clone(), capability: capability.to_owned() }
    }
}

/// Has loaded plugins decided about anew.
fn refresh(everyone: &[Arc<KnownPlugin>], is_meant: impl Fn(&Permission) -> bool) {
    for permission in everyone.iter().filter_map(|plugin| plugin.permission()).filter(is_meant) {
        if let Err(error) = permission.refresh() {
            tracing::error!("grants cannot be read: {}", terminal(&error.to_string()));
        }
    }
}

fn answer(revoked: Result<Revoked, Refusal>) -> Response {
    revoked.map_or_else(Response::Refused, Response::PluginRevoke)
}
