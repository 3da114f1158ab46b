//! The request that an action is executed with, as JSON.

use alloc::collections::BTreeMap;
use alloc::string::String;

use serde::{Deserialize, Serialize, Serializer};

use crate::manifest::SettingValues;

/// One call of an action.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Request {
    /// Name of the action.
    pub action: String,
    /// What triggered the action.
    #[serde(default)]
    pub context: Context,
    /// Parameters that the mapping gives, any JSON.
    #[serde(default)]
    pub parameters: serde_json::Value,
}

/// What triggered an action. Fields that do not apply to the trigger are `null`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Context {
    /// MIDI velocity, 0 to 127.
    #[serde(default)]
    pub velocity: Option<u8>,
    /// MIDI note number, 0 to 127.
    #[serde(default)]
    pub note: Option<u8>,
    /// MIDI controller number, 0 to 127.
    #[serde(default)]
    pub cc: Option<u8>,
    /// Controller value, pitch bend, or the first number of an OSC message.
    #[serde(default)]
    pub value: Option<f64>,
    /// MIDI channel, 0 to 15.
    #[serde(default)]
    pub channel: Option<u8>,
    /// Mode that the user has switched the mappings to.
    #[serde(default)]
    pub current_mode: Option<String>,
    /// Milliseconds since the Unix epoch.
    #[serde(default)]
    pub timestamp: u64,
    /// Further facts about the trigger, such as the name of the input.
    #[serde(default)]
    pub metadata: BTreeMap<String, String>,
    /// The plugin's settings, if its manifest declares any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub settings: Option<SettingValues>,
}

impl Request {
    /// The request in the form that plugins built for Conductor 1.0 read: `parameters` is left out if it is null,
    /// `current_mode` is `mode`, the index of the mode, and a `value` without a fraction is written as an integer.
    #[must_use]
    pub fn for_conductor_1_0(&self, mode: Option<u32>) -> impl Serialize + '_ {
        let Context { velocity, note, cc, value, channel, current_mode: _, timestamp, metadata, settings: _ } =
            &self.context;
        RequestOf10 {
            action: &self.action,
            context: ContextOf10 {
                velocity: *velocity,
                note: *note,
                cc: *cc,
                value: value.map(Number),
                channel: *channel,
                current_mode: mode,
                timestamp: *timestamp,
                metadata,
            },
            parameters: Some(&self.parameters).filter(|parameters| !parameters.is_null()),
        }
    }
}

#[derive(Serialize)]
struct RequestOf10<'r> {
    action: &'r str,
    context: ContextOf10<'r>,
    #[serde(skip_serializing_if = "Option::is_none")]
    parameters: Option<&'r serde_json::Value>,
}

#[derive(Serialize)]
struct ContextOf10<'r> {
    velocity: Option<u8>,
    note: Option<u8>,
    cc: Option<u8>,
    value: Option<Number>,
    channel: Option<u8>,
    current_mode: Option<u32>,
    timestamp: u64,
    metadata: &'r BTreeMap<String, String>,
}

/// A number that is written as an integer if it has no fraction, for readers that accept only integers.
struct Number(f64);

impl Serialize for Number {
    #[expect(clippy::cast_possible_truncation, reason = "what does not fit is not equal afterwards")]
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let integer = self.0 as i32;
        if f64::from(integer) == self.0 {
            serializer.serialize_i32(integer)
        } else {
            serializer.serialize_f64(self.0)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plugins_for_conductor_1_0_read_numbers_and_no_null() {
        let context = Context { value: Some(64.0), current_mode: Some("edit".into()), ..Context::default() };
        let mut request = Request { action: "play".into(), context, parameters: serde_json::Value::Null };
        let json = |request: &Request, mode| {
            serde_json::to_value(request.for_conductor_1_0(mode)).expect("serialises")
        };
        let written = json(&request, Some(2));
        assert_eq!(written["context"]["current_mode"], 2);
        assert!(written["context"]["value"].is_i64() && written["context"]["note"].is_null());
        assert!(written.get("parameters").is_none());
        for value in [0.5, 1e300, -0.25] {
            request.context.value = Some(value);
            assert_eq!(json(&request, None)["context"]["value"], value);
        }
        request.parameters = serde_json::json!(["a"]);
        let written = json(&request, None);
        assert!(written["context"]["current_mode"].is_null() && written["parameters"] == request.parameters);
    }

    #[test]
    fn absent_fields_are_written_as_null() {
        let request = Request { action: "play".into(), ..Request::default() };
        let json = serde_json::to_value(&request).expect("serialises");
        assert_eq!(json["context"]["note"], serde_json::Value::Null);
        assert_eq!(json["context"]["timestamp"], 0);
        assert_eq!(json["parameters"], serde_json::Value::Null);
    }
}
