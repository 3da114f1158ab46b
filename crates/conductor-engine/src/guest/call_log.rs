//! The log of one call: lines of the host call `log`, of standard output and of standard error, with one budget.

use conductor_call::{LogLine, LogSource};

/// Cost of a line beside its text; stops a page of line breaks from becoming as many log records.
const LINE_BYTES: u64 = 32;

/// Lines up to a number of bytes, and a count of the bytes that were dropped.
pub(crate) struct CallLog {
    max: u64,
    used: u64,
    lines: Vec<LogLine>,
    dropped: u64,
}

impl CallLog {
    /// An empty log for at most `max` bytes.
    pub(crate) const fn new(max: u32) -> Self {
        Self { max: max as u64, used: 0, lines: Vec::new(), dropped: 0 }
    }

    /// Keeps a line, or as much of the line as fits. After the first line that does not fit, all lines of the call are
    /// dropped, because a log without its long lines would mislead.
    pub(crate) fn push(&mut self, source: LogSource, text: &str) {
        let room = self.max.saturating_sub(self.used).checked_sub(LINE_BYTES).filter(|_| self.dropped == 0);
        let room = room.map(|room| usize::try_from(room).unwrap_or(usize::MAX));
        let (kept, lost) = text.split_at(text.floor_char_boundary(room.unwrap_or(0)));
        if room.is_some() {
            self.used += LINE_BYTES + kept.len() as u64;
            self.lines.push(LogLine { source, text: kept.to_owned() });
        }
        if room.is_none() || !lost.is_empty() {
            // An empty line that is dropped counts as one byte, its line break.
            self.drop_bytes(lost.len() as u64 + 1);
        }
    }

    /// Keeps printed text, line by line.
    pub(super) fn push_printed(&mut self, source: LogSource, bytes: &[u8]) {
        for line in String::from_utf8_lossy(bytes).lines() {
            self.push(source, line);
        }
    }

    /// Counts bytes that were dropped before they reached the log.
    pub(crate) const fn drop_bytes(&mut self, bytes: u64) {
        self.dropped = self.dropped.saturating_add(bytes);
    }

    /// Takes the lines and the number of dropped bytes; the log is then empty.
    pub(crate) fn take(&mut self) -> (Vec<LogLine>, u64) {
        self.used = 0;
        (std::mem::take(&mut self.lines), std::mem::take(&mut self.dropped))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_line_that_does_not_fit_ends_the_log() {
        let mut log = CallLog::new(100);
        log.push(LogSource::Stdout, "12345678");
        log.push(LogSource::Stderr, "123456789012345678901234567é9");
        log.push(LogSource::Stderr, "");
        let (lines, dropped) = log.take();
        assert_eq!(
            lines,
            [
                LogLine { source: LogSource::Stdout, text: "12345678".into() },
                LogLine { source: LogSource::Stderr, text: "123456789012345678901234567".into() },
            ]
        );
        assert_eq!(dropped, 5);
        log.push_printed(LogSource::Stderr, b"a\r\n\n\xff\n\n");
        let (lines, dropped) = log.take();
        assert_eq!(lines.iter().map(|line| &*line.text).collect::<Vec<_>>(), ["a", "", "\u{fffd}"]);
        assert_eq!(dropped, 1, "a fourth line would be one too many");
    }
}
