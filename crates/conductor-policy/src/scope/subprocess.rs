//! Scope of Subprocess: programs, arguments, time and output.

use std::fmt;

use super::error::ScopeError;
use super::grammar::{Fields, Parts};
use super::number::{Bytes, whole_number};
use super::pattern::NamePattern;

/// Longest run in seconds that a scope can name: one hour.
const MAX_SECONDS: u32 = 3600;

/// Programs that may be run.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SubprocessScope {
    programs: Vec<String>,
    args: Vec<NamePattern>,
    seconds: Option<u32>,
    bytes: Option<Bytes>,
    env: Vec<Variable>,
    confined: bool,
}

impl SubprocessScope {
    pub(super) const KEYS: &'static [&'static str] =
        &["programs", "args", "seconds", "bytes", "env", "confined"];

    pub(super) fn from_fields(fields: Fields) -> Result<Self, ScopeError> {
        let programs = "write the absolute path of a program, without `.` and `..`";
        let args = "write an argument, a beginning followed by `*`, or `*`";
        Ok(Self {
            programs: fields.list("programs", programs, absolute_path)?,
            args: fields.list("args", args, NamePattern::parse)?,
            seconds: fields.one("seconds", "write a whole number from 1 to 3600", |text| {
                whole_number(text, MAX_SECONDS)
            })?,
            bytes: fields.one("bytes", "write a whole number of bytes, KiB, MiB or GiB", Bytes::parse)?,
            env: fields.list("env", "write NAME%3DVALUE; NAME does not begin with LD_", Variable::parse)?,
            confined: fields.flag("confined")?,
        })
    }

    /// Absolute paths of the programs. If there are none, nothing may be run.
    #[must_use]
    pub fn programs(&self) -> &[String] {
        &self.programs
    }

    /// Whether an argument is covered.
    #[must_use]
    pub fn allows_argument(&self, argument: &str) -> bool {
        self.args.iter().any(|pattern| pattern.covers(argument))
    }

    /// Longest run in seconds, if the scope names a limit.
    #[must_use]
    pub const fn seconds(&self) -> Option<u32> {
        self.seconds
    }

    /// Most bytes of output, if the scope names a limit.
    #[must_use]
    pub fn bytes(&self) -> Option<u64> {
        self.bytes.map(|bytes| bytes.0)
    }

    /// The program's environment: names and values.
    pub fn environment(&self) -> impl Iterator<Item = (String, String)> {
        self.env.iter().map(|variable| (variable.name.clone(), variable.value.clone()))
    }

    /// Whether the program may only read the system's files, and write only in the plugin's own directory.
    #[must_use]
    pub const fn confined(&self) -> bool {
        self.confined
    }
}

/// An environment variable.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Variable {
    name: String,
    value: String,
}

impl Variable {
    fn parse(text: &str) -> Option<Self> {
        let (name, value) = text.split_once('=')?;
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
        let is_name = !name.is_empty() && !name.starts_with(|first: char| first.is_ascii_digit());
        // Variables of the dynamic linker could make the program run other code.
        let is_safe = is_name && name.bytes().all(plain) && !name.starts_with("LD_") && !value.contains('\0');
        is_safe.then(|| Self { name: name.to_owned(), value: value.to_owned() })
    }
}

impl fmt::Display for Variable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}={}", self.name, self.value)
    }
}

impl fmt::Display for SubprocessScope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut parts = Parts::new(f);
        parts.first(&self.programs)?;
        parts.key("args", &self.args)?;
        parts.key("seconds", self.seconds.as_slice())?;
        parts.key("bytes", self.bytes.as_slice())?;
        parts.key("env", &self.env)?;
        parts.flag("confined", self.confined)
    }
}

fn absolute_path(text: &str) -> Option<String> {
    let rest = text.strip_prefix('/')?;
    let plain = rest.split('/').all(|name| !matches!(name, "" | "." | ".."));
    plain.then(|| text.to_owned())
}
