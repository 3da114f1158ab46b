//! A scratch home directory in which commands are typed.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

use crate::typist::Typist;

/// The program under test.
pub(super) const PROGRAM: &str = env!("CARGO_BIN_EXE_conductor-sign");

/// The outcome of a command.
#[derive(Debug)]
pub(super) struct Ended {
    pub(super) code: i32,
    pub(super) stdout: String,
    pub(super) stderr: String,
}

impl Ended {
    /// The value of a report line `label value`.
    pub(super) fn field(&self, label: &str) -> &str {
        let line = self.stdout.lines().find_map(|line| line.strip_prefix(label));
        line.unwrap_or_else(|| panic!("no line {label:?} in {self:?}")).trim()
    }

    /// The report as JSON.
    pub(super) fn json(&self) -> Value {
        serde_json::from_str(&self.stdout).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    /// Asserts the exit status, and that stderr has the error and the hint, if `hint` is not empty.
    pub(super) fn refused(&self, code: i32, error: &str, hint: &str) {
        assert_eq!(self.code, code, "{self:?}");
        let mut lines = self.stderr.lines();
        let first = lines.next().unwrap_or_default();
        assert!(first.starts_with("error: ") && first.contains(error), "{self:?}");
        let second = lines.next().unwrap_or_default();
        assert!(hint.is_empty() || second.starts_with("hint: ") && second.contains(hint), "{self:?}");
    }
}

impl Ended {
    /// Asserts that the command line was refused.
    pub(super) fn refused_usage(&self) {
        assert_eq!(self.code, 2, "{self:?}");
        assert!(self.stdout.is_empty() && self.stderr.starts_with("error: "), "{self:?}");
    }

    /// As [`Ended::refused`], after a line with a warning.
    pub(super) fn refused_after_warning(&self, code: i32, error: &str, hint: &str) {
        let (warning, rest) = self.stderr.split_once('\n').unwrap_or_default();
        assert!(warning.starts_with("warning: "), "{self:?}");
        let rest = rest.to_owned();
        Self { code: self.code, stdout: self.stdout.clone(), stderr: rest }.refused(code, error, hint);
    }
}

/// A home directory with a plugin in it. Commands run in it, with no environment but the one that they are given.
pub(super) struct Shell {
    home: tempfile::TempDir,
    environment: Vec<(&'static str, PathBuf)>,
}

impl Shell {
    pub(super) fn new() -> Self {
        let shell = Self { home: tempfile::tempdir().expect("a directory"), environment: Vec::new() };
        fs::write(shell.path("my_plugin.wasm"), module()).expect("written");
        shell
    }

    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.home.path().join(name)
    }

    pub(super) fn home(&self) -> &Path {
        self.home.path()
    }

    /// The same home with one more environment variable.
    pub(super) fn with(mut self, name: &'static str, value: &Path) -> Self {
        self.environment.push((name, value.to_owned()));
        self
    }

    /// Runs a command. A `~` at the start of a word is the home directory, as in a shell.
    pub(super) fn run(&self, words: &[&str]) -> Ended {
        let expanded = words.iter().map(|word| match word.strip_prefix('~') {
            Some(rest) => format!("{}{rest}", self.home().display()),
            None => (*word).to_owned(),
        });
        end(self.environment(Command::new(PROGRAM).args(expanded)))
    }

    /// Types a command on a terminal, so that its questions can be answered.
    pub(super) fn type_in(&self, words: &[&str]) -> Typist {
        let mut script = Command::new("script");
        self.environment(&mut script);
        Typist::start(script, PROGRAM, words)
    }

    /// Types a command on a terminal. The command starts two seconds after the terminal shows `soon`, so that a test
    /// can type too early.
    pub(super) fn type_in_late(&self, words: &[&str]) -> Typist {
        let mut script = Command::new("script");
        self.environment(&mut script);
        let late = ["-c", "echo soon; sleep 2; exec \"$0\" \"$@\"", PROGRAM];
        Typist::start(script, "/bin/sh", &[late.as_slice(), words].concat())
    }

    fn environment<'c>(&self, command: &'c mut Command) -> &'c mut Command {
        command.current_dir(self.home()).env_clear().env("HOME", self.home());
        command.envs(self.environment.iter().map(|(name, value)| (name, value)))
    }

    /// Makes a key pair. Returns the public key.
    pub(super) fn key(&self, path: &str) -> String {
        self.ok(&["generate-key", path]).field("Public key (hex):").to_owned()
    }

    /// Runs a command that must succeed.
    pub(super) fn ok(&self, words: &[&str]) -> Ended {
        let ended = self.run(words);
        assert_eq!((ended.code, ended.stderr.as_str()), (0, ""), "{words:?}: {ended:?}");
        ended
    }

    /// Makes a key called `key` and signs the plugin with it. Returns the public key.
    pub(super) fn signed(&self) -> String {
        let key = self.ok(&["generate-key", "key"]).field("Public key (hex):").to_owned();
        self.ok(&["sign", "my_plugin.wasm", "key", "--name", "Your Name", "--email", "you@example.com"]);
        key
    }

    /// Writes a file of the configuration directory.
    pub(super) fn config(&self, file: &str, text: &str) -> PathBuf {
        let path = self.path(".config/conductor").join(file);
        conductor_signing::atomic_file::create_private_directory(path.parent().expect("a parent"))
            .expect("created");
        conductor_signing::atomic_file::replace(&path, text.as_bytes(), 0o600).expect("written");
        path
    }
}

/// Runs a command to its end.
pub(super) fn end(command: &mut Command) -> Ended {
    let output = command.output().expect("the program runs");
    let text = |bytes| String::from_utf8(bytes).expect("UTF-8");
    let code = output.status.code().unwrap_or_else(|| panic!("{command:?} was killed: {:?}", output.status));
    Ended { code, stdout: text(output.stdout), stderr: text(output.stderr) }
}

/// A small module without a manifest: magic number, version and one empty type section.
pub(super) fn module() -> Vec<u8> {
    b"\0asm\x01\0\0\0\x01\x01\0".to_vec()
}
