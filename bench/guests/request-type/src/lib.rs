//! The request that the guests parse. Its texts are borrowed from the bytes.

use serde::Deserialize;

/// A request of Conductor, as a plugin reads it that must be fast.
#[derive(Deserialize)]
pub struct Request<'a> {
    action: &'a str,
    context: Context,
    #[serde(borrow)]
    parameters: Parameters<'a>,
}

#[derive(Deserialize)]
struct Context {
    velocity: Option<u8>,
    note: Option<u8>,
    channel: Option<u8>,
    timestamp: u64,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Parameters<'a> {
    port: &'a str,
    channel: u8,
    intervals: [i8; 3],
}

impl<'a> Request<'a> {
    /// Parses JSON. `None` if the JSON is no request of this kind.
    pub fn parse(json: &'a [u8]) -> Option<Self> {
        serde_json::from_slice(json).ok()
    }

    /// Whether there is a note to play. The answer depends on every field, so none can be left unread.
    pub fn is_playable(&self) -> bool {
        let Context { velocity, note, channel, timestamp } = &self.context;
        let Parameters { port, channel: to, intervals } = &self.parameters;
        self.action == "parse"
            && velocity.is_some_and(|velocity| velocity > 0)
            && note.is_some_and(|note| intervals.iter().all(|by| note.checked_add_signed(*by).is_some()))
            && channel.is_none_or(|channel| channel < 16)
            && *timestamp > 0
            && !port.is_empty()
            && *to < 16
    }
}
