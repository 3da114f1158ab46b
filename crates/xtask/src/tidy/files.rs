//! Rules about a source file as a whole: its header, its length, its name, and whether it may contain `unsafe`.

use std::path::Path;

use crate::tidy::Violation;
use crate::tidy::source::Source;

/// Longest source file in lines. A longer one should become a folder.
const MAX_LINES: usize = 600;

/// Crates that may contain `unsafe` in a file that says why. All others forbid it.
const MAY_HOLD_UNSAFE: [&str; 2] = ["conductor-engine", "conductor-plugin"];

/// Checks every Rust file.
pub(crate) fn check(sources: &[Source]) -> Vec<Violation> {
    sources.iter().filter(|source| source.is_rust()).flat_map(check_file).collect()
}

fn check_file(source: &Source) -> Vec<Violation> {
    let mut violations = Vec::new();
    if !source.text.starts_with("//! ") {
        violations.push(source.violation(1, "the first line is a `//!` header that says what the file is"));
    }
    if source.path.ends_with("mod.rs") {
        violations.push(source.violation(0, "modules are named after themselves: `NAME.rs` beside `NAME/`"));
    }
    let lines = source.text.lines().count();
    if lines > MAX_LINES {
        violations.push(
            source.violation(MAX_LINES, format!("{lines} lines are more than {MAX_LINES}: make a folder")),
        );
    }
    if forbids_unsafe(source) && !source.code.contains("#![forbid(unsafe_code)]") {
        violations
            .push(source.violation(1, "this crate needs no unsafe code: add `#![forbid(unsafe_code)]`"));
    }
    violations
}

/// Whether the file is the root of a library or program that forbids `unsafe`.
fn forbids_unsafe(source: &Source) -> bool {
    let is_plugin = source.path.starts_with("plugins");
    let is_fuzzer = source.path.starts_with("fuzz");
    let is_crate = source.crate_name().is_some_and(|name| !MAY_HOLD_UNSAFE.contains(&name));
    (is_plugin || is_fuzzer || is_crate) && is_crate_root(&source.path)
}

fn is_crate_root(path: &Path) -> bool {
    let parts: Vec<&str> = path.components().filter_map(|part| part.as_os_str().to_str()).collect();
    let inside = parts.iter().position(|part| *part == "src").and_then(|index| parts.get(index + 1..));
    matches!(inside, Some(["lib.rs" | "main.rs"] | ["bin", _] | ["bin", _, "main.rs"]))
        || matches!(parts.as_slice(), ["fuzz", "fuzz_targets" | "src", _])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rules(path: &str, text: &str) -> Vec<String> {
        let violations = check(&[Source::new(Path::new(path), text.to_owned())]);
        violations.into_iter().map(|violation| violation.rule).collect()
    }

    #[test]
    fn a_file_without_a_header_is_found() {
        let found = rules("crates/conductor-core/src/x.rs", "use std::fs;\n");
        assert_eq!(found, ["the first line is a `//!` header that says what the file is"]);
    }

    #[test]
    fn a_module_called_mod_is_found() {
        assert_eq!(rules("crates/conductor-core/src/x/mod.rs", "//! X.\n").len(), 1);
    }

    #[test]
    fn a_file_that_is_too_long_is_found() {
        let text = format!("//! X.\n{}", "\n".repeat(MAX_LINES));
        assert_eq!(rules("crates/conductor-core/src/x.rs", &text).len(), 1);
    }

    #[test]
    fn a_crate_root_that_does_not_forbid_unsafe_is_found() {
        for root in ["src/lib.rs", "src/main.rs", "src/bin/tool.rs", "src/bin/tool/main.rs"] {
            assert_eq!(rules(&format!("crates/conductor-daemon/{root}"), "//! X.\n").len(), 1, "{root}");
            assert_eq!(rules(&format!("plugins/chord/{root}"), "//! X.\n").len(), 1, "{root}");
            assert!(rules(&format!("crates/conductor-engine/{root}"), "//! X.\n").is_empty(), "{root}");
        }
        for root in ["fuzz/fuzz_targets/module.rs", "fuzz/src/seeds.rs"] {
            assert_eq!(rules(root, "//! X.\n").len(), 1, "{root}");
            assert!(rules(root, "//! X.\n#![forbid(unsafe_code)]\n").is_empty(), "{root}");
        }
        let commented = "//! X.\n// #![forbid(unsafe_code)]\n";
        assert_eq!(rules("crates/conductor-daemon/src/lib.rs", commented).len(), 1);
        assert!(rules("crates/conductor-daemon/src/lib.rs", "//! X.\n#![forbid(unsafe_code)]\n").is_empty());
        assert!(rules("crates/conductor-daemon/src/bin/tool/sub.rs", "//! X.\n").is_empty());
    }
}
