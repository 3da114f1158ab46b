//! The request that an action is executed with, as JSON.

use alloc::collections::BTreeMap;
use alloc::string::String;

use serde::{Deserialize, Serialize};

/// One call of an action.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Request {
    /// Name of the action.
    pub action: String,
    /// What triggered it.
    #[serde(default)]
    pub context: Context,
    /// Parameters of the mapping, any JSON.
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
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn absent_fields_are_written_as_null() {
        let request = Request { action: "play".into(), ..Request::default() };
        let json = serde_json::to_value(&request).expect("serialises");
        assert_eq!(json["context"]["note"], serde_json::Value::Null);
        assert_eq!(json["context"]["timestamp"], 0);
        assert_eq!(json["parameters"], serde_json::Value::Null);
    }
}
