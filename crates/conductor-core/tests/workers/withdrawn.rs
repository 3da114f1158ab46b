//! A plugin whose permission is withdrawn while it runs, on every host.

use std::sync::mpsc::channel;
use std::thread;
use std::time::{Duration, Instant};

use conductor_core::{Host, Limits, Outcome, PluginOptions, PluginState, Suspension};
use conductor_signing::{Revoked, TrustStore, VerifyError};

use crate::hosts::OnHost;
use crate::support::{REQUEST, load};

/// Every test of this file, with its name.
pub(crate) const TESTS: [OnHost; 2] = [
    ("withdrawn::a_call_under_way_is_ended", a_call_under_way_is_ended),
    ("withdrawn::a_permission_comes_back", a_permission_comes_back),
];

/// Time after which a test counts as hung: far longer than ending a call takes.
const PATIENCE: Duration = Duration::from_secs(20);

/// Computes for as long as its limits allow if the request is `!`, and otherwise returns at once.
const COMPUTES: &str = r#"(module
    (memory (export "memory") 1)
    (func (export "alloc") (param i32) (result i32) (i32.const 1024))
    (func (export "execute") (param $at i32) (param $len i32) (result i32)
        (if (i32.eq (i32.load8_u (local.get $at)) (i32.const 33)) (then (loop $again (br $again))))
        (i32.const 0)))"#;

const WITHDRAWN: Outcome = Outcome::Suspended { suspension: Suspension::Withdrawn };

/// Limits under which a call would outlast this test.
fn patient() -> PluginOptions {
    let limits =
        Limits { max_fuel: u64::MAX, max_execution_time: Duration::from_secs(600), ..Limits::default() };
    PluginOptions { limits: Some(limits), ..PluginOptions::default() }
}

fn a_call_under_way_is_ended(host: &Host) {
    let wasm = wat::parse_str(COMPUTES).expect("valid text");
    let mut plugin = load(host, "computes.wasm", wasm, &patient()).expect("loads");
    let permission = plugin.permission();
    let revoked = TrustStore::default().supposing_revoked(Revoked::Digest(plugin.info().digest));
    assert_eq!(permission.check(&TrustStore::default()), None);
    assert_eq!(plugin.execute(REQUEST).outcome, Outcome::Ok);

    let (calling, called) = channel();
    let caller = thread::spawn(move || {
        calling.send(()).expect("waited for");
        let first = plugin.execute(b"!").outcome;
        let second = plugin.execute(REQUEST).outcome;
        (first, second, plugin.state(), plugin.worker_pid())
    });
    called.recv().expect("the call begins");
    thread::sleep(Duration::from_millis(300));
    let cause = permission.check(&revoked);
    assert!(matches!(cause, Some(VerifyError::DigestRevoked { .. })), "{cause:?}");
    let deadline = Instant::now() + PATIENCE;
    while !caller.is_finished() {
        assert!(Instant::now() < deadline, "the call goes on");
        thread::sleep(Duration::from_millis(5));
    }
    let (first, second, state, worker) = caller.join().expect("no panic");
    assert_eq!((first, second, worker), (WITHDRAWN, WITHDRAWN, None));
    assert!(matches!(state, PluginState::Withdrawn { .. }), "{state:?}");
    assert_eq!(permission.check(&revoked), None, "it is withdrawn once");
}

fn a_permission_comes_back(host: &Host) {
    let wasm = wat::parse_str(COMPUTES).expect("valid text");
    let mut plugin = load(host, "computes.wasm", wasm, &patient()).expect("loads");
    let revoked = TrustStore::default().supposing_revoked(Revoked::Digest(plugin.info().digest));
    plugin.permission().check(&revoked).expect("withdrawn");
    assert_eq!(plugin.execute(REQUEST).outcome, WITHDRAWN);
    plugin.resume();
    assert_eq!(plugin.execute(REQUEST).outcome, WITHDRAWN, "it is not for whoever calls to decide");
    plugin.permission().restore().expect("nothing is revoked in this host's own store");
    assert_eq!(plugin.execute(REQUEST).outcome, Outcome::Ok);
    assert_eq!(plugin.state(), PluginState::Ready);
}
