//! Which records are printed.

use conductor_signing::UtcTime;
use serde_json::Value as Json;

use crate::error::CliError;

#[derive(clap::Args)]
pub(super) struct Filter {
    /// Only records of this plugin, by its own name; may be repeated
    #[arg(long = "plugin", value_name = "NAME")]
    plugins: Vec<String>,

    /// Only this kind of event, such as capability-denied; may be repeated
    #[arg(long = "event", value_name = "EVENT")]
    events: Vec<String>,

    /// Only records about this capability; may be repeated
    #[arg(long = "capability", value_name = "CAP")]
    capabilities: Vec<String>,

    /// Only records since this date or time in UTC, as 2026-12-31 or 2026-12-31T18:00:00Z
    #[arg(long, value_name = "TIME")]
    since: Option<String>,
}

/// A filter whose values were parsed.
pub(super) struct Wanted<'f> {
    filter: &'f Filter,
    since: Option<String>,
}

impl Filter {
    pub(super) fn read(&self) -> Result<Wanted<'_>, CliError> {
        let time = |text: &String| {
            let text =
                if text.len() == "2026-12-31".len() { format!("{text}T00:00:00Z") } else { text.clone() };
            let time: UtcTime = text.parse().map_err(|_| CliError::Date(text))?;
            // Times of records have more digits. Without the `Z`, this time sorts before all times that begin with it.
            Ok(time.to_string().trim_end_matches('Z').to_owned())
        };
        let since = self.since.as_ref().map(time).transpose()?;
        Ok(Wanted { filter: self, since })
    }
}

impl Wanted<'_> {
    /// The record on a line, if the line is a record and the filter selects it.
    pub(super) fn record(&self, line: &str) -> Option<Json> {
        let record: Json = serde_json::from_str(line).ok()?;
        let text = |member: &str| record.get(member).and_then(Json::as_str);
        let is_in = |list: &[String], member: &str| {
            let same = |wanted: &String| text(member).is_some_and(|text| text.eq_ignore_ascii_case(wanted));
            list.is_empty() || list.iter().any(same)
        };
        let Filter { plugins, events, capabilities, .. } = self.filter;
        let is_late =
            self.since.as_deref().is_none_or(|since| text("time").is_some_and(|time| time >= since));
        let is_wanted = is_late
            && is_in(plugins, "plugin")
            && is_in(events, "event")
            && is_in(capabilities, "capability");
        is_wanted.then_some(record)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_are_picked_by_all_that_is_asked_for() {
        let line = r#"{"time":"2026-03-04T05:06:07.123456Z","plugin":"notes","event":"capability-used","capability":"Midi"}"#;
        let filter = |plugin: &str, event: &str, since: Option<&str>| Filter {
            plugins: vec![plugin.to_owned()],
            events: vec![event.to_owned()],
            capabilities: Vec::new(),
            since: since.map(str::to_owned),
        };
        let is_wanted = |filter: Filter| filter.read().expect("understood").record(line).is_some();
        assert!(is_wanted(filter("notes", "capability-used", None)));
        assert!(is_wanted(filter("notes", "capability-used", Some("2026-03-04"))));
        assert!(is_wanted(filter("notes", "capability-used", Some("2026-03-04T05:06:07Z"))));
        assert!(!is_wanted(filter("notes", "capability-used", Some("2026-03-04T05:06:08Z"))));
        assert!(!is_wanted(filter("chord", "capability-used", None)));
        assert!(!is_wanted(filter("notes", "capability-denied", None)));
        assert!(filter("notes", "x", Some("yesterday")).read().is_err());
    }
}
