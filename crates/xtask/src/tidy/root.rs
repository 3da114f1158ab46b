//! Checks which files and directories are at the root of the repository.

use std::fs;
use std::path::Path;

use crate::error::TaskError;
use crate::tidy::Violation;

/// The documents at the root. All other prose belongs to the manual in `docs/`.
const DOCUMENTS: [&str; 6] =
    ["ARCHITECTURE.md", "CHANGELOG.md", "CONTRIBUTING.md", "LICENSE", "README.md", "SECURITY.md"];

/// Files that tools expect at the root.
const FILES: [&str; 5] = ["Cargo.lock", "Cargo.toml", "clippy.toml", "deny.toml", "rustfmt.toml"];

/// Directories at the root. Hidden directories belong to tools.
const DIRECTORIES: [&str; 9] =
    ["bench", "crates", "docs", "fuzz", "plugins", "sdk", "target", "tests", "web"];

/// Finds entries of the root that should not be there, and documents that are missing.
pub(crate) fn check(root: &Path) -> Result<Vec<Violation>, TaskError> {
    let file_error = |source| TaskError::File { path: root.to_owned(), source };
    let mut names = Vec::new();
    for entry in fs::read_dir(root).map_err(file_error)? {
        let entry = entry.map_err(file_error)?;
        let is_directory = entry.file_type().map_err(file_error)?.is_dir();
        names.push((entry.file_name().to_string_lossy().into_owned(), is_directory));
    }
    Ok(check_names(&names))
}

fn check_names(names: &[(String, bool)]) -> Vec<Violation> {
    let mut violations = Vec::new();
    for (name, is_directory) in names {
        let known = match is_directory {
            true => DIRECTORIES.contains(&name.as_str()),
            false => DOCUMENTS.contains(&name.as_str()) || FILES.contains(&name.as_str()),
        };
        if !known && !name.starts_with('.') {
            let rule = match name.ends_with(".md") {
                true => "the root has six documents; this one belongs into docs/",
                false => "is not one of the files and directories of the root",
            };
            violations.push(Violation { path: name.into(), line: 0, rule: rule.to_owned() });
        }
    }
    // A tree with a `Cargo.toml` must have its documents; a bare directory need not.
    for document in DOCUMENTS {
        let is_tree = names.iter().any(|(name, _)| name == "Cargo.toml");
        if is_tree && !names.iter().any(|(name, _)| name == document) {
            violations.push(Violation { path: document.into(), line: 0, rule: "is missing".to_owned() });
        }
    }
    violations
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rules(extra: &[(&str, bool)]) -> Vec<String> {
        let mut names: Vec<(String, bool)> =
            DOCUMENTS.iter().map(|name| ((*name).to_owned(), false)).collect();
        names.extend(extra.iter().map(|(name, is_directory)| ((*name).to_owned(), *is_directory)));
        check_names(&names).iter().map(ToString::to_string).collect()
    }

    #[test]
    fn known_names_and_hidden_ones_pass() {
        assert!(
            rules(&[("crates", true), ("Cargo.toml", false), (".git", true), (".gitignore", false)])
                .is_empty()
        );
    }

    #[test]
    fn another_document_is_found() {
        let rule = "NOTES.md: the root has six documents; this one belongs into docs/";
        assert_eq!(rules(&[("NOTES.md", false)]), [rule]);
    }

    #[test]
    fn unknown_files_and_directories_are_found() {
        assert_eq!(rules(&[("core.dump", false), ("scratch", true), ("crates", false)]).len(), 3);
    }

    #[test]
    fn a_missing_document_is_found() {
        let names = [("Cargo.toml".to_owned(), false)];
        assert_eq!(check_names(&names).len(), DOCUMENTS.len());
    }
}
