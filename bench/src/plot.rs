//! The results as a picture: how far each value is from its goal.

use std::fmt::Write as _;
use std::fs;
use std::io;
use std::path::Path;

use crate::report::{Better, Row, number};

const ROW: f64 = 26.0;
const LABELS: f64 = 480.0;
const SCALE: f64 = 420.0;
const VALUES: f64 = 170.0;
const HEAD: f64 = 56.0;

/// Ends of the scale, as fractions of the goal. Values beyond an end are drawn at that end.
const LEAST: f64 = 0.1;
const MOST: f64 = 10.0;

/// Writes the picture.
pub(crate) fn write(path: &Path, rows: &[Row]) -> io::Result<()> {
    fs::write(path, svg(rows))
}

/// The picture as SVG 1.1. Each row has its name, a bar from the goal to the value, and the value.
fn svg(rows: &[Row]) -> String {
    let (width, height) = (LABELS + SCALE + VALUES, HEAD + ROW * rows.len() as f64 + 24.0);
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {height}\" \
         font-family=\"system-ui, sans-serif\" font-size=\"13\">\n\
         <title>How far each measurement is from its goal</title>\n\
         <rect width=\"100%\" height=\"100%\" fill=\"#fff\"/>\n"
    );
    for part in [LEAST, 0.25, 0.5, 1.0, 2.0, 4.0, MOST] {
        let (x, is_goal) = (place(part), part == 1.0);
        let (colour, width) = if is_goal { ("#222", 1.5) } else { ("#ddd", 1.0) };
        let label = if is_goal { "goal".to_owned() } else { format!("{part} ×") };
        let _ = writeln!(
            svg,
            "<line x1=\"{x}\" x2=\"{x}\" y1=\"{}\" y2=\"{}\" stroke=\"{colour}\" stroke-width=\"{width}\"/>\
             <text x=\"{x}\" y=\"{}\" text-anchor=\"middle\" fill=\"#555\">{label}</text>",
            HEAD - 10.0,
            height - 16.0,
            HEAD - 20.0,
        );
    }
    for (index, row) in rows.iter().enumerate() {
        let middle = HEAD + ROW * (index as f64 + 0.5);
        let (from, to) = (place(1.0), place(part(row)));
        let colour = if row.is_reached() { "#1b7f5c" } else { "#c0392b" };
        let _ = writeln!(
            svg,
            "<text x=\"{}\" y=\"{}\" text-anchor=\"end\" fill=\"#222\">{}</text>\
             <rect x=\"{}\" y=\"{}\" width=\"{}\" height=\"12\" rx=\"2\" fill=\"{colour}\"/>\
             <text x=\"{}\" y=\"{}\" fill=\"{colour}\">{} {}</text>",
            LABELS - 24.0,
            middle + 4.0,
            escaped(&row.what),
            from.min(to),
            middle - 6.0,
            (from - to).abs().max(2.0),
            LABELS + SCALE + 16.0,
            middle + 4.0,
            number(row.value),
            escaped(row.of),
        );
    }
    svg.push_str("</svg>\n");
    svg
}

/// The value as a fraction of the goal. Below 1, the goal is reached.
fn part(row: &Row) -> f64 {
    match row.better {
        Better::Lower => row.value / row.goal,
        Better::Higher => row.goal / row.value,
    }
}

/// The position on the scale, which is logarithmic.
fn place(part: f64) -> f64 {
    let part = if part.is_nan() { LEAST } else { part.clamp(LEAST, MOST) };
    LABELS + SCALE * (part / LEAST).ln() / (MOST / LEAST).ln()
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;")
}
