//! The person or organisation that a document names as the signer of the plugin.

use std::fmt;

use conductor_store::escape;
use serde::Serialize;

use crate::document::json::{FormatError, Members, bounded};
use crate::text::shown_text::{self, MAX_SHOWN_BYTES, ShownTextError};

/// Name and address of a developer. Both are claims: only a trusted key proves who signed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Developer {
    name: String,
    email: String,
}

impl Developer {
    /// Checks a name and an address that are about to be signed.
    ///
    /// # Errors
    ///
    /// Fails if the name or the address has characters or a length that is not allowed.
    pub fn new(name: &str, email: &str) -> Result<Self, DeveloperError> {
        let refused = |field| move |cause| DeveloperError { field, cause };
        shown_text::check_name(name).map_err(refused("name"))?;
        shown_text::check_address(email).map_err(refused("email"))?;
        Ok(Self { name: name.to_owned(), email: email.to_owned() })
    }

    /// Whether the name mixes alphabets in a way that makes the name suspicious.
    #[must_use]
    pub fn mixes_scripts(&self) -> bool {
        shown_text::mixes_scripts(&self.name)
    }

    /// The name. Documents may hold any text here: escape it before showing it.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The address. Documents may hold any text here: escape it before showing it.
    #[must_use]
    pub fn email(&self) -> &str {
        &self.email
    }

    /// Takes the member `developer` of a document or statement.
    pub(crate) fn take(members: &mut Members) -> Result<Self, FormatError> {
        let mut fields = members.object("developer")?;
        let mut field = |name| fields.parsed(name, |text| bounded(text, MAX_SHOWN_BYTES));
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
#[error("developer {field}: {cause}")]
pub struct DeveloperError {
    /// `name` or `email`.
    pub field: &'static str,
    /// The rule that the text breaks.
    pub cause: ShownTextError,
}
