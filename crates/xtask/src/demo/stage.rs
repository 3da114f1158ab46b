//! The scratch home, the programs on its `PATH`, and the list of results.

use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::error::TaskError;
use crate::guests::{FIXTURES, Guests, PLUGINS};
use crate::places::Places;
use crate::program::{Captured, Program, Stream};
use crate::scratch::{LIMIT, ScratchHome};

/// Longest line that is shown whole, in characters. A single reply could otherwise fill pages.
const LINE: usize = 200;

/// Plugins that the demo copies into the scratch home.
const MODULES: [(Guests, &str); 4] =
    [(PLUGINS, "chord"), (PLUGINS, "notes"), (PLUGINS, "webhook"), (FIXTURES, "hostile")];

/// Where the demo takes place.
pub(crate) struct Stage {
    home: ScratchHome,
    results: Vec<ShownResult>,
}

/// One thing that was shown, and its outcome.
struct ShownResult {
    what: String,
    outcome: String,
    as_it_should: bool,
}

impl Stage {
    /// Makes the scratch home and copies the plugins into it.
    pub(crate) fn set(places: &Places) -> Result<Self, TaskError> {
        let stage = Self { home: ScratchHome::new(places, "conductor-demo-", "debug")?, results: Vec::new() };
        stage.make_directory("plugins")?;
        for (guests, name) in MODULES {
            stage.home.copy(&guests.module(places, name)?, &format!("plugins/{name}.wasm"))?;
        }
        println!("\nScratch home: {}, current directory of all that follows", stage.home().display());
        Ok(stage)
    }

    /// The scratch home.
    pub(crate) fn home(&self) -> &Path {
        self.home.path()
    }

    /// A path in the scratch home.
    pub(crate) fn at(&self, path: &str) -> PathBuf {
        self.home.at(path)
    }

    /// Reads a file of the scratch home.
    pub(crate) fn read(&self, path: &str) -> Result<Vec<u8>, TaskError> {
        self.home.read(path)
    }

    /// Writes a file of the scratch home.
    pub(crate) fn write(&self, path: &str, bytes: &[u8]) -> Result<(), TaskError> {
        self.home.write(path, bytes)
    }

    /// Makes a directory in the scratch home.
    pub(crate) fn make_directory(&self, path: &str) -> Result<(), TaskError> {
        self.home.make_directory(path)
    }

    /// Prints the heading of an act.
    pub(crate) fn act(&self, heading: &str) {
        println!("\n=== {heading}\n");
    }

    /// Runs a program in the scratch home with none of the caller's environment. Shows its command line and then what
    /// it printed, first data, then words.
    pub(crate) fn show(&self, program: &str, arguments: &[&str]) -> Result<Captured, TaskError> {
        let mut program = self.program(program, arguments);
        println!("$ {}", program.line());
        let captured = program.follow(LIMIT, |stream, line| {
            if stream == Stream::Out {
                print_line(line);
            }
        })?;
        captured.stderr.lines().for_each(print_line);
        println!();
        Ok(captured)
    }

    /// Like [`Stage::show`], but shows every line as soon as it is printed.
    pub(crate) fn show_live(&self, program: &str, arguments: &[&str]) -> Result<Captured, TaskError> {
        let mut program = self.program(program, arguments);
        println!("$ {}", program.line());
        let captured = program.follow(LIMIT, |_, line| print_line(line))?;
        println!();
        Ok(captured)
    }

    /// Runs a program as [`Stage::show`] does and shows nothing.
    pub(crate) fn run(&self, program: &str, arguments: &[&str]) -> Result<Captured, TaskError> {
        self.home.run(program, arguments)
    }

    /// The program, ready to run in the scratch home.
    fn program(&self, program: &str, arguments: &[&str]) -> Program {
        self.home.program(program, arguments)
    }

    /// Records the outcome of something that was shown.
    pub(crate) fn record(&mut self, what: impl Into<String>, outcome: impl Into<String>, as_it_should: bool) {
        self.results.push(ShownResult { what: what.into(), outcome: outcome.into(), as_it_should });
    }

    /// Records a command by its exit status.
    pub(crate) fn record_status(&mut self, what: &str, captured: &Captured, expected: i32) {
        let status = crate::program::in_words(captured.status);
        self.record(
            what,
            format!("{status}, should be {expected}"),
            captured.status.code() == Some(expected),
        );
    }

    /// Leaves the scratch home on the disk.
    pub(crate) fn keep(&mut self) -> PathBuf {
        self.home.keep()
    }

    /// Prints the list of results.
    pub(crate) fn close(self, took: Duration) -> Result<(), TaskError> {
        println!("\n=== What came out\n");
        let width = self.results.iter().map(|result| result.what.chars().count()).max().unwrap_or_default();
        for ShownResult { what, outcome, as_it_should } in &self.results {
            let mark = if *as_it_should { "ok   " } else { "WRONG" };
            println!("{mark}  {what:width$}  {outcome}");
        }
        let total = self.results.len();
        let count = self.results.iter().filter(|result| !result.as_it_should).count();
        println!("\n{} of {total} as they should be, in {:.1} s", total - count, took.as_secs_f64());
        if count == 0 { Ok(()) } else { Err(TaskError::Demo { count, total }) }
    }
}

/// Prints a line of a program's output, indented, and cut if it is long.
fn print_line(line: &str) {
    match line.char_indices().nth(LINE) {
        Some((end, _)) => println!("  {}…", line.get(..end).unwrap_or_default()),
        None => println!("  {line}"),
    }
}
