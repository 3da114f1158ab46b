//! A revocation that cannot be written: `status`, the end of the daemon and the next start say so, and the revocation
//! holds.

use std::fs;

use super::binding::{GRANTED, UNSIGNED, capabilities, config, put, start, status};
use super::ctl::{ctl, json, shown};
use crate::scratch::Scratch;

/// The files of decisions. A damaged file is not overwritten.
const FILES: [&str; 2] = ["config/grants.toml", "config/denials.journal"];

#[test]
fn it_is_told_by_status_at_the_end_and_at_the_next_start() {
    let scratch = Scratch::new();
    put(&scratch, "notes", "1.0");
    config(&scratch, &format!("{UNSIGNED}unsigned_max_risk = \"medium\"\n"), GRANTED);
    let daemon = start(&scratch);
    assert!(capabilities(&status(&scratch)).contains("Filesystem is granted"), "{}", status(&scratch));
    for file in FILES {
        fs::copy(scratch.path(file), scratch.path(&format!("{file}.sound"))).expect("copied");
        fs::write(scratch.path(file), "damaged\n").expect("written");
    }
    let revoked = ctl(&scratch, &["plugin", "revoke", "notes", "Filesystem"]);
    assert!(revoked.code == 4 && revoked.stderr.contains("damaged"), "{revoked:?}");
    assert!(capabilities(&status(&scratch)).contains("Filesystem is denied"), "{}", status(&scratch));
    assert!(shown(&scratch, &["status"]).contains("Filesystem of notes"), "{}", shown(&scratch, &["status"]));
    let (_, log) = daemon.stop();
    assert!(
        log.contains("revoked, but not written, the next start knows of it: Filesystem of notes"),
        "{log}"
    );

    for file in FILES {
        fs::rename(scratch.path(&format!("{file}.sound")), scratch.path(file)).expect("in place");
    }
    let mut daemon = start(&scratch);
    daemon.wait_for_log("revoked before the last stop, and holds");
    assert!(capabilities(&status(&scratch)).contains("Filesystem is denied"), "{}", status(&scratch));
    assert_eq!(json(&scratch, &["status"])["unkept_denials"].as_array().map(Vec::len), Some(1));
    daemon.stop();
}
