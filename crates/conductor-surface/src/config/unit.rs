//! Small notations inside strings: durations, notes and ranges.

use std::ops::RangeInclusive;
use std::time::Duration;

/// Longest duration that a configuration can name: one day. Sums with a clock's reading then never overflow.
const MAX_DURATION: Duration = Duration::from_secs(24 * 60 * 60);

/// Reads `5s`, `500ms`, `1.5s`, `250us`, `2m` or `1h`.
pub fn parse_duration(text: &str) -> Option<Duration> {
    let text = text.trim();
    let digits = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    let scale = match unit.trim_start() {
        "us" => 1e-6,
        "ms" => 1e-3,
        "s" => 1.0,
        "m" => 60.0,
        "h" => 3600.0,
        _ => return None,
    };
    duration_of_seconds(number.parse::<f64>().ok()? * scale)
}

/// A duration in seconds, if a configuration can name it.
pub fn duration_of_seconds(seconds: f64) -> Option<Duration> {
    Duration::try_from_secs_f64(seconds).ok().filter(|duration| *duration <= MAX_DURATION)
}

/// Reads a MIDI note: a number from 0 to 127, or a name such as `C4`, `F#3`, `Bb-1`, where `C4` is 60.
pub fn parse_note(text: &str) -> Option<u8> {
    if let Ok(number) = text.parse::<u8>() {
        return (number <= 127).then_some(number);
    }
    let mut chars = text.chars();
    let semitone = match chars.next()?.to_ascii_uppercase() {
        'C' => 0,
        'D' => 2,
        'E' => 4,
        'F' => 5,
        'G' => 7,
        'A' => 9,
        'B' => 11,
        _ => return None,
    };
    let rest = chars.as_str();
    let (shift, octave) = match (rest.strip_prefix('#'), rest.strip_prefix('b')) {
        (Some(octave), _) => (1, octave),
        (None, Some(octave)) => (-1, octave),
        (None, None) => (0, rest),
    };
    let octave: i32 = octave.parse().ok().filter(|octave| (-1..=9).contains(octave))?;
    u8::try_from((octave + 1) * 12 + semitone + shift).ok().filter(|note| *note <= 127)
}

/// Reads `A` or `A..B`. Both ends are included, and each is read by `parse`.
pub fn parse_range<T: Copy + PartialOrd>(
    text: &str,
    parse: impl Fn(&str) -> Option<T>,
) -> Option<RangeInclusive<T>> {
    let (first, last) = match text.split_once("..") {
        Some((first, last)) => (parse(first.trim())?, parse(last.trim().trim_start_matches('='))?),
        None => (parse(text.trim())?, parse(text.trim())?),
    };
    (first <= last).then_some(first..=last)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_need_a_unit_and_have_an_end() {
        for (text, expected) in [
            ("5s", Some(Duration::from_secs(5))),
            ("500ms", Some(Duration::from_millis(500))),
            ("1.5 s", Some(Duration::from_millis(1500))),
            ("250us", Some(Duration::from_micros(250))),
            ("2m", Some(Duration::from_secs(120))),
            ("1h", Some(Duration::from_secs(3600))),
            ("5", None),
            ("", None),
            ("-1s", None),
            ("1e9s", None),
            ("99999999999s", None),
            ("s", None),
        ] {
            assert_eq!(parse_duration(text), expected, "{text}");
        }
    }

    #[test]
    fn notes_are_numbers_or_names() {
        for (text, expected) in [
            ("0", Some(0)),
            ("127", Some(127)),
            ("128", None),
            ("C4", Some(60)),
            ("c4", Some(60)),
            ("A4", Some(69)),
            ("F#3", Some(54)),
            ("Bb3", Some(58)),
            ("C-1", Some(0)),
            ("Cb-1", None),
            ("G9", Some(127)),
            ("G#9", None),
            ("H4", None),
            ("C", None),
            ("", None),
        ] {
            assert_eq!(parse_note(text), expected, "{text}");
        }
    }

    #[test]
    fn ranges_include_both_ends() {
        assert_eq!(parse_range("C3..C4", parse_note), Some(48..=60));
        assert_eq!(parse_range("60", parse_note), Some(60..=60));
        assert_eq!(parse_range("3..=5", parse_note), Some(3..=5));
        assert_eq!(parse_range("C4..C3", parse_note), None);
        assert_eq!(parse_range("C4..", parse_note), None);
    }
}
