//! What the standard says of JSON, section by section, held against the readers of documents and manifests.

#[path = "../../../../../tests/vectors/json/texts.rs"]
mod texts;

use super::parse;
use crate::document::module_scan;

#[test]
fn documents_are_read_as_the_standard_says() {
    texts::judge(true, |text| parse(text).ok());
}

/// The only place of a manifest in which any JSON may stand.
#[test]
fn parameters_in_manifests_are_read_as_the_standard_says() {
    texts::judge(true, |text| {
        let head = br#"{"name":"a","version":"1","actions":[{"name":"a","parameters":"#;
        let manifest = module_scan::parse_manifest(&[&head[..], text, b"}]}"].concat()).ok()?;
        Some(manifest.actions?.pop()?.parameters.unwrap_or_default())
    });
}
