//! Reports on their way to stdout.

use std::io::{self, Write as _};

use conductor_signing::escape;
use serde::Serialize;

use crate::error::CliError;

/// Prints a report as text. Callers escape text that comes from plugins.
pub(crate) fn text(text: &str) -> Result<(), CliError> {
    let mut stdout = io::stdout().lock();
    stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush()).map_err(CliError::Output)
}

/// Prints a report as JSON.
pub(crate) fn json(report: &impl Serialize) -> Result<(), CliError> {
    let json = serde_json::to_string_pretty(report).map_err(|error| CliError::Output(error.into()))?;
    text(&(escape::json(&json) + "\n"))
}

/// Lines with aligned columns. The last column of a row is not padded.
pub(crate) fn table(rows: &[Vec<String>]) -> Vec<String> {
    let columns = rows.iter().map(Vec::len).max().unwrap_or_default();
    let width = |column: usize| {
        let cells = rows.iter().filter_map(|row| row.get(column));
        cells.map(|cell| cell.chars().count()).max().unwrap_or_default()
    };
    let widths: Vec<usize> = (0..columns).map(width).collect();
    let line = |row: &Vec<String>| {
        let cells = row.iter().zip(&widths).map(|(cell, width)| format!("{cell:<width$}"));
        cells.collect::<Vec<_>>().join("  ").trim_end().to_owned()
    };
    rows.iter().map(line).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_line_up() {
        let rows = [["A", "B", "C"], ["long", "é", "x"], ["", "yyy", ""]];
        let rows: Vec<Vec<String>> = rows.iter().map(|row| row.map(str::to_owned).to_vec()).collect();
        assert_eq!(table(&rows), ["A     B    C", "long  é    x", "      yyy"]);
    }
}
