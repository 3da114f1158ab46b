//! Running tests, and once more those that failed, without the others beside them.
//!
//! A machine that others use as well makes a test miss its time now and then. Such a test is named, because it is wrong:
//! a test must wait for what it asserts. But it does not hide what the tests after it would say, or keep a change back.

use std::time::Duration;

use crate::error::TaskError;
use crate::program::{Captured, Program, Stream};

/// Most failed tests that are run again. More than these are no accident.
const MOST: usize = 4;

/// Watchdog for all test programs together.
const LIMIT: Duration = Duration::from_mins(85);

/// Runs tests. Those that fail are run once more, each by what `again` makes of its name and of the arguments of cargo that
/// choose the programs with failed tests, such as `--test` and `jack`. Each must pass then.
pub(crate) fn run(
    mut tests: Program,
    again: impl Fn(&str, &[String]) -> Result<Program, TaskError>,
) -> Result<(), TaskError> {
    let captured = tests.follow(LIMIT, print)?;
    if captured.status.success() {
        return Ok(());
    }
    let failures = Failures::read(&captured);
    if !failures.may_be_accidents() {
        return tests.demand(captured.status);
    }
    for name in &failures.tests {
        println!("\n-- once more, without the other tests: {name}");
        let mut again = again(name, &failures.programs)?;
        let second = again.follow(LIMIT, print)?;
        again.demand(second.status)?;
        // A program that finds no test by this name passes as well.
        if passed(&second.stdout) == 0 {
            return tests.demand(captured.status);
        }
    }
    println!("-- passed only when run once more, which is to be mended: {}", failures.tests.join(", "));
    Ok(())
}

/// What failed.
#[derive(Default)]
struct Failures {
    /// Names of the tests.
    tests: Vec<String>,
    /// Arguments of cargo that choose the test programs.
    programs: Vec<String>,
    /// How many test programs said that tests failed.
    said: usize,
    /// How many test programs failed for cargo.
    ended: usize,
}

impl Failures {
    fn read(captured: &Captured) -> Self {
        let mut failures = Self::default();
        let mut is_list = false;
        for line in captured.stdout.lines() {
            let name = line.strip_prefix("    ").filter(|_| is_list);
            failures.tests.extend(name.map(str::to_owned));
            is_list = line == "failures:" || name.is_some();
            failures.said += usize::from(line.starts_with("test result: FAILED"));
        }
        // Cargo names a failed program as "    `-p conductor-daemon --test jack`".
        let named = |line: &str| Some(line.strip_prefix("    `-p ")?.strip_suffix('`')?.to_owned());
        for program in captured.stderr.lines().filter_map(named) {
            failures.ended += 1;
            failures.programs.extend(program.split(' ').skip(1).map(str::to_owned));
        }
        failures
    }

    /// Whether these are few tests, and all that failed: a program that was killed names no test.
    fn may_be_accidents(&self) -> bool {
        !self.tests.is_empty() && self.tests.len() <= MOST && self.said >= self.ended
    }
}

/// How many tests passed.
fn passed(stdout: &str) -> usize {
    let count = |line: &str| line.strip_prefix("test result: ok. ")?.split(' ').next()?.parse::<usize>().ok();
    stdout.lines().filter_map(count).sum()
}

fn print(stream: Stream, line: &str) {
    match stream {
        Stream::Out => println!("{line}"),
        Stream::Err => eprintln!("{line}"),
    }
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;
    use std::path::Path;

    use super::*;

    /// A program that prints what a test program and cargo print, and ends with this status.
    fn printing(stdout: &str, stderr: &str, status: u8) -> Program {
        let script = format!("printf '%s' '{stdout}'; printf '%s' '{stderr}' >&2; exit {status}");
        Program::new("sh", Path::new("/")).args(["-c", &script])
    }

    const FAILED: &str = "test a::b ... FAILED\n\nfailures:\n\n---- a::b stdout ----\n    left: 1\n\nfailures:\n    a::b\n\n\
        test result: FAILED. 3 passed; 1 failed; 0 ignored\n";
    const NAMED: &str = "error: 1 target failed:\n    `-p conductor-daemon --test jack`\n";
    const PASSED: &str = "test result: ok. 1 passed; 0 failed; 0 ignored\n";

    #[test]
    fn each_test_that_passes_on_its_own_is_run_by_its_name() {
        let asked = RefCell::new(Vec::new());
        let failed = FAILED.replace("    a::b\n", "    a::b\n    c\n");
        let result = run(printing(&failed, NAMED, 101), |name, programs| {
            asked.borrow_mut().push(format!("{} {name}", programs.join(" ")));
            Ok(printing(PASSED, "", 0))
        });
        assert!(result.is_ok(), "{result:?}");
        assert_eq!(asked.into_inner(), ["--test jack a::b", "--test jack c"]);
    }

    #[test]
    fn a_test_that_fails_twice_or_is_not_found_fails() {
        for (stdout, status) in [(FAILED, 101), ("test result: ok. 0 passed; 0 failed\n", 0)] {
            let result = run(printing(FAILED, NAMED, 101), |_, _| Ok(printing(stdout, "", status)));
            assert!(matches!(result, Err(TaskError::Status { .. })), "{stdout}");
        }
    }

    #[test]
    fn programs_that_name_no_test_and_many_tests_are_not_run_again() {
        let killed = "error: 2 targets failed:\n    `-p a --lib`\n    `-p b --test c`\n";
        let many: String = (0..=MOST).map(|number| format!("    test_{number}\n")).collect();
        let many = format!("failures:\n{many}\ntest result: FAILED. 0 passed; 5 failed\n");
        for (stdout, stderr) in [(FAILED, killed), ("", NAMED), (many.as_str(), NAMED)] {
            let result = run(printing(stdout, stderr, 101), |_, _| Ok(printing(PASSED, "", 0)));
            assert!(matches!(result, Err(TaskError::Status { .. })), "{stdout}");
        }
    }
}
