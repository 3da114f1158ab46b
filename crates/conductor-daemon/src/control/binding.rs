//! A plugin that is another one than its alias is bound to, in the words of the control protocol.

use conductor_core::binding::{BindingChange, Bound};
use conductor_core::grant::GrantSpec;

use super::excerpt::excerpt;
use super::message::{BindingChangeStatus, BoundStatus};
use crate::words::trust;

/// Most grants in an answer.
const MAX_ENTRIES: usize = 100;

/// The change that the user is to decide about.
pub(super) fn change(change: &BindingChange) -> BindingChangeStatus {
    BindingChangeStatus {
        shown: change.shown().to_string(),
        before: bound(&change.before),
        now: bound(&change.now),
        digest: change.digest.to_string(),
        trust: excerpt(&trust::in_words(&change.trust)),
        ignored: change.ignored.as_deref().map(excerpt),
        granted: change.granted.iter().take(MAX_ENTRIES).map(GrantSpec::to_string).collect(),
        denied: change.denied.iter().map(ToString::to_string).collect(),
        differences: differences(change),
    }
}

fn bound(bound: &Bound) -> BoundStatus {
    let words = bound.publisher.map(|key| key.fingerprint().words().join(" "));
    BoundStatus {
        name: bound.name.to_string(),
        version: bound.version.as_deref().map(excerpt),
        publisher: bound.publisher.map(|key| key.to_string()),
        words,
    }
}

/// The differences from the plugin that the alias is bound to.
fn differences(change: &BindingChange) -> Vec<String> {
    let BindingChange { before, now, missing_cosigners, lacks_statement, pinned_until_now, .. } = change;
    let mut differences = Vec::new();
    if before.name != now.name {
        differences.push(format!("another name: {} in place of {}", now.name, before.name));
    }
    match (&before.publisher, &now.publisher) {
        (Some(old), Some(new)) if old != new => {
            differences.push(format!("another publisher: signed by {new} in place of {old}"));
        }
        (Some(old), None) => differences.push(format!("not signed any more; it was signed by {old}")),
        (None, Some(new)) => differences.push(format!("signed now, by {new}; it was not signed")),
        (Some(_), Some(_)) | (None, None) => {}
    }
    if let Some(key) = pinned_until_now.filter(|key| before.publisher != Some(*key)) {
        differences.push(format!(
            "the name {} belonged to another publisher, {key}, whose plugins are refused under it from then on",
            now.name
        ));
    }
    differences.extend(missing_cosigners.iter().map(|key| format!("not cosigned any more by {key}")));
    if *lacks_statement && now.publisher.is_some() {
        differences
            .push("its signature comes without a statement about name, version and capabilities".into());
    }
    if before.version != now.version {
        let or_none = |version: &Option<String>| version.as_deref().map_or("none".to_owned(), excerpt);
        let (old, new) = (or_none(&before.version), or_none(&now.version));
        differences.push(format!("version {new} in place of {old}"));
    }
    differences
}
