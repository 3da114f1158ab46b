//! Suggests the known key for an unknown key of a manifest.

/// Most typing errors for which an unknown key is still taken for a known one.
const MAX_SLIPS: usize = 3;

/// The parser's message about an unknown key, with the nearest known key added. The message of `serde` names the
/// unknown key first and then the known keys.
pub(crate) fn with_nearest(message: &str) -> String {
    let mut quoted = message.split('`').skip(1).step_by(2);
    let (Some(wrong), true) = (quoted.next(), message.starts_with("unknown field")) else {
        return message.to_owned();
    };
    let likeness = |known: &&str| strsim::damerau_levenshtein(wrong, known);
    let near = quoted.min_by_key(likeness).filter(|near| likeness(near) <= MAX_SLIPS);
    near.map_or_else(|| message.to_owned(), |near| format!("unknown field `{wrong}`; did you mean `{near}`?"))
}
