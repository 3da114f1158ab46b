//! Secrets that a plugin asks the user for, and never sees: the host puts them into header fields.

use alloc::string::{String, ToString};
use alloc::vec::Vec;

use serde::{Deserialize, Serialize};

use super::{MAX_TEXT_BYTES, ManifestError, check_count_of, check_name, check_text};

/// Most secrets of one plugin; each is a decision of the user.
pub const MAX_SECRETS: usize = 16;

/// Most hosts of one secret; the user reads and confirms each.
pub const MAX_SECRET_HOSTS: usize = 16;

/// Longest host with its port in bytes: a name of the DNS, a colon and a port.
const MAX_HOST_BYTES: usize = 253 + 6;

/// One secret that a plugin asks for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SecretSpec {
    /// Name that the plugin writes as `{secret:NAME}` in the value of a header field.
    pub name: String,
    /// Why the plugin needs the secret, for the person who enters it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Hosts that the secret may be sent to, each as `HOST` or `HOST:PORT`.
    pub hosts: Vec<String>,
}

impl SecretSpec {
    /// Checks the name, and that each host is a single one.
    pub(super) fn check(&self) -> Result<(), ManifestError> {
        check_name("secrets.name", &self.name)?;
        check_text("secrets.reason", self.reason.as_deref(), MAX_TEXT_BYTES)?;
        check_count_of("secrets.hosts", self.hosts.len(), MAX_SECRET_HOSTS)?;
        if self.hosts.is_empty() {
            return Err(ManifestError::Empty { field: "secrets.hosts" });
        }
        for host in &self.hosts {
            check_text("secrets.hosts", Some(host), MAX_HOST_BYTES)?;
            let is_host = |character: char| {
                !character.is_whitespace() && !character.is_control() && !"*/\\@?#{}".contains(character)
            };
            if host.is_empty() || !host.chars().all(is_host) {
                let cause = "a host is written as `HOST` or `HOST:PORT`, without `*`, scheme and path";
                return Err(ManifestError::Secret { name: self.name.clone(), cause: cause.to_string() });
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use alloc::format;
    use alloc::vec::Vec;

    use serde_json::{Value, json};

    use super::*;
    use crate::Manifest;

    fn refusal(secrets: &Value) -> Option<String> {
        let manifest = json!({"name": "a", "version": "1", "secrets": secrets});
        Manifest::from_json(&serde_json::to_vec(&manifest).expect("json"))
            .err()
            .map(|error| error.to_string())
    }

    #[test]
    fn a_secret_names_single_hosts() {
        for host in ["api.example.org", "api.example.org:8443", "localhost:8123", "[::1]:80"] {
            assert_eq!(refusal(&json!([{"name": "token", "hosts": [host]}])), None, "{host}");
        }
        for host in
            ["*", "*.example.org", "https://a.example", "a.example/x", "me@a.example", "a b", "", "a\n"]
        {
            assert!(refusal(&json!([{"name": "token", "hosts": [host]}])).is_some(), "{host}");
        }
    }

    #[test]
    fn there_is_a_bound_on_everything() {
        let hosts: Vec<String> = (0..=MAX_SECRET_HOSTS).map(|n| format!("h{n}.example")).collect();
        let many: Vec<Value> =
            (0..=MAX_SECRETS).map(|n| json!({"name": format!("s{n}"), "hosts": ["a.example"]})).collect();
        for (secrets, expected) in [
            (json!([{"name": "a"}]), "missing field `hosts`"),
            (json!([{"name": "a", "hosts": []}]), "`secrets.hosts` is empty"),
            (json!([{"name": "a", "hosts": hosts}]), "`secrets.hosts` has more than 16"),
            (json!(many), "`secrets` has more than 16"),
            (json!([{"name": "a}", "hosts": ["a.example"]}]), "secrets.name"),
            (json!([{"name": "a", "hosts": ["a.example"], "value": "x"}]), "unknown field `value`"),
            (
                json!([{"name": "a", "hosts": ["a.example"]}, {"name": "a", "hosts": ["b.example"]}]),
                "same name twice",
            ),
        ] {
            let error = refusal(&secrets).expect("refused");
            assert!(error.contains(expected), "{secrets}: {error}");
        }
    }
}
