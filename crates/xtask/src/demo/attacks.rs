//! Third act: the attacks that are refused, and what refuses them.

use serde_json::Value;

use crate::demo::signing::{KEY, signing};
use crate::demo::stage::Stage;
use crate::error::TaskError;

/// Key of a signer that the user does not trust.
const STRANGER: &str = ".conductor/stranger-key";

/// A file outside of every plugin's directory, which must stay unchanged.
const OUTSIDE: &str = "outside.txt";
const OUTSIDE_TEXT: &str = "not for plugins";

/// One attempt: its name, its command line, and the expected result.
struct Attempt {
    tried: &'static str,
    arguments: Vec<&'static str>,
    /// Exit status of `conductor exec`.
    status: i32,
    /// Fields of the JSON report, and a text that each must contain. The last field says what stopped the attempt.
    says: Vec<(&'static str, &'static str)>,
}

/// Makes every attempt.
pub(crate) fn show(stage: &mut Stage) -> Result<(), TaskError> {
    stage.act("Attack: what is refused, and by what");
    prepare(stage)?;
    for attempt in attempts() {
        make(stage, &attempt)?;
    }
    let outside = stage.read(OUTSIDE)? == OUTSIDE_TEXT.as_bytes();
    let outcome = format!("{OUTSIDE} {}", if outside { "was not touched" } else { "was changed" });
    stage.record("a file outside of the plugins' directories", outcome, outside);
    Ok(())
}

/// Shows the command as a person sees it, then runs it again with `--json` and compares the report.
fn make(stage: &mut Stage, attempt: &Attempt) -> Result<(), TaskError> {
    println!("Tried: {}", attempt.tried);
    let arguments = [&["exec"], &attempt.arguments[..]].concat();
    let shown = stage.show("conductor", &arguments)?;
    let checked = stage.run("conductor", &[&arguments[..], &["--json"]].concat())?;
    let report: Value = serde_json::from_str(&checked.stdout).unwrap_or(Value::Null);
    let stopped_by = stopped_by(attempt, &report);
    println!("Stopped by: {stopped_by} (exit status {})\n", attempt.status);
    let status = [&shown, &checked].iter().all(|run| run.status.code() == Some(attempt.status));
    let says = attempt
        .says
        .iter()
        .all(|(field, text)| texts(&report, field).iter().any(|found| found.contains(text)));
    stage.record(attempt.tried, short(&stopped_by), status && says);
    Ok(())
}

/// Makes three copies of a signed plugin: one with a changed byte, one without a signature, and one signed by a
/// stranger.
fn prepare(stage: &mut Stage) -> Result<(), TaskError> {
    stage.write(OUTSIDE, OUTSIDE_TEXT.as_bytes())?;
    let module = stage.read("plugins/chord.wasm")?;
    let signature = stage.read("plugins/chord.wasm.sig")?;
    let mut tampered = module.clone();
    if let Some(byte) = tampered.last_mut() {
        *byte ^= 1;
    }
    stage.write("plugins/tampered.wasm", &tampered)?;
    stage.write("plugins/tampered.wasm.sig", &signature)?;
    stage.write("plugins/unsigned.wasm", &module)?;
    stage.write("plugins/stranger.wasm", &module)?;
    let generated = stage.run("conductor-sign", &["generate-key", STRANGER])?;
    stage.record_status("a stranger generates a key", &generated, 0);
    let signed = stage.run("conductor-sign", &signing("plugins/stranger.wasm", STRANGER))?;
    stage.record_status("the stranger signs a copy of chord", &signed, 0);
    println!(
        "tampered.wasm is chord.wasm with one bit changed, unsigned.wasm lacks its signature, stranger.wasm is"
    );
    println!("signed with a key that is not trusted. hostile.wasm is signed with the trusted key {KEY}:");
    println!(
        "it gets to run, and tries what plugins must not be able to do. Every command is run a second time with"
    );
    println!("--json, and status, outcome, limit and error are compared with what they should be.\n");
    Ok(())
}

fn attempts() -> Vec<Attempt> {
    let hostile =
        |tried, action, more: &[&'static str], status, says: &[(&'static str, &'static str)]| Attempt {
            tried,
            arguments: [&["plugins/hostile.wasm", "--action", action], more].concat(),
            status,
            says: says.to_vec(),
        };
    let refused = |tried, plugin, says| Attempt {
        tried,
        arguments: vec![plugin, "--action", "chord"],
        status: 4,
        says: vec![("error", says)],
    };
    vec![
        refused("a tampered plugin", "plugins/tampered.wasm", "was signed"),
        refused("an unsigned plugin", "plugins/unsigned.wasm", "no signature"),
        refused("a plugin signed with an untrusted key", "plugins/stranger.wasm", "is not trusted"),
        hostile("an infinite loop", "loop", &[], 3, &[("limit", "max_fuel"), ("error", "fuel exhausted")]),
        hostile("a loop that sleeps", "sleep", &[], 3, &[("limit", "max_fuel"), ("error", "fuel exhausted")]),
        hostile(
            "an allocation of 200 MB",
            "allocate",
            &[],
            3,
            &[("limit", "max_memory_bytes"), ("error", "memory limit exceeded")],
        ),
        hostile(
            "an escape from the data directory",
            "escape",
            &["--grant", "Filesystem"],
            0,
            &[("outcome", "ok"), ("reply", "write /../../../etc/passwd: Operation not permitted")],
        ),
        hostile(
            "a file, without the capability Filesystem",
            "write",
            &["--params", r#"{"path": "/mine.txt", "text": "hello"}"#],
            1,
            &[("outcome", "failed"), ("withheld", "Filesystem is not granted")],
        ),
        hostile(
            "an address of this machine that no grant names",
            "fetch",
            &["--params", r#"{"url": "http://127.0.0.1/"}"#],
            1,
            &[("outcome", "failed"), ("error", "no grant names it")],
        ),
    ]
}

/// The reason that the report gives.
fn stopped_by(attempt: &Attempt, report: &Value) -> String {
    let Some((field, text)) = attempt.says.last() else { return String::new() };
    let found = texts(report, field);
    if *field == "reply" {
        let refused = found.iter().filter(|attempt| !attempt.ends_with(": succeeded")).count();
        return format!("the directory: {refused} of {} attempts were refused", found.len());
    }
    let said = found.iter().find(|found| found.contains(text)).or(found.first());
    said.cloned().unwrap_or_else(|| "nothing".to_owned())
}

/// The texts in a field of the report: a single text, the texts of a list, or the attempts in a reply with their
/// results.
fn texts(report: &Value, field: &str) -> Vec<String> {
    let text = |value: &Value| match (value.get("attempt"), value.get("result")) {
        (Some(attempt), Some(result)) => Some(format!("{}: {}", attempt.as_str()?, result.as_str()?)),
        (_, _) => value.as_str().map(str::to_owned),
    };
    match report.get(field) {
        Some(Value::Array(values)) => values.iter().filter_map(text).collect(),
        Some(value) => text(value).into_iter().collect(),
        None => Vec::new(),
    }
}

/// The text with every digest and key shortened to its first digits, for the closing table.
fn short(text: &str) -> String {
    let cut = |word: &str| {
        let (hex, rest) = word.split_at_checked(64)?;
        let is_hex =
            hex.chars().all(|c| c.is_ascii_hexdigit()) && !rest.starts_with(|c: char| c.is_alphanumeric());
        is_hex.then(|| format!("{}…{rest}", hex.get(..8).unwrap_or_default()))
    };
    text.split(' ').map(|word| cut(word).unwrap_or_else(|| word.to_owned())).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report() -> Value {
        serde_json::json!({
            "error": "fuel exhausted",
            "withheld": ["Network is denied", "Filesystem is not granted"],
            "reply": [{"attempt": "a", "result": "refused"}, {"attempt": "b", "result": "succeeded"}],
        })
    }

    fn attempt(field: &'static str, text: &'static str) -> Attempt {
        Attempt { tried: "", arguments: vec![], status: 0, says: vec![("outcome", "ok"), (field, text)] }
    }

    #[test]
    fn the_reason_is_taken_from_the_field_that_holds_it() {
        assert_eq!(stopped_by(&attempt("error", "fuel"), &report()), "fuel exhausted");
        assert_eq!(stopped_by(&attempt("withheld", "Filesystem"), &report()), "Filesystem is not granted");
        let refused = "the directory: 1 of 2 attempts were refused";
        assert_eq!(stopped_by(&attempt("reply", "a: refused"), &report()), refused);
        assert_eq!(stopped_by(&attempt("limit", "fuel"), &report()), "nothing");
    }

    #[test]
    fn digests_are_cut_short() {
        let key = "a1".repeat(32);
        assert_eq!(
            short(&format!("key {key}, not {key}0 nor a1")),
            format!("key a1a1a1a1…, not {key}0 nor a1")
        );
    }
}
