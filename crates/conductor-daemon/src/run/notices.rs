//! Notices that a user gets once, when something that was granted earlier has changed its meaning.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::{self, Read as _};
use std::path::Path;

use conductor_core::grant::GrantSpec;
use conductor_core::grant::store::GrantStore;
use conductor_core::scope::Scope;
use conductor_signing::atomic_file;
use conductor_signing::escape::terminal;
use conductor_signing::keeper::Keeper;
use serde::{Deserialize, Serialize};

use crate::config::Config;
use crate::paths::Places;

/// Name of the file that says which notices were given.
const FILE: &str = "notices.json";

/// Version of the file.
const VERSION: u32 = 1;

/// Most bytes of the file that are read.
const MAX_BYTES: u64 = 4096;

/// Most plugins that are named. Further plugins are counted.
const MAX_NAMED: usize = 20;

/// The notice that confined programs have no sockets.
const NO_SOCKETS: &str = "confined-without-sockets";

#[derive(Default, Deserialize, Serialize)]
struct Told {
    version: u32,
    told: BTreeSet<String>,
}

/// Says once that programs which run under grants with `confined=yes` have no sockets.
pub(super) fn tell(config: &Config, places: &Places) {
    let file = places.paths.state_dir().join(FILE);
    let mut told = read(&file);
    if told.told.contains(NO_SOCKETS) {
        return;
    }
    // Whoever needs the grants reports that they cannot be read. This notice is given when they can be read.
    let Ok(stored) = GrantStore::load(&Keeper::of(places.paths.config_dir())) else { return };
    let configured = config
        .plugins
        .iter()
        .flat_map(|plugin| plugin.granted.iter().map(|grant| (plugin.alias.to_string(), grant)));
    let decided = stored.grants().iter().map(|stored| (stored.plugin.as_str().to_owned(), &stored.grant));
    let affected: BTreeSet<String> =
        configured.chain(decided).filter(|(_, grant)| is_confined(grant)).map(|(plugin, _)| plugin).collect();
    for plugin in affected.iter().take(MAX_NAMED) {
        tracing::warn!(
            plugin = %terminal(plugin),
            "Subprocess is granted with confined=yes, which keeps programs from every socket now: one that needs a \
             socket fails, and runs only if the plugin's declaration and your grant say confined=no"
        );
    }
    if let Some(more) = affected.len().checked_sub(MAX_NAMED).filter(|more| *more > 0) {
        tracing::warn!("the same holds for {more} more plugins: conductorctl plugin list");
    }
    told.told.insert(NO_SOCKETS.to_owned());
    if let Err(error) = write(&file, &told) {
        tracing::warn!("what was told cannot be remembered, so it is told again: {error}");
    }
}

fn is_confined(grant: &GrantSpec) -> bool {
    grant.scope().and_then(Scope::as_subprocess).is_some_and(|scope| scope.confined())
}

/// The notices that were given. If that is not known, none were, so that a notice is rather given twice.
fn read(file: &Path) -> Told {
    let mut text = Vec::new();
    let read = File::open(file).and_then(|file| file.take(MAX_BYTES).read_to_end(&mut text));
    let told = read.ok().and_then(|_| serde_json::from_slice::<Told>(&text).ok());
    told.filter(|told| told.version == VERSION).unwrap_or(Told { version: VERSION, ..Told::default() })
}

fn write(file: &Path, told: &Told) -> io::Result<()> {
    let text = serde_json::to_vec(told).map_err(io::Error::other)?;
    atomic_file::replace(file, &text, atomic_file::PRIVATE)
}
