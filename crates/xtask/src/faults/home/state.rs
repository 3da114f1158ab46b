//! What is found in a home: what is decided, what runs, which files there are.

use std::collections::BTreeSet;

use serde_json::Value as Json;
use walkdir::WalkDir;

use super::Home;
use crate::error::TaskError;
use crate::faults::deed::{By, Deed};

/// Files of which there may be any number, because they can be made again.
pub(super) const CACHE: &str = ".cache";

/// Members that say when something was decided, which no two runs have in common.
const TIMES: [&str; 6] =
    ["added_at", "removed_at", "revoked_at", "accepted_at", "statement_seen_at", "since"];

/// What is shown of a plugin that matters here.
const SHOWN: [&str; 8] = ["alias", "name", "state", "why", "trust", "digest", "bound_to", "capabilities"];

/// What it is, and what it may do.
const IDENTITY: [&str; 4] = ["alias", "name", "digest", "capabilities"];

/// What is said of a plugin that is called.
const RUNNING: &str = "running";

/// A plugin as the daemon shows it.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::faults) struct Row {
    /// Whether it is called.
    pub(in crate::faults) runs: bool,
    /// All that matters of it.
    pub(in crate::faults) text: String,
    /// What it is, and what it may do.
    pub(in crate::faults) identity: String,
}

/// What is decided, and what runs for it, in a form that can be compared.
#[derive(Clone, PartialEq, Eq, Default)]
pub(in crate::faults) struct State {
    decided: String,
    /// Plugins, if a daemon was asked.
    pub(in crate::faults) rows: Vec<Row>,
}

impl State {
    /// Each part of it.
    pub(in crate::faults) fn lines(&self) -> impl Iterator<Item = &str> {
        self.decided.lines().chain(self.rows.iter().map(|row| row.text.as_str()))
    }
}

impl Home {
    /// Does the deed once more, undisturbed; it may say that it is done already.
    pub(in crate::faults) fn do_again(&self, deed: &Deed) -> Result<(), TaskError> {
        if deed.by == By::Sign {
            self.run("conductor-sign", deed.words)?;
            self.state(deed)?;
        }
        // Of any other the next start has been, and it is what cleans up.
        Ok(())
    }

    /// What is decided, read by the next start.
    pub(in crate::faults) fn state(&self, deed: &Deed) -> Result<State, TaskError> {
        let mut state = State::default();
        if deed.needs_daemon() {
            state.rows = self.with_daemon(Self::rows)?;
            self.must("conductorctl", &["audit", "verify"])?;
        }
        for words in [["trust", "list"], ["trust", "revoked"], ["trust", "pins"], ["trust", "rotations"]] {
            let said = self.must("conductor-sign", &[&words[..], &["--json"]].concat())?;
            let mut json: Json = serde_json::from_str(&said).unwrap_or_default();
            without_times(&mut json);
            state.decided += &format!("{json}\n");
        }
        Ok(state)
    }

    /// What runs, and what it may do.
    pub(super) fn rows(&self) -> Result<Vec<Row>, TaskError> {
        let list = self.must("conductorctl", &["plugin", "list", "--json"])?;
        let list: Json = serde_json::from_str(&list).unwrap_or_default();
        let mut rows = Vec::new();
        for plugin in list.get("plugins").and_then(Json::as_array).into_iter().flatten() {
            let alias = plugin.get("alias").and_then(Json::as_str).unwrap_or_default();
            let shown = self.must("conductorctl", &["plugin", "show", alias, "--json"])?;
            let shown: Json = serde_json::from_str(&shown).unwrap_or_default();
            let part = |field: &str| shown.get(field).cloned().unwrap_or_default();
            let runs = shown.get("state").and_then(Json::as_str) == Some(RUNNING);
            let text = Json::from(SHOWN.map(part).to_vec()).to_string();
            rows.push(Row { runs, text, identity: Json::from(IDENTITY.map(part).to_vec()).to_string() });
        }
        Ok(rows)
    }

    /// All files of the home, but for those of caches.
    pub(in crate::faults) fn files(&self) -> Result<BTreeSet<String>, TaskError> {
        let root = self.path();
        let mut files = BTreeSet::new();
        for entry in WalkDir::new(&root) {
            let entry =
                entry.map_err(|error| TaskError::File { path: root.clone(), source: error.into() })?;
            let path = entry.path().strip_prefix(&root).unwrap_or(entry.path());
            if !path.starts_with(CACHE) {
                files.insert(path.to_string_lossy().into_owned());
            }
        }
        Ok(files)
    }
}

/// Leaves out when something was decided.
fn without_times(json: &mut Json) {
    match json {
        Json::Object(members) => {
            members.retain(|name, _| !TIMES.contains(&name.as_str()));
            members.values_mut().for_each(without_times);
        }
        Json::Array(values) => values.iter_mut().for_each(without_times),
        Json::Null | Json::Bool(_) | Json::Number(_) | Json::String(_) => {}
    }
}
