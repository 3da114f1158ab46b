//! Judges a reader of JSON by the table `texts.toml`. The tests of such readers include this file.

#[path = "../notation.rs"]
mod notation;
#[path = "../table.rs"]
mod table;

use serde::Deserialize;
use serde_json::Value;

/// A text with its verdict.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Vector {
    name: String,
    clause: String,
    /// Why, where the clause leaves it open or this program is stricter.
    #[serde(default)]
    why: String,
    /// The text…
    text: Option<String>,
    /// …or its bytes.
    bytes: Option<String>,
    verdict: Verdict,
    /// The number that it stands for.
    number: Option<f64>,
    /// The string that it stands for.
    string: Option<String>,
}

#[derive(Clone, Copy, Debug, Deserialize, PartialEq)]
#[serde(rename_all = "kebab-case")]
enum Verdict {
    /// The grammar allows it, and it is read.
    Valid,
    /// The grammar does not allow it.
    Invalid,
    /// The grammar allows it, and it is not read all the same.
    Refused,
    /// The grammar allows it; an object has two members of one name.
    Twice,
}

impl table::Named for Vector {
    fn name(&self) -> &str {
        &self.name
    }
}

/// Holds a reader to every verdict; `read` returns the value that a text stands for, or none if it refuses the text. Two members
/// of one name it refuses, or does with them what it likes, as the standard lets it.
pub(crate) fn judge(is_twice_refused: bool, read: impl Fn(&[u8]) -> Option<Value>) {
    let mut wrong = Vec::new();
    for vector in table::read::<Vector>("json/texts.toml", 280) {
        let Vector { name, clause, why, text, bytes, verdict, number, string } = vector;
        let bytes = match (text, bytes) {
            (Some(text), None) => text.into_bytes(),
            (None, Some(bytes)) => notation::bytes(&bytes),
            (Some(_), Some(_)) | (None, None) => panic!("{name}: a text or bytes"),
        };
        let value = read(&bytes);
        let is_right = match (verdict, &value) {
            (Verdict::Valid, Some(value)) => {
                number.is_none_or(|number| value.as_f64() == Some(number))
                    && string.is_none_or(|string| value.as_str() == Some(&string))
            }
            (Verdict::Invalid | Verdict::Refused | Verdict::Twice, None) => true,
            (Verdict::Twice, Some(_)) => !is_twice_refused,
            (Verdict::Valid, None) | (Verdict::Invalid | Verdict::Refused, Some(_)) => false,
        };
        if !is_right {
            wrong.push(format!("{name} ({clause}; {why}) is {verdict:?}, and read as {value:?}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
