//! What may be found after a deed that was disturbed.

use std::collections::BTreeSet;
use std::io;
use std::os::unix::process::ExitStatusExt as _;

use rustix::io::Errno;
use rustix::process::Signal;

use super::deed::{Deed, Scope, Setting};
use super::home::{Done, Home, Plan, Site, State};
use crate::error::TaskError;
use crate::program::in_words;

/// What Rust programs say before they end because of a bug.
const PANICKED: &str = "panicked at";

/// Status with which they end then.
const PANIC: i32 = 101;

/// What the standard library says before it aborts for want of memory: of an allocation, and of a thread that begins.
const NO_MEMORY: [&str; 3] = [
    "memory allocation of",
    "failed to allocate an alternative stack",
    "failed to set up alternative stack guard page",
];

/// Status with which `conductorctl` ends when there was no answer in time.
const NO_ANSWER: i32 = 5;

/// Calls that ask for memory.
const MEMORY: [&str; 3] = ["mmap", "mprotect", "mremap"];

/// Calls that ask for what a thread needs. Whatever is lacking, the C library says that it may be there later.
const THREAD: [&str; 4] = ["mmap", "mprotect", "clone", "clone3"];

/// What is to be found.
pub(super) struct Expected {
    before: State,
    after: State,
    files: BTreeSet<String>,
    /// Plugins that ran before and after, and what they could do.
    running: BTreeSet<String>,
    /// Sites of the deed where nothing disturbs it.
    pub(super) sites: Vec<Site>,
}

impl Expected {
    /// Does the deed undisturbed, and learns what is there before and after.
    pub(super) fn learn(home: &Home, deed: &Deed) -> Result<Self, TaskError> {
        let before = home.state(deed)?;
        let files_before = home.files()?;
        home.put_back()?;
        let undisturbed = home.do_deed(deed, Plan::Fail { site: 0, choice: 0 })?;
        if !undisturbed.is_done {
            return Err(TaskError::Deed { name: deed.name, said: undisturbed.said });
        }
        let after = home.state(deed)?;
        if deed.changes == (before == after) {
            let said = if deed.changes { "it changes nothing" } else { "it changes something" };
            return Err(TaskError::Deed { name: deed.name, said: said.to_owned() });
        }
        let rows = [&before.rows, &after.rows, &undisturbed.rows].into_iter().flatten();
        let running = rows.filter(|row| row.runs).map(|row| row.identity.clone()).collect();
        // What an editor saved is there from the beginning.
        let before = if deed.setting == Setting::Edited { after.clone() } else { before };
        let files = &files_before | &home.files()?;
        Ok(Self { before, after, files, running, sites: undisturbed.sites })
    }

    /// What is wrong after the deed was disturbed, if anything is.
    pub(super) fn look(&self, home: &Home, deed: &Deed, done: &Done) -> Option<String> {
        let hit = done.hit()?;
        let said = format!("{}\n{}", done.log, done.said);
        if let Some(wrong) = wrong_end(done, hit, &said) {
            return Some(wrong);
        }
        if let Some(row) = done.rows.iter().find(|row| row.runs && !self.running.contains(&row.identity)) {
            return Some(format!("runs as it never should: {}", row.identity));
        }
        if let (Some(error), false) = (&hit.error, done.is_done)
            && let Some(wrong) = unexplained(deed, hit, error, &said)
        {
            return Some(wrong);
        }
        self.look_at_home(home, deed, done, &said)
    }

    /// What is wrong with a deed that was done in part, which it may be if the next time completes it.
    fn look_at_steps(&self, home: &Home, deed: &Deed) -> Option<String> {
        let again = home.do_deed(deed, Plan::Kill(0)).and_then(|_| home.state(deed));
        match again {
            Ok(state) if state == self.after => None,
            Ok(_) => Some("done in part, and doing it again does not complete it".to_owned()),
            Err(error) => Some(format!("done in part, and cannot be done again: {error}")),
        }
    }

    /// Whether a line of a state is one of those before or after.
    fn knows(&self, line: &str) -> bool {
        [&self.before, &self.after].into_iter().any(|state| state.lines().any(|known| known == line))
    }

    /// What is wrong with what the next start finds.
    fn look_at_home(&self, home: &Home, deed: &Deed, done: &Done, said: &str) -> Option<String> {
        let state = match home.state(deed) {
            Ok(state) => state,
            Err(error) => return Some(format!("the next start fails: {error}")),
        };
        if deed.in_steps && state != self.before && state != self.after {
            return self.look_at_steps(home, deed);
        }
        if state != self.before && state != self.after {
            let other: Vec<&str> = state.lines().filter(|line| !self.knows(line)).collect();
            return Some(format!("neither as before nor as it was to be: {}", other.join(" | ")));
        }
        if done.is_done && state != self.after {
            return Some("it was said to be done, and is not".to_owned());
        }
        let is_silently_done =
            !done.is_done && deed.changes && self.before != self.after && state == self.after;
        // A daemon that ended in the midst of it could not say so.
        let has_ended = deed.needs_daemon() && !done.status.success();
        if is_silently_done && !has_ended && !done.is_killed() && !says_it_holds(said) {
            return Some(format!("it was said to have failed, and is done: {}", last_lines(said)));
        }
        if let Err(error) = home.do_again(deed) {
            return Some(format!("the next change fails: {error}"));
        }
        match home.files() {
            Ok(files) => {
                let litter: Vec<&String> = files.difference(&self.files).collect();
                (!litter.is_empty()).then(|| format!("left behind: {litter:?}"))
            }
            Err(error) => Some(error.to_string()),
        }
    }
}

/// Whether the program ended as none may.
fn wrong_end(done: &Done, hit: &Site, said: &str) -> Option<String> {
    if done.is_killed() {
        return None;
    }
    let lacks_memory = is_short_of_memory(hit) && NO_MEMORY.iter().any(|words| said.contains(words));
    let bug = said.lines().find(|line| line.contains(PANICKED));
    if let Some(bug) = bug.filter(|_| !lacks_memory) {
        return Some(format!("a bug: {bug}"));
    }
    let signal = done.status.signal().or_else(|| done.status.code().map(|code| code - 128));
    if lacks_memory && signal == Some(Signal::ABORT.as_raw()) {
        return None;
    }
    if done.status.code() == Some(PANIC) || signal.is_some_and(|signal| signal > 0) {
        return Some(format!("ended with {}", in_words(done.status)));
    }
    if !done.is_done && done.answer == Some(NO_ANSWER) {
        return Some("the daemon did not answer in time".to_owned());
    }
    None
}

/// Whether what failed was to bring memory: a program that gets none may abort.
fn is_short_of_memory(hit: &Site) -> bool {
    MEMORY.contains(&hit.call.as_str())
}

/// Whether an error that a deed failed with does not say its cause, or the file.
fn unexplained(deed: &Deed, hit: &Site, error: &str, said: &str) -> Option<String> {
    // What goes wrong in a process that was started is known there alone.
    if deed.scope == Scope::Children && !said.trim().is_empty() {
        return None;
    }
    let errors = if THREAD.contains(&hit.call.as_str()) { &[error, "EAGAIN"][..] } else { &[error] };
    let names_cause = errors.iter().filter_map(|error| cause(error)).any(|cause| said.contains(&cause));
    let names_file = hit.path.is_empty() || parts(&hit.path).any(|part| said.contains(part));
    if names_cause && names_file {
        return None;
    }
    let lacking = if names_cause { "the file" } else { "the cause" };
    Some(format!("failed without naming {lacking}: {}", last_lines(said)))
}

/// What the system says of an error.
fn cause(error: &str) -> Option<String> {
    let errno = match error {
        "ENOSPC" => Errno::NOSPC,
        "EIO" => Errno::IO,
        "EMFILE" => Errno::MFILE,
        "ENOMEM" => Errno::NOMEM,
        "EINTR" => Errno::INTR,
        "EAGAIN" => Errno::AGAIN,
        "ENOLCK" => Errno::NOLCK,
        _ => return None,
    };
    let said = io::Error::from(errno).to_string();
    Some(said.split(" (").next().unwrap_or_default().to_owned())
}

/// The path of a file and that of the directory that it is in: its own name may be one that is made up.
fn parts(path: &str) -> impl Iterator<Item = &str> {
    let directory = path.rsplit_once('/').map(|(directory, _)| directory).filter(|path| !path.is_empty());
    [Some(path), directory].into_iter().flatten()
}

/// Whether an error says that the deed holds all the same.
fn says_it_holds(said: &str) -> bool {
    said.lines().any(|line| HOLDS.iter().any(|words| line.contains(words)))
}

/// Words of errors that say so.
const HOLDS: [&str; 1] = [", but "];

/// The end of what was said.
fn last_lines(said: &str) -> String {
    let lines: Vec<&str> = said.lines().filter(|line| !line.trim().is_empty()).collect();
    lines.iter().skip(lines.len().saturating_sub(3)).copied().collect::<Vec<_>>().join(" | ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_are_known_by_what_the_system_says() {
        assert_eq!(cause("ENOSPC").as_deref(), Some("No space left on device"));
        assert_eq!(cause("EPERM"), None);
    }

    #[test]
    fn a_file_is_named_by_its_directory_as_well() {
        assert_eq!(parts("/a/b").collect::<Vec<_>>(), ["/a/b", "/a"]);
        assert_eq!(parts("/a").collect::<Vec<_>>(), ["/a"]);
    }
}
