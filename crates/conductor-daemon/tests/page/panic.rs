//! Panic over the page.

use std::thread;

use conductor_signing::PublicKey;
use serde_json::json;

use super::browser::{Page, SILENT, Session};
use crate::scratch::{Scratch, hang_trust};

#[test]
fn a_disk_that_hangs_under_another_request_does_not_hold_up_panic() {
    let scratch = Scratch::new();
    scratch.conductor_sign(&["generate-key", "ada"]);
    let key = std::fs::read_to_string(scratch.path("ada.public")).expect("a key").trim().to_owned();
    let fingerprint = key.parse::<PublicKey>().expect("a key").fingerprint().to_string();
    let page = Page::open(&scratch, SILENT);
    let go_on = hang_trust(&scratch);
    let trust = json!({ "trust-add": { "name": "Ada", "public_key": key, "fingerprint": fingerprint } });
    let session: &Session = &page;
    thread::scope(|scope| {
        let waiting = scope.spawn(|| session.ask(&trust));
        page.daemon.wait_for_thread("request");
        let silenced = page.ask(&json!("panic"));
        assert_eq!(silenced.response()["panic"], json!({ "outputs": [], "unreached": [] }), "{silenced:?}");
        assert_eq!(page.get("/api/status").response()["status"]["paused"], true);
        let _reader = go_on();
        // On a slow machine, the answer is that it takes long.
        let answer = waiting.join().expect("answered");
        assert!(answer.status == 200 || answer.cause() == "took-too-long", "{answer:?}");
    });
    page.daemon.stop();
}
