//! What a launcher and a keeper may still ask the kernel for once they have started what they wait for.
//!
//! A filter of system calls passes on to what a process starts afterwards, so each has its own only from then on. The program
//! that a keeper waits for is in the same namespace and of the same user: whatever it makes the keeper do, that is no more
//! than to wait, to say how it ended, and to end.

use std::collections::BTreeMap;
use std::io;

use conductor_confine::calls;
use conductor_confine::system_calls::{Call, StageCalls};
use seccompiler::{BpfProgram, SeccompAction, SeccompFilter, TargetArch};

/// What a process does that waits for another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Waiting {
    /// The launcher waits for its keeper.
    Launcher,
    /// The keeper waits for the program, and says how it ended.
    Keeper,
}

/// What both need.
const BOTH: &[Call] = calls! {
    SYS_wait4: "waits for what it has started, and for nothing else",
    SYS_exit_group: "its end",
};

/// What a keeper needs beside that.
const KEEPER: &[Call] = calls! {
    SYS_sendmsg: "says how the program ended",
};

impl Waiting {
    const fn calls(self) -> &'static [&'static [Call]] {
        match self {
            Self::Launcher => &[BOTH],
            Self::Keeper => &[BOTH, KEEPER],
        }
    }
}

/// What launchers and keepers may ask the kernel for while they wait.
pub(super) fn stages() -> [StageCalls; 2] {
    [("launcher", Waiting::Launcher), ("keeper", Waiting::Keeper)]
        .map(|(stage, waiting)| StageCalls::new(stage, waiting.calls()))
}

/// Lets the process, which has one thread, make no other system calls than it needs for waiting.
pub(super) fn confine(waiting: Waiting) -> io::Result<()> {
    let filter = filter(waiting).map_err(io::Error::other)?;
    seccompiler::apply_filter(&filter).map_err(io::Error::other)
}

/// The filter that lets through what is needed for waiting.
fn filter(waiting: Waiting) -> Result<BpfProgram, seccompiler::Error> {
    let calls = waiting.calls().iter().copied().flatten();
    let rules: BTreeMap<i64, Vec<_>> = calls.map(|call| (call.number, Vec::new())).collect();
    let arch = TargetArch::try_from(std::env::consts::ARCH)?;
    let refused = SeccompAction::Errno(libc::EPERM as u32);
    Ok(SeccompFilter::new(rules, refused, SeccompAction::Allow, arch)?.try_into()?)
}

#[cfg(test)]
mod tests;
