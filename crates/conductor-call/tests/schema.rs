//! The JSON Schema in the manual is what the types of the operations say.

#![expect(clippy::expect_used, clippy::panic, reason = "without the types' documentation there is no schema")]

#[path = "schema/document.rs"]
mod document;
#[path = "schema/documentation.rs"]
mod documentation;
#[path = "schema/shape.rs"]
mod shape;

use conductor_abi::Op;
use serde_json::Value;

/// How to write the file anew.
const COMMAND: &str = "cargo run -p conductor-call --example schema > docs/src/host-calls.schema.json";

#[test]
fn the_schema_in_the_manual_is_that_of_the_types() {
    let written = include_str!("../../../docs/src/host-calls.schema.json");
    let written: Value = serde_json::from_str(written).expect("JSON");
    assert_eq!(written, document::schema(), "the types have changed; run: {COMMAND}");
}

#[test]
fn every_operation_is_in_the_schema_and_every_part_of_it_is_described() {
    let schema = document::schema();
    let requests = schema["oneOf"].as_array().expect("a list");
    assert_eq!(requests.len(), Op::ALL.len() - 1, "all but fetching");
    for op in Op::ALL.into_iter().filter(|op| *op != Op::Fetch) {
        let name = op.name();
        let request = &schema["$defs"][format!("{name}-request")];
        assert_eq!(request["properties"]["op"]["const"], name);
        assert_eq!(request["required"][0], "op", "{name}");
        assert_eq!(request["additionalProperties"], false, "{name}");
        let answer = &schema["$defs"][format!("{name}-answer")];
        assert_eq!(answer["type"], "object", "{name}");
        // A plugin tells an error from an answer by this member.
        assert!(answer["properties"].get("error").is_none(), "{name}");
        for (place, object) in [("request", request), ("answer", answer)] {
            for (field, property) in object["properties"].as_object().expect("properties") {
                let is_described = property["description"].as_str().is_some_and(|text| !text.is_empty());
                assert!(is_described, "{name} {place}: {field}: {property}");
            }
        }
    }
}
