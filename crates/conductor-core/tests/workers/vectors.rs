//! Every attack in `tests/vectors/**/*.wat`, in this process and in workers. Each has its verdict in its own header,
//! and during each another plugin keeps answering.
//!
//! A header consists of lines of `;; key: value` at the top of the file:
//!
//! | key | value |
//! |---|---|
//! | `what` | what is tried, for a person who reads a failure |
//! | `expect` | the exact text of the call's outcome |
//! | `expect-load` | the exact text of the error that loading ends with |
//! | `expect-reply` | text that the reply must contain |
//! | `expect-peak-bytes` | the exact peak of memory |
//! | `expect-dropped-log` | `yes` if log must have been dropped |
//! | `expect-refused` | the keys of the limits that refused something, in order, separated by a space; none if left out |
//! | `limit` | `KEY=N`, which replaces the default of the limit KEY; the key of a time limit ends in `_ms` |
//! | `within-ms` | a watchdog on the time of the call |

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use conductor_core::{CallReport, Host, Limits, PluginOptions};

use crate::support::{Bystander, REQUEST, load};

#[derive(Default)]
struct Verdict {
    what: String,
    expect: Option<String>,
    expect_load: Option<String>,
    expect_reply: Option<String>,
    expect_peak_bytes: Option<u64>,
    expect_dropped_log: bool,
    expect_refused: Vec<String>,
    limits: Limits,
    within: Option<Duration>,
}

impl Verdict {
    fn read(path: &Path, text: &str) -> Self {
        let mut verdict = Self::default();
        for line in text.lines().map_while(|line| line.strip_prefix(";; ")) {
            let (key, value) = line.split_once(": ").unwrap_or_else(|| panic!("{}: {line}", path.display()));
            let number =
                |text: &str| text.parse::<u64>().unwrap_or_else(|_| panic!("{}: {line}", path.display()));
            match key {
                "what" => value.clone_into(&mut verdict.what),
                "expect" => verdict.expect = Some(value.to_owned()),
                "expect-load" => verdict.expect_load = Some(value.to_owned()),
                "expect-reply" => verdict.expect_reply = Some(value.to_owned()),
                "expect-peak-bytes" => verdict.expect_peak_bytes = Some(number(value)),
                "expect-refused" => verdict.expect_refused = value.split(' ').map(str::to_owned).collect(),
                "expect-dropped-log" => verdict.expect_dropped_log = value == "yes",
                "within-ms" => verdict.within = Some(Duration::from_millis(number(value))),
                "limit" => {
                    let (key, value) = value.split_once('=').expect("KEY=N");
                    let (value, limits) = (number(value), &mut verdict.limits);
                    let small = || u32::try_from(value).expect("32 bits");
                    match key {
                        "max_fuel" => limits.max_fuel = value,
                        "max_execution_time_ms" => limits.max_execution_time = Duration::from_millis(value),
                        "wall_clock_step_ms" => limits.wall_clock_step = Duration::from_millis(value),
                        "monotonic_clock_step_ms" => {
                            limits.monotonic_clock_step = Duration::from_millis(value);
                        }
                        "max_memory_bytes" => limits.max_memory_bytes = value,
                        "max_message_bytes" => limits.max_message_bytes = small(),
                        "max_calls_per_second" => limits.max_calls_per_second = small(),
                        "max_log_bytes" => limits.max_log_bytes = small(),
                        _ => panic!("{}: unknown limit {key}", path.display()),
                    }
                }
                _ => panic!("{}: unknown key {key}", path.display()),
            }
        }
        assert!(
            !verdict.what.is_empty() && (verdict.expect.is_some() != verdict.expect_load.is_some()),
            "{}: a vector says what it tries and has one verdict",
            path.display()
        );
        verdict
    }

    /// What is wrong with the result; empty if nothing is wrong.
    fn judge(&self, loaded: Result<CallReport, String>, took: Duration) -> Vec<String> {
        let mut wrong = Vec::new();
        match loaded {
            Err(error) => match &self.expect_load {
                Some(expected) if *expected == error => {}
                expected => wrong.push(format!("loading ended with {error:?}, expected {expected:?}")),
            },
            Ok(report) => {
                let outcome = report.outcome.to_string();
                if self.expect.as_ref() != Some(&outcome) {
                    wrong.push(format!(
                        "outcome {outcome:?}, expected {:?} {:?}",
                        self.expect, self.expect_load
                    ));
                }
                if let Some(expected) = &self.expect_reply {
                    let reply = String::from_utf8_lossy(report.reply.as_deref().unwrap_or_default());
                    if !reply.contains(expected) {
                        wrong.push(format!("reply {reply:?} does not contain {expected:?}"));
                    }
                }
                if self.expect_peak_bytes.is_some_and(|expected| expected != report.peak_memory_bytes) {
                    wrong.push(format!("peak memory {}", report.peak_memory_bytes));
                }
                if self.expect_dropped_log != (report.dropped_log_bytes > 0) {
                    wrong.push(format!("{} bytes of log dropped", report.dropped_log_bytes));
                }
                let refused: Vec<_> = report.limits_refused.iter().map(|limit| limit.key()).collect();
                if refused != self.expect_refused {
                    wrong.push(format!("refused by {refused:?}, expected {:?}", self.expect_refused));
                }
                let kept: usize = report.log.iter().map(|line| line.text.len()).sum();
                if kept > self.limits.max_log_bytes as usize {
                    wrong.push(format!("{kept} bytes of log kept"));
                }
                if report.fuel_used > self.limits.max_fuel {
                    wrong.push(format!("used {} of {} fuel", report.fuel_used, self.limits.max_fuel));
                }
            }
        }
        if self.within.is_some_and(|within| took > within) {
            wrong.push(format!("took {took:?}"));
        }
        wrong
    }
}

/// Every attack ends with its verdict on this host.
pub(crate) fn every_verdict_holds(host: &Host) {
    let paths = vectors();
    assert!(paths.len() >= 50, "only {} vectors found", paths.len());
    let bystander = Bystander::start(host);
    let mut failures = Vec::new();
    for path in paths {
        let text = fs::read_to_string(&path).expect("readable");
        let verdict = Verdict::read(&path, &text);
        let wasm = wat::parse_str(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        let before = bystander.answered();
        let started = Instant::now();
        let options = PluginOptions { limits: Some(verdict.limits), ..PluginOptions::default() };
        let result = load(host, "vector.wasm", wasm, &options)
            .map(|mut plugin| plugin.execute(REQUEST))
            .map_err(|error| error.to_string());
        let took = started.elapsed();
        let name = path.strip_prefix(root()).expect("below the root").display().to_string();
        for wrong in verdict.judge(result, took) {
            failures.push(format!("{name} ({}): {wrong}", verdict.what));
        }
        if took > Duration::from_millis(50) && bystander.answered() == before {
            failures.push(format!("{name}: the other plugin did not answer for {took:?}"));
        }
    }
    bystander.stop();
    assert!(failures.is_empty(), "{} failures:\n{}", failures.len(), failures.join("\n"));
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/vectors")
}

fn vectors() -> Vec<PathBuf> {
    let mut paths = Vec::new();
    let mut directories = vec![root()];
    while let Some(directory) = directories.pop() {
        for entry in fs::read_dir(&directory).expect("tests/vectors is there") {
            let path = entry.expect("readable").path();
            if path.is_dir() {
                directories.push(path);
            } else if path.extension().is_some_and(|extension| extension == "wat") {
                paths.push(path);
            }
        }
    }
    paths.sort();
    paths
}
