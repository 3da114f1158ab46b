//! A limit of 50 ms, and how long calls really take under it.

use std::time::{Duration, Instant};

use conductor_core::{Devices, Host, Outcome, PluginOptions, WasmConfig};

use crate::modules;
use crate::report::{Better, Row};
use crate::sample::{Effort, Samples, nanoseconds};
use crate::stage::{Built, Result, Stage};

const LIMIT: Duration = Duration::from_millis(50);

const SLEEP: &str =
    r#"(import "wasi_snapshot_preview1" "poll_oneoff" (func $poll (param i32 i32 i32 i32) (result i32)))"#;
const CALL: &str = r#"(import "conductor" "call" (func $call (param i32 i32 i32) (result i64)))"#;

pub(crate) fn measure(built: &Built, effort: Effort) -> Result<Vec<Row>> {
    let stage = Stage::new(built)?;
    // One subscription to the monotonic clock, for a minute from now.
    let sleep = "(i32.store (i32.const 16) (i32.const 1)) (i64.store (i32.const 24) (i64.const 60000000000))
         (drop (call $poll (i32.const 0) (i32.const 64) (i32.const 1) (i32.const 128)))";
    let listen = format!(
        "(drop (call $call (i32.const {}) (i32.const 0) (i32.const 0)))",
        conductor_abi::Op::MidiPorts as u32
    );
    let modules = [
        ("a loop", modules::executing(1, "", "(loop (br 0))")),
        ("a sleep", modules::executing(1, SLEEP, sleep)),
        (
            "memory.fill of 96 MiB, again and again",
            modules::executing(
                1600,
                "",
                "(loop (memory.fill (i32.const 0) (i32.const 7) (i32.const 100663296)) (br 0))",
            ),
        ),
        ("host calls, again and again", modules::executing(1, CALL, &format!("(loop {listen} (br 0))"))),
    ];
    let config = || WasmConfig {
        max_execution_time: LIMIT,
        // Calls must be ended by time, not by fuel.
        max_fuel: u64::MAX / 4,
        ..stage.config()
    };
    let in_process = Host::new(config())?;
    let in_workers = stage.workers(config(), Devices::default())?;
    let mut rows = Vec::new();
    for (place, host) in [("in process", &in_process), ("in a worker", &in_workers)] {
        for (index, (what, module)) in modules.iter().enumerate() {
            let path = stage.plugin(&format!("limit-{index}"), module)?;
            rows.push(over(&format!("50 ms limit, {place}: {what}"), host, &path, effort)?);
        }
    }
    Ok(rows)
}

fn over(what: &str, host: &Host, path: &std::path::Path, effort: Effort) -> Result<Row> {
    let mut plugin = host.load(path, &PluginOptions::default())?;
    let mut times = Vec::new();
    for _ in 0..effort.some {
        plugin.resume();
        let started = Instant::now();
        let report = plugin.execute(b"{}");
        times.push(nanoseconds(started.elapsed()));
        assert!(matches!(report.outcome, Outcome::Limit { .. }), "{what}: {report:?}");
    }
    let times = Samples::new(times);
    let (median, p99) = (times.median() / 1e6, times.p99() / 1e6);
    let limit = LIMIT.as_secs_f64() * 1e3;
    Ok(Row {
        what: what.to_owned(),
        unit: "ms",
        median,
        p99,
        yardstick: Some(limit),
        value: median - limit,
        goal: 5.0,
        better: Better::Lower,
        of: "ms over the limit",
    })
}
