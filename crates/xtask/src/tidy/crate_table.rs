//! Checks the table of crates in ARCHITECTURE.md, which goes from the lowest to the highest crate. The table and the
//! workspace must name the same crates, and no crate may depend on one below it in the table.

use std::collections::BTreeMap;
use std::path::Path;

use crate::tidy::Violation;
use crate::tidy::layers::dependencies;
use crate::tidy::source::Source;

/// The document with the table.
const DOCUMENT: &str = "ARCHITECTURE.md";

/// The first cell of the table's heading. The table is the first in the document with this heading.
const HEAD: &str = "crate";

/// One row of the table.
pub(crate) struct Row<'a> {
    /// The row's line, counted from 1.
    pub(crate) line: usize,
    /// The whole row.
    pub(crate) text: &'a str,
    /// The crates that the first cell names.
    pub(crate) crates: Vec<&'a str>,
}

/// The document with the table.
pub(crate) fn document(sources: &[Source]) -> Option<&Source> {
    sources.iter().find(|source| source.path == Path::new(DOCUMENT))
}

/// The rows of the table.
pub(crate) fn rows(document: &Source) -> Vec<Row<'_>> {
    let lines = document.text.lines().enumerate().map(|(index, text)| (index + 1, text));
    let table = lines.skip_while(|(_, text)| first_cell(text) != Some(HEAD));
    let rows = table.skip(2).take_while(|(_, text)| text.starts_with('|'));
    rows.map(|(line, text)| Row { line, text, crates: in_backticks(first_cell(text).unwrap_or_default()) })
        .collect()
}

fn first_cell(line: &str) -> Option<&str> {
    line.strip_prefix('|')?.split('|').next().map(str::trim)
}

fn in_backticks(text: &str) -> Vec<&str> {
    text.split('`').skip(1).step_by(2).collect()
}

/// Checks the table against the manifests.
pub(crate) fn check(sources: &[Source]) -> Vec<Violation> {
    let Some(document) = document(sources) else { return Vec::new() };
    let members = members(sources);
    let rows = rows(document);
    let mut violations = Vec::new();
    let mut places = BTreeMap::new();
    for row in &rows {
        for name in &row.crates {
            if !members.contains_key(*name) {
                let rule =
                    format!("`{name}` is no member of the workspace: take it out of the table of crates");
                violations.push(document.violation(row.line, rule));
            }
            if places.insert((*name).to_owned(), row.line).is_some() {
                violations.push(
                    document.violation(row.line, format!("`{name}` has two rows in the table of crates")),
                );
            }
        }
    }
    for (name, (manifest, dependencies)) in &members {
        let Some(place) = places.get(name) else {
            let rule = format!("`{name}` is missing in the table of crates of {DOCUMENT}: give it a row");
            violations.push(manifest.violation(0, rule));
            continue;
        };
        for below in dependencies.iter().filter(|name| places.get(*name).is_some_and(|other| other > place)) {
            let rule = format!(
                "`{name}` depends on `{below}`, which stands below it in the table of crates: move its row up, or cut \
                 the dependency"
            );
            violations.push(document.violation(*place, rule));
        }
    }
    violations
}

/// Every member of the workspace: its manifest and its dependencies.
fn members(sources: &[Source]) -> BTreeMap<String, (&Source, Vec<String>)> {
    let table = |source: &Source| source.text.parse::<toml::Table>().unwrap_or_default();
    let manifests = sources.iter().filter(|source| source.path.ends_with("Cargo.toml"));
    let root = sources.iter().find(|source| source.path == Path::new("Cargo.toml")).map(table);
    let workspace = root.as_ref().and_then(|root| root.get("workspace")?.get("members")?.as_array());
    let patterns: Vec<&str> = workspace.into_iter().flatten().filter_map(toml::Value::as_str).collect();
    let of_workspace = manifests.filter(|source| patterns.iter().any(|pattern| fits(pattern, &source.path)));
    of_workspace
        .filter_map(|source| {
            let manifest = table(source);
            let name = manifest.get("package")?.get("name")?.as_str()?.to_owned();
            Some((name, (source, dependencies(&manifest))))
        })
        .collect()
}

/// Whether a manifest belongs to the members that this pattern names: a directory, or `DIRECTORY/*`.
fn fits(pattern: &str, manifest: &Path) -> bool {
    let Some(directory) = manifest.parent() else { return false };
    match pattern.strip_suffix("/*") {
        Some(above) => directory.parent() == Some(Path::new(above)),
        None => directory == Path::new(pattern),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tidy::small_tree::SmallTree;

    const TABLE: &str = "# Architecture\n\n| crate | holds |\n|---|---|\n| `low` | words |\n| `high`, `side` | deeds |\n\n| crate | why |\n|---|---|\n| `serde` | reads |\n";

    fn rules(table: &str, of_low: &str, crates: &[&str]) -> Vec<String> {
        let tree = SmallTree::new(&[
            ("ARCHITECTURE.md", table),
            ("Cargo.toml", "[workspace]\nmembers = [\"crates/*\"]\n"),
        ]);
        for name in crates {
            let dependencies = if *name == "low" { of_low } else { "low.workspace = true" };
            let manifest = format!("[package]\nname = \"{name}\"\n\n[dependencies]\n{dependencies}\n");
            tree.write(&format!("crates/{name}/Cargo.toml"), &manifest);
        }
        check(&tree.sources()).iter().map(ToString::to_string).collect()
    }

    #[test]
    fn a_table_that_names_every_member_passes() {
        assert_eq!(rules(TABLE, "serde = \"1\"", &["low", "high", "side"]), [""; 0]);
    }

    #[test]
    fn a_crate_without_a_row_and_a_row_without_a_crate_are_found() {
        let found = rules(TABLE, "", &["low", "high", "new"]);
        assert_eq!(
            found,
            [
                "ARCHITECTURE.md:6: `side` is no member of the workspace: take it out of the table of crates",
                "crates/new/Cargo.toml: `new` is missing in the table of crates of ARCHITECTURE.md: give it a row",
            ]
        );
    }

    #[test]
    fn a_crate_with_two_rows_is_found() {
        let twice = TABLE.replace("`low` | words |", "`low` | words |\n| `low` | more |");
        let found = rules(&twice, "", &["low", "high", "side"]);
        assert_eq!(found, ["ARCHITECTURE.md:6: `low` has two rows in the table of crates"]);
    }

    #[test]
    fn a_dependency_that_stands_below_is_found() {
        let found = rules(TABLE, "high.workspace = true", &["low", "high", "side"]);
        assert_eq!(
            found,
            [
                "ARCHITECTURE.md:5: `low` depends on `high`, which stands below it in the table of crates: move its row up, \
                 or cut the dependency"
            ]
        );
    }
}
