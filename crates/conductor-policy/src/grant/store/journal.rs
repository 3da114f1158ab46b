//! Denials that a full disk cannot refuse: a small file whose room was reserved before, and which is overwritten in
//! place.
//!
//! A denial is here until it is in the file of all decisions, and outranks that file meanwhile. Each place holds one
//! line of JSON, padded with blanks, with a checksum at its end.

use std::fs::File;
use std::path::{Path, PathBuf};

use conductor_abi::Capability;
use conductor_signing::keeper::{Keeper, KeeperError};
use conductor_signing::{Digest, PluginName, UtcTime};
use serde::{Deserialize, Serialize};

use super::{GrantStoreError, StoredDenial};

/// Name of the journal.
pub const JOURNAL_FILE: &str = "denials.journal";

/// Name of the lock that writers hold while they write.
const LOCK_FILE: &str = "denials.lock";

/// Bytes of a place. A sector holds a whole number of places, so a disk writes a place completely or not at all.
const PLACE_BYTES: usize = 256;

/// Number of places: enough for every capability of 42 plugins.
const PLACES: usize = 256;

/// Bytes of the file.
const JOURNAL_BYTES: usize = PLACE_BYTES * PLACES;

/// Digits of the checksum at the end of a place.
const CHECK_DIGITS: usize = 16;

/// A denial as it is written in a place.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Line {
    plugin: String,
    capability: String,
    denied_at: String,
    check: String,
}

/// The contents of the journal, by place.
pub(super) struct Journal {
    path: PathBuf,
    places: Vec<Option<StoredDenial>>,
}

impl Journal {
    /// Reserves the room of the journal, if there is no journal yet.
    pub(super) fn prepare(keeper: &Keeper) -> Result<(), GrantStoreError> {
        let disk = keeper.disk();
        disk.prepare(keeper.directory()).map_err(|source| KeeperError::File { source })?;
        let _held = keeper.wait_for(LOCK_FILE)?;
        let path = keeper.directory().join(JOURNAL_FILE);
        match disk.read(&path, JOURNAL_BYTES as u64).map_err(|source| KeeperError::File { source })? {
            Some(_) => Ok(()),
            None => {
                let empty = empty_place().repeat(PLACES);
                keeper.replace(&path, &empty).map_err(|source| KeeperError::Write { path, source }.into())
            }
        }
    }

    /// Reads the journal. If there is none, it is empty.
    pub(super) fn load(keeper: &Keeper) -> Result<Self, GrantStoreError> {
        let path = keeper.directory().join(JOURNAL_FILE);
        let bytes = keeper.disk().read(&path, JOURNAL_BYTES as u64);
        let places = match bytes.map_err(|source| KeeperError::File { source })? {
            Some(bytes) => places(&path, &bytes)?,
            None => Vec::new(),
        };
        Ok(Self { path, places })
    }

    /// The denials in the journal.
    pub(super) fn denials(&self) -> impl Iterator<Item = &StoredDenial> {
        self.places.iter().flatten()
    }

    /// Whether the journal has no denials.
    pub(super) fn is_empty(&self) -> bool {
        self.denials().next().is_none()
    }

    /// Puts a denial into the journal.
    pub(super) fn add(keeper: &Keeper, denial: &StoredDenial) -> Result<(), GrantStoreError> {
        let _held = keeper.wait_for(LOCK_FILE)?;
        let journal = Self::load(keeper)?;
        let is_same =
            |known: &StoredDenial| (&known.plugin, known.capability) == (&denial.plugin, denial.capability);
        if journal.denials().any(is_same) {
            return Ok(());
        }
        let free = journal.places.iter().position(Option::is_none);
        let place = free.ok_or_else(|| GrantStoreError::JournalFull { path: journal.path.clone() })?;
        journal.write(keeper, &[(place, written(&journal.path, denial)?)])
    }

    /// Removes the denials that this value holds from the journal. Denials that were added since stay.
    pub(super) fn clear(&self, keeper: &Keeper) -> Result<(), GrantStoreError> {
        if self.is_empty() {
            return Ok(());
        }
        let _held = keeper.wait_for(LOCK_FILE)?;
        let now = Self::load(keeper)?;
        let stands = |place: &usize| {
            let denial = |journal: &Self| journal.places.get(*place).cloned().flatten();
            denial(self).is_some() && denial(self) == denial(&now)
        };
        let cleared: Vec<_> =
            (0..self.places.len()).filter(stands).map(|place| (place, empty_place())).collect();
        if cleared.is_empty() { Ok(()) } else { self.write(keeper, &cleared) }
    }

    fn write(&self, keeper: &Keeper, places: &[(usize, Vec<u8>)]) -> Result<(), GrantStoreError> {
        let disk = keeper.disk();
        let all = || -> std::io::Result<()> {
            let file: File = disk.open_in_place(&self.path)?;
            for (place, bytes) in places {
                disk.write_over(&file, bytes, (place * PLACE_BYTES) as u64)?;
            }
            disk.sync(&file)
        };
        all().map_err(|source| KeeperError::Write { path: self.path.clone(), source }.into())
    }
}

fn places(path: &Path, bytes: &[u8]) -> Result<Vec<Option<StoredDenial>>, GrantStoreError> {
    if bytes.len() != JOURNAL_BYTES {
        return Err(damaged(path, 0));
    }
    let place = |(number, bytes)| read(bytes).map_err(|()| damaged(path, number));
    bytes.chunks_exact(PLACE_BYTES).enumerate().map(place).collect()
}

fn damaged(path: &Path, place: usize) -> GrantStoreError {
    GrantStoreError::JournalDamaged { path: path.into(), place }
}

fn read(bytes: &[u8]) -> Result<Option<StoredDenial>, ()> {
    let text = std::str::from_utf8(bytes).map_err(|_| ())?.trim_end();
    if text.is_empty() {
        return Ok(None);
    }
    let Line { plugin, capability, denied_at, check } = serde_json::from_str(text).map_err(|_| ())?;
    if check != check_of(&plugin, &capability, &denied_at) {
        return Err(());
    }
    let plugin: PluginName = plugin.parse().map_err(|_| ())?;
    let capability: Capability = capability.parse().map_err(|_| ())?;
    let denied_at: UtcTime = denied_at.parse().map_err(|_| ())?;
    Ok(Some(StoredDenial { plugin, capability, denied_at }))
}

fn written(path: &Path, denial: &StoredDenial) -> Result<Vec<u8>, GrantStoreError> {
    let (plugin, capability) = (denial.plugin.to_string(), denial.capability.to_string());
    let denied_at = denial.denied_at.to_string();
    let check = check_of(&plugin, &capability, &denied_at);
    let line = Line { plugin, capability, denied_at, check };
    let mut bytes = serde_json::to_vec(&line).unwrap_or_default();
    bytes.resize(PLACE_BYTES - 1, b' ');
    bytes.push(b'\n');
    // A line that could not be read back is not written.
    match read(&bytes) {
        Ok(Some(read)) if read == *denial => Ok(bytes),
        Ok(_) | Err(()) => Err(KeeperError::Misread { path: path.into() }.into()),
    }
}

fn check_of(plugin: &str, capability: &str, denied_at: &str) -> String {
    let all = format!("conductor denial v1\n{plugin}\n{capability}\n{denied_at}");
    Digest::from_bytes(all.as_bytes()).to_string().chars().take(CHECK_DIGITS).collect()
}

fn empty_place() -> Vec<u8> {
    let mut place = vec![b' '; PLACE_BYTES - 1];
    place.push(b'\n');
    place
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use conductor_signing::atomic_file;
    use conductor_signing::keeper::Faults;

    use super::*;

    fn denial(plugin: &str) -> StoredDenial {
        let plugin = plugin.parse().expect("a name");
        StoredDenial { plugin, capability: Capability::SystemControl, denied_at: UtcTime::now() }
    }

    #[test]
    fn the_longest_denial_has_room_in_a_place() {
        let place = written(Path::new("j"), &denial(&"x".repeat(64))).expect("written");
        assert_eq!(place.len(), PLACE_BYTES);
    }

    #[test]
    fn every_denial_is_read_as_it_was_written() {
        let times = ["2026-01-01T00:00:00Z", "9999-12-31T23:59:59.123456789+00:00"];
        for (length, time) in (1..=64).flat_map(|length| times.map(|time| (length, time))) {
            for capability in Capability::ALL {
                let plugin = "A-_.z9".chars().cycle().take(length).collect::<String>();
                let denied_at = time.parse().expect("a time");
                let denial = StoredDenial { plugin: plugin.parse().expect("a name"), capability, denied_at };
                let place = written(Path::new("j"), &denial).expect("written");
                assert_eq!((place.len(), read(&place)), (PLACE_BYTES, Ok(Some(denial))));
            }
        }
    }

    /// One bit alone makes neither another denial of one nor a denial of none, nor none of one.
    #[test]
    fn no_bit_can_be_turned_unseen() {
        let one = written(Path::new("j"), &denial("notes")).expect("written");
        for place in [one, empty_place()] {
            let says = read(&place);
            for (byte, bit) in (0..PLACE_BYTES).flat_map(|byte| (0..8).map(move |bit| (byte, bit))) {
                let mut bent = place.clone();
                bent[byte] ^= 1 << bit;
                let found = read(&bent);
                assert!(found == Err(()) || found == says, "bit {bit} of byte {byte}: {found:?}");
            }
        }
    }

    #[test]
    fn a_full_disk_takes_a_denial_and_gives_it_back() {
        let directory = tempfile::tempdir().expect("a directory");
        let keeper = Keeper::of(directory.path());
        Journal::prepare(&keeper).expect("prepared");
        let full = Keeper::on(directory.path(), Arc::new(Faults::full()));
        let (first, second) = (denial("notes"), denial("chord"));
        for _ in 0..2 {
            Journal::add(&full, &first).expect("kept, once");
        }
        let seen = Journal::load(&keeper).expect("read");
        assert_eq!(seen.denials().collect::<Vec<_>>(), [&first]);
        Journal::add(&full, &second).expect("kept");
        seen.clear(&full).expect("cleared");
        let left = Journal::load(&keeper).expect("read");
        assert_eq!(left.denials().collect::<Vec<_>>(), [&second], "what came since stays");
        assert_eq!(std::fs::metadata(&left.path).expect("metadata").len(), JOURNAL_BYTES as u64);
    }

    #[test]
    fn damage_is_never_read_as_nothing() {
        let directory = tempfile::tempdir().expect("a directory");
        let keeper = Keeper::of(directory.path());
        Journal::prepare(&keeper).expect("prepared");
        Journal::add(&keeper, &denial("notes")).expect("kept");
        let path = directory.path().join(JOURNAL_FILE);
        let sound = std::fs::read_to_string(&path).expect("read").into_bytes();
        for (place, byte) in [(12, b'x'), (100, b'#'), (PLACE_BYTES * 3, 0)] {
            let mut bent = sound.clone();
            bent[place] = byte;
            atomic_file::replace(&path, &bent, atomic_file::PRIVATE).expect("written");
            let damaged = Journal::load(&keeper).err().expect("damaged");
            assert!(matches!(damaged, GrantStoreError::JournalDamaged { .. }), "{damaged}");
        }
        for length in [0, PLACE_BYTES, JOURNAL_BYTES - 1] {
            atomic_file::replace(&path, &sound[..length], atomic_file::PRIVATE).expect("written");
            assert!(Journal::load(&keeper).is_err(), "{length}");
        }
        assert!(sound.is_ascii(), "a person can read it");
    }
}
