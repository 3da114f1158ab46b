//! What `conductor exec` says about a call.

use std::io::{self, IsTerminal as _, Write as _};
use std::time::Duration;

use conductor_abi::LogLevel;
use conductor_core::{
    CallReport, Decision, GrantSpec, Limit, LoadError, LogLine, LogSource, Outcome, PluginInfo,
};
use conductor_daemon::words::load_error;
use conductor_signing::escape::{json, terminal};
use data_encoding::BASE64;
use serde::Serialize;
use serde_json::Value as Json;

use crate::exit::Status;

/// The report on a call, or on a refusal before the call.
pub(crate) struct Report {
    status: Status,
    outcome: &'static str,
    limit: Option<Limit>,
    limits_refused: Vec<Limit>,
    error: Option<String>,
    /// The line of the log that the error ends with.
    told: Option<usize>,
    hint: Option<String>,
    reply: Option<Vec<u8>>,
    fuel_used: u64,
    peak_memory_bytes: u64,
    elapsed: Duration,
    log: Vec<LogLine>,
    withheld: Vec<String>,
    /// What the plugin turned out to need, if that was recorded.
    needs: Option<Vec<GrantSpec>>,
}

impl Report {
    /// The report on a plugin that was not loaded. A plugin that failed during its start did run.
    pub(crate) fn refused(error: &LoadError) -> Self {
        let start = if let LoadError::Start { outcome } = error { Some(outcome) } else { None };
        let stopped = start.filter(|outcome| status(outcome) == Status::Stopped);
        let outcome = stopped.map_or("refused", Outcome::kind);
        Self {
            status: if stopped.is_some() { Status::Stopped } else { Status::Refused },
            outcome,
            limit: error.limit(),
            limits_refused: Vec::new(),
            error: Some(load_error::describe(error)),
            told: None,
            hint: load_error::hint(error),
            reply: None,
            fuel_used: 0,
            peak_memory_bytes: 0,
            elapsed: Duration::ZERO,
            log: Vec::new(),
            withheld: Vec::new(),
            needs: None,
        }
    }

    /// The report on a call that was made.
    pub(crate) fn called(info: &PluginInfo, call: CallReport) -> Self {
        let withheld =
            info.capabilities.iter().filter(|decided| !matches!(decided.decision, Decision::Granted(_)));
        let mut withheld: Vec<String> = withheld.map(ToString::to_string).collect();
        for denial in &call.denied {
            if !withheld.contains(&denial.reason) {
                withheld.push(denial.reason.clone());
            }
        }
        Self {
            status: status(&call.outcome),
            outcome: call.outcome.kind(),
            limit: call.outcome.limit(),
            limits_refused: call.limits_refused.clone(),
            error: call.error(),
            told: call.own_error(),
            hint: None,
            reply: call.reply,
            fuel_used: call.fuel_used,
            peak_memory_bytes: call.peak_memory_bytes,
            elapsed: call.elapsed,
            log: call.log,
            withheld,
            needs: None,
        }
    }

    /// The report on a call that a signal ended or prevented, after `elapsed`.
    pub(crate) fn interrupted(elapsed: Duration) -> Self {
        Self {
            status: Status::Interrupted,
            outcome: "interrupted",
            limit: None,
            limits_refused: Vec::new(),
            error: Some("ended by a signal before the call was over".to_owned()),
            told: None,
            hint: None,
            reply: None,
            fuel_used: 0,
            peak_memory_bytes: 0,
            elapsed,
            log: Vec::new(),
            withheld: Vec::new(),
            needs: None,
        }
    }

    /// The same report, with what the plugin turned out to need.
    pub(crate) fn recorded(self, needs: Vec<GrantSpec>) -> Self {
        Self { needs: Some(needs), ..self }
    }

    /// The exit status that stands for the outcome.
    pub(crate) const fn status(&self) -> Status {
        self.status
    }

    /// Writes the reply to standard output and the rest to standard error, or everything as JSON to standard output. A
    /// reply that is `passed_through` is written as it is.
    ///
    /// # Errors
    ///
    /// Fails if standard output does not take the report. A failure of standard error cannot be reported and is
    /// ignored.
    pub(crate) fn write(&self, as_json: bool, passed_through: bool) -> io::Result<()> {
        if as_json {
            let text = serde_json::to_string_pretty(&self.to_json())?;
            let mut out = io::stdout().lock();
            return writeln!(out, "{}", json(&text)).and_then(|()| out.flush());
        }
        say(&self.log_in_words());
        if let Some(reply) = &self.reply {
            write_reply(reply, passed_through)?;
        }
        say(&self.end_in_words());
        if let Some(needs) = &self.needs {
            let mut out = io::stdout().lock();
            out.write_all(to_paste(needs).as_bytes()).and_then(|()| out.flush())?;
        }
        if !matches!(self.status, Status::Refused | Status::Interrupted) {
            let (fuel, memory, micros) =
                (self.fuel_used, self.peak_memory_bytes / 1024, self.elapsed.as_micros());
            say(&format!("fuel {fuel}, peak memory {memory} KiB, {micros} microseconds\n"));
        }
        Ok(())
    }

    fn log_in_words(&self) -> String {
        let lines = self.log.iter().enumerate().filter(|(index, _)| Some(*index) != self.told);
        lines.map(|(_, line)| format!("{}: {}\n", source(line.source), terminal(&line.text))).collect()
    }

    fn end_in_words(&self) -> String {
        let mut words = match &self.error {
            Some(error) => {
                let unnamed = self.limit.map(Limit::key).filter(|key| !error.contains(key));
                let key = unnamed.map(|key| format!(" ({key})")).unwrap_or_default();
                format!("error: {}{key}\n", terminal(error))
            }
            None => "ok\n".to_owned(),
        };
        // The limit that ended the call is in the error already.
        for limit in self.limits_refused.iter().filter(|limit| Some(**limit) != self.limit) {
            words += &format!("note: {limit} ({})\n", limit.key());
        }
        for decision in &self.withheld {
            words += &format!("note: {}\n", terminal(decision));
        }
        if let Some(hint) = &self.hint {
            words += &format!("hint: {}\n", terminal(hint));
        }
        words
    }

    fn to_json(&self) -> JsonReport<'_> {
        JsonReport {
            outcome: self.outcome,
            limit: self.limit.map(Limit::key),
            limits_refused: self.limits_refused.iter().map(|limit| limit.key()).collect(),
            error: self.error.as_deref(),
            hint: self.hint.as_deref(),
            reply: self.reply.as_deref().map(reply_json),
            fuel_used: self.fuel_used,
            peak_memory_bytes: self.peak_memory_bytes,
            micros: u64::try_from(self.elapsed.as_micros()).unwrap_or(u64::MAX),
            withheld: &self.withheld,
            needs: self.needs.as_ref().map(|needs| needs.iter().map(ToString::to_string).collect()),
            log: self
                .log
                .iter()
                .map(|line| JsonLine { source: source(line.source), text: &line.text })
                .collect(),
        }
    }
}

/// The report for scripts.
#[derive(Serialize)]
struct JsonReport<'r> {
    outcome: &'static str,
    limit: Option<&'static str>,
    limits_refused: Vec<&'static str>,
    error: Option<&'r str>,
    hint: Option<&'r str>,
    reply: Option<Json>,
    fuel_used: u64,
    peak_memory_bytes: u64,
    micros: u64,
    withheld: &'r [String],
    /// Each need in the form of a grant: `CAP` or `CAP=SCOPE`.
    #[serde(skip_serializing_if = "Option::is_none")]
    needs: Option<Vec<String>>,
    log: Vec<JsonLine<'r>>,
}

#[derive(Serialize)]
struct JsonLine<'r> {
    source: &'static str,
    text: &'r str,
}

/// The exit status for an outcome. A kind of outcome that a later host adds counts as one with which the host ended the
/// call.
fn status(outcome: &Outcome) -> Status {
    if *outcome == Outcome::Ok {
        Status::Ok
    } else if matches!(outcome, Outcome::Failed { .. }) {
        Status::Failed
    } else {
        Status::Stopped
    }
}

fn say(words: &str) {
    let _ = io::stderr().lock().write_all(words.as_bytes());
}

/// The reply as JSON if it is JSON, else as text, else as an object with the bytes in base64.
fn reply_json(reply: &[u8]) -> Json {
    match (serde_json::from_slice(reply), std::str::from_utf8(reply)) {
        (Ok(json), _) => json,
        (Err(_), Ok(text)) => Json::from(text),
        (Err(_), Err(_)) => serde_json::json!({ "base64": BASE64.encode(reply) }),
    }
}

/// What the plugin needs, in the notations of its author and its user.
fn to_paste(needs: &[GrantSpec]) -> String {
    if needs.is_empty() {
        return "# It asked for nothing.\n".to_owned();
    }
    let mut text =
        "# In the plugin, or with conductor-sign manifest; say why for each:\ncapabilities: {\n".to_owned();
    for need in needs {
        let scope = need.scope().map(|scope| format!("({:?})", scope.to_string())).unwrap_or_default();
        text += &format!("    {}{scope}: \"\",\n", need.capability());
    }
    let grants: Vec<String> = needs.iter().map(|need| format!("{:?}", need.to_string())).collect();
    text + &format!(
        "}},\n# In config.toml, under [plugins.NAME]:\ngranted_capabilities = [{}]\n\
         # What was denied may have kept it from asking for more: run it again with --grant for each.\n",
        grants.join(", ")
    )
}

/// Writes the reply. On a terminal it is written line by line, with control characters escaped; otherwise as it is.
fn write_reply(reply: &[u8], passed_through: bool) -> io::Result<()> {
    let mut stdout = io::stdout().lock();
    if stdout.is_terminal() {
        for line in String::from_utf8_lossy(reply).lines() {
            writeln!(stdout, "{}", terminal(line))?;
        }
    } else {
        stdout.write_all(reply)?;
        if !passed_through && !reply.ends_with(b"\n") {
            stdout.write_all(b"\n")?;
        }
    }
    stdout.flush()
}

const fn source(source: LogSource) -> &'static str {
    match source {
        LogSource::Stdout => "stdout",
        LogSource::Stderr => "stderr",
        LogSource::Host(level) => match level {
            LogLevel::Error => "error",
            LogLevel::Warn => "warn",
            LogLevel::Info => "info",
            LogLevel::Debug => "debug",
        },
    }
}
