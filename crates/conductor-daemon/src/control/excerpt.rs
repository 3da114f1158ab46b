//! Texts of a plugin's making, cut to what fits into an answer.

/// Longest text of a plugin's making in an answer, in characters; a manifest has room for much longer ones, and there
/// may be hundreds of plugins.
const MAX_WORDS: usize = 1000;

/// The beginning of a text.
pub(super) fn excerpt(text: &str) -> String {
    match text.char_indices().nth(MAX_WORDS).and_then(|(index, _)| text.get(..index)) {
        Some(beginning) => format!("{beginning}…"),
        None => text.to_owned(),
    }
}
