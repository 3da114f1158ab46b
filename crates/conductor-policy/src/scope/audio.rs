//! Scope of Audio: output devices, gain and time.

use std::fmt;

use super::error::ScopeError;
use super::grammar::{Fields, Parts};
use super::number::whole_number;
use super::pattern::NamePattern;

/// Gain 1.0, the loudest that a scope can name.
const FULL_GAIN: u16 = 1000;

/// Longest sound in seconds that a scope can name: one hour.
const MAX_SECONDS: u32 = 3600;

/// Output devices that may be played on, and how loud and how long.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AudioScope {
    devices: Vec<NamePattern>,
    gain: Option<Gain>,
    seconds: Option<u32>,
}

/// A gain in thousandths.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Gain(u16);

impl AudioScope {
    pub(super) const KEYS: &'static [&'static str] = &["devices", "gain", "seconds"];

    pub(super) fn from_fields(fields: Fields) -> Result<Self, ScopeError> {
        let devices = "write the name of a device, a beginning followed by `*`, or `*`";
        Ok(Self {
            devices: fields.list("devices", devices, NamePattern::parse)?,
            gain: fields.one(
                "gain",
                "write a number from 0.001 to 1 with at most three decimals",
                Gain::parse,
            )?,
            seconds: fields.one("seconds", "write a whole number from 1 to 3600", |text| {
                whole_number(text, MAX_SECONDS)
            })?,
        })
    }

    /// Whether the device is covered.
    #[must_use]
    pub fn allows(&self, device: &str) -> bool {
        self.devices.is_empty() || self.devices.iter().any(|pattern| pattern.covers(device))
    }

    /// Highest gain in thousandths.
    #[must_use]
    pub fn gain_thousandths(&self) -> u16 {
        self.gain.map_or(FULL_GAIN, |gain| gain.0)
    }

    /// Longest sound in seconds, if the scope names a limit.
    #[must_use]
    pub const fn seconds(&self) -> Option<u32> {
        self.seconds
    }
}

impl fmt::Display for AudioScope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut parts = Parts::new(f);
        parts.first(&self.devices)?;
        parts.key("gain", self.gain.as_slice())?;
        parts.key("seconds", self.seconds.as_slice())
    }
}

impl Gain {
    fn parse(text: &str) -> Option<Self> {
        let (whole, decimals) = text.split_once('.').unwrap_or((text, "0"));
        let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
        if whole.len() != 1 || !digits(whole) || !digits(decimals) || !(1..=3).contains(&decimals.len()) {
            return None;
        }
        let thousandths = format!("{whole}{decimals:0<3}").parse().ok()?;
        (1..=FULL_GAIN).contains(&thousandths).then_some(Self(thousandths))
    }
}

impl fmt::Display for Gain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = format!("{}.{:03}", self.0 / FULL_GAIN, self.0 % FULL_GAIN);
        f.write_str(text.trim_end_matches('0').trim_end_matches('.'))
    }
}
