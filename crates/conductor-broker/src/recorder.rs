//! What a plugin turns out to need, written down while it runs.

use std::collections::BTreeSet;
use std::sync::{Mutex, PoisonError};

use conductor_abi::Capability;
use conductor_policy::grant::GrantSpec;

/// Most different needs that are kept; a plugin could ask for ever new ones.
const MAX_NEEDS: usize = 256;

/// Writes down what a plugin asks for, whether it is done or denied.
#[derive(Debug, Default)]
pub struct Recorder(Mutex<BTreeSet<(Capability, String)>>);

impl Recorder {
    /// What the plugin asked for, each as the least grant that allows it, sorted.
    #[must_use]
    pub fn needs(&self) -> Vec<GrantSpec> {
        let needs = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        needs.iter().filter_map(|(capability, scope)| spec(*capability, scope)).collect()
    }

    /// Takes note of something that a plugin asked for.
    pub fn note(&self, capability: Capability, scope: String) {
        let mut needs = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if needs.len() < MAX_NEEDS {
            needs.insert((capability, scope));
        }
    }
}

/// The grant of a scope. What cannot be written as one, such as a name that is too long, has no grant.
fn spec(capability: Capability, scope: &str) -> Option<GrantSpec> {
    let separator = if scope.is_empty() { "" } else { "=" };
    format!("{capability}{separator}{scope}").parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn needs_are_sorted_and_each_is_told_once() {
        let recorder = Recorder::default();
        for (capability, scope) in [
            (Capability::SystemControl, "lock"),
            (Capability::Network, "b.example;methods=GET"),
            (Capability::Network, "b.example;methods=GET"),
            (Capability::Midi, ""),
            (Capability::Network, "no host;"),
        ] {
            recorder.note(capability, scope.to_owned());
        }
        let needs: Vec<String> = recorder.needs().iter().map(ToString::to_string).collect();
        assert_eq!(needs, ["Network=b.example;methods=GET", "Midi", "SystemControl=lock"]);
    }
}
