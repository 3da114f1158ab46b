//! That the filters allow what is noted of each stage and nothing else. The filters are held against an interpreter,
//! for every number of a system call, every machine, and every value at the edges of each argument that is looked at.

use std::collections::BTreeSet;

use super::*;
use kernel::Verdict::{Allowed, Killed, Refused};
use kernel::{Asked, HERE, NUMBERS, Verdict, X32, edges, other_machines};

#[path = "../../../../../tests/support/seccomp.rs"]
mod kernel;

/// The descriptor of the code in these tests.
const CODE: RawFd = 7;

/// The stages as people are told of them, each with the filters that hold then.
fn in_force() -> [(&'static str, Vec<BpfProgram>); 3] {
    let run = Stage::Run { code: CODE };
    let needed = |stage| needed(stage).expect("a filter");
    [
        ("compile", vec![needed(Stage::Compile)]),
        ("load", vec![needed(run)]),
        ("run", vec![needed(run), no_new_code().expect("a filter")]),
    ]
}

/// What becomes of a call: the strictest word of all filters counts.
fn verdict(filters: &[BpfProgram], asked: &Asked) -> Verdict {
    filters.iter().map(|filter| asked.held_against(filter)).min().expect("a filter")
}

/// What the manual and the reasons of each call say of arguments, read anew: the system calls of which not everything
/// is allowed.
fn may(stage: &str, number: c_long, arguments: [u64; 6]) -> bool {
    // The kernel takes the lower half of these.
    let low = arguments.map(|argument| argument as u32);
    let is_executable = low[2] & 4 != 0;
    match number {
        // No file is mapped but the code; nothing is executable, shared, grows as a stack or is of large pages.
        libc::SYS_mmap => {
            let is_code = stage != "compile" && low[4] == CODE.cast_unsigned();
            !is_executable && low[3] & (0x01 | 0x0100 | 0x4_0000) == 0 && (low[4] == u32::MAX || is_code)
        }
        // Code becomes executable while it is loaded, and at no other time.
        libc::SYS_mprotect => stage == "load" || !is_executable,
        // Copies of descriptors, their flags and seals; no signals, locks or leases.
        libc::SYS_fcntl => [0, 1030, 1, 2, 3, 4, 1034].contains(&low[1]),
        libc::SYS_tgkill => low[0] == std::process::id(),
        libc::SYS_prctl => low[0] == 38,
        libc::SYS_utimensat => arguments[1] == 0,
        libc::SYS_close => low[0] != CODE.cast_unsigned(),
        _ => true,
    }
}

/// Arguments with which every call is allowed that may be made at all.
const HARMLESS: [u64; 6] = [3, 0, 0, 0, u64::MAX, 0];

fn harmless(number: c_long) -> [u64; 6] {
    let mut arguments = HARMLESS;
    match number {
        libc::SYS_tgkill => arguments[0] = std::process::id().into(),
        libc::SYS_prctl => arguments[0] = libc::PR_SET_NO_NEW_PRIVS as u64,
        _ => {}
    }
    arguments
}

/// The numbers that are noted of a stage.
fn noted(stage: &str) -> BTreeSet<u32> {
    let lists: &[&[Call]] = match stage {
        "compile" => &[ALWAYS, COMPILING],
        "load" => &[ALWAYS, RUNNING, FORBIDDING],
        "run" => &[ALWAYS, RUNNING],
        other => panic!("no stage {other}"),
    };
    let told = stages().into_iter().find(|told| told.stage == stage).expect("it is told");
    let names = conductor_confine::system_calls::by_name(lists.iter().copied().flatten());
    assert_eq!(told.calls, names, "what people are told of {stage} is what is noted");
    lists.iter().copied().flatten().map(|call| u32::try_from(call.number).expect("a number")).collect()
}

#[test]
fn each_stage_may_make_the_calls_that_are_noted_and_no_others() {
    for (stage, filters) in in_force() {
        let noted = noted(stage);
        let allowed = (0..NUMBERS).filter(|number| {
            let asked = Asked::here((*number).into(), harmless((*number).into()));
            verdict(&filters, &asked) == Allowed
        });
        assert_eq!(allowed.collect::<BTreeSet<_>>(), noted, "{stage}");
    }
}

/// Numbers of x32 and of other machines, those that are negative, and those that have another meaning by one bit.
#[test]
fn no_call_is_made_in_another_way() {
    for (stage, filters) in in_force() {
        let bits = (10..32).map(|bit| 1_u32 << bit);
        let marks: Vec<u32> = bits.chain([X32 | 1 << 31, !(NUMBERS - 1)]).collect();
        for number in 0..NUMBERS {
            let arguments = harmless(number.into());
            for mark in &marks {
                let asked = Asked { machine: HERE, number: number | mark, arguments };
                assert_eq!(verdict(&filters, &asked), Refused, "{stage}: {asked:?}");
            }
            for machine in other_machines() {
                let asked = Asked { machine, number, arguments };
                assert_eq!(verdict(&filters, &asked), Killed, "{stage}: {asked:?}");
            }
        }
    }
}

/// One argument after the other takes every value at an edge, for every call that may be made.
#[test]
fn arguments_are_held_to_what_is_noted() {
    let edges = edges([u64::from(std::process::id()), u64::from(CODE.cast_unsigned())]);
    for (stage, filters) in in_force() {
        for number in noted(stage).into_iter().map(c_long::from) {
            for place in 0..6 {
                for value in &edges {
                    let mut arguments = harmless(number);
                    arguments[place] = *value;
                    let expected = if may(stage, number, arguments) { Allowed } else { Refused };
                    let asked = Asked::here(number, arguments);
                    assert_eq!(verdict(&filters, &asked), expected, "{stage}: {asked:x?}");
                }
            }
        }
    }
}

/// All that `mmap` looks at at once: every protection, every flag with each other, every kind of descriptor.
#[test]
fn no_mix_of_arguments_maps_more() {
    let protections = (0..8).chain([0x0100_0004, 1 << 32 | 4, 1 << 32 | 3]);
    let protections: Vec<u64> = protections.collect();
    let bits: Vec<u64> = (0..20).map(|bit| 1 << bit).collect();
    let flags: BTreeSet<u64> = bits
        .iter()
        .flat_map(|one| bits.iter().map(move |other| one | other | 0x22))
        .chain([0, 0x22])
        .collect();
    let descriptors = [-1_i64, 0, 1, 6, 7, 8, i64::from(u32::MAX), 1 << 32 | 7, 1 << 32, i64::from(i32::MIN)];
    for (stage, filters) in in_force() {
        for protection in &protections {
            for flags in &flags {
                for descriptor in descriptors.map(i64::cast_unsigned) {
                    let arguments = [0, 4096, *protection, *flags, descriptor, 0];
                    let expected = if may(stage, libc::SYS_mmap, arguments) { Allowed } else { Refused };
                    let asked = Asked::here(libc::SYS_mmap, arguments);
                    assert_eq!(verdict(&filters, &asked), expected, "{stage}: {asked:x?}");
                }
            }
        }
    }
}
