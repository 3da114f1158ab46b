//! The results, as a table and as JSON.

use std::fs;
use std::io;
use std::path::Path;

use serde_json::json;

use crate::sample::Samples;
use crate::stage::Result;

/// One measurement, its goal, and whether the goal is reached.
#[derive(Clone, Debug)]
pub(crate) struct Row {
    /// What was measured.
    pub(crate) what: String,
    /// Unit of `median`, `p99` and `yardstick`.
    pub(crate) unit: &'static str,
    pub(crate) median: f64,
    pub(crate) p99: f64,
    /// Median of the yardstick, if there is one.
    pub(crate) yardstick: Option<f64>,
    /// The value that the goal bounds.
    pub(crate) value: f64,
    pub(crate) goal: f64,
    pub(crate) better: Better,
    /// What `value` stands for.
    pub(crate) of: &'static str,
}

/// Which values reach a goal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Better {
    Lower,
    Higher,
}

/// Units of time, each with its length in nanoseconds.
pub(crate) const MICROSECONDS: (&str, f64) = ("µs", 1e3);
pub(crate) const MILLISECONDS: (&str, f64) = ("ms", 1e6);

impl Row {
    /// A row whose value is the ratio of a subject's median and a yardstick's.
    pub(crate) fn ratio(
        what: &str,
        (unit, length): (&'static str, f64),
        subject: &Samples,
        yardstick: &Samples,
        goal: f64,
    ) -> Self {
        let (median, p99) = (subject.median() / length, subject.p99() / length);
        let yardstick = yardstick.median() / length;
        let value = median / yardstick;
        let what = what.to_owned();
        let better = Better::Lower;
        Self {
            what,
            unit,
            median,
            p99,
            yardstick: Some(yardstick),
            value,
            goal,
            better,
            of: "× the yardstick",
        }
    }

    /// A row that another process of this program measured. Its unit and its meaning must be among those given.
    pub(crate) fn from_json(
        json: &serde_json::Value,
        units: &[&'static str],
        meanings: &[&'static str],
    ) -> Result<Self> {
        let number = |key: &str| json[key].as_f64().ok_or_else(|| format!("{key} is no number: {json}"));
        let word = |key: &str, known: &[&'static str]| {
            known.iter().find(|word| json[key] == **word).copied().ok_or_else(|| format!("{key}: {json}"))
        };
        Ok(Self {
            what: json["what"].as_str().unwrap_or_default().to_owned(),
            unit: word("unit", units)?,
            median: number("median")?,
            p99: number("p99")?,
            yardstick: json["yardstick"].as_f64(),
            value: number("value")?,
            goal: number("goal")?,
            better: if json["better"] == "lower" { Better::Lower } else { Better::Higher },
            of: word("of", meanings)?,
        })
    }

    pub(crate) fn is_reached(&self) -> bool {
        match self.better {
            Better::Lower => self.value <= self.goal,
            Better::Higher => self.value >= self.goal,
        }
    }

    /// The row in the form that [`Row::from_json`] reads.
    pub(crate) fn json(&self) -> serde_json::Value {
        let mut json = self.public_json();
        json["of"] = self.of.into();
        json
    }

    fn public_json(&self) -> serde_json::Value {
        let better = match self.better {
            Better::Lower => "lower",
            Better::Higher => "higher",
        };
        json!({
            "what": self.what, "unit": self.unit, "median": self.median, "p99": self.p99,
            "yardstick": self.yardstick, "value": self.value, "goal": self.goal, "better": better,
        })
    }
}

/// Prints the headings of the table.
pub(crate) fn print_head() {
    println!(
        "{:<66} {:>10} {:>10} {:>10}      {:>8} {:>8}",
        "what", "median", "p99", "yardstick", "value", "goal"
    );
}

/// Prints one row of the table.
pub(crate) fn print(row: &Row) {
    let yardstick = row.yardstick.map_or_else(String::new, number);
    let sign = match row.better {
        Better::Lower => '≤',
        Better::Higher => '≥',
    };
    println!(
        "{:<66} {:>10} {:>10} {:>10} {:<4} {:>8} {sign}{:>7} {:<6} {}",
        row.what,
        number(row.median),
        number(row.p99),
        yardstick,
        row.unit,
        number(row.value),
        number(row.goal),
        if row.is_reached() { "ok" } else { "missed" },
        row.of,
    );
}

/// Writes the rows as JSON.
pub(crate) fn write(path: &Path, rows: &[Row]) -> io::Result<()> {
    let rows: Vec<_> = rows.iter().map(Row::public_json).collect();
    fs::write(path, format!("{:#}\n", json!({ "rows": rows })))
}

/// A number with about three significant digits.
pub(crate) fn number(value: f64) -> String {
    let digits = match value.abs() {
        large if large >= 100.0 => 0,
        medium if medium >= 10.0 => 1,
        _ => 2,
    };
    format!("{value:.digits$}")
}
