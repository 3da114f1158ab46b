//! `explain`: the decision whether a plugin is loaded, as a tree of checks.

use std::path::{Path, PathBuf};

use conductor_daemon::config;
use conductor_signing::{PluginFile, Step, TrustStore, Verdict, VerifyError, escape};
use serde_json::{Value, json};

use crate::error::CliError;
use crate::output::Output;

#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// The plugin, a .wasm file with its .wasm.sig beside it
    plugin: PathBuf,
}

pub(crate) fn run(arguments: &Arguments, config: &Path, output: &mut Output) -> Result<(), CliError> {
    let policy = config::verification_policy(config)?;
    let trust = TrustStore::load(config)?;
    let plugin = PluginFile::scan(&arguments.plugin)?;
    let decision = plugin.judge(&policy, &trust);
    output.line(escape::path(&arguments.plugin));
    let last = decision.steps().len().saturating_sub(1);
    for (place, step) in decision.steps().iter().enumerate() {
        branch(step, "", place == last, output);
    }
    output.line("");
    let refusal = decision.refusal();
    output.line(match refusal {
        None if decision.signature().is_some() => "✓ The plugin may be loaded",
        None => "✓ The plugin may be loaded, as unsigned",
        Some(_) => "✗ The plugin is refused",
    });
    output.json(|| {
        json!({
            "plugin": arguments.plugin.to_string_lossy(),
            "plugin_hash": plugin.digest().to_string(),
            "let_in": refusal.is_none(),
            "exit_code": refusal.map_or(0, VerifyError::exit_code),
            "error": refusal.map(VerifyError::to_string),
            "hint": refusal.and_then(VerifyError::hint),
            "steps": decision.steps().iter().map(step_json).collect::<Vec<_>>(),
        })
    });
    refusal.map_or(Ok(()), |refusal| Err(refusal.clone().into()))
}

/// A check and, below it, the checks that it consists of.
fn branch(step: &Step, indent: &str, is_last: bool, output: &mut Output) {
    let (branch, below) = if is_last { ("└─", "   ") } else { ("├─", "│  ") };
    let mark = match step.verdict() {
        Verdict::Passed => "✓",
        Verdict::Failed => "✗",
        Verdict::Noted => "⚠",
        Verdict::NotApplicable => "–",
        Verdict::NotReached => "·",
    };
    let what = step.subject().unwrap_or_else(|| step.check().question());
    let mut line = format!("{indent}{branch} {mark} {}", escape::terminal(what));
    let finding = match step.verdict() {
        Verdict::NotReached => "not reached",
        Verdict::Passed | Verdict::Failed | Verdict::Noted | Verdict::NotApplicable => step.finding(),
    };
    if !finding.is_empty() {
        line.push_str(&format!(": {}", escape::terminal(finding)));
    }
    if let Some(rule) = step.rule() {
        line.push_str(&format!("  [{rule}]"));
    }
    output.line(line);
    let last = step.steps().len().saturating_sub(1);
    for (place, part) in step.steps().iter().enumerate() {
        self::branch(part, &format!("{indent}{below}"), place == last, output);
    }
}

fn step_json(step: &Step) -> Value {
    json!({
        "check": step.check().name(),
        "subject": step.subject(),
        "verdict": step.verdict().name(),
        "finding": step.finding(),
        "rule": step.rule().map(|rule| json!({
            "file": rule.path.to_string_lossy(),
            "line": rule.line,
        })),
        "steps": step.steps().iter().map(step_json).collect::<Vec<_>>(),
    })
}
