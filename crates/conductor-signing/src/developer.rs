//! Who a document says signed the plugin.

use std::fmt;

use serde::Serialize;

use crate::escape;
use crate::json::{FormatError, Members};
use crate::statement::bounded;

/// Longest name or address of a developer in bytes; keeps a document from filling the screen of whoever reads it.
const MAX_DEVELOPER_BYTES: usize = 256;

/// Name and address of a developer. They are claims: only a trusted key says who signed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Developer {
    name: String,
    email: String,
}

impl Developer {
    /// Checks what is about to be signed.
    ///
    /// # Errors
    ///
    /// Fails if a field is empty, longer than 256 bytes, or holds characters that would be escaped when shown.
    pub fn new(name: &str, email: &str) -> Result<Self, DeveloperError> {
        for (field, text) in [("name", name), ("email", email)] {
            if text.trim().is_empty() {
                return Err(DeveloperError::Empty { field });
            }
            if text.len() > MAX_DEVELOPER_BYTES {
                return Err(DeveloperError::TooLong { field });
            }
            if escape::terminal(text).to_string() != text {
                return Err(DeveloperError::Characters { field });
            }
        }
        Ok(Self { name: name.to_owned(), email: email.to_owned() })
    }

    /// The name, which may hold anything; escape it before showing it.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The address, which may hold anything; escape it before showing it.
    #[must_use]
    pub fn email(&self) -> &str {
        &self.email
    }

    /// Takes the member `developer` of a document or statement.
    pub(crate) fn take(members: &mut Members) -> Result<Self, FormatError> {
        let mut fields = members.object("developer")?;
        let mut field = |name| fields.parsed(name, |text| bounded(text, MAX_DEVELOPER_BYTES));
        let (name, email) = (field("name")?, field("email")?);
        fields.finish()?;
        Ok(Self { name, email })
    }
}

impl fmt::Display for Developer {
    /// Shows `Name <address>`, escaped for a terminal.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} <{}>", escape::terminal(&self.name), escape::terminal(&self.email))
    }
}

/// Why a developer's name or address cannot be signed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DeveloperError {
    /// There is nothing.
    #[error("developer {field} is empty")]
    Empty {
        /// `name` or `email`.
        field: &'static str,
    },
    /// More than 256 bytes.
    #[error("developer {field} is longer than {MAX_DEVELOPER_BYTES} bytes")]
    TooLong {
        /// `name` or `email`.
        field: &'static str,
    },
    /// Control, bidirectional or invisible characters.
    #[error("developer {field} holds control or invisible characters")]
    Characters {
        /// `name` or `email`.
        field: &'static str,
    },
}
