//! Random histories of a plugin store: versions are installed, dropped and removed, a disk fails in the middle of it, once or
//! for good, and the daemon starts again or not. After each step every plugin is in one piece, and is the version that it
//! was last said to be.

use std::collections::BTreeMap;

use super::*;

/// Histories, and steps of each.
const HISTORIES: u64 = 40;
const STEPS: usize = 60;

const ALIASES: [&str; 2] = ["a", "b"];
const VERSIONS: [&str; 4] = ["one", "two", "three", "four"];

/// More calls than a step makes of the disk, so that some steps succeed.
const CALLS: u64 = 80;

/// Numbers that are the same for the same seed (xorshift64*).
struct Chance(u64);

impl Chance {
    fn below(&mut self, end: u64) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33) % end
    }

    fn of<'a>(&mut self, all: &[&'a str]) -> &'a str {
        all[self.below(all.len() as u64) as usize]
    }
}

/// What may be done to a plugin.
#[derive(Clone, Copy, Debug)]
enum Step {
    /// A version is put in the place of the one before, or is the first.
    Install(&'static str),
    DropPrevious,
    Remove,
}

fn step(store: PluginStore<'_>, alias: &str, step: Step, files: &PluginFiles) -> Result<(), StoreError> {
    let _lock = store.lock()?;
    match step {
        Step::Install(_) => {
            let is_first = store.current(alias)?.is_none();
            if is_first {
                store.begin_change(alias)?;
            }
            let version = store.put(alias, files)?;
            store.take(alias, &version)?;
            if is_first { store.end_change(alias) } else { Ok(()) }
        }
        Step::DropPrevious => store.drop_previous(alias),
        Step::Remove => store.delete(alias),
    }
}

/// A home that depends on no disk, so that it is faster, where there is memory that looks like one.
fn home() -> Home {
    let memory = Path::new("/dev/shm");
    let scratch = if memory.is_dir() { tempfile::tempdir_in(memory) } else { tempfile::tempdir() };
    Home { scratch: scratch.expect("directory") }
}

/// The version of a plugin that would be loaded, which must be in one piece.
fn found(root: &Path, alias: &str, all: &BTreeMap<&'static str, PluginFiles>) -> Option<&'static str> {
    let module = module_path(root, alias);
    if !module.is_file() {
        assert!(!root.join(alias).join(CURRENT).exists(), "{alias}: what is named is there");
        return None;
    }
    let files = PluginFiles::read(&module, 100).expect("readable");
    let version = all.iter().find(|(_, known)| **known == files);
    Some(version.unwrap_or_else(|| panic!("{alias} is not in one piece")).0)
}

#[test]
fn whatever_fails_each_plugin_is_the_version_that_it_is_said_to_be() {
    let (mut failed, mut changed) = (0, 0);
    for seed in 0..HISTORIES {
        let (home, mut chance) = (home(), Chance(seed * 2 + 1));
        let all: BTreeMap<&'static str, PluginFiles> =
            VERSIONS.iter().map(|version| (*version, home.files(version))).collect();
        let mut said = BTreeMap::from(ALIASES.map(|alias| (alias, None)));
        let mut told = Vec::new();
        for _ in 0..STEPS {
            let (alias, version) = (chance.of(&ALIASES), chance.of(&VERSIONS));
            let next = match chance.below(8) {
                0 => Step::Remove,
                1 => Step::DropPrevious,
                _ => Step::Install(version),
            };
            let (call, for_good) = (chance.below(CALLS) as usize, chance.below(2) == 0);
            let faults = Faults::at(call, for_good);
            let result = step(PluginStore::new(&home.root(), &faults), alias, next, &all[version]);
            told.push(format!("{alias} {next:?} with a fault at {call}, for good {for_good}: {result:?}"));
            let is_started_again = result.is_err() && for_good || chance.below(4) == 0;
            let before = said[alias];
            let now = found(&home.root(), alias, &all);
            let after = match next {
                Step::Install(version) => Some(version),
                Step::DropPrevious => before,
                Step::Remove => None,
            };
            match &result {
                Ok(()) => assert_eq!(now, after, "{told:#?}"),
                Err(_) => {
                    failed += 1;
                    assert!(now == before || now == after, "{now:?}: {told:#?}");
                    // Who is told of an error goes on with the version before, unless the disk goes on failing.
                    let is_update = matches!(next, Step::Install(_)) && before.is_some() && !for_good;
                    assert!(!is_update || now == before, "{now:?}: {told:#?}");
                }
            }
            changed += usize::from(now != before);
            said.insert(alias, now);
            if is_started_again {
                let is_named = |alias: &str| said.get(alias).copied().flatten().is_some();
                PluginStore::new(&home.root(), &System).clean(is_named).expect("cleaned");
                assert!(!home.listed().iter().any(|name| name.starts_with(TEMPORARY_PREFIX)), "{told:#?}");
            }
            for alias in ALIASES {
                assert_eq!(found(&home.root(), alias, &all), said[alias], "{alias}: {told:#?}");
            }
        }
    }
    assert!(failed > 500 && changed > 300, "{failed} steps failed, {changed} changed something");
}
