//! `conductorctl audit follow`: records as they are written.

use std::fs::{self, File};
use std::io::{BufRead as _, BufReader, Seek as _, SeekFrom};
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::time::Duration;

use conductor_signing::escape;

use super::filter::Filter;
use super::text;
use crate::error::CliError;
use crate::output;

/// Time between two looks at the file.
const LOOK_EVERY: Duration = Duration::from_millis(100);

#[derive(clap::Args)]
pub(crate) struct Arguments {
    #[command(flatten)]
    filter: Filter,
}

/// Prints records until it is interrupted, or nobody reads what it prints.
pub(super) fn run(arguments: &Arguments, file: &Path, as_json: bool) -> Result<(), CliError> {
    let wanted = arguments.filter.read()?;
    let failed = |source| CliError::Log { path: file.to_owned(), source };
    let mut log = File::open(file).map_err(failed)?;
    log.seek(SeekFrom::End(0)).map_err(failed)?;
    let mut reader = BufReader::new(log);
    let mut line = Vec::new();
    loop {
        while reader.read_until(b'\n', &mut line).map_err(failed)? > 0 && line.ends_with(b"\n") {
            if let Some(record) = std::str::from_utf8(&line).ok().and_then(|line| wanted.record(line)) {
                let text = if as_json { escape::json(&record.to_string()) } else { text::line(&record) };
                output::text(&(text + "\n"))?;
            }
            line.clear();
        }
        std::thread::sleep(LOOK_EVERY);
        // When the log is full, the file is renamed and another file begins under its name.
        let number = reader.get_ref().metadata().map_err(failed)?.ino();
        if fs::metadata(file).is_ok_and(|current| current.ino() != number) {
            let mut rest = Vec::new();
            let has_more = reader.read_until(b'\n', &mut rest).map_err(failed)? > 0;
            line.append(&mut rest);
            if !has_more {
                reader = BufReader::new(File::open(file).map_err(failed)?);
                line.clear();
            }
        }
    }
}
