//! Row swap: the file is replaced between verification and use, ten thousand times.

use std::fs;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

use conductor_signing::RequireStatement::OnceSeen;
use conductor_signing::{Digest, SignaturePolicy, UnverifiedPlugin, signature_path};

use super::support::{Scratch, module, needs, read};

const ROUNDS: usize = 10_000;

/// Another program swaps plugin and signature all the time, by renaming and by writing in place. Every plugin that is
/// let in is the plugin that the trusted key signed, and holds exactly the bytes that were verified.
#[test]
fn what_is_held_is_what_was_verified() {
    let (friend, stranger) = (Scratch::new(), Scratch::new());
    let good = friend.signed(&module());
    let evil_module = [module(), vec![11, 1, 0]].concat();
    let evil = stranger.signed(&evil_module);
    let trust = friend.trusting(&[friend.key.public_key()]);
    let (target, spare) = (friend.path("target.wasm"), friend.path("spare"));
    copy(&good, &target);
    copy(&signature_path(&good), &signature_path(&target));

    let done = AtomicBool::new(false);
    let (mut let_in, mut refused) = (0, 0);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            for round in 0_usize.. {
                if done.load(Ordering::Relaxed) {
                    break;
                }
                let from = if round % 2 == 0 { &evil } else { &good };
                for (from, to) in
                    [(from.clone(), target.clone()), (signature_path(from), signature_path(&target))]
                {
                    if round % 4 < 2 {
                        copy(&from, &spare);
                        fs::rename(&spare, &to).expect("renamed");
                    } else {
                        copy(&from, &to);
                    }
                }
            }
        });
        for _ in 0..ROUNDS {
            let plugin = UnverifiedPlugin::read(&target, 1024 * 1024).expect("read");
            let (digest, length) = (plugin.digest(), plugin.len());
            match plugin.verify(&needs(SignaturePolicy::TrustedSigner, OnceSeen), &trust) {
                Ok(plugin) => {
                    assert_eq!(plugin.bytes(), module());
                    assert_eq!(plugin.digest(), Digest::from_bytes(plugin.bytes()));
                    assert_eq!((plugin.digest(), plugin.bytes().len()), (digest, length));
                    let_in += 1;
                }
                Err(_) => refused += 1,
            }
        }
        done.store(true, Ordering::Relaxed);
    });
    assert!(let_in > 0 && refused > 0, "{let_in} let in, {refused} refused");
}

/// The file on disk does not matter any more once it was read.
#[test]
fn a_file_that_is_replaced_after_it_was_read_changes_nothing() {
    let scratch = Scratch::new();
    let path = scratch.signed(&module());
    let trust = scratch.trusting(&[scratch.key.public_key()]);
    let plugin = read(&path);
    fs::write(&path, b"evil").expect("written");
    fs::remove_file(signature_path(&path)).expect("removed");
    let plugin = plugin.verify(&needs(SignaturePolicy::TrustedSigner, OnceSeen), &trust).expect("let in");
    fs::remove_file(&path).expect("removed");
    assert_eq!(plugin.bytes(), module());
}

fn copy(from: &Path, to: &Path) {
    fs::copy(from, to).expect("copied");
}
