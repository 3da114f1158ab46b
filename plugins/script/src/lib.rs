//! Runs programs and scripts of the user, which the grant names one by one.

#![forbid(unsafe_code)]

use conductor_plugin::process::{self, End};
use conductor_plugin::{Call, plugin};
use serde::{Deserialize, Serialize};
use serde_json::Value;

plugin! {
    capabilities: { Subprocess: "runs the programs that you name when you grant this" },
    actions: {
        /// Runs a program to its end; what it prints is the reply.
        run {
            program: "absolute path, as the grant names it",
            arguments: "list of arguments, none if absent; {note}, {velocity}, {cc}, {value} and {channel} are filled in",
            event: "true to give the program the event as JSON on standard input",
        },
    },
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Parameters {
    program: String,
    #[serde(default)]
    arguments: Vec<String>,
    #[serde(default)]
    event: bool,
}

#[derive(Serialize)]
struct Printed {
    stdout: String,
    cut: bool,
}

fn run(call: Call<Parameters>) -> Result<Printed, String> {
    let context = serde_json::json!(call.context);
    let Parameters { program, arguments, event } = call.parameters;
    let arguments: Vec<String> = arguments.into_iter().map(|text| filled(text, &context)).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let input = if event { context.to_string() } else { String::new() };
    let output = process::run(&program, &arguments, input.as_bytes()).map_err(|error| error.to_string())?;
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).trim_end().to_owned();
    match output.end {
        End::Exited { code: 0 } => Ok(Printed { stdout: text(&output.stdout), cut: output.cut }),
        End::Exited { code } => Err(format!("{program} ended with status {code}: {}", text(&output.stderr))),
        End::Signalled { signal } => Err(format!("{program} was ended by signal {signal}")),
    }
}

/// Replaces `{name}` by the fact of that name, or by nothing if the event lacks the fact.
fn filled(text: String, context: &Value) -> String {
    ["note", "velocity", "cc", "value", "channel"].iter().fold(text, |text, name| {
        let fact = match context.get(name) {
            Some(Value::Number(number)) => number.to_string(),
            Some(_) | None => String::new(),
        };
        text.replace(&format!("{{{name}}}"), &fact)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn facts_are_filled_in() {
        let context = serde_json::json!({ "note": 60, "value": 0.5, "channel": null });
        assert_eq!(filled("n={note} v={value} c={channel}.".to_owned(), &context), "n=60 v=0.5 c=.");
    }
}
