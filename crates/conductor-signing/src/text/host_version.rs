//! Versions of the host, which a statement may demand.

use std::fmt;
use std::str::FromStr;

/// A version of Conductor: three numbers, compared from the left.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct HostVersion([u32; 3]);

impl HostVersion {
    /// The version of this host.
    #[must_use]
    pub fn current() -> Self {
        // A test checks that the package version can be parsed, so the fallback is never used. The fallback would meet
        // no demand.
        env!("CARGO_PKG_VERSION").parse().unwrap_or(Self([0; 3]))
    }
}

impl FromStr for HostVersion {
    type Err = VersionError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let mut numbers = text.split('.').map(|part| {
            let plain =
                part.bytes().all(|byte| byte.is_ascii_digit()) && (part == "0" || !part.starts_with('0'));
            part.parse::<u32>().ok().filter(|_| plain).ok_or(VersionError)
        });
        let mut next = || numbers.next().unwrap_or(Err(VersionError));
        let version = Self([next()?, next()?, next()?]);
        if numbers.next().is_some() { Err(VersionError) } else { Ok(version) }
    }
}

impl fmt::Display for HostVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [major, minor, patch] = self.0;
        write!(f, "{major}.{minor}.{patch}")
    }
}

/// A text that is not a version of the host.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a host version is three numbers, as in 1.2.0")]
pub struct VersionError;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_three_numbers() {
        assert_eq!("1.20.3".parse(), Ok(HostVersion([1, 20, 3])));
        for text in ["", "1", "1.2", "1.2.3.4", "1.2.x", "1..3", "+1.2.3", "01.2.3", "1.2.4294967296"] {
            assert_eq!(text.parse::<HostVersion>(), Err(VersionError), "{text:?}");
        }
    }

    #[test]
    fn this_host_has_a_version() {
        assert_eq!(HostVersion::current().to_string(), env!("CARGO_PKG_VERSION"));
    }
}
