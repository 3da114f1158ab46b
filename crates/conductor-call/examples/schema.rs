//! Prints the JSON Schema of the host calls:
//! `cargo run -p conductor-call --example schema > docs/src/host-calls.schema.json`.

#![expect(clippy::expect_used, clippy::panic, reason = "without the types' documentation there is no schema")]

#[path = "../tests/schema/document.rs"]
mod document;
#[path = "../tests/schema/documentation.rs"]
mod documentation;
#[path = "../tests/schema/shape.rs"]
mod shape;

fn main() {
    println!("{:#}", document::schema());
}
