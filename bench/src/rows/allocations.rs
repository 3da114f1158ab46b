//! Allocations on the host's heap per dispatch in process.

use conductor_core::{Host, PluginOptions};

use crate::report::{Better, Row};
use crate::sample::Effort;
use crate::stage::{Built, REQUEST, Result, Stage, succeed};

const CALLS: u32 = 1_000;

pub(crate) fn measure(built: &Built, _: Effort) -> Result<Vec<Row>> {
    let stage = Stage::new(built)?;
    let host = Host::new(stage.config())?;
    let path = stage.plugin("request", &stage.guest("request")?)?;
    let mut plugin = host.load(&path, &PluginOptions::default())?;
    let mut calls = || (0..CALLS).for_each(|_| succeed(plugin.as_mut(), REQUEST));
    calls();
    let allocations = allocation_counter::measure(calls).count_total as f64 / f64::from(CALLS);
    Ok(vec![Row {
        what: "allocations on the host's heap for each dispatch in process".to_owned(),
        unit: "",
        median: allocations,
        p99: allocations,
        yardstick: None,
        value: allocations,
        goal: 0.0,
        better: Better::Lower,
        of: "allocations",
    }])
}
