//! That the filter of a confined program refuses what is noted and nothing else, for every number of a system call, every
//! machine, and every value at the edges of each argument that is looked at.

use std::collections::BTreeSet;

use libc::c_long;

use super::*;
use crate::launcher::seccomp::Verdict::{Allowed, Killed, Refused};
use crate::launcher::seccomp::{Asked, HERE, NUMBERS, X32, edges, other_machines};

/// A request of `ioctl` that writes, as `linux/ioctl.h` makes its number: 2 bits for the direction, 14 for the size of what
/// is handed over, 8 for the kind of thing and 8 for the request.
const fn request(direction: u64, size: u64, kind: u8, number: u8) -> u64 {
    direction << 30 | size << 16 | (kind as u64) << 8 | number as u64
}

/// Requests that change what is known of a file (`linux/fs.h`, `linux/fsverity.h`, `linux/fscrypt.h`).
const CHANGES: [u64; 7] = [
    request(1, 8, b'f', 2),
    request(1, 4, b'f', 2),
    request(1, 8, b'v', 2),
    request(1, 4, b'v', 2),
    request(1, 28, b'X', 32),
    request(1, 128, b'f', 133),
    request(2, 12, b'f', 19),
];

/// What the reasons of each call say of arguments, read anew: the system calls of which not everything is refused.
fn may(number: c_long, arguments: [u64; 6]) -> bool {
    // The kernel takes the lower half of these.
    let low = arguments.map(|argument| argument as u32);
    match number {
        // A pair of streams in this machine, whatever its flags.
        libc::SYS_socketpair => low[0] == 1 && low[1] & 0xf == 1,
        libc::SYS_ioctl => !CHANGES.contains(&low[1].into()),
        // Leases, and signals when a directory changes.
        libc::SYS_fcntl => ![1024, 1026].contains(&low[1]),
        _ => !refused().any(|call| call.number == number),
    }
}

/// Arguments with which every call is allowed that may be made at all.
const HARMLESS: [u64; 6] = [1, 1, 0, 0, 0, 0];

#[test]
fn every_call_may_be_made_but_those_that_are_noted() {
    let filter = filter().expect("a filter");
    let denied: BTreeSet<c_long> = (0..c_long::from(NUMBERS))
        .filter(|number| Asked::here(*number, HARMLESS).held_against(&filter) == Refused)
        .collect();
    let noted = refused().filter(|call| !call.is_checked).map(|call| call.number).collect();
    assert_eq!(denied, noted);
}

/// One argument after the other takes every value at an edge, for every number of a system call.
#[test]
fn arguments_are_held_to_what_is_noted() {
    let filter = filter().expect("a filter");
    let edges = edges(CHANGES.into_iter().flat_map(|request| [request, request + 1, request - 1]));
    for number in 0..c_long::from(NUMBERS) {
        let places = if refused().any(|call| call.number == number) { 0..6 } else { 1..2 };
        for place in places {
            for value in &edges {
                let mut arguments = HARMLESS;
                arguments[place] = *value;
                let expected = if may(number, arguments) { Allowed } else { Refused };
                let asked = Asked::here(number, arguments);
                assert_eq!(asked.held_against(&filter), expected, "{asked:x?}");
            }
        }
    }
}

/// Both arguments of a pair of sockets at once.
#[test]
fn a_pair_is_of_streams_in_this_machine_whatever_its_flags() {
    let filter = filter().expect("a filter");
    let kinds = (0..64).flat_map(|kind| [kind, kind | 0o2_000_000, kind | 0o4000, kind | 1 << 40]);
    for kind in kinds {
        for family in (0..64).chain([1 << 32 | 1, u64::from(u32::MAX)]) {
            let asked = Asked::here(libc::SYS_socketpair, [family, kind, 0, 0, 0, 0]);
            let expected = if may(libc::SYS_socketpair, asked.arguments) { Allowed } else { Refused };
            assert_eq!(asked.held_against(&filter), expected, "{asked:x?}");
        }
    }
}

/// Numbers of x32 are refused, those that are negative too; a call in the way of another machine ends the process.
#[test]
fn no_call_is_made_in_another_way() {
    let filter = filter().expect("a filter");
    for number in 0..NUMBERS {
        for mark in [X32, X32 | 1 << 31, 1 << 31, u32::MAX - NUMBERS + 1] {
            let asked = Asked { machine: HERE, number: number | mark, arguments: HARMLESS };
            // Other machines have no such calls, and answer that.
            let expected = if cfg!(target_arch = "x86_64") { Refused } else { Allowed };
            assert_eq!(asked.held_against(&filter), expected, "{asked:x?}");
        }
        for machine in other_machines() {
            let asked = Asked { machine, number, arguments: HARMLESS };
            assert_eq!(asked.held_against(&filter), Killed, "{asked:x?}");
        }
    }
}
