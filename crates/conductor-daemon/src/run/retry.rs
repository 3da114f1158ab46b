//! Tries refused plugins again once something has changed that may let them in: their own files, or the files with the
//! user's decisions, such as whom to trust. So the cause of a failed first start can be mended while the daemon runs.

use std::time::{Duration, Instant};

use conductor_core::FileState;
use conductor_core::binding::Bindings;
use conductor_core::grant::store::GrantStore;
use conductor_signing::TrustStore;

use super::Daemon;
use super::plugin_threads::Surroundings;
use crate::config::Config;

/// Time between two looks at the files of refused plugins.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// The last seen state of the user's decisions, and the time of the next look.
pub(super) struct Retry {
    decisions: Vec<Option<FileState>>,
    next: Instant,
}

impl Retry {
    /// Watches from now on. Plugins must be loaded after this call: a change before it would not be seen.
    pub(super) fn new(config: &Config) -> Self {
        Self { decisions: decisions(config), next: Instant::now() + LOOK_EVERY }
    }
}

impl Daemon<'_> {
    /// Loads each refused plugin again, if something has changed that may let it in.
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
            panic: &self.panic,
            stop: self.stop,
        };
        if self.plugins.try_again(&self.config, around, has_decided) {
            self.router.replace(self.config.mappings.clone(), &self.plugins.queues());
            self.roster.set(self.plugins.known());
        }
    }
}

/// The states of the files with the user's decisions. Damage to any of these files keeps plugins from loading.
fn decisions(config: &Config) -> Vec<Option<FileState>> {
    let Some(directory) = &config.wasm.trust_dir else { return Vec::new() };
    let files = TrustStore::files(directory).into_iter().chain(GrantStore::files(directory));
    files.chain([Bindings::file(directory)]).map(|file| FileState::of(&file)).collect()
}
