//! That a frame is taken apart into what it was put together from, and that bytes that are none are told from it.
//! Every kind of frame is tried with the values at the edges of each of its fields, every beginning of it, and every
//! bit of it turned.

use std::fmt::Debug;
use std::path::PathBuf;

use conductor_abi::LogLevel;
use conductor_call::{DataQuota, Flavour, Isolation, LogSource};
use serde::de::DeserializeOwned;

use super::*;
use crate::guest::Access;
use crate::local::Surroundings;

/// Numbers at the edges of what one, two and more bytes of the encoding hold.
const NUMBERS: [u64; 9] = [0, 1, 127, 128, 16_383, 16_384, u32::MAX as u64, u32::MAX as u64 + 1, u64::MAX];

/// The same of 32 bits.
const SMALL: [u32; 7] = [0, 1, 127, 128, 16_383, i32::MAX.cast_unsigned(), u32::MAX];

/// Every limit there is: the encoding of a variant is its number.
fn all_limits() -> Vec<Limit> {
    (0..u8::MAX).map_while(|number| postcard::from_bytes(&[number]).ok()).collect()
}

/// Texts that a plugin may write, and such as would end a field of another format.
fn texts() -> Vec<String> {
    let odd = ["", "a", "\0", "\"\\\n\u{1b}[0m", "\u{202e}é\u{10ffff}"].map(str::to_owned);
    odd.into_iter().chain(["x".repeat(127), "x".repeat(128)]).collect()
}

fn limits() -> Vec<Limits> {
    let most = Limits {
        max_fuel: u64::MAX,
        max_memory_bytes: u64::MAX,
        max_execution_time: Duration::MAX,
        max_reply_bytes: u32::MAX,
        max_message_bytes: u32::MAX,
        max_log_bytes: u32::MAX,
        isolation: Isolation::Fresh,
        ..Limits::default()
    };
    vec![Limits::default(), Limits::LEAST, most]
}

fn surroundings() -> Vec<Surroundings> {
    let mut all: Vec<_> = limits().into_iter().map(Surroundings::bare).collect();
    for text in texts() {
        let access = |writable| Access { host: PathBuf::from(&text), guest: text.clone(), writable };
        for (bytes, files) in NUMBERS.into_iter().zip(SMALL) {
            all.push(Surroundings {
                limits: Limits::default(),
                directories: vec![access(true), access(false)],
                quota: Some(DataQuota { bytes, files }),
                arguments: vec![text.clone(), String::new()],
                environment: vec![(text.clone(), text.clone())],
            });
        }
    }
    all
}

fn to_worker() -> Vec<ToWorker> {
    let mut all = vec![ToWorker::Start, ToWorker::Execute, ToWorker::Ask];
    for (index, surroundings) in surroundings().into_iter().enumerate() {
        all.push(ToWorker::Order(Box::new(Order {
            flavour: [Flavour::Reactor, Flavour::Command][index % 2],
            surroundings,
            is_full: index % 3 == 0,
            code_bytes: NUMBERS[index % NUMBERS.len()],
            allow_weak_isolation: index % 5 == 0,
        })));
    }
    let refusals = || all_limits().into_iter().map(Some).chain([None]);
    for status in SMALL {
        for fuel in NUMBERS {
            all.extend(refusals().map(|refused_by| ToWorker::Answer { status, fuel, refused_by }));
            all.push(ToWorker::Compile(CompileOrder {
                digest: [status as u8; 32],
                max_stack_bytes: status,
                max_seconds: fuel,
                max_bytes: u64::MAX - fuel,
                allow_weak_isolation: fuel % 2 == 0,
            }));
        }
    }
    all
}

fn ends() -> Vec<End> {
    let mut all = vec![End::Ok];
    all.extend([0, 1, -1, 63, -64, 64, -65, i32::MAX, i32::MIN].map(|code| End::Failed { code }));
    all.extend(all_limits().into_iter().map(|limit| End::Limit { limit }));
    for reason in texts() {
        all.extend([End::Trap { reason: reason.clone() }, End::Protocol { reason }]);
    }
    all
}

fn from_worker() -> Vec<FromWorker> {
    let mut all = vec![FromWorker::Loaded];
    for bits in 0..16_u32 {
        for landlock_abi in SMALL {
            all.push(FromWorker::Locked(ProcessWall {
                landlock_abi,
                seccomp: bits & 1 != 0,
                user_namespace: bits & 2 != 0,
                network_namespace: bits & 4 != 0,
                root: bits & 8 != 0,
            }));
        }
    }
    for text in texts() {
        let bytes = text.clone().into_bytes();
        for answers in 0..4 {
            let init = (answers & 1 != 0).then(|| bytes.clone());
            let capabilities = (answers & 2 != 0).then(|| bytes.clone());
            all.push(FromWorker::Started(Metadata { init, capabilities }));
        }
        let cause = || text.clone();
        all.push(FromWorker::NotLoaded(CompileFault::Compiler { cause: cause() }));
        all.push(FromWorker::NotLoaded(CompileFault::Import { cause: cause() }));
        all.push(FromWorker::NotSetUp { cause: cause() });
    }
    all.extend(SMALL.map(|op| FromWorker::HostCall { op }));
    all.extend(ends().into_iter().map(FromWorker::NotStarted));
    let levels = [LogLevel::Error, LogLevel::Warn, LogLevel::Info, LogLevel::Debug].map(LogSource::Host);
    let sources = || [LogSource::Stdout, LogSource::Stderr].into_iter().chain(levels);
    let line = |source| texts().into_iter().map(move |text| LogLine { source, text });
    for (index, end) in ends().into_iter().enumerate() {
        all.push(FromWorker::Done(Done {
            end,
            replied: index % 2 == 0,
            fuel_used: NUMBERS[index % NUMBERS.len()],
            peak_memory_bytes: NUMBERS[(index + 1) % NUMBERS.len()],
            log: sources().flat_map(line).skip(index).collect(),
            dropped_log_bytes: NUMBERS[(index + 2) % NUMBERS.len()],
            limits_refused: all_limits().into_iter().skip(index).collect(),
            instance_ended: index % 3 == 0,
        }));
    }
    all
}

/// A frame's bytes behind its length, which is right.
fn encoded(head: &impl Serialize, tail: &[u8]) -> Vec<u8> {
    let mut frame = b"left over from the frame before".to_vec();
    encode(head, tail, &mut frame).expect("encodes");
    let (length, rest) = frame.split_first_chunk::<LENGTH_BYTES>().expect("a length");
    assert_eq!(u32::from_le_bytes(*length) as usize, rest.len());
    rest.to_vec()
}

fn come_as_they_went<H: Serialize + DeserializeOwned + Debug>(heads: &[H]) {
    for head in heads {
        for tail in [&b""[..], &[0], &[0xff; 300]] {
            let frame = encoded(head, tail);
            let (read, behind) = decode::<H>(&frame).expect("it is a frame");
            assert_eq!((format!("{read:?}"), behind), (format!("{head:?}"), tail));
        }
    }
}

#[test]
fn frames_come_as_they_went() {
    come_as_they_went(&to_worker());
    come_as_they_went(&from_worker());
}

/// Whatever becomes of the bytes, they are a frame or they are not; one that is can be put together again, and is the
/// same then.
fn damage_is_told<H: Serialize + DeserializeOwned + Debug>(heads: &[H]) {
    for head in heads {
        let frame = encoded(head, b"");
        for end in 0..frame.len() {
            assert!(decode::<H>(&frame[..end]).is_err(), "{end} bytes of {head:?} are no frame");
        }
        // The first bytes, in which kinds, numbers and lengths are, and the last.
        let places = (0..frame.len()).filter(|place| *place < 48 || place + 8 > frame.len());
        for (place, bit) in places.flat_map(|place| (0..8).map(move |bit| (place, bit))) {
            let mut bent = frame.clone();
            bent[place] ^= 1 << bit;
            let Ok((read, behind)) = decode::<H>(&bent) else { continue };
            assert!(behind.len() < bent.len(), "a head has bytes");
            let again = encoded(&read, behind);
            let (same, tail) = decode::<H>(&again).expect("it is a frame");
            assert_eq!((format!("{same:?}"), tail), (format!("{read:?}"), behind));
        }
    }
}

#[test]
fn what_is_cut_or_bent_is_told() {
    // One of each kind and some of each beside it: what differs in numbers alone is bent in the same way.
    let some = |number: usize| number < 40 || number.is_multiple_of(17);
    let to: Vec<_> = to_worker().into_iter().enumerate().filter(|(number, _)| some(*number)).collect();
    damage_is_told(&to.into_iter().map(|(_, head)| head).collect::<Vec<_>>());
    let from: Vec<_> = from_worker().into_iter().enumerate().filter(|(number, _)| some(*number)).collect();
    damage_is_told(&from.into_iter().map(|(_, head)| head).collect::<Vec<_>>());
}

/// Every frame of up to two bytes, and of three that begin with each kind: most are none, and none of them is more
/// than it says.
#[test]
fn every_short_frame_is_one_or_none() {
    let short = (0..=u16::MAX).map(u16::to_le_bytes);
    for [first, second] in short {
        for frame in [&[first][..], &[first, second], &[first, second, 0x80], &[first, second, 0xff]] {
            if let Ok((head, behind)) = decode::<FromWorker>(frame) {
                assert!(encoded(&head, behind).len() <= frame.len(), "{head:?}");
            }
            let _ = check_worker_frame(frame);
        }
    }
}

/// What a worker claims is cut to what its limits allow, and a report within them comes as it went.
#[test]
fn a_report_is_at_most_what_the_limits_allow() {
    for limits in limits() {
        for head in from_worker() {
            let FromWorker::Done(done) = head else { continue };
            let (end, replied, refused) = (done.end.clone(), done.replied, done.limits_refused.clone());
            let report = done.report(b"reply", &limits, Duration::ZERO);
            assert_eq!(End::of(&report.outcome), end);
            assert_eq!(report.reply.is_some(), replied);
            assert_eq!(report.limits_refused, refused);
            assert!(report.fuel_used <= limits.max_fuel);
            assert!(report.peak_memory_bytes <= limits.max_memory_bytes);
            let logged: usize = report.log.iter().map(|line| line.text.len()).sum();
            assert!(logged <= limits.max_log_bytes as usize, "{logged} bytes");
            let (again, reply) = Done::of(report.clone());
            let again = again.report(&reply, &limits, Duration::ZERO);
            assert_eq!(format!("{again:?}"), format!("{report:?}"));
        }
    }
}

/// The longest frame that is expected has room for everything that the limits allow, and no limits make it overflow.
#[test]
fn the_longest_frame_is_told_of_any_limits() {
    for limits in limits() {
        let longest = max_frame_bytes(&limits);
        let reply = vec![0; limits.max_reply_bytes.min(1 << 20) as usize];
        let text = "x".repeat(limits.max_log_bytes.min(1 << 16) as usize);
        let line = LogLine { source: LogSource::Stdout, text };
        let done = Done {
            end: End::Trap { reason: "x".repeat(MAX_REASON_CHARS) },
            replied: true,
            fuel_used: u64::MAX,
            peak_memory_bytes: u64::MAX,
            log: vec![line; 3],
            dropped_log_bytes: u64::MAX,
            limits_refused: all_limits(),
            instance_ended: true,
        };
        let frame = encoded(&FromWorker::Done(done), &reply);
        assert!(frame.len() as u64 <= longest, "{} of {longest} bytes", frame.len());
    }
}
