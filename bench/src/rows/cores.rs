//! Two processors, each busy with another plugin.

use std::sync::Barrier;
use std::thread;
use std::time::{Duration, Instant};

use conductor_core::{Host, PluginOptions};

use crate::peer::bare::{self, Bare};
use crate::report::{Better, Row};
use crate::sample::{Effort, Samples};
use crate::stage::{Built, REQUEST, Result, Stage, succeed};

/// How long calls are counted.
const WINDOW: Duration = Duration::from_millis(100);

pub(crate) fn measure(built: &Built, effort: Effort) -> Result<Vec<Row>> {
    let stage = Stage::new(built)?;
    let host = Host::new(stage.config())?;
    let path = stage.plugin("request", &stage.guest("request")?)?;
    let mut plugins =
        [host.load(&path, &PluginOptions::default())?, host.load(&path, &PluginOptions::default())?];
    let pre = Bare::compile(&bare::config(), &stage.guest("request")?)?;
    let mut engines = [Bare::new(&pre)?, Bare::new(&pre)?];
    let (mut one, mut two, mut bare_one, mut bare_two) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for _ in 0..effort.some {
        let [first, second] = &mut plugins;
        let mut first = || succeed(first.as_mut(), REQUEST);
        let mut second = || succeed(second.as_mut(), REQUEST);
        one.push(count(vec![&mut first]));
        two.push(count(vec![&mut first, &mut second]));
        let [first, second] = &mut engines;
        let mut first = || first.execute(REQUEST).expect("executes");
        let mut second = || second.execute(REQUEST).expect("executes");
        bare_one.push(count(vec![&mut first]));
        bare_two.push(count(vec![&mut first, &mut second]));
    }
    let bare = Samples::new(bare_two).median() / Samples::new(bare_one).median();
    println!("    bare wasmtime gets {bare:.2} times as much done on both processors as on one");
    let (one, two) = (Samples::new(one), Samples::new(two));
    let (median, yardstick) = (two.median(), one.median());
    Ok(vec![Row {
        what: "throughput of two busy processors, different plugins; of one".to_owned(),
        unit: "1/s",
        median,
        // The slowest windows, because more calls are better here.
        p99: two.p1(),
        yardstick: Some(yardstick),
        value: median / yardstick,
        goal: 1.8,
        better: Better::Higher,
        of: "× one processor",
    }])
}

/// Calls in a second of all subjects together, each on its own thread.
fn count(all: Vec<&mut (dyn FnMut() + Send)>) -> f64 {
    let barrier = Barrier::new(all.len());
    thread::scope(|scope| {
        let threads: Vec<_> = all
            .into_iter()
            .map(|call| {
                let barrier = &barrier;
                scope.spawn(move || {
                    barrier.wait();
                    let started = Instant::now();
                    let mut calls = 0;
                    while started.elapsed() < WINDOW {
                        (0..100).for_each(|_| call());
                        calls += 100;
                    }
                    f64::from(calls) / started.elapsed().as_secs_f64()
                })
            })
            .collect();
        threads.into_iter().map(|thread| thread.join().expect("ends")).sum()
    })
}
