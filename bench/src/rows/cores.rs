//! Two processors busy with different plugins.

use std::sync::Barrier;
use std::thread;
use std::time::{Duration, Instant};

use conductor_core::{Host, Plugin, PluginOptions};

use crate::report::{Better, Row};
use crate::sample::{Effort, Samples};
use crate::stage::{Built, REQUEST, Result, Stage, succeed};

/// How long calls are counted for.
const WINDOW: Duration = Duration::from_millis(100);

pub(crate) fn measure(built: &Built, effort: Effort) -> Result<Vec<Row>> {
    let stage = Stage::new(built)?;
    let host = Host::new(stage.config())?;
    let path = stage.plugin("request", &stage.guest("request")?)?;
    let mut plugins =
        [host.load(&path, &PluginOptions::default())?, host.load(&path, &PluginOptions::default())?];
    let (mut one, mut two) = (Vec::new(), Vec::new());
    for _ in 0..effort.some {
        let [first, second] = &mut plugins;
        one.push(count(&mut [first]));
        two.push(count(&mut [first, second]));
    }
    let (one, two) = (Samples::new(one), Samples::new(two));
    let (median, yardstick) = (two.median(), one.median());
    Ok(vec![Row {
        what: "throughput of two busy processors, different plugins; of one".to_owned(),
        unit: "1/s",
        median,
        // The slowest: more is better here.
        p99: two.p1(),
        yardstick: Some(yardstick),
        value: median / yardstick,
        goal: 1.8,
        better: Better::Higher,
        of: "× one processor",
    }])
}

/// Calls in a second of all plugins together, each on a thread.
fn count(plugins: &mut [&mut Box<dyn Plugin>]) -> f64 {
    let barrier = Barrier::new(plugins.len());
    thread::scope(|scope| {
        let threads: Vec<_> = plugins
            .iter_mut()
            .map(|plugin| {
                let barrier = &barrier;
                scope.spawn(move || {
                    barrier.wait();
                    let started = Instant::now();
                    let mut calls = 0;
                    while started.elapsed() < WINDOW {
                        (0..100).for_each(|_| succeed(plugin.as_mut(), REQUEST));
                        calls += 100;
                    }
                    f64::from(calls) / started.elapsed().as_secs_f64()
                })
            })
            .collect();
        threads.into_iter().map(|thread| thread.join().expect("ends")).sum()
    })
}
