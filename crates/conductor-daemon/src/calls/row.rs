//! One call as users see it: a row of the table, or a line of JSON.

use std::sync::Arc;
use std::time::Duration;

use conductor_core::{Limit, Outcome};
use conductor_signing::escape::{json, terminal};
use conductor_surface::event::Event;
use serde::{Deserialize, Serialize};

/// Longest text of a row in bytes. Stops an event, an action or an error of tens of thousands of bytes from being held
/// once for every call and reader. People do not read more, and the plugin gets the whole text in its request.
const MAX_TEXT_BYTES: usize = 1024;

/// A call that ended.
pub(crate) struct Call<'c> {
    pub(crate) event: &'c Event,
    pub(crate) plugin: &'c Arc<str>,
    pub(crate) action: &'c str,
    pub(crate) outcome: &'c Outcome,
    /// Why the call did not end well, if it did not.
    pub(crate) error: Option<String>,
    pub(crate) limits_refused: &'c [Limit],
    pub(crate) fuel_used: u64,
    pub(crate) elapsed: Duration,
}

/// A call that ended, as users see it. Texts that other people wrote are not escaped, except for `event`. A text longer
/// than 1 KiB is cut, and `…` shows where.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CallRow {
    /// When the event came, in milliseconds since the Unix epoch.
    pub timestamp: u64,
    /// The input that the event came from.
    pub input: String,
    /// The event in words, escaped.
    pub event: String,
    /// The user's name for the plugin.
    pub plugin: String,
    /// The action.
    pub action: String,
    /// How the call ended, as a word.
    pub outcome: String,
    /// The limit that ended the call, if a limit did.
    pub limit: Option<String>,
    /// Limits that refused something during the call.
    pub limits_refused: Vec<String>,
    /// Why the call did not end well, if it did not.
    pub error: Option<String>,
    /// Fuel used.
    pub fuel_used: u64,
    /// Microseconds that the call took.
    pub micros: u64,
}

impl CallRow {
    /// A row of the table, with colour if `colour` is set. Texts that other people wrote are escaped.
    #[must_use]
    pub fn table_row(&self, colour: bool) -> String {
        let outcome = self.error.as_deref().unwrap_or(&self.outcome);
        columns(
            &self.event,
            &self.plugin,
            &terminal(&self.action).to_string(),
            &terminal(outcome).to_string(),
            &self.fuel_used.to_string(),
            &self.micros.to_string(),
            colour.then_some(if self.error.is_none() { "32" } else { "31" }),
        )
    }

    /// A line of JSON, without its end.
    pub(super) fn json_row(&self) -> String {
        json(&serde_json::to_string(self).unwrap_or_default())
    }

    /// About how many bytes the row takes in memory.
    pub(super) fn bytes(&self) -> usize {
        let Self { input, event, plugin, action, outcome, limit, limits_refused, error, .. } = self;
        let texts = [input, event, plugin, action, outcome].map(String::len);
        let optional = [limit, error].map(|text| text.as_ref().map_or(0, String::len));
        let limits = limits_refused.iter().map(|limit| size_of::<String>() + limit.len());
        size_of::<Self>() + texts.into_iter().chain(optional).chain(limits).sum::<usize>()
    }
}

impl From<Call<'_>> for CallRow {
    fn from(call: Call<'_>) -> Self {
        Self {
            timestamp: call.event.timestamp,
            input: call.event.input.to_string(),
            event: cut(call.event.in_words(MAX_TEXT_BYTES)),
            plugin: call.plugin.to_string(),
            action: cut(beginning(call.action).to_owned()),
            outcome: call.outcome.kind().to_owned(),
            limit: call.outcome.limit().map(|limit| limit.key().to_owned()),
            limits_refused: call.limits_refused.iter().map(|limit| limit.key().to_owned()).collect(),
            error: call.error.map(cut),
            fuel_used: call.fuel_used,
            micros: u64::try_from(call.elapsed.as_micros()).unwrap_or(u64::MAX),
        }
    }
}

/// A text, or its first [`MAX_TEXT_BYTES`] bytes with `…` after them.
fn cut(mut text: String) -> String {
    if text.len() > MAX_TEXT_BYTES {
        text.truncate(text.floor_char_boundary(MAX_TEXT_BYTES));
        text.push('…');
        text.shrink_to_fit();
    }
    text
}

/// A little more of a text than [`cut`] keeps, so that the rest need not be copied.
fn beginning(text: &str) -> &str {
    text.get(..text.floor_char_boundary(MAX_TEXT_BYTES + 4)).unwrap_or(text)
}

/// The headings of the table.
#[must_use]
pub fn head() -> String {
    columns("EVENT", "PLUGIN", "ACTION", "OUTCOME", "FUEL", "MICROS", None)
}

/// One line; the outcome in the colour of an SGR parameter (ECMA-48, 8.3.117), if there is one.
fn columns(
    event: &str,
    plugin: &str,
    action: &str,
    outcome: &str,
    fuel: &str,
    micros: &str,
    colour: Option<&str>,
) -> String {
    let outcome = format!("{outcome:<18}");
    let outcome = match colour {
        Some(colour) => format!("\x1b[{colour}m{outcome}\x1b[0m"),
        None => outcome,
    };
    format!("{event:<42} {plugin:<12} {action:<12} {outcome} {fuel:>11} {micros:>9}")
}

#[cfg(test)]
mod tests {
    use conductor_surface::event::Body;
    use conductor_surface::midi::{MAX_SYSEX_BYTES, Message, Sysex};
    use conductor_surface::osc_address::Address;

    use super::*;

    /// What a row of this event takes.
    fn row(body: Body, action: &str) -> CallRow {
        let event = Event { input: "keys".into(), timestamp: 0, body };
        let outcome = Outcome::Trap { reason: "é".repeat(10_000) };
        CallRow::from(Call {
            event: &event,
            plugin: &"p".into(),
            action,
            outcome: &outcome,
            error: Some(outcome.to_string()),
            limits_refused: &[],
            fuel_used: 0,
            elapsed: Duration::ZERO,
        })
    }

    #[test]
    fn a_row_is_cut_when_it_is_recorded() {
        let arguments = Some(format!("[\"{}\"]", "\u{1b}".repeat(15_000)).into());
        let osc = Body::Osc { address: Address::new("/a").expect("short"), arguments, value: None };
        let sysex = Sysex::new(&[1; MAX_SYSEX_BYTES]).expect("fits");
        for (body, event) in
            [(osc, None), (Body::Midi(Message::SystemExclusive(sysex)), Some("keys: sysex of 65536 bytes"))]
        {
            let row = row(body, &"a".repeat(60_000));
            assert!(row.bytes() < 4 * 1024, "{} bytes", row.bytes());
            assert!(
                row.action.ends_with('…') && row.error.as_ref().is_some_and(|error| error.ends_with('…'))
            );
            match event {
                Some(event) => assert_eq!(row.event, event),
                None => assert!(row.event.starts_with("keys: /a [") && row.event.ends_with('…')),
            }
        }
    }
}
