//! `cargo xtask mutants`: changes the functions that decide, one place at a time, and demands that a test notices.
//!
//! A mutant is the code with one such change: another operator, a condition that always holds, a function that returns the
//! same value whatever it is asked. cargo-mutants makes them in a copy of the tree and runs the fast tests of their crate.
//! A mutant that no test notices has *survived*: a test is missing, or the change means the same, which `survivors.rs`
//! says with a reason. Results are kept for each file, so that a run can be interrupted and gone on with.

mod copy;
mod deciding;
mod outcome;
mod reading;
mod survivors;

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use crate::error::TaskError;
use crate::places::Places;
use crate::program::Program;
use crate::setup::{self, Purpose};
use copy::Copy;
use deciding::{ALL, Deciding};
use outcome::Results;

/// Directory of the copy, its build and the results, below the target directory.
const OUTPUT: &str = "mutants";

/// Changes that decide nothing: how a value is printed for programmers.
const NOT_EXAMINED: &str = "<impl (fmt::)?Debug for";

/// Longest time for all mutants of a file.
const LIMIT: Duration = Duration::from_secs(24 * 3600);

/// Longest time to build one mutant: one that makes the compiler compute without an end is not viable.
const BUILD_SECONDS: u64 = 900;

/// Shortest time after which tests count as hanging. A mutant whose tests hang was noticed.
const LEAST_TEST_SECONDS: u64 = 60;

/// How much longer than the tests of the unchanged code those of a mutant may take.
const TIMES_SLOWER: u64 = 8;

/// Status with which cargo-mutants says that some mutants survived, and that some made tests hang.
const SURVIVED: i32 = 2;
const HUNG: i32 = 3;

/// Which mutants to try.
#[derive(clap::Args)]
pub(crate) struct Options {
    /// Only crates or files with this in their path
    name: Option<String>,
    /// Only mutants of lines that this diff changes, as `git diff` writes it
    #[arg(long, value_name = "FILE", conflicts_with = "resume")]
    in_diff: Option<PathBuf>,
    /// Keep what earlier runs found in files that have not changed since, unless something survived that is not listed
    #[arg(long)]
    resume: bool,
    /// List the files and end
    #[arg(long)]
    list: bool,
}

/// Tries the mutants. Fails if one survives that is not listed.
pub(crate) fn run(places: &Places, options: &Options) -> Result<(), TaskError> {
    let chosen = chosen(places, options.name.as_deref())?;
    if options.list {
        chosen.iter().flat_map(|(_, files)| files).for_each(|file| println!("{}", file.display()));
        return Ok(());
    }
    setup::run(places, Purpose::Build)?;
    let tool = setup::cargo_mutants(places)?;
    let copy = Copy::of(places, &places.target()?.join(OUTPUT))?;
    let (bench, mut all) = (Bench { tool, copy, options }, Results::default());
    let started = Instant::now();
    for (deciding, files) in &chosen {
        all.extend(bench.try_all(deciding, files)?);
    }
    // Without all mutants of a file, nobody can say that a survivor is missing.
    let is_complete = options.in_diff.is_none();
    all.report(started.elapsed());
    all.judge(survivors::ALL, is_complete)
}

/// Each crate with its files that decide, as far as their path has this name in it.
fn chosen(places: &Places, name: Option<&str>) -> Result<Vec<(&'static Deciding, Vec<PathBuf>)>, TaskError> {
    let mut chosen = Vec::new();
    for deciding in &ALL {
        let mut files = deciding.files(&places.root)?;
        files.retain(|file| name.is_none_or(|name| file.to_string_lossy().contains(name)));
        if !files.is_empty() {
            chosen.push((deciding, files));
        }
    }
    match name {
        Some(name) if chosen.is_empty() => {
            let known = ALL.iter().map(|deciding| deciding.name).collect::<Vec<_>>().join(", ");
            Err(TaskError::NothingDecides { name: name.to_owned(), known })
        }
        Some(_) | None => Ok(chosen),
    }
}

/// Where mutants are tried.
struct Bench<'o> {
    tool: PathBuf,
    copy: Copy,
    options: &'o Options,
}

impl Bench<'_> {
    /// Tries all mutants of a crate, file by file, or those of the diff.
    fn try_all(&self, deciding: &Deciding, files: &[PathBuf]) -> Result<Results, TaskError> {
        let mut results = Results::default();
        if let Some(diff) = &self.options.in_diff {
            let diff =
                std::path::absolute(diff).map_err(|source| TaskError::File { path: diff.clone(), source })?;
            let text = reading::read(&diff)?;
            let is_changed = |file: &&PathBuf| {
                String::from_utf8_lossy(&text).contains(&format!("+++ b/{}", file.display()))
            };
            let changed: Vec<&Path> = files.iter().filter(is_changed).map(PathBuf::as_path).collect();
            if !changed.is_empty() {
                let patience = self.patience(deciding)?;
                results.extend(self.try_mutants(deciding, &changed, patience, Some(&diff))?);
            }
            return Ok(results);
        }
        let mut patience = None;
        for file in files {
            let source = reading::read(&self.copy.tree.join(file))?;
            let kept = if self.options.resume { self.copy.kept(file, &source)? } else { None };
            if let Some(kept) = kept.filter(|kept| kept.unlisted(survivors::ALL).is_empty()) {
                println!("{}: {} (kept)", file.display(), kept.told());
                results.extend(kept);
                continue;
            }
            let patience = match patience {
                Some(patience) => patience,
                None => *patience.insert(self.patience(deciding)?),
            };
            let started = Instant::now();
            let found = self.try_mutants(deciding, &[file], patience, None)?;
            println!("{}: {} in {:.0} s", file.display(), found.told(), started.elapsed().as_secs_f64());
            self.copy.keep(file, &source, &found)?;
            results.extend(found);
        }
        Ok(results)
    }

    /// Builds the unchanged crate and runs its tests. Says after how many seconds tests of a mutant count as hanging.
    fn patience(&self, deciding: &Deciding) -> Result<u64, TaskError> {
        let cargo = |more: &[&str]| {
            let words = ["test", "--quiet", "--locked", "--package", deciding.name];
            self.copy.environment(Program::cargo(&self.copy.tree)).args(words).args(deciding.tests).args(more)
        };
        cargo(&["--no-run"]).show_and_run()?;
        let started = Instant::now();
        let mut tests = cargo(&[]);
        let captured = tests.capture(LIMIT)?;
        if !captured.status.success() {
            let found = format!("tests of the unchanged code failed:\n{}", captured.stdout);
            return Err(TaskError::Output { command: tests.line(), found });
        }
        let seconds = started.elapsed().as_secs() + 1;
        println!("{}: its tests take {seconds} s", deciding.name);
        Ok((TIMES_SLOWER * seconds).max(LEAST_TEST_SECONDS))
    }

    fn try_mutants(
        &self,
        deciding: &Deciding,
        files: &[&Path],
        patience: u64,
        diff: Option<&Path>,
    ) -> Result<Results, TaskError> {
        let out = self.copy.fresh_output()?;
        // The copy is the one that this program has made, so that what was built of it can be used again.
        let mut program = self.copy.environment(Program::new(&self.tool, &self.copy.tree)).args([
            "mutants",
            "--in-place",
            "--no-config",
            "--baseline=skip",
            "--colors=never",
            "--annotations=none",
            "--cargo-arg=--locked",
        ]);
        program = program.args([format!("--timeout={patience}"), format!("--build-timeout={BUILD_SECONDS}")]);
        program = program.args(["--exclude-re", NOT_EXAMINED, "--package", deciding.name]);
        program = program.args(deciding.tests.iter().map(|word| format!("--cargo-arg={word}")));
        program = program.args(files.iter().flat_map(|file| [Path::new("--file"), file]));
        program = program.args([Path::new("--output"), &out]);
        if let Some(diff) = diff {
            program = program.args([Path::new("--in-diff"), diff]);
        }
        let captured = program.follow(LIMIT, |_, line| {
            if line.starts_with("MISSED") {
                println!("  {line}");
            }
        })?;
        match captured.status.code() {
            Some(0 | SURVIVED | HUNG) => Results::read(&out),
            Some(_) | None => {
                let found = format!("{}{}", captured.stdout, captured.stderr);
                Err(TaskError::Output { command: program.line(), found })
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_file_that_decides_is_there() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2).expect("two levels up");
        for deciding in &ALL {
            for path in deciding.paths {
                assert!(!deciding.below(root, path).expect("read").is_empty(), "{}: {path}", deciding.name);
            }
            for (flag, name) in deciding.tests.iter().zip(deciding.tests.iter().skip(1)) {
                let tests = root.join("crates").join(deciding.name).join("tests");
                let is_there =
                    tests.join(format!("{name}.rs")).is_file() || tests.join(name).join("main.rs").is_file();
                assert!(*flag != "--test" || is_there, "{}: {name}", deciding.name);
            }
        }
    }

    #[test]
    fn every_survivor_is_of_a_file_that_decides() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2).expect("two levels up");
        let files: Vec<PathBuf> = ALL.iter().flat_map(|one| one.files(root).expect("read")).collect();
        for survivor in survivors::ALL {
            assert!(files.iter().any(|file| file == Path::new(survivor.file)), "{}", survivor.file);
            assert!(survivor.times > 0 && !survivor.why.is_empty(), "{}", survivor.mutant);
        }
    }

    #[test]
    fn an_unknown_name_is_refused_with_those_that_are_known() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2).expect("two levels up");
        let places = Places { root: root.to_owned(), tools: PathBuf::new(), path: std::ffi::OsString::new() };
        let error = chosen(&places, Some("no-such-thing")).expect_err("unknown").to_string();
        assert!(error.contains("`no-such-thing`") && error.contains("conductor-policy"), "{error}");
        assert_eq!(chosen(&places, Some("scope/host.rs")).expect("known").len(), 1);
    }
}
