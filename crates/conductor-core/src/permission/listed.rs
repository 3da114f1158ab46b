//! Grants and hosts on one line.

use std::fmt::Display;

/// Shows entries one after another.
pub(super) struct Listed<'g, T>(pub(super) &'g [T]);

impl<T: Display> Display for Listed<'_, T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for (index, entry) in self.0.iter().enumerate() {
            let separator = if index == 0 { "" } else { ", " };
            write!(f, "{separator}{entry}")?;
        }
        Ok(())
    }
}
