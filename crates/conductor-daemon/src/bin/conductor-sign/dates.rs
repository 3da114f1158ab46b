//! Dates as people write them.

use conductor_signing::UtcTime;

/// Reads a day such as `2027-01-31` as the end of that day in UTC, and a point in time as that point.
pub(crate) fn end_of_day(text: &str) -> Result<UtcTime, String> {
    let day = || {
        let date: jiff::civil::Date = text.parse().ok()?;
        let is_plain = text.len() == "2027-01-31".len();
        let end = match date.tomorrow() {
            Ok(next) => format!("{next}T00:00:00Z"),
            // 9999-12-31 has no next day that can be written.
            Err(_) => format!("{date}T23:59:59Z"),
        };
        is_plain.then(|| end.parse().ok())?
    };
    text.parse().ok().or_else(day).ok_or_else(|| {
        "a date is written as in 2027-01-31, a time as in 2027-01-31T12:00:00Z (UTC)".to_owned()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_day_ends_when_the_next_begins() {
        let end = |text| end_of_day(text).map(|time| time.to_string());
        assert_eq!(end("2027-01-31").as_deref(), Ok("2027-02-01T00:00:00Z"));
        assert_eq!(end("2028-02-28").as_deref(), Ok("2028-02-29T00:00:00Z"));
        assert_eq!(end("9999-12-31").as_deref(), Ok("9999-12-31T23:59:59Z"));
        assert_eq!(end("9999-12-31T23:59:59Z").as_deref(), Ok("9999-12-31T23:59:59Z"));
        assert_eq!(end("2027-01-31T12:00:00Z").as_deref(), Ok("2027-01-31T12:00:00Z"));
        for text in ["", "soon", "2027-02-30", "31.1.2027", "2027-01-31T12:00", "20270131", "2027-W05"] {
            assert!(end(text).is_err(), "{text}");
        }
    }
}
