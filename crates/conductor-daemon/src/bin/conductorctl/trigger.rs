//! `conductorctl trigger`: calls a plugin by hand.

use conductor_abi::Context;
use conductor_daemon::control::{Request, Response};
use conductor_signing::escape::json;
use serde_json::Value as Json;

use crate::error::CliError;
use crate::{Ask, output};

#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// The plugin, as the configuration calls it
    #[arg(value_name = "NAME")]
    plugin: String,

    /// The action
    action: String,

    /// Parameters of the action
    #[arg(long, value_name = "JSON", value_parser = parse::<Json>, allow_negative_numbers = true)]
    params: Option<Json>,

    /// Event that the plugin sees, such as {"note": 60, "velocity": 100}
    #[arg(long, value_name = "JSON", value_parser = parse::<Context>)]
    context: Option<Context>,
}

fn parse<T: serde::de::DeserializeOwned>(text: &str) -> Result<T, String> {
    serde_json::from_str(text).map_err(|error| error.to_string())
}

pub(crate) fn run(arguments: &Arguments, ask: Ask<'_>, as_json: bool) -> Result<(), CliError> {
    let Arguments { plugin, action, params, context } = arguments;
    let request = Request::Trigger {
        plugin: plugin.clone(),
        action: action.clone(),
        parameters: params.clone().unwrap_or_default(),
        context: context.clone(),
    };
    let Response::Trigger(triggered) = ask(&request)? else { return Err(CliError::OtherAnswer) };
    if as_json {
        output::json(&triggered)?;
    } else if let Some(reply) = &triggered.reply {
        output::text(&(json(&reply.to_string()) + "\n"))?;
    }
    match triggered.error {
        None => Ok(()),
        Some(error) => Err(CliError::CallFailed { error, hint: triggered.hint }),
    }
}
