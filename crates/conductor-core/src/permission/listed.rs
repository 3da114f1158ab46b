//! Grants as they are told in one line.

use conductor_policy::grant::GrantSpec;

/// Grants one after the other.
pub(super) struct Listed<'g>(pub(super) &'g [GrantSpec]);

impl std::fmt::Display for Listed<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for (index, grant) in self.0.iter().enumerate() {
            let separator = if index == 0 { "" } else { ", " };
            write!(f, "{separator}{grant}")?;
        }
        Ok(())
    }
}
