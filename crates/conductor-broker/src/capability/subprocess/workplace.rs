//! The plugin's own directory while a program works in it. The program's writes are its own, so that nothing counts them: the
//! directory is measured before it starts and as long as it runs.

use std::path::Path;
use std::sync::mpsc::{Receiver, TryRecvError};
use std::time::{Duration, Instant};

use conductor_abi::Status;
use conductor_call::{Limit, Refusal};
use conductor_confine::measuring::{Allowance, Answer, Measurer, PATIENCE, Question};

use super::Invocation;

/// Time between two measurements; what a program writes meanwhile is what it may take the directory beyond its quota by.
const MEASURE_EVERY: Duration = Duration::from_millis(200);

/// A directory that had room when the program was about to start.
pub(super) struct Workplace {
    allowance: Allowance,
    max_file_bytes: u64,
}

impl Workplace {
    /// Measures a directory, and refuses one that is full.
    pub(super) fn of(allowance: Allowance, request: &Invocation<'_>) -> Result<Self, Refusal> {
        let answer = Measurer::shared().room(&allowance).map_err(|_| unmeasured(request, "is not run"))?;
        let found = answer.map_err(|limit| full(request, "is not run", limit))?;
        let left = allowance.quota().bytes.saturating_sub(found.used.bytes);
        // Who goes on with the longest file that is there takes no more than what is left.
        let max_file_bytes = left.saturating_add(found.longest);
        Ok(Self { allowance, max_file_bytes })
    }

    pub(super) fn directory(&self) -> &Path {
        self.allowance.directory()
    }

    /// How long a file may become with what is left of the quota.
    pub(super) const fn max_file_bytes(&self) -> u64 {
        self.max_file_bytes
    }
}

/// The measurements of a directory while a program runs in it.
pub(super) struct Measurements<'w> {
    workplace: &'w Workplace,
    /// When the last one was over.
    last: Instant,
    /// Where the answer of one that was begun will be.
    answer: Option<Receiver<Answer>>,
}

impl<'w> Measurements<'w> {
    pub(super) fn of(workplace: &'w Workplace) -> Self {
        Self { workplace, last: Instant::now(), answer: None }
    }

    /// Begins one that is due, or takes its answer, and waits for nothing; says why the program is to end.
    pub(super) fn look(&mut self, request: &Invocation<'_>) -> Result<(), Refusal> {
        let since = self.last.elapsed();
        if self.answer.is_none() && since >= MEASURE_EVERY {
            self.answer = Measurer::shared().begin(&self.workplace.allowance, Question::KeepsWithin);
        }
        match self.answer.as_ref().map_or(Err(TryRecvError::Empty), Receiver::try_recv) {
            Ok(Ok(_)) => {
                (self.last, self.answer) = (Instant::now(), None);
                Ok(())
            }
            Ok(Err(limit)) => Err(full(request, "was ended", limit)),
            Err(TryRecvError::Empty) if since < MEASURE_EVERY + PATIENCE => Ok(()),
            Err(TryRecvError::Empty | TryRecvError::Disconnected) => Err(unmeasured(request, "was ended")),
        }
    }
}

fn full(request: &Invocation<'_>, what: &str, limit: Limit) -> Refusal {
    let reason =
        format!("{request} {what}, because the data directory holds more than its quota ({})", limit.key());
    Refusal::by(limit, Status::Failed, reason)
}

fn unmeasured(request: &Invocation<'_>, what: &str) -> Refusal {
    Refusal::failed(format!("{request} {what}, because the data directory cannot be measured"))
}
