//! What the kernel makes of a filter of system calls: an interpreter of the instructions that such filters are made of.
//! The tests that hold a filter against its list include this file.

use std::ffi::c_long;

use seccompiler::sock_filter;

/// Machines (`linux/audit.h`): two of 64 bits, and the one of 32 bits whose calls an x86-64 kernel takes as well.
const X86_64: u32 = 0xc000_003e;
const AARCH64: u32 = 0xc000_00b7;
const I386: u32 = 0x4000_0003;

/// This machine.
pub(crate) const HERE: u32 = if cfg!(target_arch = "aarch64") { AARCH64 } else { X86_64 };

/// Marks the system calls of x32, which an x86-64 kernel takes under the same machine.
pub(crate) const X32: u32 = 0x4000_0000;

/// Beyond the last number of a system call on every machine, with room for those to come.
pub(crate) const NUMBERS: u32 = 1024;

/// What becomes of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Verdict {
    /// The process ends.
    Killed,
    /// The call fails with `EPERM`.
    Refused,
    Allowed,
}

/// A call as the kernel shows it to a filter (`struct seccomp_data`).
#[derive(Clone, Copy, Debug)]
pub(crate) struct Asked {
    pub(crate) machine: u32,
    pub(crate) number: u32,
    pub(crate) arguments: [u64; 6],
}

impl Asked {
    /// A call in the way of this machine.
    pub(crate) fn here(number: c_long, arguments: [u64; 6]) -> Self {
        Self { machine: HERE, number: u32::try_from(number).expect("a number"), arguments }
    }

    /// The word at this offset; halves of arguments are in the order of a little-endian machine.
    fn word(&self, offset: u32) -> u32 {
        let argument = |at: u32| self.arguments[at as usize / 8];
        match offset {
            0 => self.number,
            4 => self.machine,
            16..64 if offset.is_multiple_of(8) => argument(offset - 16) as u32,
            16..64 if offset % 8 == 4 => (argument(offset - 20) >> 32) as u32,
            _ => panic!("no filter looks at offset {offset}"),
        }
    }

    /// What a filter says. Jumps only lead forwards, so that it ends.
    pub(crate) fn held_against(&self, program: &[sock_filter]) -> Verdict {
        let (mut accumulator, mut at) = (0_u32, 0_usize);
        loop {
            let sock_filter { code, jt, jf, k } = program[at];
            at += 1;
            let jump = |is_true: bool| usize::from(if is_true { jt } else { jf });
            match code {
                // Load a word; `and`; jump; jump if equal, greater, greater or equal; return.
                0x20 => accumulator = self.word(k),
                0x54 => accumulator &= k,
                0x05 => at += k as usize,
                0x15 => at += jump(accumulator == k),
                0x25 => at += jump(accumulator > k),
                0x35 => at += jump(accumulator >= k),
                0x06 => {
                    return match k {
                        libc::SECCOMP_RET_ALLOW => Verdict::Allowed,
                        libc::SECCOMP_RET_KILL_PROCESS => Verdict::Killed,
                        _ if k == libc::SECCOMP_RET_ERRNO | libc::EPERM as u32 => Verdict::Refused,
                        other => panic!("an action that is not expected: {other:#x}"),
                    };
                }
                other => panic!("an instruction that is not expected: {other:#x}"),
            }
        }
    }
}

/// Machines that are not this one: those that exist, and those that differ from this one by a bit.
pub(crate) fn other_machines() -> impl Iterator<Item = u32> {
    let flipped = (0..32).map(|bit| HERE ^ 1 << bit);
    flipped.chain([I386, X86_64, AARCH64, 0, u32::MAX]).filter(|other| *other != HERE)
}

/// Values at which a rule could turn: small numbers, commands of `fcntl`, those that are named, and each bit alone, below
/// and left out; all of them also with another bit in the upper half.
pub(crate) fn edges(named: impl IntoIterator<Item = u64>) -> std::collections::BTreeSet<u64> {
    let bits = (0..64).map(|bit| 1_u64 << bit).flat_map(|bit| [bit, bit - 1, !bit]);
    let lower = (0..48).chain(1020..1045).chain([u32::MAX.into(), u64::MAX]).chain(named).chain(bits);
    lower.flat_map(|value| [value, value ^ 1 << 32]).collect()
}
