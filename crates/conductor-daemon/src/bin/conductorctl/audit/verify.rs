//! `conductorctl audit verify`: whether the log is whole.

use std::path::Path;

use conductor_core::audit::{Head, Verification, verify};
use conductor_daemon::control::{ClientError, Request, Response};
use conductor_signing::escape::{path, terminal};
use serde_json::json;

use crate::error::CliError;
use crate::{Ask, output};

pub(super) fn run(file: &Path, ask: Ask<'_>, as_json: bool) -> Result<(), CliError> {
    let live = live(file, ask)?;
    let found = verify(file, live).map_err(CliError::Audit)?;
    if as_json {
        output::json(&to_json(file, &found, live.is_some()))?
    } else {
        output::text(&render(file, &found, live.is_some()))?
    }
    if found.is_whole() { Ok(()) } else { Err(CliError::NotWhole) }
}

/// The end of the chain according to the daemon that writes this log, if one runs.
fn live(file: &Path, ask: Ask<'_>) -> Result<Option<Head>, CliError> {
    let status = match ask(&Request::Status) {
        Ok(Response::Status(status)) => status,
        Ok(_) => return Err(CliError::OtherAnswer),
        Err(CliError::Client(ClientError::NoDaemon { .. })) => return Ok(None),
        Err(error) => return Err(error),
    };
    if status.audit.file != file {
        return Ok(None);
    }
    let chain = status.audit.chain.parse().map_err(|_| CliError::OtherAnswer)?;
    Ok(Some(Head { sequence: status.audit.sequence, chain }))
}

fn render(file: &Path, found: &Verification, is_live: bool) -> String {
    let mut text = String::new();
    for fault in &found.faults {
        text += &format!("\u{2717} {}\n", terminal(&fault.to_string()));
    }
    let range = match (found.first, found.last) {
        (Some(first), Some(last)) => format!("records {first} to {}", last.sequence),
        (None, _) | (_, None) => "no records".to_owned(),
    };
    if found.is_whole() {
        text += &format!("\u{2713} {} is whole: {range}\n", path(file));
    }
    if found.unprotected > 0 {
        text += &format!(
            "{} older lines are of no chain, and nothing shows what became of them\n",
            found.unprotected
        );
    }
    if let Some(checkpoint) = &found.checkpoint {
        text += &format!(
            "Signed at {} up to record {} by the log's key {}\n",
            checkpoint.time, checkpoint.head.sequence, checkpoint.key
        );
    }
    text += if is_live {
        "The daemon that writes it confirms its end\n"
    } else {
        "No daemon runs to confirm its end: records after the last signature could be missing\n"
    };
    text
}

fn to_json(file: &Path, found: &Verification, is_live: bool) -> serde_json::Value {
    json!({
        "file": file,
        "whole": found.is_whole(),
        "records": found.records,
        "unprotected": found.unprotected,
        "first": found.first,
        "last": found.last.map(|head| head.sequence),
        "chain": found.last.map(|head| head.chain.to_string()),
        "checkpoint": found.checkpoint.as_ref().map(|checkpoint| json!({
            "sequence": checkpoint.head.sequence,
            "time": checkpoint.time.to_string(),
            "key": checkpoint.key.to_string(),
        })),
        "confirmed_by_daemon": is_live,
        "faults": found.faults.iter().map(ToString::to_string).collect::<Vec<_>>(),
    })
}
