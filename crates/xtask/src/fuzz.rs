//! `cargo xtask fuzz`: inputs that nobody thought of, for the targets in `fuzz/`.
//!
//! The targets are libFuzzer programs (<https://llvm.org/docs/LibFuzzer.html>), built by the stable toolchain into the
//! target directory of the workspace. `fuzz/rustc-with-counters.sh` compiles our own crates with coverage counters and
//! leaves all others as the tests have them; so the engine is built once, and its code guides no input.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::error::TaskError;
use crate::places::Places;
use crate::program::{Captured, Program};
use crate::setup::{self, Purpose};

/// Directory of the workspace of the targets, from the root.
const WORKSPACE: &str = "fuzz";

/// Where seeds, corpora and crashes are, below the target directory.
const OUTPUT: &str = "fuzzing";

/// Seconds for each target when all that is asked is whether they still run.
const SMOKE_SECONDS: u64 = 10;

/// Seconds after which a single input counts as a hang. The limits that a target sets end in milliseconds; the rest is
/// for a machine that does other things as well.
const HANG_SECONDS: u64 = 60;

/// How long a target may take to start and to end beyond the time it was given.
const GRACE: Duration = Duration::from_secs(180);

/// What to fuzz, and for how long.
#[derive(clap::Args)]
pub(crate) struct Options {
    /// Target to fuzz; all of them in turn if absent
    target: Option<String>,
    /// How long to fuzz each target
    #[arg(long, value_name = "N", default_value_t = 60, value_parser = clap::value_parser!(u64).range(1..=604_800))]
    seconds: u64,
    /// Run this input alone, to see again what it did
    #[arg(long, value_name = "FILE", requires = "target")]
    input: Option<PathBuf>,
}

/// What a target starts from beside the seeds.
enum Corpus {
    /// What earlier runs found, which this one adds to.
    Kept,
    /// Nothing, so that the run takes as long today as it did yesterday.
    Empty,
}

/// Fuzzes; fails if an input made a target crash or hang.
pub(crate) fn run(places: &Places, options: &Options) -> Result<(), TaskError> {
    let targets = chosen(targets(&places.root)?, options.target.as_deref())?;
    setup::run(places, Purpose::Test)?;
    let bench = Bench::set_up(places)?;
    targets.iter().try_for_each(|target| match &options.input {
        Some(input) => bench.replay(target, input),
        None => bench.fuzz(target, options.seconds, &Corpus::Kept),
    })
}

/// Fuzzes every target for a short time.
pub(crate) fn smoke(places: &Places) -> Result<(), TaskError> {
    let bench = Bench::set_up(places)?;
    targets(&places.root)?.iter().try_for_each(|target| bench.fuzz(target, SMOKE_SECONDS, &Corpus::Empty))
}

/// `cargo COMMAND` for the workspace of the targets. It runs in there, because that is where cargo looks for the
/// configuration that names the wrapper; the artefacts go to the target directory of the whole.
pub(crate) fn cargo(places: &Places, command: &str) -> Result<Program, TaskError> {
    let program = Program::cargo(&places.root.join(WORKSPACE)).args([command, "--locked", "--target-dir"]);
    Ok(program.args([places.target()?]))
}

/// `cargo fmt` for the workspace of the targets.
pub(crate) fn check_format(places: &Places) -> Result<(), TaskError> {
    Program::cargo(&places.root.join(WORKSPACE)).args(["fmt", "--check"]).show_and_run()
}

/// The names of all targets: what the manifest has in `fuzz_targets`.
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

/// The targets, built, and their directories.
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

    fn fuzz(&self, target: &str, seconds: u64, corpus: &Corpus) -> Result<(), TaskError> {
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
        // What is found goes to the first directory.
        let directories = [corpus, self.output.join("seeds").join(target)];
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
        let Found { inputs, reached, places, .. } = found;
        println!("{target}: {inputs} inputs in {seconds} s reached {reached} of {places} places, no crash");
        Ok(())
    }

    fn replay(&self, target: &str, input: &Path) -> Result<(), TaskError> {
        // The target runs at the root of the workspace, wherever this was typed.
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

    /// Runs a target and shows what it says, but for the lines that tell of each new input.
    fn watch(&self, program: &mut Program, limit: Duration) -> Result<Captured, TaskError> {
        println!("$ {}", program.line());
        program.follow(limit, |_, line| {
            if says_something(line) {
                println!("  {line}");
            }
        })
    }
}

/// Whether a line is more than a step of the search or advice to the search's author.
fn says_something(line: &str) -> bool {
    let is_step = line.starts_with('#') && !line.contains("pulse");
    let is_chatter = ["INFO:", "WARNING: Failed to find function", "stat::", "\tNEW_FUNC", "\"", "Done "]
        .iter()
        .any(|start| line.starts_with(start));
    !(is_step || is_chatter)
}

/// What libFuzzer said about its run.
#[derive(Debug, Default, PartialEq, Eq)]
struct Found {
    inputs: u64,
    /// Places in the code that can be reached, and those that were.
    places: u64,
    reached: u64,
    /// The input that did harm.
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
