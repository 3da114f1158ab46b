//! Lock files: the packages that are fuzzed are those that are shipped, and are built once for both.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use crate::tidy::Violation;
use crate::tidy::source::Source;

/// The lock file that sets the versions.
const MAIN: &str = "Cargo.lock";

/// The lock file that must follow.
const FUZZ: &str = "fuzz/Cargo.lock";

/// Checks that a package which both lock files name has the same versions in both.
pub(crate) fn check(sources: &[Source]) -> Vec<Violation> {
    let find = |path: &str| sources.iter().find(|source| source.path == Path::new(path));
    let (Some(main), Some(fuzz)) = (find(MAIN), find(FUZZ)) else { return Vec::new() };
    let (wanted, found) = (versions(&main.text), versions(&fuzz.text));
    let mut violations = Vec::new();
    for (name, versions) in &found {
        let Some(wanted) = wanted.get(name) else { continue };
        for version in versions.difference(wanted) {
            violations.push(fuzz.violation(
                0,
                format!(
                    "has `{name}` {version}, which {MAIN} has not: copy {MAIN} here, then run \
                     `cargo metadata --manifest-path fuzz/Cargo.toml`"
                ),
            ));
        }
    }
    violations
}

/// Versions of every package of a lock file, by name.
fn versions(lock: &str) -> BTreeMap<String, BTreeSet<String>> {
    let table: toml::Table = lock.parse().unwrap_or_default();
    let packages = table.get("package").and_then(toml::Value::as_array).into_iter().flatten();
    let mut versions = BTreeMap::<_, BTreeSet<_>>::new();
    for package in packages {
        let text = |field| package.get(field).and_then(toml::Value::as_str).map(str::to_owned);
        if let (Some(name), Some(version)) = (text("name"), text("version")) {
            versions.entry(name).or_default().insert(version);
        }
    }
    versions
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lock(path: &str, packages: &[(&str, &str)]) -> Source {
        let package = |(name, version): &(&str, &str)| {
            format!("[[package]]\nname = \"{name}\"\nversion = \"{version}\"\n\n")
        };
        Source::new(Path::new(path), packages.iter().map(package).collect())
    }

    #[test]
    fn another_version_of_a_shared_package_is_found() {
        let main = lock(MAIN, &[("a", "1.0.0"), ("a", "2.0.0"), ("b", "1.0.0")]);
        let same = lock(FUZZ, &[("a", "2.0.0"), ("fuzzer", "1.0.0")]);
        let other = lock(FUZZ, &[("a", "2.0.1"), ("b", "1.0.0")]);
        assert!(check(&[main, same]).is_empty());
        let main = lock(MAIN, &[("a", "1.0.0"), ("a", "2.0.0"), ("b", "1.0.0")]);
        let found = check(&[main, other]);
        assert_eq!(found.len(), 1);
        assert!(found[0].rule.starts_with("has `a` 2.0.1, which Cargo.lock has not"));
    }
}
