//! Programs of the user, each granted by its path.

use serde_json::json;

use super::exec::{exec, home};
use crate::wasm;

fn parameters(program: &str, arguments: &[&str]) -> String {
    json!({ "program": program, "arguments": arguments }).to_string()
}

fn run(grant: &str, parameters: &str) -> (Option<i32>, serde_json::Value) {
    let arguments = ["--unsigned-ok", "--grant", grant, "--action", "run", "--params", parameters];
    let ran = exec(home().path(), &wasm::plugin("script"), &arguments);
    (ran.status, ran.report)
}

#[test]
fn runs_what_is_granted_by_name() {
    let (status, report) =
        run("Subprocess=/bin/echo;args=*", &parameters("/bin/echo", &["take {note}", "$HOME"]));
    assert_eq!(status, Some(0), "{report}");
    assert_eq!(report["reply"], json!({ "stdout": "take  $HOME", "cut": false }));
}

#[test]
fn runs_nothing_else() {
    for (grant, program, arguments, reason) in [
        ("Subprocess=/bin/echo;args=*", "/bin/cat", &[][..], "outside the scope that was granted"),
        ("Subprocess=/bin/echo;args=scene*", "/bin/echo", &["other"], "outside the scope that was granted"),
        ("Subprocess", "/bin/echo", &[], "the grant must name one"),
    ] {
        let (status, report) = run(grant, &parameters(program, arguments));
        assert_eq!(status, Some(1), "{report}");
        assert!(report.to_string().contains(reason), "{report}");
    }
}

#[test]
fn fails_when_the_program_does() {
    let grant = "Subprocess=/bin/false,/bin/ls;args=/nowhere";
    let (status, report) = run(grant, &parameters("/bin/ls", &["/nowhere"]));
    assert_eq!(status, Some(1), "{report}");
    assert!(report.to_string().contains("/bin/ls ended with status 2: "), "{report}");
}
