//! A plugin that calls its host, through the SDK.

#![forbid(unsafe_code)]

use conductor_plugin::{Call, HostError, midi, plugin};
use serde::Deserialize;

plugin! {
    capabilities: { Midi: "sends to the port that it is given" },
    actions: {
        /// Sends a message as often as it is told to.
        send { port: "name of a port", times: "how often" },
        /// Sends the note of its event.
        echo { port: "name of a port" },
    },
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Send {
    port: String,
    times: u32,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Echo {
    port: String,
}

fn send(call: Call<Send>) -> Result<(), HostError> {
    for time in 0..call.parameters.times {
        // A note, and its end.
        let velocity = if time % 2 == 0 { 100 } else { 0 };
        midi::send(&call.parameters.port, &[0x90, 60, velocity])?;
    }
    Ok(())
}

fn echo(call: Call<Echo>) -> Result<(), HostError> {
    let note = call.context.note.unwrap_or_default();
    let velocity = call.context.velocity.unwrap_or_default();
    midi::send(&call.parameters.port, &[0x90, note, velocity])
}
