//! Points in time as documents and trust files write them: RFC 3339 in UTC.

use std::fmt;
use std::str::FromStr;

use jiff::Timestamp;
use jiff::civil::DateTime;

/// A point in time together with the text that it was written as, so that it can be compared, and shown unchanged.
///
/// The latest time of [`Timestamp`] is 26 hours before the end of the year 9999. A time in these last hours, such as
/// `9999-12-31T23:59:59Z`, with which people mean never, counts as that latest time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UtcTime {
    text: String,
    timestamp: Timestamp,
}

impl UtcTime {
    /// The current time, in whole seconds.
    #[must_use]
    pub fn now() -> Self {
        let now = Timestamp::now();
        let timestamp = Timestamp::from_second(now.as_second()).unwrap_or(now);
        Self { text: timestamp.to_string(), timestamp }
    }

    /// The point in time as a number.
    #[must_use]
    pub const fn timestamp(&self) -> Timestamp {
        self.timestamp
    }

    /// Whether this point lies at or before `now`.
    #[must_use]
    pub fn is_past(&self, now: Timestamp) -> bool {
        self.timestamp <= now
    }
}

impl FromStr for UtcTime {
    type Err = TimeError;

    /// Reads `YYYY-MM-DDThh:mm:ss`, up to nine decimals of a second, and `Z` or `+00:00` (RFC 3339, section 5.6).
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let local = text.strip_suffix('Z').or_else(|| text.strip_suffix("+00:00")).ok_or(TimeError)?;
        let (seconds, decimals) = local.split_once('.').unwrap_or((local, "0"));
        let is_digit = |byte: u8| byte.is_ascii_digit();
        let shape = seconds.len() == SHAPE.len()
            && seconds.bytes().zip(SHAPE.bytes()).all(|(byte, kind)| match kind {
                b'0' => is_digit(byte),
                separator => byte == separator,
            });
        if !shape || !(1..=9).contains(&decimals.len()) || !decimals.bytes().all(is_digit) {
            return Err(TimeError);
        }
        let timestamp = match format!("{local}Z").parse() {
            Ok(timestamp) => timestamp,
            Err(_) => {
                let civil: DateTime = local.parse().map_err(|_| TimeError)?;
                if civil.year() < DateTime::MAX.year() {
                    return Err(TimeError);
                }
                Timestamp::MAX
            }
        };
        Ok(Self { text: text.to_owned(), timestamp })
    }
}

/// Digits and separators of a date with its time; `0` stands for any digit.
const SHAPE: &str = "0000-00-00T00:00:00";

impl fmt::Display for UtcTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.text)
    }
}

/// A text that is not a point in time in UTC.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a time is written as in 2025-11-19T08:59:12Z (RFC 3339, UTC)")]
pub struct TimeError;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn utc_in_both_spellings_is_read() {
        let z: UtcTime = "2025-11-19T08:59:12Z".parse().expect("a time");
        let offset: UtcTime = "2025-11-19T08:59:12+00:00".parse().expect("a time");
        let fine: UtcTime = "2025-11-19T08:59:12.123456789+00:00".parse().expect("a time");
        assert_eq!(z.timestamp(), offset.timestamp());
        assert_eq!(fine.to_string(), "2025-11-19T08:59:12.123456789+00:00");
        assert_eq!(UtcTime::now().to_string().parse(), Ok(UtcTime::now()));
    }

    #[test]
    fn the_last_day_that_can_be_written_is_a_day() {
        let now = UtcTime::now().timestamp();
        for text in [
            "9999-12-30T21:59:59Z",
            "9999-12-30T22:30:00Z",
            "9999-12-31T23:59:59Z",
            "9999-12-31T23:59:59.999999999+00:00",
        ] {
            let time: UtcTime = text.parse().expect(text);
            assert!(!time.is_past(now));
            assert_eq!(time.to_string(), text);
        }
        for text in ["9999-12-32T00:00:00Z", "9999-12-31T24:00:00Z", "10000-01-01T00:00:00Z"] {
            assert_eq!(text.parse::<UtcTime>(), Err(TimeError), "{text}");
        }
    }

    #[test]
    fn everything_else_is_refused() {
        for text in [
            "",
            "2025-11-19",
            "2025-11-19T08:59:12",
            "2025-11-19t08:59:12z",
            "2025-11-19 08:59:12Z",
            "2025-11-19T08:59:12+01:00",
            "2025-11-19T08:59:12Z[UTC]",
            "2025-13-19T08:59:12Z",
            "2025-11-19T25:59:12Z",
            "2025-11-19T08:59:12.Z",
            "2025-11-19T08:59:12.1234567890Z",
            "-002025-11-19T08:59:12Z",
            "2025-11-19T08:59:12Z\n",
        ] {
            assert_eq!(text.parse::<UtcTime>(), Err(TimeError), "{text:?}");
        }
    }
}
