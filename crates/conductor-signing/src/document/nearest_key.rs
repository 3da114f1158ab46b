//! Keys of a manifest that are not known, and which are meant.

/// Most slips of the finger after which a key is still taken for another.
const MAX_SLIPS: usize = 3;

/// A message about a key that is not known, with the known one that is nearest to it: `serde` names the one and then the others.
pub(crate) fn with_nearest(message: &str) -> String {
    let mut quoted = message.split('`').skip(1).step_by(2);
    let (Some(wrong), true) = (quoted.next(), message.starts_with("unknown field")) else {
        return message.to_owned();
    };
    let likeness = |known: &&str| strsim::damerau_levenshtein(wrong, known);
    let near = quoted.min_by_key(likeness).filter(|near| likeness(near) <= MAX_SLIPS);
    near.map_or_else(|| message.to_owned(), |near| format!("unknown field `{wrong}`; did you mean `{near}`?"))
}
