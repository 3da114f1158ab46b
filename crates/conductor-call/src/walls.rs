//! Which walls stand between a plugin and the machine.

use serde::{Deserialize, Serialize};

/// The walls around one plugin. The first is WebAssembly and always stands; the second is what the operating system
/// enforces on the plugin's worker process.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Walls {
    /// What the operating system enforces; `None` for a plugin in the host's own process.
    pub process: Option<ProcessWall>,
}

/// What the operating system enforces on a worker process, as the process itself observed after it was locked in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProcessWall {
    /// Version of the landlock interface that is enforced; 0 where the kernel has none.
    pub landlock_abi: u32,
    /// Whether the system calls that the worker may make are filtered.
    pub seccomp: bool,
    /// Whether the worker has a user namespace of its own.
    pub user_namespace: bool,
    /// Whether the worker has a network namespace of its own, with no interface in it.
    pub network_namespace: bool,
    /// Whether the worker's root directory is its plugin's own directory.
    pub root: bool,
}

impl ProcessWall {
    /// Whether the wall holds: files are out of reach and system calls are filtered. Namespaces and the root directory
    /// are a further hurdle that not every system permits.
    #[must_use]
    pub const fn stands(self) -> bool {
        self.landlock_abi > 0 && self.seccomp
    }

    /// What the wall lacks, in words.
    #[must_use]
    pub const fn missing(self) -> &'static str {
        match (self.landlock_abi > 0, self.seccomp) {
            (false, false) => "its kernel offers neither landlock nor seccomp",
            (false, true) => "its kernel offers no landlock",
            (true, false) => "its kernel offers no seccomp",
            (true, true) => "nothing is missing",
        }
    }
}

impl Walls {
    /// Only the wall that WebAssembly is.
    #[must_use]
    pub const fn in_process() -> Self {
        Self { process: None }
    }

    /// The wall that WebAssembly is, and around it the wall of the operating system.
    #[must_use]
    pub const fn with_process(wall: ProcessWall) -> Self {
        Self { process: Some(wall) }
    }

    /// Whether both walls hold.
    #[must_use]
    pub const fn both_stand(self) -> bool {
        match self.process {
            Some(process) => process.stands(),
            None => false,
        }
    }

    /// Names of the walls that stand, for people and scripts.
    #[must_use]
    pub const fn standing(self) -> &'static [&'static str] {
        if self.both_stand() { &["webassembly", "process"] } else { &["webassembly"] }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_second_wall_needs_both_landlock_and_seccomp() {
        let wall = ProcessWall { landlock_abi: 7, seccomp: true, ..ProcessWall::default() };
        assert_eq!(Walls { process: Some(wall) }.standing(), ["webassembly", "process"]);
        for weak in [ProcessWall { landlock_abi: 0, ..wall }, ProcessWall { seccomp: false, ..wall }] {
            assert_eq!(Walls { process: Some(weak) }.standing(), ["webassembly"]);
        }
        assert!(!Walls::in_process().both_stand());
    }
}
