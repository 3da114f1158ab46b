//! Numbers in scopes.

use std::fmt;

/// A whole number from 1 to `max`, without sign or leading zero.
pub(super) fn whole_number(text: &str, max: u32) -> Option<u32> {
    let plain = text.bytes().all(|byte| byte.is_ascii_digit()) && !text.starts_with('0');
    let number = text.parse().ok()?;
    (plain && number <= max).then_some(number)
}

/// A number of bytes, written with the largest unit that divides it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Bytes(pub(super) u64);

/// Units in falling order. The last one is the byte.
const UNITS: [(&str, u64); 4] = [("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10), ("", 1)];

impl Bytes {
    pub(super) fn parse(text: &str) -> Option<Self> {
        let (number, unit) =
            UNITS.into_iter().find_map(|(name, unit)| Some((text.strip_suffix(name)?, unit)))?;
        let plain = number.bytes().all(|byte| byte.is_ascii_digit()) && !number.starts_with('0');
        let bytes = number.parse::<u64>().ok()?.checked_mul(unit)?;
        plain.then_some(Self(bytes))
    }
}

impl fmt::Display for Bytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let fitting = UNITS.into_iter().find(|(_, unit)| self.0.is_multiple_of(*unit));
        let (name, unit) = fitting.unwrap_or(("", 1));
        write!(f, "{}{name}", self.0 / unit)
    }
}
