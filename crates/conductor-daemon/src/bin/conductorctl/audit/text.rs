//! A record as a line for people.

use conductor_signing::escape::terminal;
use serde_json::Value as Json;

/// Members that the line shows at its beginning, or that only programs need.
const TOLD: [&str; 7] = ["version", "time", "plugin", "event", "seq", "chain", "left_out"];

/// The line: time, plugin, event, and the other members of the record.
pub(super) fn line(record: &Json) -> String {
    let text = |member: &str| record.get(member).and_then(Json::as_str).unwrap_or("-");
    let mut line = format!(
        "{}  {:<20}  {:<20}",
        terminal(text("time")),
        terminal(text("plugin")).to_string(),
        terminal(text("event")).to_string()
    );
    let members = record.as_object().into_iter().flatten();
    for (name, value) in members.filter(|(name, _)| !TOLD.contains(&name.as_str())) {
        let value = match value {
            Json::String(text) => text.clone(),
            Json::Null => continue,
            Json::Bool(_) | Json::Number(_) | Json::Array(_) | Json::Object(_) => value.to_string(),
        };
        if !value.is_empty() {
            line += &format!("  {}={}", terminal(name), terminal(&value));
        }
    }
    if let Some(left_out) = record.get("left_out").and_then(Json::as_u64) {
        line += &format!("  ({left_out} records before it left out)");
    }
    line.trim_end().to_owned()
}
