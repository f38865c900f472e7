//! What a person reads at the end.

use std::fmt::Write;

use crate::figures::SCALE;
use crate::machine::Machine;
use crate::report::ns_per_copy;
use crate::reports::Reports;
use crate::rounds::Outcome;
use crate::scale::Scale;
use crate::stats::Spread;

/// A table of all figures, and what its columns do not tell.
pub(crate) fn render(outcomes: &[Outcome], machine: &Machine) -> String {
    let mut rows = vec![
        [
            "figure",
            "ours",
            "peer",
            "ratio",
            "peer/peer",
            "ns a copy",
            "TSC cycles",
            "floor",
            "aim",
            "verdict",
        ]
        .map(str::to_owned)
        .to_vec(),
    ];
    rows.extend(outcomes.iter().map(|outcome| row(outcome, machine)));
    let mut text = align(&rows);
    text.push('\n');
    for outcome in outcomes {
        let _ = writeln!(text, "{}", note(outcome));
    }
    text
}

/// A table of the figures without a peer.
pub(crate) fn render_scale(figures: &[Scale]) -> String {
    let mut rows = vec![["figure", "ours", "aim", "verdict"].map(str::to_owned).to_vec()];
    rows.extend(figures.iter().map(|figure| {
        let Scale { variant, unit, ours, aim, .. } = figure;
        vec![
            format!("{SCALE} {variant}"),
            format!("{} {unit}", spread(*ours, 1.0, 0)),
            aim.map_or_else(String::new, |(aim, aim_is)| format!("{} {aim:.0}", aim_is.words())),
            figure.verdict().to_owned(),
        ]
    }));
    align(&rows)
}

/// The rows with their columns below each other.
fn align(rows: &[Vec<String>]) -> String {
    let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0);
    let widths: Vec<_> = (0..rows[0].len()).map(width).collect();
    let mut text = String::new();
    for row in rows {
        let cells: Vec<_> =
            row.iter().zip(&widths).map(|(cell, width)| format!("{cell:<width$}", width = *width)).collect();
        // Writing to a String cannot fail.
        let _ = writeln!(text, "{}", cells.join("  ").trim_end());
    }
    text
}

fn row(outcome: &Outcome, machine: &Machine) -> Vec<String> {
    let figure = outcome.figure;
    let (ours, peer) = (ns_per_copy(outcome.ours.median), ns_per_copy(outcome.peer.median));
    let cycles = match (machine.tsc_cycles(ours), machine.tsc_cycles(peer)) {
        (Some(ours), Some(peer)) => format!("{ours:.1} / {peer:.1}"),
        _ => "-".to_owned(),
    };
    vec![
        figure.to_string(),
        millions(outcome.ours),
        millions(outcome.peer),
        spread(outcome.ratio, 1.0, 2),
        spread(outcome.itself, 1.0, 2),
        format!("{ours:.2} / {peer:.2}, {:+.2}", ours - peer),
        cycles,
        format!("{:.2}", figure.floor),
        format!("{:.2}", figure.aim),
        outcome.verdict().words().to_owned(),
    ]
}

fn note(outcome: &Outcome) -> String {
    let figure = outcome.figure;
    let mut text = format!("{figure}: against {}", figure.peer.name());
    if outcome.waited >= 0.005 {
        let waited = outcome.waited * 100.0;
        let _ = write!(text, "; a forwarding thread waited up to {waited:.1} % of a trial for its core");
    }
    if let Some(reports) = outcome.reports {
        let Reports { sent, taken, policed, ring_full } = reports;
        let unaccounted = reports.unaccounted();
        let _ = write!(
            text,
            "; of {sent} reports {taken} taken, {policed} policed, {ring_full} found the ring full, {unaccounted} \
             never reached the worker"
        );
    }
    text
}

fn millions(value: Spread) -> String {
    format!("{} M/s", spread(value, 1e6, 1))
}

/// "median (min-max)", each divided by `unit`.
fn spread(value: Spread, unit: f64, digits: usize) -> String {
    let Spread { min, median, max } = value.map(|v| v / unit);
    format!("{median:.digits$} ({min:.digits$}-{max:.digits$})")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::tests::{machine, outcome, scale};

    #[test]
    fn table_shows_ratio_difference_and_verdict() {
        let text = render(&[outcome()], &machine());
        let row = text.lines().nth(1).unwrap();
        for cell in [
            "b1 fan-out 1, 64 B",
            "80.0 (72.0-88.0) M/s",
            "100.0 (90.0-110.0) M/s",
            "0.80 (0.72-0.88)",
            "12.50 / 10.00, +2.50",
            "31.2 / 25.0",
            "floor held",
        ] {
            assert!(row.contains(cell), "{cell} in {row}");
        }
        assert!(text.contains("b1 fan-out 1, 64 B: against testpmd macswap\n"), "{text}");
        assert!(!text.contains("waited"), "0.2 % is nothing: {text}");
    }

    #[test]
    fn reports_are_told() {
        let reports = Some(Reports { sent: 10, taken: 4, policed: 3, ring_full: 2 });
        let text = render(&[Outcome { reports, ..outcome() }], &machine());
        let note = "; of 10 reports 4 taken, 3 policed, 2 found the ring full, 1 never reached the worker\n";
        assert!(text.contains(note), "{text}");
    }

    #[test]
    fn scale_has_a_table_without_a_peer() {
        let text = render_scale(&[scale()]);
        let row = text.lines().nth(1).unwrap();
        for cell in ["b15 bytes ports=50 proxy", "158 (157-159) bytes/member", "at most 200", "reached"] {
            assert!(row.contains(cell), "{cell} in {row}");
        }
    }

    #[test]
    fn waiting_is_told() {
        let outcome = Outcome { waited: 0.031, ..outcome() };
        assert!(render(&[outcome], &machine()).contains("waited up to 3.1 % of a trial"));
    }
}
