//! Reads a table of vectors: a file in TOML with a verdict in each entry, as `README.md` says. The tests that judge them include
//! this file.

use std::collections::BTreeSet;
use std::path::Path;

use serde::Deserialize;
use serde::de::DeserializeOwned;

/// What every entry has.
pub(crate) trait Named {
    /// What is tried; no two entries of a table have the same.
    fn name(&self) -> &str;
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Table<V> {
    vector: Vec<V>,
}

/// The entries of a table, by its path in `tests/vectors`. A table that is missing, is not understood, or has fewer than `least`
/// entries fails the test.
pub(crate) fn read<V: Named + DeserializeOwned>(path: &str, least: usize) -> Vec<V> {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/vectors").join(path);
    let text = std::fs::read_to_string(&file).unwrap_or_else(|error| panic!("{path}: {error}"));
    let Table { vector: vectors } =
        toml::from_str::<Table<V>>(&text).unwrap_or_else(|error| panic!("{path}: {error}"));
    assert!(vectors.len() >= least, "{path} has {} entries of at least {least}", vectors.len());
    let mut names = BTreeSet::new();
    for vector in &vectors {
        assert!(names.insert(vector.name()), "{path}: two entries are named {:?}", vector.name());
    }
    vectors
}
