//! The help of every command, compared with a file, so that it changes only on purpose: people and scripts rely on it.

use super::ctl::ctl;
use crate::scratch::Scratch;

#[test]
fn help_is_as_written_down() {
    let scratch = Scratch::new();
    let mut found = String::new();
    for command in [
        &[][..],
        &["status"],
        &["plugin"],
        &["plugin", "list"],
        &["plugin", "settings"],
        &["plugin", "secret"],
        &["plugin", "secret", "set"],
        &["plugin", "resume"],
        &["ui"],
    ] {
        let words = [command, &["--help"]].concat();
        let ended = ctl(&scratch, &words);
        assert_eq!(ended.code, 0, "{ended:?}");
        found.push_str(&format!("$ conductorctl {}\n{}\n", words.join(" "), ended.stdout));
    }
    assert_eq!(found, include_str!("help.txt"), "the new help, if it is meant to be so:\n{found}");
}

#[test]
fn a_command_line_that_cannot_be_read_is_status_2() {
    let scratch = Scratch::new();
    for arguments in [&[][..], &["stat"], &["plugin", "resume"], &["status", "more"]] {
        let ended = ctl(&scratch, arguments);
        assert_eq!((ended.code, ended.stdout.as_str()), (2, ""), "{ended:?}");
    }
}
