//! What the standard says of MIDI files, clause by clause: the table `tests/vectors/midi-file/standard.toml`.

use serde::Deserialize;

use super::*;
use crate::{vector_notation, vector_table};

/// A file with its verdict.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Vector {
    name: String,
    clause: String,
    /// Why, where the clause leaves it open or this program goes on where the standard ends.
    #[serde(default)]
    why: String,
    bytes: String,
    verdict: Verdict,
    /// When each message is due, in microseconds, and its bytes.
    #[serde(default)]
    plays: Vec<String>,
    /// When the last track ends, in microseconds.
    length: Option<u64>,
}

#[derive(Clone, Copy, Debug, Deserialize, PartialEq)]
#[serde(rename_all = "kebab-case")]
enum Verdict {
    Sound,
    Damaged,
    Refused,
}

impl vector_table::Named for Vector {
    fn name(&self) -> &str {
        &self.name
    }
}

impl Vector {
    fn plays(&self) -> Vec<(u64, Vec<u8>)> {
        let event = |event: &String| {
            let (due, message) = event.split_once(' ').expect("a time and a message");
            (due.parse().expect("microseconds"), vector_notation::bytes(message))
        };
        self.plays.iter().map(event).collect()
    }
}

#[test]
fn files_are_read_as_the_standard_says() {
    let mut wrong = Vec::new();
    for vector in vector_table::read::<Vector>("midi-file/standard.toml", 80) {
        let (verdict, plays, length) = match Tune::new(vector_notation::bytes(&vector.bytes)) {
            Err(_) => (Verdict::Refused, Vec::new(), None),
            Ok(tune) => {
                let verdict = if tune.damage().is_none() { Verdict::Sound } else { Verdict::Damaged };
                let plays = tune.events().map(|(due, message)| (due, message.to_bytes())).collect();
                (verdict, plays, Some(tune.length()))
            }
        };
        let length_fits = vector.length.is_none_or(|expected| length == Some(expected));
        if verdict != vector.verdict || plays != vector.plays() || !length_fits {
            let Vector { name, clause, why, .. } = vector;
            wrong.push(format!("{name} ({clause}; {why}): {verdict:?}, {plays:02x?}, {length:?}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
