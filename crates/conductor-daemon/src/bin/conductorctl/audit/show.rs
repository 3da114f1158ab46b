//! `conductorctl audit show`: records that were written.

use std::collections::VecDeque;
use std::fs::File;
use std::io::{BufRead as _, BufReader, ErrorKind};
use std::path::{Path, PathBuf};

use conductor_signing::escape;
use serde_json::Value as Json;

use super::filter::Filter;
use super::text;
use crate::error::CliError;
use crate::output;

#[derive(clap::Args)]
pub(crate) struct Arguments {
    #[command(flatten)]
    filter: Filter,

    /// At most so many records, the latest ones
    #[arg(long, short = 'n', value_name = "COUNT", default_value_t = 100)]
    last: usize,
}

pub(super) fn run(arguments: &Arguments, file: &Path, as_json: bool) -> Result<(), CliError> {
    let wanted = arguments.filter.read()?;
    let mut records: VecDeque<Json> = VecDeque::new();
    for path in [previous(file), file.to_owned()] {
        let log = match File::open(&path) {
            Ok(log) => log,
            Err(error) if error.kind() == ErrorKind::NotFound => continue,
            Err(source) => return Err(CliError::Log { path, source }),
        };
        for line in BufReader::new(log).split(b'\n') {
            let line = line.map_err(|source| CliError::Log { path: path.clone(), source })?;
            if let Some(record) = std::str::from_utf8(&line).ok().and_then(|line| wanted.record(line)) {
                records.push_back(record);
                if records.len() > arguments.last {
                    records.pop_front();
                }
            }
        }
    }
    let line = |record: &Json| match as_json {
        true => escape::json(&record.to_string()) + "\n",
        false => text::line(record) + "\n",
    };
    output::text(&records.iter().map(line).collect::<String>())
}

/// The previous file of the log.
pub(super) fn previous(file: &Path) -> PathBuf {
    let mut name = file.as_os_str().to_owned();
    name.push(".1");
    name.into()
}
