//! The plugin store: crashes, links, and what they leave behind.

mod histories;

use std::os::unix::fs::symlink;

use conductor_signing::keeper::{Faults, System};

use super::*;

struct Home {
    scratch: tempfile::TempDir,
}

impl Home {
    fn new() -> Self {
        Self { scratch: tempfile::tempdir().expect("directory") }
    }

    fn root(&self) -> PathBuf {
        self.scratch.path().join("plugins")
    }

    /// A module with a signature and a rotation. Each file says which version it belongs to.
    fn files(&self, version: &str) -> PluginFiles {
        let module = self.scratch.path().join("a.wasm");
        fs::write(&module, format!("module {version}")).expect("written");
        for companion in Companion::ALL {
            fs::write(companion.path(&module), format!("beside {version}")).expect("written");
        }
        PluginFiles::read(&module, 100).expect("read")
    }

    fn current(&self) -> PluginFiles {
        PluginFiles::read(&module_path(&self.root(), "a"), 100).expect("readable")
    }

    /// Every file below the store, except for the lock.
    fn listed(&self) -> Vec<String> {
        let mut names = Vec::new();
        let mut directories = vec![self.root()];
        while let Some(directory) = directories.pop() {
            for (path, name) in entries(&directory).expect("listed") {
                if path.is_dir() {
                    directories.push(path);
                } else if name != LOCK {
                    names.push(name);
                }
            }
        }
        names.sort();
        names
    }
}

fn install(store: PluginStore<'_>, files: &PluginFiles) -> Result<(), StoreError> {
    let _lock = store.lock()?;
    let version = store.put("a", files)?;
    store.take("a", &version)
}

#[test]
fn a_fault_at_any_call_leaves_the_old_version_or_the_new_one_and_no_litter() {
    let mut sites = 0;
    loop {
        let home = Home::new();
        let (old, new) = (home.files("old"), home.files("new"));
        install(PluginStore::new(&home.root(), &System), &old).expect("installed");
        let faults = Faults::at(sites, true);
        let result = install(PluginStore::new(&home.root(), &faults), &new);
        let found = home.current();
        assert!(found == old || found == new, "site {sites}: it is one piece");
        assert!(result.is_err() || found == new, "site {sites}: what is said to be done is done");
        PluginStore::new(&home.root(), &System).clean(|_| true).expect("cleaned");
        assert!(home.current() == found, "site {sites}: cleaning changes nothing that runs");
        let versions = entries(&home.root().join("a")).expect("listed");
        let versions = versions.iter().filter(|(path, _)| path.is_dir()).count();
        let has_previous = PluginStore::new(&home.root(), &System).has_previous("a");
        assert_eq!(versions, if has_previous && found == new { 2 } else { 1 }, "site {sites}");
        assert!(!home.listed().iter().any(|name| name.starts_with(TEMPORARY_PREFIX)), "site {sites}");
        if result.is_ok() {
            break;
        }
        sites += 1;
    }
    assert!(sites > 15, "{sites} sites");
}

#[test]
fn a_version_that_one_fault_kept_from_being_taken_does_not_run() {
    for call in 0.. {
        let home = Home::new();
        let (old, new) = (home.files("old"), home.files("new"));
        install(PluginStore::new(&home.root(), &System), &old).expect("installed");
        let faults = Faults::at(call, false);
        let result = install(PluginStore::new(&home.root(), &faults), &new);
        assert!(home.current() == if result.is_ok() { new } else { old }, "call {call}");
        if faults.calls() <= call {
            assert!(call > 15, "each call is a site: {call}");
            break;
        }
    }
}

#[test]
fn what_cannot_be_looked_at_is_not_taken_for_absent() {
    let home = Home::new();
    let file = home.root().join("file");
    fs::create_dir_all(home.root()).expect("a directory");
    fs::write(&file, "").expect("written");
    let store = PluginStore::new(&file, &System);
    assert!(matches!(store.delete("a"), Err(StoreError::File(FileError::Unreadable { .. }))));
    assert!(PluginStore::new(&home.root().join("none"), &System).delete("a").is_ok(), "nothing is there");
}

#[test]
fn the_version_before_is_kept_until_it_is_dropped() {
    let home = Home::new();
    let root = home.root();
    let store = PluginStore::new(&root, &System);
    let versions = ["one", "two", "three"].map(|version| home.files(version));
    for files in &versions {
        install(store, files).expect("installed");
    }
    store.clean(|_| true).expect("cleaned");
    assert!(home.current() == versions[2] && store.has_previous("a"));
    let [one, two, _] = versions.map(|files| store.module("a", &Version::of(&files)));
    assert!(!one.exists() && two.exists());
    store.drop_previous("a").expect("dropped");
    assert!(!two.exists() && !store.has_previous("a"));
    assert_eq!(home.listed(), ["a.wasm", "a.wasm.rotation.json", "a.wasm.sig", CURRENT]);
}

#[test]
fn what_the_configuration_never_named_is_deleted() {
    let home = Home::new();
    let root = home.root();
    let store = PluginStore::new(&root, &System);
    store.begin_change("a").expect("noted");
    install(store, &home.files("one")).expect("installed");
    store.clean(|alias| alias == "a").expect("cleaned");
    assert!(store.directory("a").is_dir() && !store.directory("a").join(CHANGING).exists());
    store.clean(|_| false).expect("cleaned");
    assert!(store.directory("a").is_dir(), "another configuration may name it");
    store.begin_change("a").expect("noted");
    store.clean(|_| false).expect("cleaned");
    assert!(!store.directory("a").exists());
    store.put("b", &home.files("one")).expect("put");
    store.clean(|_| false).expect("cleaned");
    assert!(!store.directory("b").exists(), "it was never taken");
}

#[test]
fn files_and_directories_are_the_users_alone_and_links_are_not_followed() {
    let home = Home::new();
    let root = home.root();
    let store = PluginStore::new(&root, &System);
    fs::create_dir(&root).expect("made");
    fs::set_permissions(&root, Permissions::from_mode(0o775)).expect("set");
    let files = home.files("one");
    install(store, &files).expect("installed");
    let module = module_path(&root, "a");
    let mode = |path: &Path| fs::symlink_metadata(path).expect("there").permissions().mode() & 0o777;
    for path in [&root, &store.directory("a"), &module.parent().expect("parent").to_owned()] {
        assert_eq!(mode(path), DIRECTORY_MODE, "{}", path.display());
    }
    for path in [&module, &Companion::Signature.path(&module), &store.directory("a").join(CURRENT)] {
        assert_eq!(mode(path), FILE_MODE, "{}", path.display());
    }
    let elsewhere = home.scratch.path().join("elsewhere");
    fs::create_dir(&elsewhere).expect("made");
    symlink(&elsewhere, root.join("b")).expect("linked");
    assert!(matches!(store.put("b", &files), Err(StoreError::NoDirectory { .. })));
    store.delete("b").expect("nothing of the store's");
    assert_eq!(fs::read_dir(&elsewhere).expect("there").count(), 0);
}

#[test]
fn a_damaged_line_is_no_other_version() {
    let home = Home::new();
    let root = home.root();
    let store = PluginStore::new(&root, &System);
    install(store, &home.files("one")).expect("installed");
    let digest = Digest::from_bytes(b"");
    for line in ["", "\n", "x/a.wasm\n", &format!("{digest}/../a.wasm\n"), &format!("{digest}/a.wasm")] {
        fs::write(root.join("a").join(CURRENT), line).expect("written");
        assert!(store.current("a").is_err(), "{line:?}");
        assert!(!module_path(&root, "a").ends_with("a.wasm"), "{line:?}");
    }
}
