//! Texts that plugins chose, cut to a length that fits into an answer.

/// Longest text of a plugin in an answer, in characters. A manifest has room for much longer texts, and there may be
/// hundreds of plugins.
const MAX_WORDS: usize = 1000;

/// The beginning of a text.
pub(super) fn excerpt(text: &str) -> String {
    match text.char_indices().nth(MAX_WORDS).and_then(|(index, _)| text.get(..index)) {
        Some(beginning) => format!("{beginning}…"),
        None => text.to_owned(),
    }
}
