//! The name of a plugin, safe as a directory name, in a terminal and in a pattern.

use std::fmt;
use std::path::Path;
use std::str::FromStr;

/// Longest name in bytes; names become directory names and table columns.
const MAX_NAME_BYTES: usize = 64;

/// A plugin's name: a letter or digit, followed by letters, digits, `-`, `_` and `.`, at most 64 bytes of ASCII.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct PluginName(String);

impl PluginName {
    /// The name of a plugin without manifest and statement: the file name without its last extension.
    ///
    /// # Errors
    ///
    /// Fails if the result breaks the rules of names.
    pub fn from_file_name(file_name: &str) -> Result<Self, NameError> {
        Path::new(file_name).file_stem().and_then(|stem| stem.to_str()).unwrap_or_default().parse()
    }

    /// The name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for PluginName {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let first = text.bytes().next().ok_or(NameError::Empty)?;
        if text.len() > MAX_NAME_BYTES {
            return Err(NameError::TooLong);
        }
        let allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
        if !first.is_ascii_alphanumeric() || !text.bytes().all(allowed) {
            return Err(NameError::Characters);
        }
        Ok(Self(text.to_owned()))
    }
}

impl fmt::Display for PluginName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

/// Why a text is not the name of a plugin.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum NameError {
    /// The name is empty.
    #[error("plugin name is empty")]
    Empty,
    /// The name is longer than 64 bytes.
    #[error("plugin name is longer than {MAX_NAME_BYTES} bytes")]
    TooLong,
    /// The name has characters that are not allowed in names.
    #[error("plugin name must start with a letter or digit and hold only letters, digits, `-`, `_` and `.`")]
    Characters,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_could_be_paths_or_tricks_are_refused() {
        for text in [".", "..", "../x", "a/b", "a\\b", "-x", "_x", "a b", "a\u{202e}b", "a\n", "a\0", "é"] {
            assert_eq!(text.parse::<PluginName>(), Err(NameError::Characters), "{text:?}");
        }
        assert_eq!("".parse::<PluginName>(), Err(NameError::Empty));
        assert_eq!("x".repeat(65).parse::<PluginName>(), Err(NameError::TooLong));
    }

    #[test]
    fn every_name_that_a_manifest_may_have_is_a_name() {
        for text in ["a", "9", "chord", "my_plugin-2.0", &"x".repeat(64)] {
            let json = serde_json::json!({ "name": text, "version": "1" }).to_string();
            conductor_abi::Manifest::from_json(json.as_bytes()).expect("a manifest");
            assert_eq!(text.parse::<PluginName>().expect("a name").as_str(), text);
        }
    }

    #[test]
    fn file_names_lose_their_last_extension() {
        assert_eq!(PluginName::from_file_name("my_plugin.wasm").expect("a name").as_str(), "my_plugin");
        assert_eq!(PluginName::from_file_name("chord-1.2.wasm").expect("a name").as_str(), "chord-1.2");
        assert_eq!(PluginName::from_file_name("my plugin.wasm"), Err(NameError::Characters));
        assert_eq!(PluginName::from_file_name(""), Err(NameError::Empty));
    }
}
