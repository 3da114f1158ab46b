//! A plugin as an embedder holds it: how it is to be loaded, what is then known about it, and what it does.

use std::path::PathBuf;
use std::sync::Arc;

use conductor_abi::{Capability, Manifest, Request};
use conductor_broker::Recorder;
use conductor_call::{CallReport, Flavour, Limits, Walls};
use conductor_policy::binding::Alias;
use conductor_policy::grant::{CapabilityDecision, GrantSpec};
use conductor_signing::{Digest, PluginName, Signer, TrustLevel};

use crate::health::PluginState;
use crate::permission::Permission;

/// How one plugin is to be loaded, beyond what the host's configuration says.
#[derive(Clone, Debug, Default)]
pub struct PluginOptions {
    /// The user's name that the plugin is loaded under, which is bound to it from then on: another plugin is not loaded under
    /// the name. Without one, or where the host keeps no decisions, nothing is bound.
    pub alias: Option<Alias>,
    /// The change of what is behind the alias that the user has accepted, by [`BindingChange::shown`](conductor_policy::binding::BindingChange::shown).
    pub accepted_change: Option<Digest>,
    /// Limits of this plugin; `None` takes the host's.
    pub limits: Option<Limits>,
    /// Capabilities that the user granted.
    pub granted: Vec<GrantSpec>,
    /// Capabilities that the user denied; outranks `granted`.
    pub denied: Vec<Capability>,
    /// Whether `granted` stands in a configuration: a bare name in it then grants what the plugin declared when it was first
    /// loaded under that name, and never more. Otherwise it is a word given now, about the plugin as it is now.
    pub standing_grants: bool,
    /// Accept this plugin without a signature, whatever rules demand of its signers, and let `granted` exceed the
    /// ceiling for unsigned plugins: for the one who is developing it. The decision is logged.
    pub accept_unsigned: bool,
    /// Arguments of a command-flavour plugin, after its name.
    pub arguments: Vec<String>,
    /// Environment variables that the plugin sees.
    pub environment: Vec<(String, String)>,
    /// Directories of the host with the path at which the plugin sees them, read and write: for development.
    pub directories: Vec<(PathBuf, String)>,
    /// Writes down what the plugin turns out to need.
    pub recorder: Option<Arc<Recorder>>,
}

/// A loaded plugin, in this process or in a worker of its own.
pub trait Plugin: Send {
    /// What is known about the plugin.
    fn info(&self) -> &PluginInfo;

    /// Executes one request: the JSON of a [`Request`](conductor_abi::Request), or for a command-flavour plugin
    /// whatever it reads from standard input.
    fn execute(&mut self, request: &[u8]) -> CallReport;

    /// Which walls stand around the plugin.
    fn walls(&self) -> Walls;

    /// Whether the plugin may be called now.
    fn state(&self) -> PluginState;

    /// Lets a plugin that rests or is quarantined back in. For one that lost its permission, see
    /// [`Permission::restore`].
    fn resume(&mut self);

    /// What decides, from any thread, whether the plugin may go on.
    fn permission(&self) -> Permission;

    /// Process identifier of the plugin's worker, while it has one.
    fn worker_pid(&self) -> Option<u32>;

    /// Whether something is still being played to its end that the plugin began.
    fn is_heard(&self) -> bool;
}

/// What is known about a loaded plugin. Text in it comes from the plugin or its signature: escape it when showing it.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct PluginInfo {
    /// Name that policy and the data directory go by.
    pub name: PluginName,
    /// Version, if the plugin says one.
    pub version: Option<String>,
    /// Flavour of the ABI.
    pub flavour: Flavour,
    /// SHA-256 of the file.
    pub digest: Digest,
    /// How far the plugin is vouched for.
    pub trust: TrustLevel,
    /// Who signed it.
    pub signer: Option<Signer>,
    /// What the plugin declares: its manifest, or what it answered when it was asked.
    pub manifest: Option<Manifest>,
    /// Whether the module has a manifest section. One without is called as Conductor 1.0 called plugins.
    pub has_manifest_section: bool,
    /// What was decided about each capability that the plugin declared or the user named.
    pub capabilities: Vec<CapabilityDecision>,
}

impl PluginInfo {
    /// Whether the plugin takes this action; one without a list of actions takes any.
    #[must_use]
    pub fn accepts(&self, action: &str) -> bool {
        let actions = self.manifest.as_ref().and_then(|manifest| manifest.actions.as_ref());
        actions.is_none_or(|actions| actions.iter().any(|known| known.name == action))
    }

    /// The JSON that the plugin is executed with. `mode` is the index of the current mode, which stands for its name where
    /// the plugin was built for Conductor 1.0.
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
