//! The end of the audit log.

use std::collections::VecDeque;
use std::fs::File;
use std::io::{self, ErrorKind, Read as _, Seek as _, SeekFrom};
use std::path::{Path, PathBuf};

use serde_json::Value as Json;

use super::message::{Refusal, RefusalCause};

/// Most records in an answer.
const MAX_RECORDS: usize = 1000;

/// Most bytes at the end of a log that are read for an answer, so that a long log delays nobody.
const MAX_TAIL_BYTES: u64 = 2 * 1024 * 1024;

/// The last `count` records, the latest last.
pub(super) fn last(file: &Path, count: usize) -> Result<Vec<Json>, Refusal> {
    let count = count.min(MAX_RECORDS);
    let mut records = VecDeque::new();
    for file in [file.to_owned(), previous(file)] {
        let missing = count - records.len();
        if missing == 0 {
            break;
        }
        let text = tail(&file).map_err(|error| {
            Refusal::new(RefusalCause::NotChanged, format!("the audit log cannot be read: {error}"))
        })?;
        let lines = text.split(|byte| *byte == b'\n').rev();
        for record in lines.filter_map(|line| serde_json::from_slice::<Json>(line).ok()).take(missing) {
            records.push_front(record);
        }
    }
    Ok(records.into())
}

/// The previous file of the log.
fn previous(file: &Path) -> PathBuf {
    let mut name = file.as_os_str().to_owned();
    name.push(".1");
    name.into()
}

/// The end of a file, from the beginning of a line; empty if the file does not exist.
fn tail(path: &Path) -> io::Result<Vec<u8>> {
    let mut file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error),
    };
    let start = file.metadata()?.len().saturating_sub(MAX_TAIL_BYTES);
    file.seek(SeekFrom::Start(start))?;
    let mut bytes = Vec::new();
    file.take(MAX_TAIL_BYTES).read_to_end(&mut bytes)?;
    if start > 0 {
        let line = bytes.iter().position(|byte| *byte == b'\n').map_or(bytes.len(), |end| end + 1);
        bytes.drain(..line);
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_latest_records_come_last_and_may_be_in_two_files() {
        let directory = tempfile::tempdir().expect("directory");
        let file = directory.path().join("audit.jsonl");
        let numbers = |count| -> Vec<u64> {
            let records = last(&file, count).expect("reads");
            records.iter().map(|record| record["seq"].as_u64().expect("a number")).collect()
        };
        assert!(numbers(5).is_empty());
        std::fs::write(previous(&file), "{\"seq\":1}\n{\"seq\":2}\n").expect("writes");
        std::fs::write(&file, "{\"seq\":3}\n{\"seq\":4}\n{\"seq\":5").expect("writes");
        assert_eq!(numbers(3), [2, 3, 4]);
        assert_eq!(numbers(2), [3, 4]);
        assert_eq!(numbers(usize::MAX), [1, 2, 3, 4]);
        assert!(numbers(0).is_empty());

        let long: String =
            (0..40_000).map(|seq| format!("{{\"seq\":{seq},\"x\":\"{:64}\"}}\n", "")).collect();
        std::fs::write(&file, long).expect("writes");
        let found = numbers(usize::MAX);
        assert_eq!((found.len(), found.last()), (MAX_RECORDS, Some(&39_999)));
    }
}
