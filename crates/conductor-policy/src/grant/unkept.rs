//! Notes of denials that could not be written with the other decisions. The notes are in directories that may be on
//! other disks, so that the next start knows and applies the denials.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use conductor_abi::Capability;
use conductor_signing::PluginName;
use conductor_signing::keeper::{Decisions, Keeper};
use serde::{Deserialize, Serialize};

use super::store::GrantStoreError;

/// Version of the file.
const VERSION: u32 = 1;

/// Why a denial of an earlier host is only noted, for people.
pub(super) const FROM_BEFORE: &str = "it could not be written before the last stop";

/// The directories of the notes.
#[derive(Debug, Default)]
pub(super) struct Notes(Vec<Keeper>);

/// The noted denials: the plugin's name and the capability of each.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Noted(BTreeSet<(PluginName, String)>);

#[derive(Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct File {
    version: u32,
    denials: Vec<Denial>,
}

#[derive(Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct Denial {
    plugin: String,
    capability: String,
}

impl Notes {
    pub(super) fn in_directories(directories: &[PathBuf]) -> Self {
        Self(directories.iter().map(|directory| Keeper::of(directory)).collect())
    }

    /// The denials that are noted in any of the directories. A directory that cannot be read is skipped: it may be
    /// gone.
    pub(super) fn read(&self) -> Vec<(PluginName, Capability)> {
        let read = self.0.iter().filter_map(|keeper| keeper.load::<Noted>().ok());
        let all: BTreeSet<_> = read.flat_map(|noted| noted.0).collect();
        all.into_iter().filter_map(|(plugin, capability)| Some((plugin, capability.parse().ok()?))).collect()
    }

    /// Notes these denials and no others. Returns whether any directory has the notes then.
    pub(super) fn write(&self, denials: &[(PluginName, Capability)]) -> bool {
        let noted = Noted(
            denials.iter().map(|(plugin, capability)| (plugin.clone(), capability.to_string())).collect(),
        );
        let written = self.0.iter().map(|keeper| {
            if keeper.load::<Noted>().is_ok_and(|known| known == noted) {
                return true;
            }
            let change = |known: &mut Noted| {
                *known = noted.clone();
                Ok(())
            };
            keeper.change(change).is_ok()
        });
        // The notes are written to every directory, even if an earlier one has them already.
        written.filter(|is_written| *is_written).count() > 0
    }
}

impl Decisions for Noted {
    const FILE: &'static str = "unkept-denials.json";
    const LOCK: &'static str = "unkept-denials.lock";
    const MAX_BYTES: u64 = 256 * 1024;
    type Error = GrantStoreError;

    fn parse(path: &Path, text: &str) -> Result<Self, GrantStoreError> {
        let wrong = |line: usize, cause: String| GrantStoreError::Syntax { path: path.into(), line, cause };
        let file: File =
            serde_json::from_str(text).map_err(|error| wrong(error.line(), error.to_string()))?;
        if file.version != VERSION {
            return Err(GrantStoreError::Version { path: path.into(), found: file.version.into() });
        }
        let denials = file.denials.into_iter().map(|denial| {
            let plugin = denial.plugin.parse().map_err(|_| wrong(1, "no name of a plugin".to_owned()))?;
            Ok((plugin, denial.capability))
        });
        Ok(Self(denials.collect::<Result<_, GrantStoreError>>()?))
    }

    fn to_text(&self) -> Result<String, GrantStoreError> {
        let denial = |(plugin, capability): &(PluginName, String)| Denial {
            plugin: plugin.to_string(),
            capability: capability.clone(),
        };
        let file = File { version: VERSION, denials: self.0.iter().map(denial).collect() };
        // Texts and a number can always be encoded.
        Ok(serde_json::to_string(&file).unwrap_or_default() + "\n")
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn denial(plugin: &str) -> (PluginName, Capability) {
        (plugin.parse().expect("a name"), Capability::SystemControl)
    }

    #[test]
    fn one_directory_that_can_be_written_is_enough() {
        let place = tempfile::tempdir().expect("a directory");
        let (gone, there) = (place.path().join("file/below"), place.path().join("there"));
        fs::write(place.path().join("file"), "").expect("written");
        let notes = Notes::in_directories(&[gone.clone(), there]);
        assert!(notes.read().is_empty());
        assert!(notes.write(&[denial("notes"), denial("chord")]));
        assert_eq!(notes.read(), [denial("chord"), denial("notes")]);
        assert!(notes.write(&[denial("notes")]));
        assert_eq!(notes.read(), [denial("notes")], "what was written since is noted no more");
        assert!(!Notes::in_directories(&[gone]).write(&[denial("notes")]), "nobody is told that it stands");
    }
}
