//! Reads the request with a regular expression and as JSON.

use regex::Regex;
use serde_json::{Value, json};

fn main() {
    let request = std::io::read_to_string(std::io::stdin()).expect("a request");
    let json: Value = serde_json::from_str(&request).expect("JSON");
    let matches = Regex::new(r#""action"\s*:\s*"\w+""#).expect("an expression").is_match(&request);
    println!("{}", json!({ "ok": matches && json["action"] == "go" }));
}
