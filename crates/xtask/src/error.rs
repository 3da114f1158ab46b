//! Why a task ended early.

use std::io;
use std::path::PathBuf;

use crate::quoting::quoted;

/// Why a task ended early.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub(crate) enum TaskError {
    /// The environment names neither a cache directory nor a home directory.
    #[error("no cache directory: neither XDG_CACHE_HOME nor HOME is set")]
    NoHome,
    /// A program could not be started.
    #[error("cannot start `{command}`: {source}")]
    Start {
        /// The command line.
        command: String,
        /// What the system said.
        source: io::Error,
    },
    /// A program ended without success.
    #[error("`{command}` ended with {status}")]
    Status {
        /// The command line.
        command: String,
        /// Exit status or signal in words.
        status: String,
    },
    /// A program's output is not the expected one.
    #[error("`{command}` printed something unexpected: {found}")]
    Output {
        /// The command line.
        command: String,
        /// The unexpected part.
        found: String,
    },
    /// A program ran for too long and was ended.
    #[error("`{command}` was still running after {seconds} s")]
    TimedOut {
        /// The command line.
        command: String,
        /// How long it ran.
        seconds: u64,
    },
    /// A file or directory could not be used.
    #[error("{path}: {source}")]
    File {
        /// The file or directory.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// Packages are missing, and the task cannot install them.
    #[error("these are missing and cannot be installed from here: {missing}")]
    Missing {
        /// What is missing, one per line with the reason.
        missing: String,
        /// The command or advice with which the user can install them.
        advice: String,
    },
    /// Something was installed, and still cannot be found.
    #[error("still missing after the installation: {missing}")]
    StillMissing {
        /// What is missing.
        missing: String,
    },
    /// No test program has the name that was asked for.
    #[error("no test program of that name; `cargo xtask ordinary` without a name runs all")]
    NoTestProgram,
    /// The tree breaks rules of the code base.
    #[error("{count} rules of the code base are broken")]
    Tidy {
        /// How many violations.
        count: usize,
    },
    /// A step of the test command failed.
    #[error("step `{step}` failed: {cause}")]
    Step {
        /// Name of the step.
        step: &'static str,
        /// What went wrong in it.
        cause: Box<TaskError>,
    },
    /// A step that does not exist was asked for.
    #[error("there is no step `{name}`; the steps are {known}")]
    UnknownStep {
        /// The name given.
        name: String,
        /// Names of the steps.
        known: String,
    },
    /// Well-behaved plugins failed calls or lost events in a soak.
    #[error(
        "well-behaved plugins failed {failed} calls and lost {lost} events, and {strange} rows belong to no event; all \
         three should be 0"
    )]
    Soak {
        /// Calls that did not end well.
        failed: u64,
        /// Events without a row.
        lost: u64,
        /// Rows without an event.
        strange: u64,
    },
    /// A deed that does not exist was asked for.
    #[error("there is no deed `{name}`; the deeds are {known}")]
    UnknownDeed {
        /// The name given.
        name: String,
        /// Names of the deeds.
        known: String,
    },
    /// A deed does not do what it should even where nothing disturbs it.
    #[error("`{name}` does not work undisturbed: {said}")]
    Deed {
        /// The deed.
        name: &'static str,
        /// What the deed printed.
        said: String,
    },
    /// Something was lost, let in or left behind where a deed was disturbed.
    #[error("{count} times a deed that was disturbed did not end as it should; what is wrong is above")]
    Faults {
        /// How many deeds.
        count: usize,
    },
    /// A fuzz target that does not exist was asked for.
    #[error("there is no fuzz target `{name}`; the targets are {known}")]
    UnknownTarget {
        /// The name given.
        name: String,
        /// Names of the targets.
        known: String,
    },
    /// An input made a fuzz target crash or hang.
    #[error("an input made the fuzz target `{target}` crash or hang; what it said is above")]
    Fuzz {
        /// The target.
        target: String,
        /// The input, if it was written to a file.
        input: Option<PathBuf>,
    },
    /// Nothing that decides has the name that was asked for.
    #[error("no crate or file that decides has `{name}` in its path; the crates are {known}")]
    NothingDecides {
        /// The name given.
        name: String,
        /// Names of the crates with a list.
        known: String,
    },
    /// The tests do not notice some changes of what decides, or the list of those that need not be noticed is wrong.
    #[error("{survived} mutants survived that are not listed, and {unneeded} are listed that do not survive")]
    Mutants {
        /// Survivors without a reason.
        survived: usize,
        /// Reasons without a survivor.
        unneeded: usize,
    },
    /// Results in the demo differ from the expected ones.
    #[error("{count} of {total} things shown did not come out as they should")]
    Demo {
        /// How many results differ.
        count: usize,
        /// How many results there are.
        total: usize,
    },
}

impl TaskError {
    /// What the user can do next, if there is better advice than to read the error.
    pub(crate) fn hint(&self) -> Option<String> {
        if let Self::Missing { advice, .. } = self {
            return Some(advice.clone());
        }
        if let Self::Fuzz { target, input: Some(input) } = self {
            let input = quoted(&input.to_string_lossy());
            return Some(format!("see it again with: cargo xtask fuzz {target} --input {input}"));
        }
        if let Self::Step { step, cause } = self {
            if let Some(hint) = cause.hint() {
                return Some(hint);
            }
            return Some(format!("run this step alone with: cargo xtask test --only {step}"));
        }
        None
    }
}
