//! `trust pins`: lists what is known about plugins.

use std::path::Path;

use conductor_signing::{Pin, PluginName, TrustError, TrustStore, UtcTime, escape};
use serde_json::{Value, json};

use crate::error::CliError;
use crate::output::Output;

#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// One plugin [default: all]
    plugin: Option<PluginName>,
}

pub(super) fn run(arguments: &Arguments, config: &Path, output: &mut Output) -> Result<(), CliError> {
    let trust = TrustStore::load(config)?;
    let pins: Vec<(&PluginName, &Pin)> = match &arguments.plugin {
        Some(name) => {
            let pin = trust.pin(name).ok_or_else(|| TrustError::NotPinned { name: name.clone() })?;
            vec![(name, pin)]
        }
        None => trust.pins().collect(),
    };
    output.line(format!("Pins: {}", pins.len()));
    for (name, pin) in &pins {
        output.line("");
        describe(name, pin, output);
    }
    output.json(|| json!({ "pins": pins.iter().map(|(name, pin)| pin_json(name, pin)).collect::<Vec<_>>() }));
    Ok(())
}

/// A pin, line by line.
pub(super) fn describe(name: &PluginName, pin: &Pin, output: &mut Output) {
    output.line(name.as_str());
    if let Some(publisher) = pin.publisher() {
        let whose = if publisher.by_user { "your decision" } else { "first load" };
        output.line(format!("  Publisher:   {} since {} ({whose})", publisher.key, publisher.since));
    }
    if let Some(version) = pin.version() {
        output.line(format!("  Version:     {} or newer", escape::terminal(version)));
    }
    if pin.signers().len() > 1 {
        for key in pin.signers() {
            output.line(format!("  Must sign:   {key}"));
        }
    }
    if let Some(at) = pin.statement_seen_at() {
        output.line(format!("  Statement:   since {at}"));
    }
}

/// A pin as JSON.
pub(super) fn pin_json(name: &PluginName, pin: &Pin) -> Value {
    json!({
        "plugin": name.as_str(),
        "publisher": pin.publisher().map(|publisher| json!({
            "public_key": publisher.key.to_string(),
            "since": publisher.since.to_string(),
            "by_user": publisher.by_user,
        })),
        "version": pin.version(),
        "signers": pin.signers().iter().map(ToString::to_string).collect::<Vec<_>>(),
        "statement_seen_at": pin.statement_seen_at().map(UtcTime::to_string),
    })
}
