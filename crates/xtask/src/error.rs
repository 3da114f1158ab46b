//! Why a task ended early.

use std::io;
use std::path::PathBuf;

use crate::quoting::quoted;

/// Why a task ended early.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub(crate) enum TaskError {
    /// Neither a cache directory nor a home directory is named by the environment.
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
    /// A program ended with something else than success.
    #[error("`{command}` ended with {status}")]
    Status {
        /// The command line.
        command: String,
        /// Exit status or signal in words.
        status: String,
    },
    /// A program printed something that is not what it should print.
    #[error("`{command}` printed something unexpected: {found}")]
    Output {
        /// The command line.
        command: String,
        /// What was found in it.
        found: String,
    },
    /// A program went on for too long and was ended.
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
    /// Packages are missing and cannot be installed from here.
    #[error("these are missing and cannot be installed from here: {missing}")]
    Missing {
        /// What is missing, one per line with the reason.
        missing: String,
        /// The command or the advice that brings them.
        advice: String,
    },
    /// Something was installed and is still not found.
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
        /// How many places.
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
    /// Well-behaved plugins did not get through a soak unharmed.
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
    /// A deed does not do what it should even where nothing kills it.
    #[error("`{name}` does not work undisturbed: {said}")]
    Deed {
        /// The deed.
        name: &'static str,
        /// What was said.
        said: String,
    },
    /// Something was lost or left behind where a deed was killed.
    #[error("{count} deeds that were killed left something else than the old or the new")]
    Faults {
        /// How many.
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
        /// The input, if it was written down.
        input: Option<PathBuf>,
    },
    /// Something in the demo came out differently from what it should.
    #[error("{count} of {total} things shown did not come out as they should")]
    Demo {
        /// How many.
        count: usize,
        /// Of how many.
        total: usize,
    },
}

impl TaskError {
    /// What the person can do next, where there is something better than reading the error.
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
