//! The records of one plugin, as many as it may make.
//!
//! A deed of high risk is recorded before it begins, and not done where that is impossible. What is of less risk is recorded
//! when it has been done.

mod again;

use std::cell::OnceCell;
use std::fmt;
use std::sync::Arc;
use std::time::Instant;

use conductor_abi::{Capability, Risk, Status};
use conductor_call::{Outcome, Refusal};
use tracing::{info, warn};

use super::budget::{Budgets, Sort};
use super::{AuditEvent, AuditKey, AuditRecord, AuditSink, AuditText, NotRecorded, RequestCode};

use again::{Repeated, Seen};

/// What is recorded about one plugin.
pub struct PluginAudit {
    plugin: String,
    sink: Option<Arc<dyn AuditSink>>,
    budgets: Budgets,
    /// What was recorded of the call that is under way, and was done again since.
    seen: Seen,
}

/// What a plugin asks for, as it is recorded.
pub(crate) struct Asked<'a> {
    pub(crate) capability: Capability,
    operation: &'static str,
    risk: Risk,
    /// What is shown of it.
    shown: &'a dyn fmt::Display,
    /// All of it.
    bytes: &'a [u8],
    code: OnceCell<RequestCode>,
}

/// How far something is recorded that is being done.
pub(crate) struct Ticket(Standing);

enum Standing {
    /// Not at all: it is when it has been done.
    Unrecorded,
    /// As begun, and there is room for what becomes of it.
    Begun,
    /// As the same that was recorded in this call before; it is counted.
    Again,
}

/// Why something of high risk cannot be recorded, and so is not done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unrecordable {
    /// The plugin has made as many records as it may.
    TooMany,
    /// The log cannot be written.
    NotRecorded,
}

impl<'a> Asked<'a> {
    pub(crate) const fn new(
        capability: Capability,
        operation: &'static str,
        risk: Risk,
        shown: &'a dyn fmt::Display,
        bytes: &'a [u8],
    ) -> Self {
        Self { capability, operation, risk, shown, bytes, code: OnceCell::new() }
    }

    fn code(&self, key: &AuditKey) -> RequestCode {
        *self.code.get_or_init(|| key.code(self.operation, self.bytes))
    }

    fn shown(&self) -> AuditText {
        AuditText::of(&self.shown)
    }
}

impl PluginAudit {
    pub(crate) fn new(plugin: String, sink: Option<Arc<dyn AuditSink>>) -> Self {
        Self { plugin, sink, budgets: Budgets::new(), seen: Seen::default() }
    }

    /// The plugin's name.
    pub(crate) fn plugin(&self) -> &str {
        &self.plugin
    }

    /// Records, if it is of high risk, that something is about to be done. Without a ticket it must not be.
    pub(crate) fn begin(&self, asked: &Asked<'_>) -> Result<Ticket, Unrecordable> {
        let Some(sink) = self.sink.as_ref().filter(|_| asked.risk == Risk::High) else {
            return Ok(Ticket(Standing::Unrecorded));
        };
        let code = asked.code(sink.key());
        let budget = self.budgets.of(Sort::Use(asked.risk));
        let admit = || budget.admit_deed(Instant::now()).ok_or(Unrecordable::TooMany);
        let is_again = self.seen.repeat(asked.risk, &code, |is_first| {
            if sink.is_failing() {
                return Err(Unrecordable::NotRecorded);
            }
            // What is the same again is summed up in one record, for which there must be room as well.
            if is_first { admit().map(|left_out| budget.leave_out(left_out)) } else { Ok(()) }
        })?;
        if is_again {
            return Ok(Ticket(Standing::Again));
        }
        let left_out = admit()?;
        let Asked { capability, operation, .. } = *asked;
        let event =
            AuditEvent::CapabilityBegun { capability, operation, request: asked.shown(), request_hmac: code };
        self.write(Some(Sort::Use(asked.risk)), left_out, event)
            .map_err(|NotRecorded| Unrecordable::NotRecorded)?;
        self.seen.remember(asked.risk, code, Repeated::new(capability, operation, asked.shown()));
        Ok(Ticket(Standing::Begun))
    }

    /// Records what became of something that was begun. `result` is the length of the answer, or why there is none. The
    /// first of the same uses in a call is recorded at once, and of high risk the 2nd, 4th, 8th and so on; the others together
    /// at its end.
    pub(crate) fn end(&self, Ticket(standing): Ticket, asked: &Asked<'_>, result: Result<usize, &Refusal>) {
        match (standing, result) {
            (Standing::Begun, result) => self.became(asked, None, 0, result),
            (Standing::Again, Ok(bytes)) => {
                if let Some(sink) = &self.sink {
                    self.seen.answered(asked.risk, &asked.code(sink.key()), bytes as u64);
                }
            }
            (Standing::Unrecorded, Ok(bytes)) => self.done(asked, bytes),
            (Standing::Again | Standing::Unrecorded, Err(refusal)) => self.refused(asked, refusal),
        }
    }

    /// Records that the plugin did not get what it asked for.
    pub(crate) fn refused(&self, asked: &Asked<'_>, refusal: &Refusal) {
        let sort = Sort::Trouble(asked.risk);
        if let Some(left_out) = self.budgets.of(sort).admit(Instant::now()) {
            self.became(asked, Some(sort), left_out, Err(refusal));
        }
    }

    /// Records something that was done without having been recorded as begun.
    fn done(&self, asked: &Asked<'_>, bytes: usize) {
        let Asked { capability, operation, risk, .. } = *asked;
        let sort = Sort::Use(risk);
        if let Some(sink) = &self.sink {
            let code = asked.code(sink.key());
            let is_again = self.seen.repeat(asked.risk, &code, |_| Ok::<_, Unrecordable>(()));
            if is_again == Ok(true) {
                return self.seen.answered(asked.risk, &code, bytes as u64);
            }
            self.seen.remember(asked.risk, code, Repeated::new(capability, operation, asked.shown()));
        }
        if let Some(left_out) = self.budgets.of(sort).admit(Instant::now()) {
            self.became(asked, Some(sort), left_out, Ok(bytes));
        }
    }

    fn became(&self, asked: &Asked<'_>, sort: Option<Sort>, left_out: u64, result: Result<usize, &Refusal>) {
        let Asked { capability, operation, shown, .. } = *asked;
        trace(&self.plugin, capability, operation, shown, result, left_out);
        let Some(sink) = &self.sink else { return };
        let (request, request_hmac) = (asked.shown(), asked.code(sink.key()));
        let event = match result {
            Ok(bytes) => {
                let bytes = bytes as u64;
                AuditEvent::CapabilityUsed { capability, operation, request, request_hmac, bytes }
            }
            Err(Refusal { status: Status::Denied, reason, .. }) => {
                let reason = AuditText::of(reason);
                AuditEvent::CapabilityDenied { capability, operation, request, request_hmac, reason }
            }
            Err(Refusal { reason, .. }) => {
                let reason = AuditText::of(reason);
                AuditEvent::CapabilityFailed { capability, operation, request, request_hmac, reason }
            }
        };
        self.note(sort, left_out, event);
    }

    /// Records what was done again and again in the call that has ended.
    pub fn sum_up(&self) {
        for (risk, request_hmac, repeated) in self.seen.take() {
            let sort = Sort::Use(risk);
            // There was room for what is of high risk before it was done again.
            let left_out = match risk {
                Risk::High => Some(0),
                Risk::Low | Risk::Medium => self.budgets.of(sort).admit(Instant::now()),
            };
            if let Some(left_out) = left_out {
                let Repeated { capability, operation, request, times, bytes, .. } = repeated;
                let event = AuditEvent::CapabilityUsedAgain {
                    capability,
                    operation,
                    request,
                    request_hmac,
                    times,
                    bytes,
                };
                self.note(Some(sort), left_out, event);
            }
        }
    }

    /// Records that a call ended otherwise than by the plugin's own doing.
    pub fn call_ended(&self, outcome: &Outcome) {
        if self.sink.is_none() || outcome.keeps_instance() {
            return;
        }
        if let Some(left_out) = self.budgets.of(Sort::Ended).admit(Instant::now()) {
            let event = AuditEvent::CallEnded {
                outcome: outcome.kind(),
                limit: outcome.limit().map(|limit| limit.key()),
                error: AuditText::of(outcome),
            };
            self.note(Some(Sort::Ended), left_out, event);
        }
    }

    /// Whether the last record of any plugin could not be kept.
    #[must_use]
    pub fn is_failing(&self) -> bool {
        self.sink.as_ref().is_some_and(|sink| sink.is_failing())
    }

    /// Records something that a plugin cannot make happen often.
    pub fn rare(&self, event: impl FnOnce() -> AuditEvent) {
        if self.sink.is_some() {
            self.note(None, 0, event());
        }
    }

    /// Records something that is taken back where it cannot be recorded.
    ///
    /// # Errors
    ///
    /// Fails if it is not recorded.
    pub fn certain(&self, event: AuditEvent) -> Result<(), NotRecorded> {
        self.write(None, 0, event)
    }

    /// Writes a record. What was left out before it goes on to the next one if this one is lost.
    fn write(&self, sort: Option<Sort>, left_out: u64, event: AuditEvent) -> Result<(), NotRecorded> {
        let Some(sink) = &self.sink else { return Ok(()) };
        let record = AuditRecord { left_out, ..AuditRecord::now(Some(&self.plugin), event) };
        sink.record(&record).inspect_err(|NotRecorded| {
            if let Some(sort) = sort {
                self.budgets.of(sort).leave_out(left_out);
            }
        })
    }

    /// Writes a record of what is done already, and so cannot be refused if that fails: the sink tells of what it lost.
    fn note(&self, sort: Option<Sort>, left_out: u64, event: AuditEvent) {
        let _ = self.write(sort, left_out, event);
    }
}

impl Drop for PluginAudit {
    fn drop(&mut self) {
        self.sum_up();
        let left_out = self.budgets.take_left_out();
        if left_out > 0 {
            self.note(None, left_out, AuditEvent::RecordsLeftOut);
        }
    }
}

/// Writes to the `tracing` target `conductor::audit`: a warning for a denial, information for everything else.
fn trace(
    plugin: &str,
    capability: Capability,
    operation: &'static str,
    request: &dyn fmt::Display,
    result: Result<usize, &Refusal>,
    left_out: u64,
) {
    match result {
        Ok(bytes) => {
            info!(target: "conductor::audit", plugin, %capability, operation, %request, bytes, left_out, "used");
        }
        Err(Refusal { status: Status::Denied, reason, .. }) => {
            warn!(target: "conductor::audit", plugin, %capability, operation, %request, reason, left_out, "denied");
        }
        Err(Refusal { status, reason, .. }) => {
            info!(target: "conductor::audit", plugin, %capability, operation, %request, ?status, reason, left_out, "failed");
        }
    }
}

#[cfg(test)]
mod tests;
