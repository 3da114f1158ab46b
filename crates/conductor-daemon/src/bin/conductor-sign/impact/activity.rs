//! What plugins did lately, according to the audit log.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs::File;
use std::io::{BufRead as _, BufReader, Read as _};
use std::path::{Path, PathBuf};

use jiff::{SignedDuration, Timestamp};
use serde::Deserialize;
use serde_json::{Value, json};

/// Most bytes of one file of the log that are read: twice the size at which the log is renamed.
const MAX_BYTES: u64 = 128 * 1024 * 1024;

/// What one plugin did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Activity {
    loads: u64,
    uses: BTreeMap<String, u64>,
    /// When the plugin last did anything.
    last: Option<String>,
}

/// The members of a line that are needed here.
#[derive(Deserialize)]
struct Line {
    time: String,
    plugin: Option<String>,
    event: String,
    capability: Option<String>,
    #[serde(default)]
    left_out: u64,
}

/// What every plugin did in the last `days` days. A missing log counts as an empty one, and a line that is no record is
/// left out.
pub(super) fn read(log: &Path, days: i64) -> BTreeMap<String, Activity> {
    let since = Timestamp::now().checked_sub(SignedDuration::from_hours(24 * days)).unwrap_or(Timestamp::MIN);
    let mut older = OsString::from(log);
    older.push(".1");
    let mut found: BTreeMap<String, Activity> = BTreeMap::new();
    for path in [PathBuf::from(older), log.to_owned()] {
        let Ok(file) = File::open(path) else { continue };
        for line in BufReader::new(file.take(MAX_BYTES)).split(b'\n').map_while(Result::ok) {
            let Ok(line) = serde_json::from_slice::<Line>(&line) else { continue };
            let Some(plugin) = &line.plugin else { continue };
            if line.time.parse::<Timestamp>().is_ok_and(|time| time >= since) {
                found.entry(plugin.clone()).or_default().add(line);
            }
        }
    }
    found
}

impl Activity {
    fn add(&mut self, line: Line) {
        match (line.event.as_str(), line.capability) {
            ("plugin-loaded", _) => self.loads += 1,
            ("capability-used", Some(capability)) => {
                *self.uses.entry(capability).or_default() += 1 + line.left_out;
            }
            _ => {}
        }
        self.last = Some(line.time);
    }

    pub(super) fn in_words(&self) -> String {
        let Some(last) = &self.last else { return "nothing in the audit log".to_owned() };
        let times = |count: u64| if count == 1 { "once".to_owned() } else { format!("{count} times") };
        let loads = (self.loads > 0).then(|| format!("loaded {}", times(self.loads)));
        let uses = self.uses.iter().map(|(capability, count)| format!("used {capability} {}", times(*count)));
        let done: Vec<String> = loads.into_iter().chain(uses).collect();
        format!("{}, last active at {last}", done.join(", "))
    }

    pub(super) fn json(&self) -> Value {
        json!({ "loads": self.loads, "uses": self.uses, "last_active": self.last })
    }
}
