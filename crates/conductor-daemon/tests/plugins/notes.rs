//! A diary in the plugin's own directory.

use serde_json::json;

use super::exec::{exec, home};
use crate::wasm;

#[test]
fn keeps_its_lines_from_one_run_to_the_next() {
    let (home, notes) = (home(), wasm::plugin("notes"));
    let granted = ["--unsigned-ok", "--grant", "Filesystem"];
    for text in ["first", "second\nstill second"] {
        let parameters = json!({ "text": text }).to_string();
        let written = exec(
            home.path(),
            &notes,
            &[&granted[..], &["--action", "append", "--params", &parameters]].concat(),
        );
        assert_eq!(written.status, Some(0), "{}", written.report);
        assert_eq!(written.report["outcome"], "ok");
    }
    let read = exec(home.path(), &notes, &[&granted[..], &["--action", "read"]].concat());
    assert_eq!(read.status, Some(0), "{}", read.report);
    let lines: Vec<String> = serde_json::from_value(read.report["reply"].clone()).expect("a list of lines");
    assert_eq!(lines.len(), 2, "{lines:?}");
    assert!(lines[0].ends_with("Z first"), "{lines:?}");
    assert!(lines[1].ends_with("Z second still second"), "{lines:?}");
    let kept = home.path().join(".local/share/conductor/plugin-data/notes/notes.txt");
    assert_eq!(std::fs::read_to_string(&kept).expect("file").lines().collect::<Vec<_>>(), lines);
}

#[test]
fn without_the_grant_says_so_and_writes_nothing() {
    let home = home();
    let refused = exec(home.path(), &wasm::plugin("notes"), &["--unsigned-ok", "--action", "append"]);
    assert_eq!(refused.status, Some(1), "{}", refused.report);
    assert_eq!(refused.report["outcome"], "failed", "{}", refused.report);
    assert!(refused.report["withheld"].to_string().contains("Filesystem"), "{}", refused.report);
    assert!(!home.path().join(".local/share/conductor/plugin-data/notes/notes.txt").exists());
}
