//! A plugin as an embedder holds it: options for loading it, facts about it, and calls of it.

use std::path::PathBuf;
use std::sync::Arc;

use conductor_abi::{Capability, Manifest, Request, SettingSpec, SettingValues};
use conductor_broker::Recorder;
use conductor_call::{CallReport, Flavour, Limits, Walls};
use conductor_policy::binding::Alias;
use conductor_policy::grant::{CapabilityDecision, GrantSpec};
use conductor_signing::{Digest, PluginName, Signer, TrustLevel};

use crate::health::PluginState;
use crate::permission::Permission;
use crate::settings::GivenSettings;

/// Options for loading one plugin, beyond the host's configuration.
#[derive(Clone, Debug, Default)]
pub struct PluginOptions {
    /// The user's name under which the plugin is loaded. The name is bound to this plugin from then on, and no other
    /// plugin is loaded under it. Without a name, or if the host keeps no decisions, nothing is bound.
    pub alias: Option<Alias>,
    /// The change of the alias's plugin that the user has accepted, by
    /// [`BindingChange::shown`](conductor_policy::binding::BindingChange::shown).
    pub accepted_change: Option<Digest>,
    /// Limits of this plugin; `None` takes the host's.
    pub limits: Option<Limits>,
    /// Capabilities that the user granted.
    pub granted: Vec<GrantSpec>,
    /// Capabilities that the user denied; outranks `granted`.
    pub denied: Vec<Capability>,
    /// Whether `granted` comes from a configuration: a bare name in it then grants only what the plugin declared when
    /// it was first loaded under that name. Otherwise `granted` is the user's decision at this moment, about the plugin
    /// as it is now.
    pub standing_grants: bool,
    /// Accept this plugin without a signature, even if rules demand signers, and let `granted` exceed the highest risk
    /// for unsigned plugins. For the plugin's own developer. The decision is logged.
    pub accept_unsigned: bool,
    /// Arguments of a command-flavour plugin, after its name.
    pub arguments: Vec<String>,
    /// Environment variables that the plugin sees.
    pub environment: Vec<(String, String)>,
    /// Directories of the host, each with the path at which the plugin sees it for reading and writing; for
    /// development.
    pub directories: Vec<(PathBuf, String)>,
    /// What the user set of the plugin's settings. A value that does not fit what the plugin declares keeps the plugin
    /// from being loaded.
    pub settings: GivenSettings,
    /// Records the capabilities that the plugin turns out to need.
    pub recorder: Option<Arc<Recorder>>,
}

/// A loaded plugin, in this process or in a worker of its own.
pub trait Plugin: Send {
    /// The facts about the plugin.
    fn info(&self) -> &PluginInfo;

    /// Executes one request: the JSON of a [`Request`](conductor_abi::Request), or for a command-flavour plugin the
    /// bytes of its standard input.
    fn execute(&mut self, request: &[u8]) -> CallReport;

    /// The walls that stand around the plugin.
    fn walls(&self) -> Walls;

    /// Whether the plugin may be called now.
    fn state(&self) -> PluginState;

    /// Lets a plugin that rests or is quarantined back in. For a plugin whose permission was withdrawn, see
    /// [`Permission::restore`].
    fn resume(&mut self);

    /// The permission of the plugin, which decides from any thread whether the plugin may go on.
    fn permission(&self) -> Permission;

    /// Process identifier of the plugin's worker, while it has one.
    fn worker_pid(&self) -> Option<u32>;

    /// Whether a sound that the plugin began is still playing.
    fn is_heard(&self) -> bool;
}

/// The facts about a loaded plugin. Text in them comes from the plugin or its signature: escape it before showing it.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct PluginInfo {
    /// Name by which policy and the data directory are found.
    pub name: PluginName,
    /// Version, if the plugin states one.
    pub version: Option<String>,
    /// Flavour of the ABI.
    pub flavour: Flavour,
    /// SHA-256 of the file.
    pub digest: Digest,
    /// How far somebody vouches for the plugin.
    pub trust: TrustLevel,
    /// The signer of the plugin.
    pub signer: Option<Signer>,
    /// What the plugin declares: its manifest, or its answers when it was asked.
    pub manifest: Option<Manifest>,
    /// The plugin's settings when it was loaded, for [`Context::settings`](conductor_abi::Context::settings) of its
    /// requests; `None` if its manifest declares none.
    pub settings: Option<SettingValues>,
    /// Whether the module has a manifest section. A module without one is called in the way of Conductor 1.0.
    pub has_manifest_section: bool,
    /// The decision about each capability that the plugin declared or the user named.
    pub capabilities: Vec<CapabilityDecision>,
}

impl PluginInfo {
    /// Whether the plugin accepts this action; a plugin without a list of actions accepts any.
    #[must_use]
    pub fn accepts(&self, action: &str) -> bool {
        let actions = self.manifest.as_ref().and_then(|manifest| manifest.actions.as_ref());
        actions.is_none_or(|actions| actions.iter().any(|known| known.name == action))
    }

    /// The settings that the plugin declares. A plugin without a manifest section has none.
    #[must_use]
    pub fn declared_settings(&self) -> &[SettingSpec] {
        declared_settings(self.manifest.as_ref().filter(|_| self.has_manifest_section))
    }

    /// The JSON of the request for this plugin. `mode` is the index of the current mode, which replaces the name of the
    /// mode if the plugin was built for Conductor 1.0.
    ///
    /// # Errors
    ///
    /// Fails if the request cannot be written as JSON.
    pub fn json(&self, request: &Request, mode: Option<u32>) -> serde_json::Result<Vec<u8>> {
        if self.has_manifest_section {
            serde_json::to_vec(request)
        } else {
            serde_json::to_vec(&request.for_conductor_1_0(mode))
        }
    }
}

/// The settings that a manifest in a module declares.
pub(crate) fn declared_settings(manifest: Option<&Manifest>) -> &[SettingSpec] {
    manifest.map_or(&[], |manifest| &manifest.settings)
}
