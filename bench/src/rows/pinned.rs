//! Measurements on one processor. There no process waits for another core to wake up, which takes longer than
//! everything else together.

use std::process::Command;

use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};

use super::{host_call, midi, worker};
use crate::report::{MICROSECONDS, Row};
use crate::sample::Effort;
use crate::stage::{Built, Result};

/// Measures in a separate process, so that the other measurements keep all processors.
pub(crate) fn measure(built: &Built, effort: Effort) -> Result<Vec<Row>> {
    let mut command = Command::new("/proc/self/exe");
    command.arg("pinned");
    command.arg("--conductor").arg(&built.conductor).arg("--conductor-sign").arg(&built.conductor_sign);
    command.arg("--guests").arg(&built.guests);
    if effort.many < Effort::FULL.many {
        command.arg("--quick");
    }
    let output = command.output()?;
    if !output.status.success() {
        return Err(String::from_utf8_lossy(&output.stderr).into_owned().into());
    }
    let rows: Vec<serde_json::Value> = serde_json::from_slice(&output.stdout)?;
    rows.iter()
        .map(|row| Row::from_json(row, &[MICROSECONDS.0], &["× the yardstick", "× its median"]))
        .collect()
}

/// Makes the measurements in that process.
pub(crate) fn measure_here(built: &Built, effort: Effort) -> Result<Vec<Row>> {
    // Restricts all threads of this process, and of processes that it starts, to one processor.
    let all = sched_getaffinity(None)?;
    let first = (0..CpuSet::MAX_CPU).find(|cpu| all.is_set(*cpu)).ok_or("no processor")?;
    let mut one = CpuSet::new();
    one.set(first);
    sched_setaffinity(None, &one)?;
    let mut rows = worker::measure_pinned(built, effort)?;
    rows.push(host_call::measure_pinned(built, effort)?);
    rows.extend(midi::measure_pinned(built, effort)?);
    Ok(rows)
}
