//! The ways in which a worker that was taken over, or is broken, can fail its supervisor.

use std::fs::{self, File};
use std::io::{ErrorKind, Read, Write};
use std::os::fd::{AsFd, BorrowedFd};
use std::path::Path;
use std::thread::sleep;
use std::time::Duration;

use conductor_core::worker::Ends;

use crate::attempts::c_path;
use crate::raw::call;

/// Numbers of the variants of frames.
const LOADED: u8 = 1;
const HOST_CALL: u8 = 6;
const DONE: u8 = 7;

/// Number of the operation for an HTTP request, as postcard encodes it.
const HTTP_REQUEST: [u8; 2] = [0x80, 0x02];

/// Quota in bytes of a worker in these tests, which is also the largest length of a file.
const QUOTA_BYTES: u64 = 1024 * 1024;

/// Number of files with the largest length, together several times the quota.
const OVERFLOW_FILES: u32 = 4;

/// The worker's own ends of its pipes, without copies: a worker that compiles cannot copy them.
struct Channel<'c> {
    requests: Pipe<'c>,
    answers: Pipe<'c>,
}

impl<'c> Channel<'c> {
    const fn new(ends: Ends<'c>) -> Self {
        Self { requests: Pipe(ends.requests), answers: Pipe(ends.answers) }
    }
}

struct Pipe<'c>(BorrowedFd<'c>);

impl AsFd for Pipe<'_> {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0
    }
}

impl Read for Pipe<'_> {
    fn read(&mut self, bytes: &mut [u8]) -> std::io::Result<usize> {
        Ok(rustix::io::read(self.0, bytes)?)
    }
}

impl Write for Pipe<'_> {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        Ok(rustix::io::write(self.0, bytes)?)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// Carries out the named deed, on the channel or in the worker's own directory.
pub(crate) fn do_it(deed: &str, ends: Ends<'_>, own: &Path) {
    let mut channel = Channel::new(ends);
    match deed {
        "write-to-a-full-directory" => write_to_a_full_one(own),
        "die-by-SIGKILL" => signal(libc::SIGKILL),
        // The worker dies once it gets no more address space.
        "map-without-end" if !maps(MOST_GIBIBYTES) => signal(libc::SIGKILL),
        "map-without-end" => {}
        "die-by-SIGSEGV" => {
            let here = 0u8;
            call!(SYS_mprotect, (&raw const here) as usize & !4095, 4096, libc::PROT_NONE);
        }
        "abort" => signal(libc::SIGABRT),
        "exit" => {
            call!(SYS_exit_group, 0);
        }
        "stop" => signal(libc::SIGSTOP),
        "hang" => hang(),
        "compute" => loop {
            std::hint::spin_loop();
        },
        "compute-a-little" => loop {
            // Less time than a single look notices.
            let begun = std::time::Instant::now();
            while begun.elapsed() < Duration::from_millis(50) {
                std::hint::spin_loop();
            }
            sleep(Duration::from_millis(200));
        },
        "open-what-does-not-answer" => {
            let _ = File::open(own.join(crate::ends::MUTE));
            hang();
        }
        "send-garbage" => send(&mut channel, &[5, 0, 0, 0, 0xff, 0xff, 0xff, 0xff, 0xff]),
        "send-half-a-frame" => {
            send(&mut channel, &[9, 0, 0, 0, HOST_CALL, 0x80]);
            hang();
        }
        "send-a-gigabyte" => send(&mut channel, &(1u32 << 30).to_le_bytes()),
        "send-out-of-turn" => send(&mut channel, &frame(&[LOADED], &[])),
        "ask-unasked" => send(&mut channel, &host_call(b"")),
        "ask-what-is-not-granted" => {
            send(&mut channel, &host_call(b"anything"));
            fs::write(own.join("answer"), answer(&mut channel)).expect("written");
        }
        "ask-often" => ask_often(&mut channel),
        "flood" => flood(&mut channel),
        "fill-directory" => fill(own),
        "fill-directory-and-hang" => {
            fill(own);
            hang();
        }
        "fill-directory-later" => {
            // After the first look at the directory, like a worker that wants to stay unnoticed.
            sleep(Duration::from_secs(5));
            fill(own);
        }
        "lie" => {
            send(&mut channel, &done(&[0xff; 3]));
            hang();
        }
        "reply-too-much" => {
            send(&mut channel, &done(&[0; 2 * 1024]));
            hang();
        }
        _ => panic!("no worker knows how to {deed}"),
    }
}

/// Sends a signal to this process, in the way that the filter allows.
fn signal(number: i32) {
    call!(SYS_tgkill, std::process::id(), rustix::thread::gettid().as_raw_nonzero().get(), number);
}

/// More address space than any worker has, in GiB; its page tables would take 128 MiB.
const MOST_GIBIBYTES: usize = 64;

/// Whether this much address space can be mapped for reading only, which does not count as data.
fn maps(gibibytes: usize) -> bool {
    let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_NORESERVE;
    (0..gibibytes).all(|_| call!(SYS_mmap, 0, 1usize << 30, libc::PROT_READ, flags, usize::MAX, 0) == 0)
}

fn hang() -> ! {
    loop {
        std::thread::park();
    }
}

fn send(channel: &mut Channel<'_>, bytes: &[u8]) {
    channel.answers.write_all(bytes).expect("sent");
}

fn frame(head: &[u8], tail: &[u8]) -> Vec<u8> {
    let length = u32::try_from(head.len() + tail.len()).expect("a length");
    [&length.to_le_bytes(), head, tail].concat()
}

fn host_call(request: &[u8]) -> Vec<u8> {
    frame(&[&[HOST_CALL][..], &HTTP_REQUEST].concat(), request)
}

/// The end of a call that claims the largest possible fuel, memory and dropped log, with 2,000 bytes of log.
fn done(reply: &[u8]) -> Vec<u8> {
    const ENDED_WELL: u8 = 0;
    const REPLIED: u8 = 1;
    const MOST: [u8; 10] = [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01];
    const NO_LIMITS: u8 = 0;
    const LIVES_ON: u8 = 0;
    // One line of standard output, with its length.
    let log = [&[1, 0, 0xd0, 0x0f][..], &[b'x'; 2_000]].concat();
    let head = [&[DONE, ENDED_WELL, REPLIED][..], &MOST, &MOST, &log, &MOST, &[NO_LIMITS, LIVES_ON]].concat();
    frame(&head, reply)
}

/// Reads one frame, and returns the bytes behind its length.
fn answer(channel: &mut Channel<'_>) -> Vec<u8> {
    let mut length = [0; 4];
    channel.requests.read_exact(&mut length).expect("a length");
    let mut bytes = vec![0; u32::from_le_bytes(length) as usize];
    channel.requests.read_exact(&mut bytes).expect("a frame");
    bytes
}

/// Many host calls, correctly one after another.
fn ask_often(channel: &mut Channel<'_>) {
    for _ in 0..20_000 {
        send(channel, &host_call(b""));
        answer(channel);
    }
}

/// Endless host calls that never let the supervisor wait for the next call, and never let the supervisor block while it
/// sends an answer.
fn flood(channel: &mut Channel<'_>) {
    // Uses the only command for this that the filter allows.
    rustix::fs::fcntl_setfl(channel.requests.0, rustix::fs::OFlags::NONBLOCK).expect("set");
    rustix::fs::fcntl_setfl(channel.answers.0, rustix::fs::OFlags::NONBLOCK).expect("set");
    let calls = host_call(b"").repeat(4_096);
    let mut answers = vec![0; 64 * 1024];
    let mut sent = 0;
    loop {
        match channel.answers.write(&calls[sent..]) {
            Ok(count) => sent = (sent + count) % calls.len(),
            Err(error) => assert_eq!(error.kind(), ErrorKind::WouldBlock),
        }
        match channel.requests.read(&mut answers) {
            Ok(count) => assert_ne!(count, 0, "the supervisor is gone"),
            Err(error) => assert_eq!(error.kind(), ErrorKind::WouldBlock),
        }
    }
}

/// Exit status of a worker to which everything was refused that must be refused.
const REFUSED: i32 = 77;

/// Writes in a directory beyond the quota, bypassing the worker's own counting; the kernel must refuse them. Leaves
/// `small` shortened.
fn write_to_a_full_one(own: &Path) {
    let small = File::options().read(true).write(true).open(own.join("small")).expect("opened");
    let refused = |result: std::io::Result<()>, errno| {
        assert_eq!(result.expect_err("refused").raw_os_error(), Some(errno));
    };
    refused((&small).write_all(b"x"), libc::EFBIG);
    refused(small.set_len(100), libc::EFBIG);
    small.set_len(1).expect("shortened");
    refused(File::create(own.join("new")).map(drop), libc::EACCES);
    let beside = c_path(own.join("beside"));
    assert_eq!(call!(SYS_mkdirat, libc::AT_FDCWD, beside.as_ptr(), 0o700), libc::EACCES);
    assert_eq!(call!(SYS_symlinkat, c"x".as_ptr(), libc::AT_FDCWD, beside.as_ptr()), libc::EACCES);
    call!(SYS_exit_group, REFUSED);
}

/// Writes more than the quota, bypassing the worker's own counting; each file is as long as the kernel allows.
fn fill(own: &Path) {
    for number in 0..OVERFLOW_FILES {
        let mut file = File::create(own.join(format!("much-{number}"))).expect("made");
        // A hole counts as if it were filled, because it could be filled at any time.
        file.set_len(QUOTA_BYTES).expect("sized");
        file.write_all(&[1]).expect("written");
    }
    let longer = File::create(own.join("longer")).and_then(|file| file.set_len(QUOTA_BYTES + 1));
    assert_eq!(longer.expect_err("refused").raw_os_error(), Some(libc::EFBIG));
}
