//! `cargo xtask ordinary`: runs the test programs again, as an ordinary user.
//!
//! Root passes every check of modes and owners, may signal every process and may look into each. So tests that run as
//! root miss failures that ordinary users meet. If the tests run as root, as they do in a container, the programs that
//! were built for them are run again as a user that the set-up creates. Otherwise all tests run as an ordinary user
//! already, and this task does nothing.

use std::fs;
use std::path::{Path, PathBuf};

use rustix::process::geteuid;
use serde_json::Value;

use crate::error::TaskError;
use crate::guests;
use crate::places::{Places, RustHomes};
use crate::program::Program;
use crate::second_try;
use crate::setup::{self, ORDINARY_USER, Purpose};

/// The script that prepares what the user sees, and runs a program there.
const WITHIN: &str = include_str!("ordinary/within.sh");

/// Test programs that only test devices or a browser, for which the user makes no difference.
const WITHOUT: [&str; 3] = ["desktop", "jack", "page"];

/// Crates whose tests do not depend on the user: the tasks themselves, and the crates with which plugins are made.
const NOT_OF: [&str; 4] = ["xtask", "conductor-plugin", "conductor-plugin-macros", "conductor-abi"];

/// Which test programs to run, and how.
#[derive(clap::Args, Default)]
pub(crate) struct Options {
    /// Run the tests of this crate alone
    #[arg(long, value_name = "CRATE")]
    package: Option<String>,
    /// Run this test program alone; `lib` for the unit tests of a library
    #[arg(long, value_name = "NAME")]
    test: Option<String>,
    /// Arguments of the test programs, such as the name of a test
    #[arg(last = true, value_name = "ARGUMENT")]
    arguments: Vec<String>,
}

/// Runs the test programs as the ordinary user, if this task runs as root.
pub(crate) fn run(places: &Places, options: &Options) -> Result<(), TaskError> {
    let uid = geteuid();
    if !uid.is_root() {
        println!("All tests run as user {} anyway, who is not root.", uid.as_raw());
        return Ok(());
    }
    setup::run(places, Purpose::Test)?;
    guests::ALL.iter().try_for_each(|guests| guests.build(places))?;
    let chosen: Vec<TestProgram> =
        build(places)?.into_iter().filter(|program| program.is_chosen(options)).collect();
    if chosen.is_empty() {
        return Err(TaskError::NoTestProgram);
    }
    let scratch = tempfile::Builder::new().prefix("conductor-ordinary-").tempdir();
    let scratch = scratch.map_err(|source| TaskError::File { path: "temporary directory".into(), source })?;
    let account = Account::find(places)?;
    let home = scratch.path().join("home");
    prepare(&home, scratch.path(), &account)?;
    chosen.iter().try_for_each(|program| {
        println!("\n-- as {ORDINARY_USER}: {} of {}", program.name, program.package);
        let with = |arguments: &[String]| program.as_user(places, &account, scratch.path(), &home, arguments);
        second_try::run(with(&options.arguments)?, |name, _| with(&["--exact".to_owned(), name.to_owned()]))
    })
}

/// A test program that cargo built.
struct TestProgram {
    package: String,
    name: String,
    path: PathBuf,
    /// Directory of the program's crate, in which cargo would run the program.
    directory: PathBuf,
}

impl TestProgram {
    /// Reads a line of cargo's build messages. `None` if the line is about something else.
    fn read(line: &str) -> Option<Self> {
        let message: Value = serde_json::from_str(line).ok()?;
        let target = message.get("target")?;
        let is_test = message.get("profile")?.get("test")?.as_bool()?;
        let path = message.get("executable")?.as_str().filter(|_| is_test)?;
        let directory = Path::new(message.get("manifest_path")?.as_str()?).parent()?;
        let is_library = target.get("kind")?.as_array()?.iter().any(|kind| kind == "lib");
        let name = if is_library { "lib" } else { target.get("name")?.as_str()? };
        Some(Self {
            package: directory.file_name()?.to_str()?.to_owned(),
            name: name.to_owned(),
            path: path.into(),
            directory: directory.to_owned(),
        })
    }

    fn is_chosen(&self, options: &Options) -> bool {
        if options.package.as_ref().is_some_and(|package| *package != self.package) {
            return false;
        }
        let is_named = options.test.as_ref().is_some_and(|name| *name == self.name);
        let is_left_out = WITHOUT.contains(&self.name.as_str()) || NOT_OF.contains(&self.package.as_str());
        is_named || (options.test.is_none() && !is_left_out)
    }

    /// The program as the user runs it, in a new mount namespace.
    fn as_user(
        &self,
        places: &Places,
        account: &Account,
        scratch: &Path,
        home: &Path,
        arguments: &[String],
    ) -> Result<Program, TaskError> {
        let target = places.target()?;
        let RustHomes { cargo, rustup } = places.rust_homes()?;
        let written = ["plugins", "fixtures", "tmp"].map(|directory| target.join(directory));
        Ok(Program::new("unshare", &self.directory)
            .args(["--mount", "--propagation", "private", "sh"])
            .args([scratch.join("within.sh"), scratch.join("view")])
            .args([&account.user, &account.group])
            .args([&places.root, &target, &cargo, &rustup])
            .args(["--"])
            .args(written)
            .args([
                "--",
                "setpriv",
                "--reuid",
                &account.user,
                "--regid",
                &account.group,
                "--clear-groups",
                "--",
            ])
            .args(["env", "-C"])
            .args([self.directory.as_os_str(), self.path.as_os_str()])
            .args(arguments)
            .env("HOME", home)
            .env("USER", ORDINARY_USER)
            .env("LOGNAME", ORDINARY_USER)
            .env("CARGO_HOME", cargo)
            .env("RUSTUP_HOME", rustup))
    }
}

/// Builds the test programs and lists them.
fn build(places: &Places) -> Result<Vec<TestProgram>, TaskError> {
    // The whole workspace is built even if one crate is wanted: alone the crate would have other features, and the
    // engine would be built again.
    let cargo = Program::cargo(&places.root).args(["test", "--workspace", "--locked", "--no-run"]);
    let mut cargo = cargo.args(["--lib", "--bins", "--tests", "--message-format", "json-render-diagnostics"]);
    println!("$ {}", cargo.line());
    Ok(cargo.stdout()?.lines().filter_map(TestProgram::read).collect())
}

/// The ids of a user.
pub(crate) struct Account {
    pub(crate) user: String,
    pub(crate) group: String,
}

impl Account {
    /// The ordinary user, if this task runs as root.
    pub(crate) fn of_ordinary_user(places: &Places) -> Result<Option<Self>, TaskError> {
        if geteuid().is_root() { Self::find(places).map(Some) } else { Ok(None) }
    }

    fn find(places: &Places) -> Result<Self, TaskError> {
        let number = |option: &str| {
            let printed = Program::new("id", &places.root).args([option, ORDINARY_USER]).stdout()?;
            Ok::<_, TaskError>(printed.trim().to_owned())
        };
        Ok(Self { user: number("-u")?, group: number("-g")? })
    }
}

/// Makes the user's home in a scratch directory that the user can reach, and puts the script beside it.
fn prepare(home: &Path, scratch: &Path, account: &Account) -> Result<(), TaskError> {
    let failed = |source| TaskError::File { path: home.to_owned(), source };
    fs::create_dir(home).map_err(failed)?;
    fs::write(scratch.join("within.sh"), WITHIN).map_err(failed)?;
    let searchable = std::os::unix::fs::PermissionsExt::from_mode(0o711);
    fs::set_permissions(scratch, searchable).map_err(failed)?;
    let number = |text: &str| text.parse::<u32>().ok();
    std::os::unix::fs::chown(home, number(&account.user), number(&account.group)).map_err(failed)
}

#[cfg(test)]
mod tests {
    use super::*;

    const BUILT: &str = r#"{"reason":"compiler-artifact","manifest_path":"/w/crates/conductor-core/Cargo.toml",
        "target":{"kind":["test"],"name":"workers"},"profile":{"test":true},"executable":"/t/debug/deps/workers-1"}"#;

    #[test]
    fn test_programs_are_told_from_what_else_is_built() {
        let program = TestProgram::read(BUILT).expect("a test program");
        assert_eq!((program.package.as_str(), program.name.as_str()), ("conductor-core", "workers"));
        assert_eq!(program.directory, Path::new("/w/crates/conductor-core"));
        assert!(TestProgram::read(&BUILT.replace("\"test\":true", "\"test\":false")).is_none());
        assert!(TestProgram::read(r#"{"reason":"build-finished","success":true}"#).is_none());
        let library = TestProgram::read(&BUILT.replace("[\"test\"]", "[\"lib\"]")).expect("a test program");
        assert_eq!(library.name, "lib");
    }

    #[test]
    fn what_is_about_devices_runs_only_when_it_is_named() {
        let program = TestProgram::read(&BUILT.replace("workers", "jack")).expect("a test program");
        assert!(!program.is_chosen(&Options::default()));
        assert!(program.is_chosen(&Options { test: Some("jack".to_owned()), ..Options::default() }));
    }
}
