//! The help of every command, compared with a file, so that it changes only on purpose: people and scripts rely on it.

use super::scratch::Scratch;

#[test]
fn help_is_as_written_down() {
    let scratch = Scratch::new();
    let mut found = String::new();
    for command in [&[][..], &["run"], &["init"], &["exec"], &["silence"], &["inspect"]] {
        let words = [command, &["--help"]].concat();
        let ended = scratch.conductor(&words);
        assert_eq!(ended.code, 0, "{ended:?}");
        found.push_str(&format!("$ conductor {}\n{}\n", words.join(" "), ended.stdout));
    }
    assert_eq!(found, include_str!("help.txt"), "the new help, if it is meant to be so:\n{found}");
}
