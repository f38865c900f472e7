//! What a person reads at the end.

use std::fmt::Write;

use crate::report::FigureReport;
use crate::stats::Spread;

/// A table of all figures, and what its columns do not tell.
pub(crate) fn render(figures: &[FigureReport]) -> String {
    let head = ["figure", "ours", "peer", "ratio", "peer/peer", "ns a copy", "TSC cycles", "aim", "verdict"];
    let mut rows = vec![head.map(str::to_owned)];
    rows.extend(figures.iter().map(row));
    let mut text = align(&rows);
    text.push('\n');
    for figure in figures {
        for note in notes(figure) {
            // Writing to a String cannot fail.
            let _ = writeln!(text, "{} {}: {note}", figure.id, figure.variant);
        }
    }
    text
}

/// The rows with their columns below each other.
fn align<const COLUMNS: usize>(rows: &[[String; COLUMNS]]) -> String {
    let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0);
    let widths: Vec<_> = (0..COLUMNS).map(width).collect();
    let mut text = String::new();
    for row in rows {
        let cells: Vec<_> =
            row.iter().zip(&widths).map(|(cell, width)| format!("{cell:<width$}", width = *width)).collect();
        let _ = writeln!(text, "{}", cells.join("  ").trim_end());
    }
    text
}

fn row(figure: &FigureReport) -> [String; 9] {
    let join = |(median, range): (String, String)| format!("{median} ({range})");
    let shown = |value: Option<Spread>| value.map_or_else(dash, |v| join(quantity(v, figure.unit)));
    let ratio = |value: Option<Spread>| value.map_or_else(dash, |v| join(spread(v, 2)));
    let (copy, ticks) = match &figure.cost {
        Some(cost) => {
            let (ours, peer) = (cost.ours.copy_ns.median, cost.peer.copy_ns.median);
            let ticks = cost.ours.copy_tsc.zip(cost.peer.copy_tsc);
            (
                format!("{ours:.2} / {peer:.2}, {:+.2}", ours - peer),
                ticks.map_or_else(dash, |(ours, peer)| format!("{:.1} / {:.1}", ours.median, peer.median)),
            )
        }
        None => (dash(), dash()),
    };
    let sign = if figure.aim_is == Some("at most") { "<=" } else { ">=" };
    [
        format!("{} {}", figure.id, figure.variant),
        shown(figure.ours),
        shown(figure.peer.as_ref().map(|peer| peer.spread)),
        ratio(figure.ratio),
        ratio(figure.peer_by_itself),
        copy,
        ticks,
        figure.aim.map_or_else(dash, |aim| format!("{sign} {}", number(aim))),
        figure.verdict.words().to_owned(),
    ]
}

fn notes(figure: &FigureReport) -> impl Iterator<Item = String> {
    let against = figure.peer.as_ref().map(|peer| format!("against {}", peer.name));
    against.into_iter().chain(figure.notes.iter().cloned())
}

fn dash() -> String {
    "-".to_owned()
}

/// The median with its unit, rates in millions; and the smallest and the largest.
pub(crate) fn quantity(value: Spread, unit: &str) -> (String, String) {
    let rate = unit.strip_suffix("/s").filter(|_| value.median >= 1e6);
    let (value, digits) = match rate {
        Some(_) => (value.map(|v| v / 1e6), 1),
        None => (value, if value.median < 10.0 { 2 } else { 0 }),
    };
    let (median, range) = spread(value, digits);
    let unit = match rate {
        Some("copies") => "M/s".to_owned(),
        Some(what) => format!("M {what}/s"),
        None => unit.to_owned(),
    };
    (format!("{median} {unit}"), range)
}

/// The median; and the smallest and the largest.
pub(crate) fn spread(value: Spread, digits: usize) -> (String, String) {
    let Spread { min, median, max } = value;
    (format!("{median:.digits$}"), format!("{min:.digits$}-{max:.digits$}"))
}

/// With two digits where it is small, none where it is large.
pub(crate) fn number(value: f64) -> String {
    if value < 100.0 { format!("{value:.2}") } else { format!("{value:.0}") }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::tests::{alone, machine, outcome};

    #[test]
    fn table_shows_ratio_difference_and_verdict() {
        let text = render(&[outcome().report(&machine())]);
        let row = text.lines().nth(1).unwrap();
        for cell in [
            "b1 fanout=1 size=64",
            "80.0 M/s (72.0-88.0)",
            "100.0 M/s (90.0-110.0)",
            "0.80 (0.72-0.88)",
            "12.50 / 10.00, +2.50",
            "31.2 / 25.0",
            ">= 0.85",
            "missed",
        ] {
            assert!(row.contains(cell), "{cell} in {row}");
        }
        assert!(text.contains("b1 fanout=1 size=64: against testpmd macswap\n"), "{text}");
    }

    #[test]
    fn what_has_no_peer_or_no_numbers_has_a_row() {
        let absent = FigureReport::new("b3", "x".to_owned(), "m", "u").without("not built: make fast");
        let text = render(&[alone(), absent]);
        let rows: Vec<_> = text.lines().collect();
        for cell in ["b15 bytes ports=50 proxy", "158 bytes/member (157-159)", "<= 200", "reached"] {
            assert!(rows[1].contains(cell), "{cell} in {}", rows[1]);
        }
        assert!(rows[2].ends_with("not built: make fast"), "{}", rows[2]);
    }
}
