//! The start of a daemon with a hundred different plugins, all compiled before.

use std::time::Instant;

use crate::daemon::{Daemon, proportional_bytes};
use crate::modules;
use crate::report::{Better, Row};
use crate::sample::{Effort, Samples, nanoseconds};
use crate::stage::{Built, Result, Stage};

const PLUGINS: u64 = 100;

pub(crate) fn measure(built: &Built, effort: Effort) -> Result<Vec<Row>> {
    let stage = Stage::new(built)?;
    let calls = stage.guest("calls")?;
    let mut config = String::new();
    for number in 0..PLUGINS {
        let name = format!("calls-{number}");
        let path = stage.plugin(&name, &modules::renamed(&calls, &name))?;
        config.push_str(&format!("[plugins.{name}]\npath = \"{}\"\n", path.display()));
    }
    let first = config.lines().take(2).collect::<Vec<_>>().join("\n");
    // This start compiles the plugins for the first time.
    Daemon::start(&stage, &config)?.wait_for(PLUGINS, &stage)?;

    let (mut all, mut one, mut memory) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..effort.few {
        let started = Instant::now();
        let mut daemon = Daemon::start(&stage, &first)?;
        daemon.wait_for(1, &stage)?;
        one.push(nanoseconds(started.elapsed()));
        drop(daemon);
        let started = Instant::now();
        let mut daemon = Daemon::start(&stage, &config)?;
        daemon.wait_for(PLUGINS, &stage)?;
        all.push(nanoseconds(started.elapsed()));
        memory.push(bytes(&daemon)? / PLUGINS as f64 / f64::from(1 << 20));
    }
    let (all, one, memory) = (Samples::new(all), Samples::new(one), Samples::new(memory));
    Ok(vec![
        Row {
            what: "start of a daemon with 100 plugins, compiled before; with one".to_owned(),
            unit: "s",
            median: all.median() / 1e9,
            p99: all.p99() / 1e9,
            yardstick: Some(one.median() / 1e9),
            value: all.median() / 1e9,
            goal: 1.0,
            better: Better::Lower,
            of: "s",
        },
        Row {
            what: "memory of that daemon and its workers, for each plugin".to_owned(),
            unit: "MiB",
            median: memory.median(),
            p99: memory.p99(),
            yardstick: None,
            value: memory.median(),
            goal: 8.0,
            better: Better::Lower,
            of: "MiB",
        },
    ])
}

/// Memory of the daemon and of all its workers.
fn bytes(daemon: &Daemon) -> Result<f64> {
    let list = daemon.ask("plugin-list")?;
    let workers =
        list["plugins"].as_array().into_iter().flatten().filter_map(|plugin| plugin["worker_pid"].as_u64());
    let mut sum = proportional_bytes(u64::from(daemon.pid()))?;
    for worker in workers {
        sum += proportional_bytes(worker)?;
    }
    Ok(sum)
}
