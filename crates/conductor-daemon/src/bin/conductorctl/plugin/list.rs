//! `conductorctl plugin list`: what each plugin is and does.

use conductor_daemon::control::{PluginState, PluginStatus, Request, Response};
use conductor_signing::escape::terminal;
use serde_json::json;

use crate::error::CliError;
use crate::{Ask, output};

const HEADINGS: [&str; 9] =
    ["ALIAS", "STATE", "NAME", "VERSION", "CALLS", "FAILURES", "WORKER", "WALLS", "TRUST"];

pub(super) fn run(ask: Ask<'_>, as_json: bool) -> Result<(), CliError> {
    let Response::PluginList { plugins, .. } = ask(&Request::PluginList)? else {
        return Err(CliError::OtherAnswer);
    };
    if as_json { output::json(&json!({ "plugins": plugins })) } else { output::text(&render(&plugins)) }
}

/// A table. Below the row of each plugin stand the details that do not fit into the row.
pub(super) fn render(plugins: &[PluginStatus]) -> String {
    let headings = HEADINGS.map(str::to_owned).to_vec();
    let rows: Vec<Vec<String>> = std::iter::once(headings).chain(plugins.iter().map(row)).collect();
    let mut lines = output::table(&rows).into_iter();
    let mut text = lines.next().unwrap_or_default() + "\n";
    for (line, plugin) in lines.zip(plugins) {
        text.push_str(&line);
        text.push('\n');
        details(plugin).iter().for_each(|detail| text.push_str(&format!("    {detail}\n")));
    }
    text
}

fn row(plugin: &PluginStatus) -> Vec<String> {
    let state = match plugin.retry_in_ms {
        Some(left) => format!("{} ({left} ms)", plugin.state.name()),
        None => plugin.state.name().to_owned(),
    };
    let or_dash = |text: Option<&str>| terminal(text.unwrap_or("-")).to_string();
    let walls = plugin.walls.join("+");
    vec![
        terminal(&plugin.alias).to_string(),
        state,
        or_dash(plugin.name.as_deref()),
        or_dash(plugin.version.as_deref()),
        plugin.calls.to_string(),
        plugin.failures.to_string(),
        or_dash(plugin.worker_pid.map(|pid| pid.to_string()).as_deref()),
        or_dash(Some(walls.as_str()).filter(|walls| !walls.is_empty())),
        or_dash(plugin.trust.as_deref()),
    ]
}

fn details(plugin: &PluginStatus) -> Vec<String> {
    let why = plugin.why.as_deref().map(|why| match plugin.state {
        PluginState::Refused | PluginState::Waiting | PluginState::Withdrawn | PluginState::Ending => {
            why.to_owned()
        }
        PluginState::Loading
        | PluginState::Disabled
        | PluginState::Running
        | PluginState::BackingOff
        | PluginState::Quarantined => {
            format!("last failure: {why}")
        }
    });
    let hint = plugin.hint.as_ref().map(|hint| format!("hint: {hint}"));
    let lost = plugin.refused_events + plugin.coalesced_events;
    let events = (lost > 0)
        .then(|| format!("{} events refused, {} coalesced", plugin.refused_events, plugin.coalesced_events));
    let details = why.into_iter().chain(hint).chain(events).chain(plugin.capabilities.iter().cloned());
    details.map(|detail| terminal(&detail).to_string()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plugin(alias: &str) -> PluginStatus {
        PluginStatus {
            alias: alias.to_owned(),
            name: None,
            version: None,
            state: PluginState::Loading,
            retry_in_ms: None,
            why: None,
            hint: None,
            trust: None,
            walls: Vec::new(),
            worker_pid: None,
            calls: 0,
            failures: 0,
            refused_events: 0,
            coalesced_events: 0,
            capabilities: Vec::new(),
            trust_level: None,
            publisher: None,
            pending: 0,
            change: None,
            fuel_used: 0,
            activity: Vec::new(),
        }
    }

    #[test]
    fn columns_line_up_and_text_of_plugins_is_escaped() {
        let running = PluginStatus {
            name: Some("notes".to_owned()),
            version: Some("1.0\u{1b}[31m\u{202e}".to_owned()),
            state: PluginState::BackingOff,
            retry_in_ms: Some(250),
            why: Some("trapped: \n forged".to_owned()),
            trust: Some("unsigned".to_owned()),
            walls: vec!["webassembly".to_owned(), "process".to_owned()],
            worker_pid: Some(4711),
            capabilities: vec!["Midi is granted automatically".to_owned()],
            ..plugin("a-long-alias")
        };
        let text = render(&[plugin("b"), running]);
        assert!(!text.contains(['\u{1b}', '\u{202e}']), "{text}");
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines.len(), 5, "{text}");
        assert_eq!(lines[3], r"    last failure: trapped: \n forged");
        assert_eq!(lines[4], "    Midi is granted automatically");
        let column = lines[0].find("STATE").expect("a heading");
        assert!(
            lines[1][column..].starts_with("loading ")
                && lines[2][column..].starts_with("backing-off (250 ms)")
        );
        let column = lines[0].find("WALLS").expect("a heading");
        assert!(lines[1][column..].starts_with('-') && lines[2][column..].starts_with("webassembly+process"));
    }
}
