//! Which host a URL means, and which scopes cover it: the table `tests/vectors/url/hosts.toml`.

#![expect(clippy::panic, reason = "a table that cannot be read fails the test")]

#[path = "../../../tests/vectors/table.rs"]
mod table;

use conductor_policy::scope::{HostPattern, normal_host};
use serde::Deserialize;
use url::Url;

/// A URL with its verdict.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Vector {
    name: String,
    clause: String,
    /// Why, where the clause leaves it open or this program goes on where the standard ends.
    #[serde(default)]
    why: String,
    url: String,
    /// The host as the standard writes it; none if the URL is none, or has no host.
    host: Option<String>,
    /// Hosts in scopes that cover it.
    #[serde(default)]
    covers: Vec<String>,
    /// Hosts in scopes that do not.
    #[serde(default)]
    misses: Vec<String>,
    /// Whether it names a user or a password.
    #[serde(default)]
    userinfo: bool,
}

impl table::Named for Vector {
    fn name(&self) -> &str {
        &self.name
    }
}

impl Vector {
    /// What is wrong; empty if nothing is.
    fn judge(&self) -> Vec<String> {
        let url = Url::parse(&self.url).ok();
        let host = url.as_ref().and_then(Url::host);
        let shown = host.as_ref().map(ToString::to_string);
        if shown != self.host {
            return vec![format!("the host is {shown:?}")];
        }
        let (Some(url), Some(host)) = (&url, host) else {
            let scopes = self.covers.len() + self.misses.len();
            return if scopes == 0 { Vec::new() } else { vec!["there is no host to cover".to_owned()] };
        };
        let mut wrong = Vec::new();
        if self.userinfo == (url.username().is_empty() && url.password().is_none()) {
            wrong.push("whether it names a user".to_owned());
        }
        let (host, port) = (normal_host(host), url.port_or_known_default().unwrap_or_default());
        for (scopes, expected) in [(&self.covers, true), (&self.misses, false)] {
            for scope in scopes {
                let covers = HostPattern::parse(scope).map(|pattern| pattern.covers(&host, port));
                if covers != Some(expected) {
                    wrong.push(format!("`{scope}` covers it: {covers:?}"));
                }
            }
        }
        wrong
    }
}

#[test]
fn every_url_means_the_host_that_the_standard_says_and_no_other() {
    let mut wrong = Vec::new();
    for vector in table::read::<Vector>("url/hosts.toml", 200) {
        let Vector { name, clause, why, url, .. } = &vector;
        wrong.extend(vector.judge().iter().map(|text| format!("{name} ({clause}; {why}) {url:?}: {text}")));
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
