//! `cargo xtask test --only page`: tests the Plugin Manager's page in Chromium, with the real daemon and real plugins.

use std::path::Path;

use crate::error::TaskError;
use crate::guests;
use crate::places::Places;
use crate::program::Program;

/// Directory of the tests and of the test runner, relative to the root.
const TESTS: &str = "tests/browser";

/// How many test files run at once. Each waits for its own daemon most of the time.
const AT_ONCE: u32 = 2;

/// Builds the programs and plugins, installs the test runner's packages, and runs every test. Pictures of the page are
/// written below the target directory.
pub(crate) fn run(places: &Places) -> Result<(), TaskError> {
    Program::build_as_for_tests(&places.root)?;
    guests::ALL.iter().try_for_each(|guests| guests.build(places))?;
    let tests = places.root.join(TESTS);
    if !is_installed(&tests) {
        Program::new("npm", &tests).args(["ci", "--no-audit", "--no-fund"]).show_and_run()?;
    }
    let target = places.target()?;
    Program::new("node", &tests)
        .args(["--test", "--test-reporter=spec", &format!("--test-concurrency={AT_ONCE}")])
        .env("CONDUCTOR_TARGET", &target)
        .env("SCREENSHOTS", target.join("page/screenshots"))
        .show_and_run()
}

/// Whether the installed packages are those of the lock file. npm records what it installed, and the record must be
/// newer.
pub(crate) fn is_installed(tests: &Path) -> bool {
    let changed = |name: &str| tests.join(name).metadata().and_then(|file| file.modified()).ok();
    match (changed("node_modules/.package-lock.json"), changed("package-lock.json")) {
        (Some(installed), Some(locked)) => installed >= locked,
        (_, _) => false,
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn packages_are_installed_again_when_the_lock_file_changed() {
        let tests = tempfile::tempdir().expect("directory");
        fs::write(tests.path().join("package-lock.json"), "{}").expect("written");
        assert!(!is_installed(tests.path()), "nothing is installed");
        fs::create_dir(tests.path().join("node_modules")).expect("directory");
        fs::write(tests.path().join("node_modules/.package-lock.json"), "{}").expect("written");
        assert!(is_installed(tests.path()));
    }

    #[test]
    fn no_package_is_fetched_from_an_address_in_the_repository() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2).expect("root");
        let lock = fs::read_to_string(root.join(TESTS).join("package-lock.json")).expect("read");
        assert!(!lock.contains("\"resolved\""), "run npm with the .npmrc beside the lock file");
    }
}
