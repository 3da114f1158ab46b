//! Links between documents: each must lead to an existing file.

use std::path::Path;

use crate::tidy::Violation;
use crate::tidy::source::Source;

/// Checks the local links of every Markdown file. Addresses on the web are not checked.
pub(crate) fn check(root: &Path, sources: &[Source]) -> Vec<Violation> {
    let documents =
        sources.iter().filter(|source| source.path.extension().is_some_and(|extension| extension == "md"));
    documents.flat_map(|document| check_document(root, document)).collect()
}

fn check_document(root: &Path, document: &Source) -> Vec<Violation> {
    let directory = root.join(&document.path).parent().map(Path::to_owned).unwrap_or_default();
    let mut violations = Vec::new();
    let mut in_code = false;
    for (index, line) in document.text.lines().enumerate() {
        if line.trim_start().starts_with("```") {
            in_code = !in_code;
        }
        if in_code {
            continue;
        }
        for target in targets(line) {
            let file = target.split('#').next().unwrap_or_default();
            let is_local = !file.is_empty() && !target.contains("://") && !target.starts_with("mailto:");
            if is_local && !directory.join(file).exists() {
                violations
                    .push(document.violation(index + 1, format!("the link to `{target}` leads nowhere")));
            }
        }
    }
    violations
}

/// The targets of inline links: the text in `](…)`.
fn targets(line: &str) -> impl Iterator<Item = &str> {
    line.split("](").skip(1).filter_map(|rest| rest.split([')', ' ']).next())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rules(text: &str) -> Vec<String> {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        let document = Source::new(Path::new("src/page.md"), text.to_owned());
        check(root, &[document]).into_iter().map(|violation| violation.rule).collect()
    }

    #[test]
    fn a_link_to_nothing_is_found() {
        assert_eq!(rules("[a](main.rs) and [b](gone.md#part)"), ["the link to `gone.md#part` leads nowhere"]);
    }

    #[test]
    fn addresses_anchors_and_code_are_passed_over() {
        assert!(
            rules("[a](https://example.org/x) [b](#here)\n```\n[c](gone.md)\n```\n[d](../Cargo.toml)")
                .is_empty()
        );
    }
}
