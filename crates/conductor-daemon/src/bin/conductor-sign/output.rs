//! The report of a command: text or JSON, printed once.

use std::io::{self, Write};

use conductor_signing::escape;
use serde_json::Value;

use crate::error::CliError;

/// The report that will be printed to stdout. Callers escape texts that come from files.
pub(crate) struct Output {
    json: bool,
    text: String,
}

impl Output {
    pub(crate) fn new(json: bool) -> Self {
        Self { json, text: String::new() }
    }

    /// Adds a line to the text report.
    pub(crate) fn line(&mut self, line: impl AsRef<str>) {
        if !self.json {
            self.text.push_str(line.as_ref());
            self.text.push('\n');
        }
    }

    /// Sets the JSON report. `value` is only called if JSON was asked for.
    pub(crate) fn json(&mut self, value: impl FnOnce() -> Value) {
        if self.json {
            self.text = escape::json(&format!("{:#}\n", value()));
        }
    }

    /// Prints the report, unless it was printed before.
    pub(crate) fn finish(&mut self) -> Result<(), CliError> {
        let mut stdout = io::stdout().lock();
        let printed = stdout.write_all(self.text.as_bytes()).and_then(|()| stdout.flush());
        self.text.clear();
        printed.map_err(CliError::Output)
    }
}
