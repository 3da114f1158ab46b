//! `cargo xtask fuzz`: runs the targets in `fuzz/` with generated inputs.
//!
//! The targets are libFuzzer programs (<https://llvm.org/docs/LibFuzzer.html>), built by the stable toolchain into the
//! target directory of the workspace. `fuzz/rustc-with-counters.sh` compiles this project's crates with coverage
//! counters, and all others as for the tests. So the engine is built once, and its code does not guide the fuzzer.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::error::TaskError;
use crate::places::Places;
use crate::program::{Captured, Program};
use crate::setup::{self, Purpose};

/// Directory of the fuzzing workspace, relative to the root.
const WORKSPACE: &str = "fuzz";

/// Directory of the inputs that are kept in the tree, one directory for each target, in the fuzzing workspace.
const IN_TREE: &str = "corpus";

/// Largest input that is added to those in the tree, in bytes. Larger ones reach little more, and the tree is copied often.
const MAX_KEPT_BYTES: u64 = 4 * 1024;

/// Longest time to choose the inputs of a target that are kept.
const MERGE_LIMIT: Duration = Duration::from_secs(1800);

/// Directory of seeds, corpora and crashes, below the target directory.
const OUTPUT: &str = "fuzzing";

/// Seconds for each target in a test run, which only checks that the targets still run.
const SMOKE_SECONDS: u64 = 10;

/// Seconds after which a single input counts as a hang. The limits that a target sets end a run within milliseconds;
/// the rest allows for a busy machine.
const HANG_SECONDS: u64 = 60;

/// How long a target may take to start and to end, beyond its fuzzing time.
const GRACE: Duration = Duration::from_secs(180);

/// What to fuzz, and for how long.
#[derive(clap::Args)]
pub(crate) struct Options {
    /// Target to fuzz; all of them in turn if absent
    target: Option<String>,
    /// Fuzz all targets in turn, and go on with the next after a crash
    #[arg(long, conflicts_with = "target")]
    all: bool,
    /// How long to fuzz each target
    #[arg(long, value_name = "N", default_value_t = 60, value_parser = clap::value_parser!(u64).range(1..=604_800))]
    seconds: u64,
    /// How long to fuzz all targets together, in equal parts
    #[arg(long, value_name = "H", requires = "all", conflicts_with = "seconds", value_parser = hours)]
    hours: Option<f64>,
    /// Afterwards, add to the inputs in the tree what reaches code that those do not
    #[arg(long)]
    keep: bool,
    /// Run this input alone, to see again what it did
    #[arg(long, value_name = "FILE", requires = "target")]
    input: Option<PathBuf>,
}

/// The inputs that a target starts from, beside the seeds.
enum Corpus {
    /// Inputs that earlier runs found. This run adds to them.
    Kept,
    /// None, so that every run takes the same time.
    Empty,
}

/// Fuzzes. Fails if an input makes a target crash or hang.
pub(crate) fn run(places: &Places, options: &Options) -> Result<(), TaskError> {
    let targets = chosen(targets(&places.root)?, options.target.as_deref())?;
    setup::run(places, Purpose::Test)?;
    let bench = Bench::set_up(places)?;
    if let Some(input) = &options.input {
        return targets.iter().try_for_each(|target| bench.replay(target, input));
    }
    let seconds = options.hours.map_or(options.seconds, |hours| part_of(hours, targets.len()));
    let (mut reached, mut failures) = (Vec::new(), Vec::new());
    for target in &targets {
        match bench.fuzz(target, seconds, &Corpus::Kept) {
            Ok(found) => reached.push((target, found)),
            Err(error @ TaskError::Fuzz { .. }) if options.all => {
                println!("{target}: {error}\n{}", error.hint().unwrap_or_default());
                failures.push(error);
            }
            Err(error) => return Err(error),
        }
        if options.keep {
            bench.keep(target)?;
        }
    }
    println!("\n{:<24}{:>12}{:>10}{:>10}{:>9}", "", "inputs", "reached", "places", "part");
    for (target, Found { inputs, reached, places, .. }) in &reached {
        let part = 100.0 * *reached as f64 / *places as f64;
        println!("{target:<24}{inputs:>12}{reached:>10}{places:>10}{part:>8.1}%");
    }
    match failures.into_iter().next() {
        Some(first) => Err(first),
        None => Ok(()),
    }
}

/// Hours as people write them, such as `8` or `0.5`.
fn hours(text: &str) -> Result<f64, String> {
    let hours: f64 = text.parse().map_err(|_| "write a number of hours, such as 8 or 0.5".to_owned())?;
    if (0.01..=168.0).contains(&hours) { Ok(hours) } else { Err("write 0.01 to 168 hours".to_owned()) }
}

/// The seconds of each of so many targets.
fn part_of(hours: f64, targets: usize) -> u64 {
    // At most a week, so that no digit is lost.
    (hours * 3600.0 / targets.max(1) as f64).max(1.0) as u64
}

/// Fuzzes every target for a short time.
pub(crate) fn smoke(places: &Places) -> Result<(), TaskError> {
    let bench = Bench::set_up(places)?;
    let targets = targets(&places.root)?;
    targets.iter().try_for_each(|target| bench.fuzz(target, SMOKE_SECONDS, &Corpus::Empty).map(drop))
}

/// `cargo COMMAND` for the fuzzing workspace. It runs in that directory, because cargo looks there for the
/// configuration that names the wrapper. The artefacts go to the target directory of the main workspace.
pub(crate) fn cargo(places: &Places, command: &str) -> Result<Program, TaskError> {
    let program = Program::cargo(&places.root.join(WORKSPACE)).args([command, "--locked", "--target-dir"]);
    Ok(program.args([places.target()?]))
}

/// `cargo fmt` for the workspace of the targets.
pub(crate) fn check_format(places: &Places) -> Result<(), TaskError> {
    Program::cargo(&places.root.join(WORKSPACE)).args(["fmt", "--check"]).show_and_run()
}

/// The names of all targets: the programs in the manifest that lie in `fuzz_targets`.
fn targets(root: &Path) -> Result<Vec<String>, TaskError> {
    let path = root.join(WORKSPACE).join("Cargo.toml");
    let text = fs::read_to_string(&path).map_err(|source| TaskError::File { path: path.clone(), source })?;
    let manifest: toml::Table = text.parse().map_err(|error: toml::de::Error| {
        let source = io::Error::new(io::ErrorKind::InvalidData, error.message().to_owned());
        TaskError::File { path, source }
    })?;
    let programs = manifest.get("bin").and_then(toml::Value::as_array).into_iter().flatten();
    let targets = programs.filter_map(|program| {
        let is_target = program.get("path")?.as_str()?.starts_with("fuzz_targets/");
        program.get("name")?.as_str().filter(|_| is_target).map(str::to_owned)
    });
    Ok(targets.collect())
}

fn chosen(targets: Vec<String>, name: Option<&str>) -> Result<Vec<String>, TaskError> {
    let Some(name) = name else { return Ok(targets) };
    if targets.iter().any(|target| target == name) {
        return Ok(vec![name.to_owned()]);
    }
    Err(TaskError::UnknownTarget { name: name.to_owned(), known: targets.join(", ") })
}

/// The built targets, and their directories.
struct Bench {
    root: PathBuf,
    programs: PathBuf,
    output: PathBuf,
}

impl Bench {
    /// Builds the targets and writes the seeds.
    fn set_up(places: &Places) -> Result<Self, TaskError> {
        cargo(places, "build")?.args(["--bins"]).show_and_run()?;
        let target = places.target()?;
        let bench =
            Self { root: places.root.clone(), programs: target.join("debug"), output: target.join(OUTPUT) };
        let (vectors, seeds) = (places.root.join("tests/vectors"), bench.output.join("seeds"));
        empty(&seeds)?;
        Program::new(bench.programs.join("seeds"), &places.root).args([&vectors, &seeds]).stdout()?;
        let sound = [
            "run",
            "--quiet",
            "--locked",
            "--package",
            "conductor-signing",
            "--example",
            "sound_files",
            "--",
        ];
        Program::cargo(&places.root).args(sound).args([&seeds]).stdout()?;
        Ok(bench)
    }

    fn fuzz(&self, target: &str, seconds: u64, corpus: &Corpus) -> Result<Found, TaskError> {
        let corpus = match corpus {
            Corpus::Kept => self.output.join("corpus").join(target),
            Corpus::Empty => {
                let directory = self.output.join("smoke").join(target);
                empty(&directory)?;
                directory
            }
        };
        let crashes = self.output.join("crashes").join(target);
        for directory in [&corpus, &crashes] {
            make(directory)?;
        }
        // New inputs are written to the first directory.
        let mut directories = vec![corpus, self.output.join("seeds").join(target), self.in_tree(target)];
        directories.retain(|directory| directory.is_dir());
        let flags = [
            format!("-max_total_time={seconds}"),
            format!("-timeout={HANG_SECONDS}"),
            format!("-artifact_prefix={}/", crashes.display()),
            "-print_final_stats=1".to_owned(),
        ];
        let mut program = self.program(target).args(directories).args(flags);
        let captured = self.watch(&mut program, Duration::from_secs(seconds) + GRACE)?;
        let found = Found::read(&captured.stderr);
        if !captured.status.success() {
            return Err(TaskError::Fuzz { target: target.to_owned(), input: found.input });
        }
        if found.places == 0 {
            let found = "no coverage counters; it was built without fuzz/rustc-with-counters.sh".to_owned();
            return Err(TaskError::Output { command: program.line(), found });
        }
        let Found { inputs, reached, places, .. } = &found;
        println!("{target}: {inputs} inputs in {seconds} s reached {reached} of {places} places, no crash");
        Ok(found)
    }

    /// The inputs of a target that are kept in the tree.
    fn in_tree(&self, target: &str) -> PathBuf {
        self.root.join(WORKSPACE).join(IN_TREE).join(target)
    }

    /// Adds to the inputs in the tree those found here that reach more than the seeds and they do.
    fn keep(&self, target: &str) -> Result<(), TaskError> {
        let kept = self.in_tree(target);
        make(&kept)?;
        // What reaches no more than the seeds is not kept: a directory of both is made first.
        let both = self.output.join("both").join(target);
        empty(&both)?;
        let seeds = self.output.join("seeds").join(target);
        for directory in [&seeds, &kept].into_iter().filter(|directory| directory.is_dir()) {
            for name in names(directory)? {
                let to = both.join(&name);
                fs::copy(directory.join(name), &to).map_err(|source| TaskError::File { path: to, source })?;
            }
        }
        let before = names(&both)?;
        let program =
            self.program(target).args(["-merge=1".to_owned(), format!("-max_len={MAX_KEPT_BYTES}")]);
        let mut program = program.args([&both, &self.output.join("corpus").join(target)]);
        let merged = program.capture(MERGE_LIMIT)?;
        if !merged.status.success() {
            return Err(TaskError::Output { command: program.line(), found: merged.stderr });
        }
        for name in names(&both)?.difference(&before) {
            let (from, to) = (both.join(name), kept.join(name));
            fs::copy(&from, &to).map_err(|source| TaskError::File { path: to.clone(), source })?;
        }
        println!("{target}: {} inputs are in {}", names(&kept)?.len(), kept.display());
        Ok(())
    }

    fn replay(&self, target: &str, input: &Path) -> Result<(), TaskError> {
        // The target runs at the root of the workspace, so a relative path of the caller is made absolute.
        let whole = std::path::absolute(input)
            .map_err(|source| TaskError::File { path: input.to_owned(), source })?;
        let mut program = self.program(target).args([whole]);
        let captured = self.watch(&mut program, Duration::from_secs(HANG_SECONDS) + GRACE)?;
        if !captured.status.success() {
            return Err(TaskError::Fuzz { target: target.to_owned(), input: Some(input.to_owned()) });
        }
        println!("{target}: {} does no harm", input.display());
        Ok(())
    }

    fn program(&self, target: &str) -> Program {
        Program::new(self.programs.join(target), &self.root).env("RUST_BACKTRACE", "1")
    }

    /// Runs a target and shows its output, without the lines that report each new input.
    fn watch(&self, program: &mut Program, limit: Duration) -> Result<Captured, TaskError> {
        println!("$ {}", program.line());
        program.follow(limit, |_, line| {
            if says_something(line) {
                println!("  {line}");
            }
        })
    }
}

/// Whether a line is more than a step of the search, or advice to the author of the search.
fn says_something(line: &str) -> bool {
    let is_step = line.starts_with('#') && !line.contains("pulse");
    let is_chatter = ["INFO:", "WARNING: Failed to find function", "stat::", "\tNEW_FUNC", "\"", "Done "]
        .iter()
        .any(|start| line.starts_with(start));
    !(is_step || is_chatter)
}

/// What libFuzzer reported about its run.
#[derive(Debug, Default, PartialEq, Eq)]
struct Found {
    inputs: u64,
    /// Places in the code that can be reached. `reached` counts those that were.
    places: u64,
    reached: u64,
    /// The input that caused the crash or hang.
    input: Option<PathBuf>,
}

impl Found {
    fn read(said: &str) -> Self {
        let mut found = Self::default();
        for line in said.lines() {
            if let Some((_, path)) = line.split_once("Test unit written to ") {
                found.input = Some(path.into());
            } else if let Some(inputs) = line.strip_prefix("stat::number_of_executed_units:") {
                found.inputs = inputs.trim().parse().unwrap_or_default();
            } else if let Some((_, counters)) = line.split_once("modules   (") {
                found.places = first_number(counters);
            } else if let Some((_, reached)) = line.split_once(" cov: ") {
                found.reached = first_number(reached);
            }
        }
        found
    }
}

fn first_number(text: &str) -> u64 {
    text.split(|c: char| !c.is_ascii_digit())
        .next()
        .and_then(|digits| digits.parse().ok())
        .unwrap_or_default()
}

/// The names of the files in a directory.
fn names(directory: &Path) -> Result<BTreeSet<OsString>, TaskError> {
    let error = |source| TaskError::File { path: directory.to_owned(), source };
    let entries = fs::read_dir(directory).map_err(error)?;
    entries.map(|entry| entry.map(|entry| entry.file_name()).map_err(error)).collect()
}

fn empty(directory: &Path) -> Result<(), TaskError> {
    match fs::remove_dir_all(directory) {
        Err(source) if source.kind() != io::ErrorKind::NotFound => {
            Err(TaskError::File { path: directory.to_owned(), source })
        }
        Ok(()) | Err(_) => make(directory),
    }
}

fn make(directory: &Path) -> Result<(), TaskError> {
    fs::create_dir_all(directory).map_err(|source| TaskError::File { path: directory.to_owned(), source })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hours_are_divided_among_all_targets() {
        assert_eq!(part_of(1.0, 14), 257);
        assert_eq!(part_of(0.01, 100), 1);
        assert_eq!(hours("0.5"), Ok(0.5));
        for wrong in ["0", "-1", "NaN", "inf", "eight"] {
            assert!(hours(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn inputs_in_the_tree_are_small_and_of_a_target() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2).expect("two levels up");
        let known = targets(root).expect("manifest");
        // There is no such directory until something is kept.
        for entry in fs::read_dir(root.join(WORKSPACE).join(IN_TREE)).into_iter().flatten() {
            let directory = entry.expect("an entry").path();
            assert!(known.iter().any(|target| directory.ends_with(target)), "{}", directory.display());
            for name in names(&directory).expect("read") {
                let path = directory.join(name);
                assert!(fs::metadata(&path).expect("there").len() <= MAX_KEPT_BYTES, "{}", path.display());
            }
        }
    }

    #[test]
    fn every_file_of_a_target_is_in_the_manifest() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2).expect("two levels up");
        let files = fs::read_dir(root.join("fuzz/fuzz_targets")).expect("targets");
        let mut files: Vec<String> = files
            .map(|entry| {
                entry.expect("entry").path().with_extension("").file_name().expect("name").to_owned()
            })
            .map(|name| name.into_string().expect("text"))
            .collect();
        let mut targets = targets(root).expect("manifest");
        files.sort();
        targets.sort();
        assert_eq!(targets, files);
    }

    #[test]
    fn a_target_is_chosen_by_its_name() {
        let targets = || vec!["a".to_owned(), "b".to_owned()];
        assert_eq!(chosen(targets(), None).expect("all"), ["a", "b"]);
        assert_eq!(chosen(targets(), Some("b")).expect("one"), ["b"]);
        assert!(matches!(chosen(targets(), Some("c")), Err(TaskError::UnknownTarget { .. })));
    }

    #[test]
    fn what_was_found_is_read_from_the_words_of_the_fuzzer() {
        let said = "INFO: Loaded 1 modules   (51012 inline 8-bit counters): 51012 [0x5, 0x6), \n\
                    #66\tINITED cov: 1962 ft: 3666 corp: 54/6743b exec/s: 0 rss: 44Mb\n\
                    #744651\tDONE   cov: 2612 ft: 5483 corp: 420/45Kb lim: 4096 exec/s: 7291 rss: 85Mb\n\
                    stat::number_of_executed_units: 744651\n";
        let found = Found { inputs: 744_651, places: 51_012, reached: 2612, input: None };
        assert_eq!(Found::read(said), found);
        let crashed = "artifact_prefix='c/'; Test unit written to c/crash-5c\n";
        assert_eq!(Found::read(crashed).input, Some("c/crash-5c".into()));
        let shown: Vec<&str> =
            [said, crashed].concat().leak().lines().filter(|line| says_something(line)).collect();
        assert_eq!(shown, ["artifact_prefix='c/'; Test unit written to c/crash-5c"]);
    }
}
