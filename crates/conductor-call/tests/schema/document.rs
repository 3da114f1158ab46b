//! The JSON Schema (draft 2020-12) of the host calls.

use conductor_abi::{Op, Status};
use conductor_call::json::{self, MAX_ITEMS};
use serde_json::{Map, Value, json};

use crate::documentation;
use crate::shape::{self, Lacking, Object, Shape, Tracer};

/// Whether a part stands in a request or in an answer, whose bytes have one form.
#[derive(Clone, Copy, PartialEq)]
enum Side {
    Request,
    Answer,
}

/// The schema: a request of any operation. The answers are among its definitions.
pub(crate) fn schema() -> Value {
    let mut definitions = common();
    let mut requests = Vec::new();
    for op in Op::ALL.into_iter().filter(|op| *op != Op::Fetch) {
        let name = op.name();
        definitions.insert(format!("{name}-request"), request(op));
        definitions.insert(format!("{name}-answer"), answer(op));
        requests.push(reference(&format!("{name}-request")));
    }
    json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Host calls of Conductor",
        "description": "A request as `conductor.request` takes it. The answer to the operation `NAME` is \
            `#/$defs/NAME-answer`, or `#/$defs/error` where the status is not `ok`.",
        "oneOf": requests,
        "$defs": definitions,
    })
}

/// What several operations have.
fn common() -> Map<String, Value> {
    let statuses: Vec<&str> =
        (1..=u32::from(u8::MAX)).map_while(Status::from_number).map(Status::name).collect();
    let encoded = json!({
        "type": "string",
        "pattern": "^base64:([A-Za-z0-9+/]{4})*([A-Za-z0-9+/]{3}=|[A-Za-z0-9+/]{2}==)?$",
        "description": "Bytes in base64 (RFC 4648, section 4)",
    });
    let definitions = json!({
        "bytes": {
            "oneOf": [
                { "type": "array", "items": { "type": "integer", "minimum": 0, "maximum": 255 } },
                reference("base64"),
            ],
        },
        "base64": encoded,
        "error": {
            "type": "object",
            "properties": {
                "error": {
                    "type": "object",
                    "properties": {
                        "status": { "enum": statuses, "description": "The status, as in the value that the import returns" },
                        "message": { "type": "string", "description": "Why the operation was not done" },
                    },
                    "required": ["status", "message"],
                    "additionalProperties": false,
                },
            },
            "required": ["error"],
            "additionalProperties": false,
        },
    });
    definitions.as_object().cloned().unwrap_or_default()
}

fn request(op: Op) -> Value {
    let read = |tracer: Tracer<'_>| json::request(op, tracer).map(|_| ());
    let found = shape::object(&read);
    let mut required = vec!["op"];
    required
        .extend(found.fields.iter().map(|(field, _)| *field).filter(|field| !shape::may_lack(&read, field)));
    let mut properties = properties(&found, found.name, Side::Request);
    properties.insert("op".to_owned(), json!({ "const": op.name(), "description": "The operation" }));
    json!({
        "description": documentation::of_member("Op", &format!("{op:?}")),
        "type": "object",
        "properties": properties,
        "required": required,
        "additionalProperties": false,
    })
}

fn answer(op: Op) -> Value {
    let read = |tracer: Tracer<'_>| -> Result<(), Lacking> {
        json::answer(op, tracer, serde_json::value::Serializer).map(|_| ())
    };
    let found = shape::object(&read);
    let mut schema = object(&found, found.name, Side::Answer);
    schema["description"] = json!(documentation::of_type(found.name));
    schema
}

/// An object all of whose fields are there.
fn object(object: &Object, described_in: &str, side: Side) -> Value {
    let required: Vec<_> = object.fields.iter().map(|(field, _)| *field).collect();
    json!({
        "type": "object",
        "properties": properties(object, described_in, side),
        "required": required,
        "additionalProperties": false,
    })
}

fn properties(object: &Object, described_in: &str, side: Side) -> Map<String, Value> {
    let property = |(field, shape): &(&'static str, Shape)| {
        let mut schema = value(shape, side);
        schema["description"] = json!(documentation::of_member(described_in, field));
        ((*field).to_owned(), schema)
    };
    object.fields.iter().map(property).collect()
}

fn value(shape: &Shape, side: Side) -> Value {
    match shape {
        Shape::Text => json!({ "type": "string" }),
        Shape::Bytes if side == Side::Request => reference("bytes"),
        Shape::Bytes => reference("base64"),
        Shape::Bool => json!({ "type": "boolean" }),
        Shape::Number => json!({ "type": "number" }),
        Shape::Integer { min, max } => json!({ "type": "integer", "minimum": min, "maximum": max }),
        Shape::List(item) => {
            let mut schema = json!({ "type": "array", "items": value(item, side) });
            if side == Side::Request {
                schema["maxItems"] = json!(MAX_ITEMS);
            }
            schema
        }
        Shape::Tuple(items) => {
            let schemas: Vec<_> = items.iter().map(|item| value(item, side)).collect();
            let length = items.len();
            json!({ "type": "array", "prefixItems": schemas, "minItems": length, "maxItems": length })
        }
        Shape::Object(found) => {
            let mut schema = object(found, found.name, side);
            schema["description"] = json!(documentation::of_type(found.name));
            schema
        }
        Shape::OneOf { name, variants } => one_of(name, variants, side),
    }
}

/// One of several: those without content are texts, the others objects with one member.
fn one_of(name: &str, variants: &[(&'static str, Option<Shape>)], side: Side) -> Value {
    let described = |variant: &str| documentation::of_member(name, &as_in_rust(variant));
    let alternatives = variants.iter().map(|(variant, content)| {
        let Some(content) = content else {
            return json!({ "const": variant, "description": described(variant) });
        };
        let content =
            if let Shape::Object(found) = content { object(found, name, side) } else { value(content, side) };
        json!({
            "description": described(variant),
            "type": "object",
            "properties": { *variant: content },
            "required": [variant],
            "additionalProperties": false,
        })
    });
    json!({ "oneOf": alternatives.collect::<Vec<_>>() })
}

/// The name of a variant in the source: `play-pause` is `PlayPause`.
fn as_in_rust(name: &str) -> String {
    let capital = |word: &str| word[..1].to_uppercase() + &word[1..];
    name.split('-').map(capital).collect()
}

fn reference(name: &str) -> Value {
    json!({ "$ref": format!("#/$defs/{name}") })
}
