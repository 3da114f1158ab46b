//! The system calls that each process of a host for plugins may make, in one list for people and scripts.

use std::collections::BTreeMap;

use conductor_broker::launcher;
use conductor_confine::system_calls::{StageCalls, by_name};
use conductor_engine::worker;

/// The system calls that the host's processes for plugins may make, stage by stage. The filter of a launcher or keeper
/// begins when it has started its processes and waits for them.
#[must_use]
pub fn stages() -> Vec<StageCalls> {
    launcher::stages().into_iter().chain(worker::stages()).collect()
}

/// The system calls that are refused to a confined program of a plugin, by name and with the reason. The program may
/// make all others.
#[must_use]
pub fn refused_to_programs() -> BTreeMap<String, String> {
    by_name(launcher::refused_to_programs())
}
