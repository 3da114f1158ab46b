//! Dispatch through a worker process, behind both walls.

use conductor_core::{Devices, PluginOptions};

use crate::peer::extism;
use crate::peer::ping::Ping;
use crate::report::{Better, MICROSECONDS, Row};
use crate::sample::{Effort, Samples, Subject, alternate};
use crate::stage::{Built, REQUEST, Result, Stage, succeed};

/// The times of the worker and of its yardsticks.
struct Measured {
    worker: Samples,
    ping: Samples,
    /// A second run, compared with Extism, which has no second process to wait for.
    worker_again: Samples,
    extism: Samples,
}

pub(crate) fn measure(built: &Built, effort: Effort) -> Result<Vec<Row>> {
    let Measured { worker, ping, .. } = run(built, effort)?;
    Ok(vec![
        Row::ratio("dispatch through a worker, free; ping-pong", MICROSECONDS, &worker, &ping, 1.5),
        late("dispatch through a worker, free: p99", &worker),
    ])
}

/// For a process that has one processor.
pub(crate) fn measure_pinned(built: &Built, effort: Effort) -> Result<Vec<Row>> {
    let Measured { worker, ping, worker_again, extism } = run(built, effort)?;
    Ok(vec![
        Row::ratio("dispatch through a worker, pinned; ping-pong", MICROSECONDS, &worker, &ping, 1.5),
        Row::ratio(
            "dispatch through a worker, pinned; Extism in process",
            MICROSECONDS,
            &worker_again,
            &extism,
            1.0,
        ),
        late("dispatch through a worker, pinned: p99", &worker),
    ])
}

fn run(built: &Built, effort: Effort) -> Result<Measured> {
    let stage = Stage::new(built)?;
    let request = stage.guest("request")?;
    let host = stage.workers(stage.config(), Devices::default())?;
    let mut plugin = host.load(&stage.plugin("request", &request)?, &PluginOptions::default())?;
    let mut ping = Ping::start(REQUEST.len())?;
    let mut extism = extism::plugin(stage.built("extism_parse")?)?;
    let mut ours = || succeed(plugin.as_mut(), REQUEST);
    let (worker, ping) = alternate(
        effort.many * 4,
        Subject { batch: 1, call: &mut ours },
        Subject { batch: 1, call: &mut || ping.round(REQUEST).expect("comes back") },
    );
    let (worker_again, extism) = alternate(
        effort.many,
        Subject { batch: 10, call: &mut ours },
        Subject { batch: 10, call: &mut || extism::execute(&mut extism, REQUEST) },
    );
    Ok(Measured { worker, ping, worker_again, extism })
}

fn late(what: &str, samples: &Samples) -> Row {
    let (unit, length) = MICROSECONDS;
    let (median, p99) = (samples.median() / length, samples.p99() / length);
    Row {
        what: what.to_owned(),
        unit,
        median,
        p99,
        yardstick: None,
        value: p99 / median,
        goal: 5.0,
        better: Better::Lower,
        of: "× its median",
    }
}
