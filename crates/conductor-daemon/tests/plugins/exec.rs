//! `conductor exec` as a plugin's developer types it.

use std::path::Path;
use std::process::{Command, Stdio};

use serde_json::Value;

/// What `conductor exec --json` printed.
pub(super) struct Exec {
    pub(super) status: Option<i32>,
    pub(super) report: Value,
}

/// Makes one call in the given home.
pub(super) fn exec(home: &Path, plugin: &Path, arguments: &[&str]) -> Exec {
    let mut command = Command::new(env!("CARGO_BIN_EXE_conductor"));
    command.env_clear().env("HOME", home).stdin(Stdio::null());
    let output =
        command.arg("exec").arg(plugin).arg("--json").args(arguments).output().expect("conductor starts");
    let words = String::from_utf8_lossy(&output.stderr);
    let report = serde_json::from_slice(&output.stdout).unwrap_or_else(|error| {
        panic!("{arguments:?}: {error} in {:?}\n{words}", output.stdout.escape_ascii())
    });
    Exec { status: output.status.code(), report }
}

/// A home directory for one test.
pub(super) fn home() -> tempfile::TempDir {
    tempfile::tempdir().expect("home")
}
