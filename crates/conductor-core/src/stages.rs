//! What every process that a host starts for plugins may ask the kernel for, in one list for people and scripts.

use std::collections::BTreeMap;

use conductor_broker::launcher;
use conductor_confine::system_calls::{StageCalls, by_name};
use conductor_engine::worker;

/// What the processes that the host starts for plugins may ask the kernel for, stage by stage. A launcher and a keeper have
/// their filters from when they have started what they wait for.
#[must_use]
pub fn stages() -> Vec<StageCalls> {
    launcher::stages().into_iter().chain(worker::stages()).collect()
}

/// System calls that a confined program of a plugin is refused, by name, and why. It may make every other.
#[must_use]
pub fn refused_to_programs() -> BTreeMap<String, String> {
    by_name(launcher::refused_to_programs())
}
