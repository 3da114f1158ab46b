//! Sends events to a web address, such as a home automation rule, a chat channel or a script of yours.

#![forbid(unsafe_code)]

use std::collections::BTreeMap;

use conductor_plugin::{Call, Context, http, plugin};
use serde::{Deserialize, Serialize};
use serde_json::Value;

plugin! {
    capabilities: { Network("methods=POST"): "sends each event to the address of your choice" },
    actions: {
        /// Sends the event, or a body of your own, as JSON.
        post {
            url: "http or https address",
            headers: "header fields, for example { authorization = \"Bearer …\" }",
            body: "JSON to send in place of the event; {note}, {velocity}, {cc}, {value}, {channel}, {timestamp} and names of metadata are filled in",
        },
    },
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Parameters {
    url: String,
    #[serde(default)]
    headers: BTreeMap<String, String>,
    body: Option<Value>,
}

#[derive(Serialize)]
struct Sent {
    status: u16,
}

fn post(call: Call<Parameters>) -> Result<Sent, String> {
    let Parameters { url, headers, body } = call.parameters;
    let body = body.map_or_else(|| serde_json::json!(call.context), |body| filled(body, &call.context));
    let mut request = http::Request::post(&url, "application/json", body.to_string());
    for (name, value) in headers {
        request = request.header(name, value);
    }
    let response = request.send().map_err(|error| error.to_string())?;
    if response.is_success() {
        Ok(Sent { status: response.status })
    } else {
        Err(format!("server answered with status {}", response.status))
    }
}

/// Replaces `{name}` in every string by the fact of that name, or by nothing if the event lacks the fact.
fn filled(template: Value, context: &Context) -> Value {
    match template {
        Value::String(text) => Value::String(facts(context).iter().fold(text, |text, (name, fact)| {
            if text.contains('{') { text.replace(&format!("{{{name}}}"), fact) } else { text }
        })),
        Value::Array(items) => items.into_iter().map(|item| filled(item, context)).collect(),
        Value::Object(fields) => {
            fields.into_iter().map(|(name, field)| (name, filled(field, context))).collect()
        }
        plain @ (Value::Null | Value::Bool(_) | Value::Number(_)) => plain,
    }
}

fn facts(context: &Context) -> Vec<(&str, String)> {
    fn text(fact: Option<impl ToString>) -> String {
        fact.map(|fact| fact.to_string()).unwrap_or_default()
    }
    let mut facts = vec![
        ("note", text(context.note)),
        ("velocity", text(context.velocity)),
        ("cc", text(context.cc)),
        ("value", text(context.value)),
        ("channel", text(context.channel)),
        ("timestamp", context.timestamp.to_string()),
    ];
    facts.extend(context.metadata.iter().map(|(name, fact)| (name.as_str(), fact.clone())));
    facts
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn templates_are_filled_in_at_every_depth() {
        let context = Context { note: Some(60), value: Some(0.5), ..Context::default() };
        let template =
            serde_json::json!({"text": "{note} at {value}{cc}", "list": [{"n": "{note}"}, 7, "{other}"]});
        let expected = serde_json::json!({"text": "60 at 0.5", "list": [{"n": "60"}, 7, "{other}"]});
        assert_eq!(filled(template, &context), expected);
    }
}
