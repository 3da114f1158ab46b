//! What the standard says of packets, clause by clause: the table `tests/vectors/osc/standard.toml`.

use serde::Deserialize;
use serde_json::Value;

use super::*;
use crate::{vector_notation, vector_table};

/// A packet with its verdict.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Vector {
    name: String,
    clause: String,
    /// Why, where the clause leaves it open or this program goes on where the standard ends.
    #[serde(default)]
    why: String,
    bytes: String,
    /// Address and arguments of each message, with a space between.
    #[serde(default)]
    delivers: Vec<String>,
    /// Under what is counted that is dropped.
    #[serde(default)]
    drops: Vec<String>,
}

impl vector_table::Named for Vector {
    fn name(&self) -> &str {
        &self.name
    }
}

/// Arguments as JSON, in which one number is written in several ways.
fn json(text: &str) -> Value {
    text.parse().expect("JSON")
}

#[test]
fn packets_are_read_as_the_standard_says() {
    let mut wrong = Vec::new();
    for vector in vector_table::read::<Vector>("osc/standard.toml", 80) {
        let Vector { name, clause, why, bytes, delivers, drops } = vector;
        let expected: Vec<_> = delivers
            .iter()
            .map(|message| message.split_once(' ').expect("an address and arguments"))
            .map(|(address, arguments)| (address.to_owned(), json(arguments)))
            .collect();
        let (delivered, dropped) = received(&vector_notation::bytes(&bytes));
        let message = |body| {
            let Body::Osc { address, arguments, .. } = body else { panic!("no OSC") };
            (address.as_str().to_owned(), json(&arguments.expect("short")))
        };
        let delivered: Vec<_> = delivered.into_iter().map(message).collect();
        let dropped: Vec<_> = dropped.into_iter().map(|(cause, count)| format!("{cause} {count}")).collect();
        let drops: Vec<_> = drops.into_iter().map(|cause| format!("{cause} 1")).collect();
        if delivered != expected || dropped != drops {
            wrong.push(format!("{name} ({clause}; {why}): {delivered:?}, {dropped:?}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
