//! What an action is called with.

use conductor_abi::{Context, Request};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

/// Velocity of a note whose event has none, as keyboards without touch send it.
const DEFAULT_VELOCITY: u8 = 64;

/// One call of an action, with parameters of the author's own type.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Call<P> {
    /// Name of the action.
    pub action: String,
    /// What triggered it.
    pub context: Context,
    /// Parameters of the mapping.
    pub parameters: P,
}

/// What a note does in the event that triggered an action.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NoteEvent {
    /// The note begins.
    On {
        /// Note number, 0 to 127.
        note: u8,
        /// Velocity, 1 to 127.
        velocity: u8,
    },
    /// The note ends.
    Off {
        /// Note number, 0 to 127.
        note: u8,
    },
}

impl<P> Call<P> {
    /// The note that begins or ends in the triggering event, if the event is about that at all.
    ///
    /// The host writes the kind of an event into the context's metadata as `event`. A note ends with `note-off`, and
    /// with a `note-on` of velocity 0, which means the same on the wire.
    #[must_use]
    pub fn note_event(&self) -> Option<NoteEvent> {
        let note = self.context.note?;
        let velocity = self.context.velocity.unwrap_or(DEFAULT_VELOCITY);
        match self.context.metadata.get("event").map_or("note-on", String::as_str) {
            "note-on" if velocity > 0 => Some(NoteEvent::On { note, velocity }),
            "note-on" | "note-off" => Some(NoteEvent::Off { note }),
            _ => None,
        }
    }
}

/// Reads the parameters of a request. Hosts write "none" as `null` or as an empty object: each is read as the other where
/// `P` has no use for it, so an action without parameters takes both, and so does a structure whose fields all have
/// defaults.
pub(crate) fn parameters<P: DeserializeOwned>(json: &[u8]) -> Result<P, serde_json::Error> {
    #[derive(Deserialize)]
    struct Typed<P> {
        parameters: P,
    }
    // As a rule they are of the action's type, and are read without being made a value of any type first.
    if let Ok(Typed { parameters }) = serde_json::from_slice(json) {
        return Ok(parameters);
    }
    let parameters = serde_json::from_slice::<Request>(json)?.parameters;
    let empty = || Value::Object(serde_json::Map::new());
    if parameters.is_null() {
        P::deserialize(parameters).or_else(|_| P::deserialize(empty()))
    } else if parameters == empty() {
        P::deserialize(parameters).or_else(|error| P::deserialize(Value::Null).map_err(|_| error))
    } else {
        P::deserialize(parameters)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, PartialEq, serde::Deserialize)]
    struct Parameters {
        #[serde(default)]
        port: String,
    }

    #[derive(Debug, PartialEq, serde::Deserialize)]
    struct Strict {
        port: String,
    }

    fn read<P: DeserializeOwned>(json: &str) -> Result<P, String> {
        parameters(json.as_bytes()).map_err(|error| error.to_string())
    }

    #[test]
    fn absent_parameters_fit_every_type_that_needs_none() {
        let none =
            [r#"{"action":"a"}"#, r#"{"action":"a","parameters":null}"#, r#"{"action":"a","parameters":{}}"#];
        for json in none {
            assert_eq!(read::<()>(json), Ok(()));
            assert_eq!(read::<Option<u8>>(json), Ok(None));
            assert_eq!(read::<Parameters>(json), Ok(Parameters { port: String::new() }));
            assert_eq!(read::<Strict>(json), Err("missing field `port`".into()));
        }
        assert_eq!(read::<Value>(none[1]), Ok(Value::Null));
        assert_eq!(read::<Value>(none[2]), Ok(Value::Object(serde_json::Map::new())));
    }

    #[test]
    fn parameters_that_do_not_fit_are_refused() {
        let json = r#"{"action":"a","parameters":{"port":7}}"#;
        assert_eq!(read::<Parameters>(json), Err("invalid type: integer `7`, expected a string".into()));
    }

    #[test]
    fn notes_end_by_kind_or_by_velocity() {
        let event = |velocity, kind: Option<&str>| {
            let metadata = kind.map(|kind| ("event".to_owned(), kind.to_owned())).into_iter().collect();
            let context = Context { note: Some(60), velocity, metadata, ..Context::default() };
            Call { context, ..Call::<()>::default() }.note_event()
        };
        let (on, off) =
            (|velocity| Some(NoteEvent::On { note: 60, velocity }), Some(NoteEvent::Off { note: 60 }));
        assert_eq!(event(Some(9), Some("note-on")), on(9));
        assert_eq!(event(Some(9), None), on(9));
        assert_eq!(event(None, None), on(64));
        assert_eq!(event(Some(0), Some("note-on")), off);
        assert_eq!(event(Some(9), Some("note-off")), off);
        assert_eq!(event(Some(9), Some("key-pressure")), None);
        assert_eq!(Call::<()>::default().note_event(), None);
    }
}
