//! Plugins that were refused are tried again once something has changed that may let them in: their files, or those in which the
//! user decides, such as whom to trust. What goes wrong at the first start is so mended while the daemon runs.

use std::time::{Duration, Instant};

use conductor_core::FileState;
use conductor_core::binding::Bindings;
use conductor_core::grant::store::GrantStore;
use conductor_signing::TrustStore;

use super::Daemon;
use super::plugin_threads::Surroundings;
use crate::config::Config;

/// Time between two looks at the files of plugins that were refused.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// What was last seen of the user's decisions, and when they are looked at again.
pub(super) struct Retry {
    decisions: Vec<Option<FileState>>,
    next: Instant,
}

impl Retry {
    /// Looks from now on. Plugins must not be loaded before: a change that falls in between would not be seen.
    pub(super) fn new(config: &Config) -> Self {
        Self { decisions: decisions(config), next: Instant::now() + LOOK_EVERY }
    }
}

impl Daemon<'_> {
    /// Loads plugins that were refused again, each by itself, if something has changed since.
    pub(super) fn try_again(&mut self, now: Instant) {
        let Some(host) = self.host.clone() else { return };
        if now < self.retry.next {
            return;
        }
        self.retry.next = now + LOOK_EVERY;
        let decisions = decisions(&self.config);
        let has_decided = decisions != self.retry.decisions;
        self.retry.decisions = decisions;
        let around = Surroundings {
            host: &host,
            roster: &self.roster,
            mappings: &self.config.mappings,
            calls: &self.calls,
            stop: self.stop,
        };
        if self.plugins.try_again(&self.config, around, has_decided) {
            self.router.replace(self.config.mappings.clone(), &self.plugins.queues());
            self.roster.set(self.plugins.known());
        }
    }
}

/// The files in which the user decides, as they are now: damage to any of them keeps plugins from loading.
fn decisions(config: &Config) -> Vec<Option<FileState>> {
    let Some(directory) = &config.wasm.trust_dir else { return Vec::new() };
    let files = TrustStore::files(directory).into_iter().chain(GrantStore::files(directory));
    files.chain([Bindings::file(directory)]).map(|file| FileState::of(&file)).collect()
}
