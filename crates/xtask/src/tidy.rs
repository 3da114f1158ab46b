//! `cargo xtask tidy`: rules of the code base that the compiler cannot check.
//!
//! Each rule is a function from the tree to violations, and has a test in which it finds one. The whole check also runs
//! as a test of this crate, so that no change can skip it.

mod circles;
mod crate_table;
mod directories;
mod files;
mod house;
mod layers;
mod links;
mod locks;
mod maps;
mod modules;
mod not_yet;
mod root;
mod sizes;
#[cfg(test)]
mod small_tree;
mod source;
mod words;

use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};

use walkdir::WalkDir;

use crate::error::TaskError;
use crate::tidy::not_yet::NotYet;
use crate::tidy::source::Source;

/// What to do beside the check.
#[derive(Default, clap::Args)]
pub(crate) struct Options {
    /// Check nothing; list the size of each crate, and all modules that use each other in a circle with every arrow
    #[arg(long)]
    circles: bool,
}

/// Directories whose contents are generated, at any depth.
const GENERATED: [&str; 3] = ["target", "node_modules", "book"];

/// Endings of the files that are read: those that people write and that can break a rule.
const READ: [&str; 15] =
    ["rs", "toml", "lock", "md", "c", "h", "sh", "js", "mjs", "ts", "css", "html", "yml", "yaml", "wat"];

/// A place that breaks a rule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Violation {
    /// The file, relative to the root.
    pub(crate) path: PathBuf,
    /// The line, counted from 1; 0 if the rule is about the file as a whole.
    pub(crate) line: usize,
    /// The rule, in words.
    pub(crate) rule: String,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            0 => write!(f, "{}: {}", self.path.display(), self.rule),
            line => write!(f, "{}:{line}: {}", self.path.display(), self.rule),
        }
    }
}

/// Checks the tree and prints the violations, or prints the requested list.
pub(crate) fn run(root: &Path, options: &Options) -> Result<(), TaskError> {
    if options.circles {
        print!("{}", house::list(&read_tree(root)?));
        return Ok(());
    }
    report(&check(root, &NotYet::THIS_CODE_BASE)?)
}

fn report(violations: &[Violation]) -> Result<(), TaskError> {
    for violation in violations {
        println!("{violation}");
    }
    if !violations.is_empty() {
        return Err(TaskError::Tidy { count: violations.len() });
    }
    println!("tidy: every rule holds");
    Ok(())
}

/// All violations in the tree below `root`, in the order of their paths.
fn check(root: &Path, known: &NotYet) -> Result<Vec<Violation>, TaskError> {
    let sources = read_tree(root)?;
    let mut violations = root::check(root)?;
    violations.extend(layers::check(&sources));
    violations.extend(files::check(&sources));
    violations.extend(directories::check(&sources));
    violations.extend(words::check(&sources));
    violations.extend(links::check(root, &sources));
    violations.extend(locks::check(&sources));
    violations.extend(house::check(&sources, known));
    violations.sort_by(|a, b| (&a.path, a.line).cmp(&(&b.path, b.line)));
    Ok(violations)
}

fn read_tree(root: &Path) -> Result<Vec<Source>, TaskError> {
    let mut sources = Vec::new();
    let walk = WalkDir::new(root).sort_by_file_name().into_iter();
    for entry in
        walk.filter_entry(|entry| entry.depth() == 0 || !is_passed_over(&entry.file_name().to_string_lossy()))
    {
        let entry = entry.map_err(|error| TaskError::File { path: root.to_owned(), source: error.into() })?;
        let extension = entry.path().extension().and_then(|extension| extension.to_str()).unwrap_or_default();
        if !entry.file_type().is_file() || !READ.contains(&extension) {
            continue;
        }
        let file_error = |source| TaskError::File { path: entry.path().to_owned(), source };
        let text = fs::read_to_string(entry.path()).map_err(file_error)?;
        let path = entry.path().strip_prefix(root).unwrap_or(entry.path());
        sources.push(Source::new(path, text));
    }
    Ok(sources)
}

/// Whether a directory is skipped. Hidden directories belong to tools and editors, generated ones to builds.
fn is_passed_over(name: &str) -> bool {
    GENERATED.contains(&name) || (name.starts_with('.') && name != ".cargo" && name != ".ci")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_code_base_is_tidy() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2).expect("two levels up");
        let violations = check(root, &NotYet::THIS_CODE_BASE).expect("readable");
        let list: Vec<String> = violations.iter().map(ToString::to_string).collect();
        assert!(list.is_empty(), "{}", list.join("\n"));
    }

    #[test]
    fn a_violation_can_be_jumped_to() {
        let violation = Violation { path: "a/b.rs".into(), line: 7, rule: "no".to_owned() };
        assert_eq!(violation.to_string(), "a/b.rs:7: no");
        assert_eq!(Violation { line: 0, ..violation }.to_string(), "a/b.rs: no");
    }

    #[test]
    fn a_tree_with_one_broken_rule_fails() {
        let tree = tempfile::tempdir().expect("directory");
        fs::create_dir_all(tree.path().join("crates/conductor-abi/src")).expect("directory");
        fs::write(tree.path().join("NOTES.md"), "# Notes\n").expect("file");
        fs::write(tree.path().join("crates/conductor-abi/src/lib.rs"), "fn main() {}\n").expect("file");
        let violations = check(tree.path(), &NotYet::NOTHING).expect("readable");
        assert!(matches!(report(&violations), Err(TaskError::Tidy { count: 3 })));
    }
}
