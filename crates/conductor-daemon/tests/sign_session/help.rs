//! The help of every command, compared with a file, so that it changes only on purpose: people and scripts rely on it.

use super::shell::Shell;

const COMMANDS: [&[&str]; 29] = [
    &[],
    &["generate-key"],
    &["sign"],
    &["cosign"],
    &["verify"],
    &["explain"],
    &["impact"],
    &["rotate"],
    &["keys"],
    &["keys", "list"],
    &["trust"],
    &["trust", "add"],
    &["trust", "list"],
    &["trust", "show"],
    &["trust", "renew"],
    &["trust", "remove"],
    &["trust", "revoke"],
    &["trust", "revoked"],
    &["trust", "unrevoke"],
    &["trust", "export-revocations"],
    &["trust", "import"],
    &["trust", "rotations"],
    &["trust", "pins"],
    &["trust", "pin"],
    &["trust", "unpin"],
    &["trust", "allow-downgrade"],
    &["manifest"],
    &["manifest", "show"],
    &["manifest", "add"],
];

#[test]
fn help_is_as_written_down() {
    let shell = Shell::new();
    let mut found = String::new();
    for command in COMMANDS {
        let words = [command, &["--help"]].concat();
        found.push_str(&format!("$ conductor-sign {}\n{}\n", words.join(" "), shell.ok(&words).stdout));
    }
    assert_eq!(found, include_str!("help.txt"), "the new help, if it is meant to be so:\n{found}");
}
