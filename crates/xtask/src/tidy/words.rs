//! Finds words that stand for unfinished work, and tests that do not run.

use crate::tidy::Violation;
use crate::tidy::source::{Source, has_word};

/// Words for unfinished work. Each is written in two halves, so that this rule does not find its own list.
const UNFINISHED: [&str; 4] =
    [concat!("TO", "DO"), concat!("FIX", "ME"), concat!("XX", "X"), concat!("HA", "CK")];

/// Macros that must not be in the code, with the reason.
const MACROS: [(&str, &str); 3] = [
    ("todo!", "finish it, or leave it out"),
    ("unimplemented!", "finish it, or leave it out"),
    ("dbg!", "use tracing, or leave it out"),
];

/// Checks every file for words, and Rust for macros and skipped tests.
pub(crate) fn check(sources: &[Source]) -> Vec<Violation> {
    sources
        .iter()
        .flat_map(|source| [unfinished(source), macros(source), skipped(source)])
        .flatten()
        .collect()
}

fn unfinished(source: &Source) -> Vec<Violation> {
    each_line(source, &source.text, |line| {
        let word = UNFINISHED.iter().find(|word| has_word(line, word))?;
        Some(format!("`{word}` promises work: do it, or open an issue"))
    })
}

fn macros(source: &Source) -> Vec<Violation> {
    each_line(source, &source.code, |line| {
        let (name, reason) = MACROS
            .iter()
            .find(|(name, _)| has_word(line, name.trim_end_matches('!')) && line.contains(name))?;
        Some(format!("`{name}` must not be in the code: {reason}"))
    })
}

fn skipped(source: &Source) -> Vec<Violation> {
    let mut violations = each_line(source, &source.code, |line| {
        let attribute = line.trim_start().starts_with("#[") && has_word(line, "ignore");
        attribute.then(|| "a test that does not run shows nothing: make it run, or remove it".to_owned())
    });
    violations.extend(each_line(source, &source.text, |line| {
        let line = line.trim_start();
        let fence = line.starts_with("//") && line.contains("```") && has_word(line, "ignore");
        (fence && source.is_rust())
            .then(|| "an example that does not run shows nothing: make it run".to_owned())
    }));
    violations
}

fn each_line(source: &Source, text: &str, rule: impl Fn(&str) -> Option<String>) -> Vec<Violation> {
    let lines = text.lines().enumerate();
    lines.filter_map(|(index, line)| Some(source.violation(index + 1, rule(line)?))).collect()
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    fn lines(path: &str, text: &str) -> Vec<usize> {
        let violations = check(&[Source::new(Path::new(path), text.to_owned())]);
        violations.into_iter().map(|violation| violation.line).collect()
    }

    #[test]
    fn unfinished_work_is_found_in_code_and_prose() {
        for word in UNFINISHED {
            assert_eq!(lines("a.rs", &format!("//! X.\n// {word}: later\n")), [2]);
            assert_eq!(lines("a.md", &format!("{word}\n")), [1]);
        }
        assert!(lines("a.rs", "let template = \"XXXXXX\";\n").is_empty());
    }

    #[test]
    fn macros_are_found_in_code_only() {
        assert_eq!(lines("a.rs", "fn f() {\n    todo!()\n}\n"), [2]);
        assert_eq!(lines("a.rs", "let x = dbg!(1);\n"), [1]);
        assert!(lines("a.rs", "// todo! is a macro\nlet x = \"dbg!\";\n").is_empty());
    }

    #[test]
    fn skipped_tests_are_found() {
        assert_eq!(lines("a.rs", "#[test]\n#[ignore]\nfn f() {}\n"), [2]);
        assert_eq!(lines("a.rs", "#[ignore = \"slow\"]\n"), [1]);
        assert_eq!(lines("a.rs", "#[cfg_attr(unix, ignore)]\n"), [1]);
        assert_eq!(lines("a.rs", "/// ```ignore\n"), [1]);
        assert_eq!(lines("a.rs", "//! ```rust,ignore\n"), [1]);
        assert!(lines("a.rs", "let ignore = 1; // ignore\n").is_empty());
    }
}
