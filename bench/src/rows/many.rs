//! One plugin and up to a thousand, in process, with the events spread over all plugins.

use std::fs;

use conductor_core::{CodeCache, Devices, Host, Plugin, PluginOptions};

use crate::report::{Better, Row};
use crate::sample::{Effort, Samples, Subject, alternate};
use crate::stage::{Built, REQUEST, Result, Stage, succeed};

/// Calls that are timed together: as many as there are plugins at most.
const BATCH: u32 = 1_000;

const NUMBERS: [usize; 3] = [10, 100, 1_000];

pub(crate) fn measure(built: &Built, effort: Effort) -> Result<Vec<Row>> {
    let stage = Stage::new(built)?;
    let cache = CodeCache::open(&stage.path().join("code"), &stage.path().join("code.secret"))?;
    let host = Host::with_code_cache(stage.config(), Devices::default(), cache)?;
    let path = stage.plugin("request", &stage.guest("request")?)?;
    let load = || host.load(&path, &PluginOptions::default());
    let mut one = load()?;
    let before = resident()?;
    let mut all: Vec<Box<dyn Plugin>> = Vec::new();
    let mut rows = Vec::new();
    for number in NUMBERS {
        while all.len() < number {
            all.push(load()?);
        }
        let mut next = 0;
        let (many, single) = alternate(
            effort.many / 10,
            Subject {
                batch: BATCH,
                call: &mut || {
                    succeed(all[next % number].as_mut(), REQUEST);
                    next += 1;
                },
            },
            Subject { batch: BATCH, call: &mut || succeed(one.as_mut(), REQUEST) },
        );
        rows.push(row(number, &many, &single));
    }
    let each = (resident()? - before) / *NUMBERS.last().unwrap_or(&1) as f64 / 1024.0;
    println!("    an idle plugin in process takes {each:.0} KiB of memory");
    Ok(rows)
}

/// Calls in a second, and their ratio to the calls with one plugin.
fn row(number: usize, many: &Samples, single: &Samples) -> Row {
    let (median, yardstick) = (1e9 / many.median(), 1e9 / single.median());
    Row {
        what: format!("throughput with {number} plugins in process; with one"),
        unit: "1/s",
        median,
        p99: 1e9 / many.p99(),
        yardstick: Some(yardstick),
        value: median / yardstick,
        goal: 0.85,
        better: Better::Higher,
        of: "× with one",
    }
}

/// Bytes of memory of this process.
fn resident() -> Result<f64> {
    let status = fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).ok_or("no VmRSS")?;
    Ok(line.trim().trim_end_matches(" kB").trim().parse::<f64>()? * 1024.0)
}
