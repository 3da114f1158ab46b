//! What an action is called with.

use conductor_abi::{Context, Request};
use serde::de::DeserializeOwned;
use serde_json::Value;

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
    /// The note that begins or ends in the triggering event, if it is about a note at all.
    ///
    /// A note ends with the trigger kind `note-off`, which the host writes into the context's metadata as `kind`, and
    /// with velocity 0, which means the same on the wire.
    #[must_use]
    pub fn note_event(&self) -> Option<NoteEvent> {
        let note = self.context.note?;
        let velocity = self.context.velocity.unwrap_or(64);
        let off = velocity == 0 || self.context.metadata.get("kind").is_some_and(|kind| kind == "note-off");
        Some(if off { NoteEvent::Off { note } } else { NoteEvent::On { note, velocity } })
    }
}

impl<P: DeserializeOwned> Call<P> {
    /// Reads the parameters of a request. Absent parameters are read as an empty object where `P` has no use for
    /// `null`, so a structure whose fields all have defaults needs none.
    pub(crate) fn from_request(request: Request) -> Result<Self, serde_json::Error> {
        let Request { action, context, parameters } = request;
        let parameters = match parameters {
            Value::Null => P::deserialize(Value::Null)
                .or_else(|_| P::deserialize(Value::Object(serde_json::Map::new())))?,
            given @ (Value::Bool(_)
            | Value::Number(_)
            | Value::String(_)
            | Value::Array(_)
            | Value::Object(_)) => P::deserialize(given)?,
        };
        Ok(Self { action, context, parameters })
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
        let request = serde_json::from_str(json).map_err(|error| error.to_string())?;
        Call::from_request(request).map(|call| call.parameters).map_err(|error| error.to_string())
    }

    #[test]
    fn absent_parameters_fit_every_type_that_needs_none() {
        for json in [r#"{"action":"a"}"#, r#"{"action":"a","parameters":null}"#] {
            assert_eq!(read::<()>(json), Ok(()));
            assert_eq!(read::<Option<u8>>(json), Ok(None));
            assert_eq!(read::<Value>(json), Ok(Value::Null));
            assert_eq!(read::<Parameters>(json), Ok(Parameters { port: String::new() }));
            assert_eq!(read::<Strict>(json), Err("missing field `port`".into()));
        }
    }

    #[test]
    fn parameters_that_do_not_fit_are_refused() {
        let json = r#"{"action":"a","parameters":{"port":7}}"#;
        assert_eq!(read::<Parameters>(json), Err("invalid type: integer `7`, expected a string".into()));
    }

    #[test]
    fn notes_end_by_kind_or_by_velocity() {
        let call = |velocity, kind: &str| Call {
            context: Context {
                note: Some(60),
                velocity,
                metadata: [("kind".to_owned(), kind.to_owned())].into(),
                ..Context::default()
            },
            ..Call::<()>::default()
        };
        assert_eq!(call(Some(9), "note-on").note_event(), Some(NoteEvent::On { note: 60, velocity: 9 }));
        assert_eq!(call(Some(0), "note-on").note_event(), Some(NoteEvent::Off { note: 60 }));
        assert_eq!(call(Some(9), "note-off").note_event(), Some(NoteEvent::Off { note: 60 }));
        assert_eq!(call(None, "").note_event(), Some(NoteEvent::On { note: 60, velocity: 64 }));
        assert_eq!(Call::<()>::default().note_event(), None);
    }
}
