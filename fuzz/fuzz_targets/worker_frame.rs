//! Any bytes as a message of a worker to its supervisor: they are a frame or not, and decoding them ends.

#![no_main]
#![forbid(unsafe_code)]

use conductor_core::worker::check_worker_frame;
use libfuzzer_sys::{Corpus, fuzz_target};

fuzz_target!(|bytes: &[u8]| -> Corpus {
    if check_worker_frame(bytes) { Corpus::Keep } else { Corpus::Reject }
});
