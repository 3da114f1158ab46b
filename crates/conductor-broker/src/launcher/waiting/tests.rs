//! That a process which waits may make the calls that are noted and no others, in the way of this machine alone.

use std::collections::BTreeSet;

use super::*;
use crate::launcher::seccomp::Verdict::{Allowed, Killed, Refused};
use crate::launcher::seccomp::{Asked, HERE, NUMBERS, X32, edges, other_machines};

fn filters() -> [(&'static [&'static [Call]], BpfProgram); 2] {
    [Waiting::Launcher, Waiting::Keeper].map(|waiting| (waiting.calls(), filter(waiting).expect("a filter")))
}

/// Whatever the arguments: none of the calls is looked at more closely.
#[test]
fn what_is_noted_may_be_done_and_nothing_else() {
    let edges = edges([]);
    for (noted, filter) in filters() {
        let noted: BTreeSet<u32> = noted
            .iter()
            .copied()
            .flatten()
            .map(|call| u32::try_from(call.number).expect("a number"))
            .collect();
        for number in 0..NUMBERS {
            let expected = if noted.contains(&number) { Allowed } else { Refused };
            for value in &edges {
                let asked = Asked::here(number.into(), [*value; 6]);
                assert_eq!(asked.held_against(&filter), expected, "{asked:x?}");
            }
        }
    }
}

#[test]
fn no_call_is_made_in_another_way() {
    for (_, filter) in filters() {
        let bits = (10..32).map(|bit| 1_u32 << bit);
        let marks: Vec<u32> = bits.chain([X32 | 1 << 31, u32::MAX - NUMBERS + 1]).collect();
        for number in 0..NUMBERS {
            for mark in &marks {
                let asked = Asked { machine: HERE, number: number | mark, arguments: [0; 6] };
                assert_eq!(asked.held_against(&filter), Refused, "{asked:x?}");
            }
            for machine in other_machines() {
                let asked = Asked { machine, number, arguments: [0; 6] };
                assert_eq!(asked.held_against(&filter), Killed, "{asked:x?}");
            }
        }
    }
}
