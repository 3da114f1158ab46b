//! Third act: what is refused, and by what.

use serde_json::Value;

use crate::demo::signing::{KEY, signing};
use crate::demo::stage::Stage;
use crate::error::TaskError;

/// Key of a signer whom the user does not trust.
const STRANGER: &str = ".conductor/stranger-key";

/// A file outside of every plugin's directory, which must stay as it is.
const OUTSIDE: &str = "outside.txt";
const OUTSIDE_TEXT: &str = "not for plugins";

/// One attempt: what is tried, the command line, and what must come out.
struct Attempt {
    tried: &'static str,
    arguments: Vec<&'static str>,
    /// Exit status of `conductor exec`.
    status: i32,
    /// Fields of its JSON report and a text that each must contain, in any case.
    says: Vec<(&'static str, &'static str)>,
}

/// Makes every attempt.
pub(crate) fn show(stage: &mut Stage) -> Result<(), TaskError> {
    stage.act("Attack: what is refused, and by what");
    prepare(stage)?;
    for attempt in attempts() {
        let arguments = [&["exec"], &attempt.arguments[..], &["--json"]].concat();
        println!("Tried: {}", attempt.tried);
        let mut program = stage.program("conductor", &arguments);
        println!("$ {}", program.line());
        let captured = program.capture(std::time::Duration::from_secs(60))?;
        let report: Value = serde_json::from_str(&captured.stdout).unwrap_or(Value::Null);
        let stopped_by = stopped_by(&report, &captured.stderr);
        let millis = captured.took.as_millis();
        println!("Stopped by: {stopped_by} (exit status {}, {millis} ms)\n", status(captured.status.code()));
        let as_it_should = captured.status.code() == Some(attempt.status)
            && attempt.says.iter().all(|(field, text)| contains(&report, field, text));
        stage.record(attempt.tried, stopped_by, as_it_should);
    }
    let outside = stage.read(OUTSIDE)? == OUTSIDE_TEXT.as_bytes();
    stage.record("a file outside of the plugins' directories is as before", OUTSIDE, outside);
    Ok(())
}

/// Makes a copy of a signed plugin with one byte changed, one without a signature, and one signed by a stranger.
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
    println!("it gets to run, and tries what plugins must not be able to do.\n");
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
        hostile("an infinite loop", "loop", &[], 3, &[("limit", "fuel"), ("error", "fuel exhausted")]),
        hostile("a loop that sleeps", "sleep", &[], 3, &[("limit", "fuel"), ("error", "fuel exhausted")]),
        hostile("an allocation of 200 MB", "allocate", &[], 3, &[("limit", "memory")]),
        hostile(
            "an escape from the data directory",
            "escape",
            &["--grant", "Filesystem"],
            0,
            &[("outcome", "ok")],
        ),
        hostile(
            "a file, without the capability Filesystem",
            "write",
            &["--params", r#"{"path": "/mine.txt", "text": "hello"}"#],
            1,
            &[("outcome", "fail")],
        ),
        hostile(
            "an address of this machine that no grant names",
            "fetch",
            &["--params", r#"{"url": "http://127.0.0.1:22/"}"#],
            1,
            &[("error", "no grant names")],
        ),
    ]
}

/// What the report names as the reason, with the most precise first.
fn stopped_by(report: &Value, stderr: &str) -> String {
    if let Some(attempts) = report.get("reply").and_then(Value::as_array) {
        let refused = attempts
            .iter()
            .filter(|attempt| contains(attempt, "result", "") && !contains(attempt, "result", "succeeded"));
        return format!("{} of {} attempts refused", refused.count(), attempts.len());
    }
    let field = |name: &str| report.get(name).and_then(Value::as_str).map(str::to_owned);
    let last_words = || stderr.lines().next().unwrap_or("nothing").to_owned();
    field("error").or_else(|| field("outcome")).unwrap_or_else(last_words)
}

fn contains(report: &Value, field: &str, text: &str) -> bool {
    report.get(field).and_then(Value::as_str).is_some_and(|found| found.to_lowercase().contains(text))
}

fn status(code: Option<i32>) -> String {
    code.map_or_else(|| "none".to_owned(), |code| code.to_string())
}
