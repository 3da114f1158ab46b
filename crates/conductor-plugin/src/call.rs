//! The argument of an action.

use conductor_abi::{Context, Request, Status};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::HostError;

/// Velocity of a note whose event has none, as from a keyboard that does not sense touch.
const DEFAULT_VELOCITY: u8 = 64;

/// One call of an action, with parameters of a type that the author chose.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Call<P> {
    /// Name of the action.
    pub action: String,
    /// The event that triggered the action.
    pub context: Context,
    /// Parameters of the mapping.
    pub parameters: P,
}

/// What happens to a note in the event that triggered an action.
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
    /// The note that begins or ends in the triggering event; `None` if the event is about no note.
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

    /// All settings of the plugin, as a type of the author's. A setting without value and default is absent, so its field
    /// is an `Option`, or has a default of serde's.
    ///
    /// # Errors
    ///
    /// [`Status::Invalid`] if the type does not fit what the manifest declares.
    pub fn settings<T: DeserializeOwned>(&self) -> Result<T, HostError> {
        let settings = self.context.settings.iter().flat_map(|settings| settings.iter());
        let all = settings.map(|(name, value)| (name.to_owned(), value.clone())).collect();
        T::deserialize(Value::Object(all)).map_err(|error| misfit("settings", &error))
    }

    /// One setting of the plugin; `None` if it has neither a value nor a default.
    ///
    /// # Errors
    ///
    /// [`Status::Invalid`] if the value is of another type than `T`.
    pub fn setting<T: DeserializeOwned>(&self, name: &str) -> Result<Option<T>, HostError> {
        let Some(value) = self.context.settings.as_ref().and_then(|settings| settings.get(name)) else {
            return Ok(None);
        };
        T::deserialize(value).map(Some).map_err(|error| misfit(name, &error))
    }
}

/// Serde quotes the value that does not fit, and a setting may be a secret, so only the kind of error is said.
fn misfit(what: &str, error: &serde_json::Error) -> HostError {
    let kind = if error.is_data() { "another type than this plugin reads" } else { "an unreadable value" };
    HostError::new(Status::Invalid, format!("`{what}` has {kind}"))
}

/// Reads the parameters of a request. Hosts write "none" as `null` or as an empty object. If `P` cannot be read from
/// one of them, it is read from the other, so an action without parameters accepts both, and so does a structure whose
/// fields all have defaults.
pub(crate) fn parameters<P: DeserializeOwned>(json: &[u8]) -> Result<P, serde_json::Error> {
    #[derive(Deserialize)]
    struct Typed<P> {
        parameters: P,
    }
    // Usually the parameters are of the action's type, and are read without becoming a JSON value first.
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
    fn settings_are_read_as_the_authors_types() {
        #[derive(Debug, PartialEq, serde::Deserialize)]
        struct Settings {
            gain: f64,
            port: Option<String>,
        }
        let request = br#"{"action":"a","context":{"settings":{"gain":1,"word":"hush"}}}"#;
        let context = serde_json::from_slice::<Request>(request).expect("a request").context;
        let call = Call { context, ..Call::<()>::default() };
        assert_eq!(call.settings::<Settings>().expect("fits"), Settings { gain: 1.0, port: None });
        assert_eq!(call.setting("gain").expect("fits"), Some(1.0));
        assert_eq!(call.setting::<String>("port").expect("absent"), None);
        let error = call.setting::<u8>("word").expect_err("a text");
        assert!(!error.to_string().contains("hush"), "{error}");
        assert!(Call::<()>::default().settings::<Settings>().is_err());
        assert_eq!(Call::<()>::default().setting::<u8>("gain").expect("no settings"), None);
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
