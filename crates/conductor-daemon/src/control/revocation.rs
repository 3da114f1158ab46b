//! Taking a capability away from a plugin, however far it has come.

use std::sync::Arc;

use conductor_core::Permission;
use conductor_signing::escape::terminal;

use super::approval;
use super::describe::not_loaded;
use super::interface::unknown;
use super::message::{Refusal, Response, Revoked};
use crate::dispatch::{Published, Roster};

/// A capability that is to be taken away from the plugin that the user calls so. Whose grants these are is known once the plugin
/// was read; until then the answer waits.
pub(crate) struct Revocation {
    pub(super) roster: Arc<Roster>,
    pub(super) plugin: String,
    pub(super) capability: String,
}

impl Revocation {
    /// Takes it away, or says why not; nothing as long as the plugin is being read.
    pub(super) fn look(&self) -> Option<Response> {
        let everyone = self.roster.everyone();
        // The one that runs, the one that is being loaded in its place, and the one that was replaced.
        let meant: Vec<&Arc<Published>> =
            everyone.iter().filter(|plugin| plugin.alias() == self.plugin).collect();
        let Some(first) = meant.first() else {
            return Some(Response::Refused(unknown(&self.plugin, &self.roster)));
        };
        let permissions: Vec<Permission> = meant.iter().filter_map(|plugin| plugin.permission()).collect();
        if permissions.is_empty() {
            let is_being_read = meant.iter().any(|plugin| plugin.is_loading());
            let refusal = || Response::Refused(not_loaded(&self.plugin, &first.snapshot().phase));
            return (!is_being_read).then(refusal);
        }
        Some(self.revoke(&permissions, &everyone).map_or_else(Response::Refused, Response::PluginRevoke))
    }

    fn revoke(&self, permissions: &[Permission], everyone: &[Arc<Published>]) -> Result<Revoked, Refusal> {
        let mut revoked = String::new();
        for permission in permissions {
            revoked = approval::deny(permission, &self.capability)?;
        }
        // A denial is of the plugin's own name, which others may have as well.
        for other in everyone.iter().filter_map(|plugin| plugin.permission()) {
            let is_done = permissions.iter().any(|permission| permission.id() == other.id());
            if !is_done
                && permissions.iter().any(|permission| permission.plugin_name() == other.plugin_name())
                && let Err(error) = other.refresh()
            {
                tracing::error!("grants cannot be read: {}", terminal(&error.to_string()));
            }
        }
        tracing::info!(plugin = self.plugin, "revoked: {revoked}");
        Ok(Revoked { plugin: self.plugin.clone(), capability: revoked })
    }
}
