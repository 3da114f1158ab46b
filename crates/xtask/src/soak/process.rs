//! Reads `/proc` about the daemon and its children, and ends them.

use std::collections::BTreeSet;
use std::fs;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use crate::error::TaskError;

/// What the daemon and its children hold at one moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Sample {
    /// Resident memory of the daemon and all its descendants, in bytes. Pages that processes share are counted in each
    /// of them.
    pub(crate) resident: u64,
    /// The same with each shared page divided by the number of its processes, if that was counted.
    pub(crate) proportional: Option<u64>,
    /// Open descriptors of the daemon.
    pub(crate) descriptors: u64,
    /// Threads of the daemon.
    pub(crate) threads: u64,
    /// Descendants of the daemon.
    pub(crate) children: u64,
}

/// A process that cannot be mistaken for a later one with the same identifier.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Process {
    id: u32,
    /// When the process started, in ticks since the machine started.
    started: u64,
}

impl Sample {
    /// Takes a sample of the daemon and its descendants. A child that has ended meanwhile counts as using no memory.
    pub(crate) fn take(daemon: u32, children: &BTreeSet<Process>) -> Result<Self, TaskError> {
        let own = status(daemon)?;
        let resident =
            children.iter().filter_map(|child| status(child.id).ok()).map(|status| status.resident);
        let directory = format!("/proc/{daemon}/fd");
        let descriptors =
            fs::read_dir(&directory).map_err(|source| TaskError::File { path: directory.into(), source })?;
        Ok(Self {
            resident: own.resident + resident.sum::<u64>(),
            proportional: None,
            descriptors: descriptors.count() as u64,
            threads: own.threads,
            children: children.len() as u64,
        })
    }

    /// The sample with its proportional memory, if this user may read it. Counting it takes the kernel some time.
    pub(crate) fn with_proportional(self, daemon: u32, children: &BTreeSet<Process>) -> Self {
        let ids = std::iter::once(daemon).chain(children.iter().map(|child| child.id));
        let of =
            |id| Some(number(&fs::read_to_string(format!("/proc/{id}/smaps_rollup")).ok()?, "Pss:")? * 1024);
        Self { proportional: ids.map(of).sum(), ..self }
    }
}

impl Process {
    /// Sends a signal, if the process still exists.
    pub(crate) fn signal(self, signal: Signal) {
        if self.is_there()
            && let Some(id) = i32::try_from(self.id).ok().and_then(Pid::from_raw)
        {
            // The process may have ended since it was looked for.
            let _ = kill_process(id, signal);
        }
    }

    /// Whether the process still exists.
    pub(crate) fn is_there(self) -> bool {
        stat(self.id).is_some_and(|stat| stat.started == self.started && stat.state != 'Z')
    }

    /// The process that has this identifier now.
    pub(crate) fn find(id: u32) -> Option<Self> {
        stat(id).map(|stat| Self { id, started: stat.started })
    }
}

/// Ends processes that should have ended with their parent: waits for `patience`, then kills those that are left.
pub(crate) fn end(processes: &BTreeSet<Process>, patience: Duration) {
    let deadline = Instant::now() + patience;
    while processes.iter().any(|process| process.is_there()) {
        if Instant::now() >= deadline {
            processes.iter().for_each(|process| process.signal(Signal::KILL));
            return;
        }
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// All descendants of a process.
pub(crate) fn descendants(ancestor: u32) -> BTreeSet<Process> {
    let ids = fs::read_dir("/proc").into_iter().flatten().flatten();
    let ids = ids.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
    let all: Vec<(u32, Stat)> = ids.filter_map(|id| Some((id, stat(id)?))).collect();
    let mut found = BTreeSet::new();
    let mut parents = vec![ancestor];
    while let Some(parent) = parents.pop() {
        for (id, stat) in all.iter().filter(|(_, stat)| stat.parent == parent) {
            if found.insert(Process { id: *id, started: stat.started }) {
                parents.push(*id);
            }
        }
    }
    found
}

/// The fields of `/proc/ID/stat` that are needed.
#[derive(Debug, PartialEq, Eq)]
struct Stat {
    state: char,
    parent: u32,
    started: u64,
}

fn stat(id: u32) -> Option<Stat> {
    parse_stat(&fs::read_to_string(format!("/proc/{id}/stat")).ok()?)
}

/// Fields are counted from the end of the name, which may contain spaces and brackets (`proc_pid_stat(5)`).
fn parse_stat(text: &str) -> Option<Stat> {
    let mut fields = text.rsplit_once(')')?.1.split_whitespace();
    let state = fields.next()?.chars().next()?;
    let parent = fields.next()?.parse().ok()?;
    let started = fields.nth(17)?.parse().ok()?;
    Some(Stat { state, parent, started })
}

/// The fields of `/proc/ID/status` that are needed.
struct Status {
    resident: u64,
    threads: u64,
}

fn status(id: u32) -> Result<Status, TaskError> {
    let path = format!("/proc/{id}/status");
    let text = fs::read_to_string(&path).map_err(|source| TaskError::File { path: path.into(), source })?;
    Ok(Status {
        resident: number(&text, "VmRSS:").unwrap_or_default() * 1024,
        threads: number(&text, "Threads:").unwrap_or_default(),
    })
}

fn number(text: &str, label: &str) -> Option<u64> {
    let line = text.lines().find_map(|line| line.strip_prefix(label))?;
    line.split_whitespace().next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::program::Program;

    #[test]
    fn a_name_with_brackets_does_not_shift_the_fields() {
        let fields: Vec<String> = (4..=52).map(|field: u32| field.to_string()).collect();
        let text = format!("17 (a) b (c)) S 3 {}", fields[1..].join(" "));
        assert_eq!(parse_stat(&text), Some(Stat { state: 'S', parent: 3, started: 22 }));
        assert_eq!(parse_stat("17 (a"), None);
    }

    #[test]
    fn children_are_seen_and_ended() {
        let mut child = Program::new("sleep", Path::new("/")).args(["300"]).start().expect("starts");
        let process = Process::find(child.id()).expect("is there");
        assert!(descendants(std::process::id()).contains(&process));
        let (id, children) = (std::process::id(), BTreeSet::from([process]));
        let own = Sample::take(id, &children).expect("looks").with_proportional(id, &children);
        assert!(own.resident > 0 && own.descriptors > 0 && own.threads > 0 && own.children == 1, "{own:?}");
        assert!(own.proportional.is_none_or(|bytes| bytes > 0 && bytes <= own.resident), "{own:?}");
        end(&BTreeSet::from([process]), Duration::ZERO);
        assert!(!child.wait().expect("waits").success());
        assert!(!process.is_there());
    }
}
