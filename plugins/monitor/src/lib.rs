//! Shows the messages of a MIDI input byte for byte, including those that no mapping can react to.

#![forbid(unsafe_code)]

use std::cell::RefCell;

use conductor_plugin::midi::{self, MidiMessage, Subscription};
use conductor_plugin::{Call, HostError, plugin};
use serde::{Deserialize, Serialize};

plugin! {
    capabilities: { Midi: "listens to the inputs that you name" },
    actions: {
        /// Lists the inputs.
        inputs,
        /// Begins to listen to an input, and no longer to the one before.
        listen { input: "name of an input" },
        /// Tells of the messages since the last time.
        read { wait_ms: "longest time to wait for the first, in milliseconds; 0 if absent" },
    },
}

thread_local! {
    /// The subscription to the input that is being listened to.
    static SUBSCRIPTION: RefCell<Option<Subscription>> = const { RefCell::new(None) };
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Input {
    input: String,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Wait {
    #[serde(default)]
    wait_ms: u32,
}

#[derive(Serialize)]
struct Heard {
    messages: Vec<String>,
    missed: u64,
}

fn inputs(_call: Call<Option<serde::de::IgnoredAny>>) -> Result<Vec<String>, HostError> {
    midi::inputs()
}

fn listen(call: Call<Input>) -> Result<(), HostError> {
    let subscription = Subscription::open(&call.parameters.input)?;
    SUBSCRIPTION.replace(Some(subscription));
    Ok(())
}

fn read(call: Call<Option<Wait>>) -> Result<Heard, String> {
    let wait_ms = call.parameters.unwrap_or_default().wait_ms;
    SUBSCRIPTION.with_borrow(|subscription| {
        let subscription = subscription.as_ref().ok_or("say first what to listen to")?;
        let received = subscription.receive(wait_ms).map_err(|error| error.to_string())?;
        let messages = received.messages.iter().map(shown).collect();
        Ok(Heard { messages, missed: received.missed })
    })
}

/// The bytes of a message in hexadecimal.
fn shown(message: &MidiMessage) -> String {
    let bytes: Vec<String> = message.bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    bytes.join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_are_shown_in_hexadecimal() {
        assert_eq!(shown(&MidiMessage { timestamp: 0, bytes: vec![0x90, 60, 100] }), "90 3c 64");
    }
}
