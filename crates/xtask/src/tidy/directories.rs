//! Checks how the programs make directories: one function makes them all, accessible to their owner only, whatever the
//! umask is.

use std::path::Path;

use crate::tidy::Violation;
use crate::tidy::source::{Source, has_word};

/// The file with that function.
const MAKER: &str = "crates/conductor-store/src/atomic_file.rs";

/// Other functions that make directories, whose mode depends on the umask.
const MAKES: [&str; 3] = ["create_dir", "create_dir_all", "DirBuilder"];

/// Checks the shipped files. Tests may make their own directories.
pub(crate) fn check(sources: &[Source]) -> Vec<Violation> {
    sources.iter().filter(|source| is_shipped(source)).flat_map(check_file).collect()
}

fn is_shipped(source: &Source) -> bool {
    let is_of_tests = |part: &std::ffi::OsStr| part == "tests" || part == "tests.rs" || part == "examples";
    source.is_rust()
        && source.crate_name().is_some_and(|name| name.starts_with("conductor-"))
        && source.path != Path::new(MAKER)
        && !source.path.components().any(|part| is_of_tests(part.as_os_str()))
}

fn check_file(source: &Source) -> Vec<Violation> {
    let shipped = source.code.split("#[cfg(test)]\nmod").next().unwrap_or_default();
    let lines = shipped.lines().enumerate();
    let made = lines.filter(|(_, line)| MAKES.iter().any(|word| has_word(line, word)));
    let rule = "directories are made by `atomic_file::create_private_directory`, which no umask opens";
    made.map(|(line, _)| source.violation(line + 1, rule)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_tests_make_directories_themselves() {
        let text = "//! A file.\nfn f() {\n    fs::create_dir_all(path)?;\n}\n#[cfg(test)]\nmod tests {\n    fn g() { fs::create_dir(path) }\n}\n";
        let found = |path: &str| check(&[Source::new(Path::new(path), text.to_owned())]).len();
        assert_eq!(found("crates/conductor-core/src/a.rs"), 1);
        for path in [
            MAKER,
            "crates/conductor-core/tests/a.rs",
            "crates/conductor-core/src/a/tests.rs",
            "crates/xtask/src/a.rs",
        ] {
            assert_eq!(found(path), 0, "{path}");
        }
    }
}
