//! b15: how many members the control side holds, what one costs, and the reports a second that one core takes. No
//! peer: nobody else says.
//!
//! The crates measure themselves, each in processes of its own and in processor time; here they are run again and
//! again and what they say is gathered. `igmp` is the protocol alone; the agent has the group table behind it.

use std::io::Seek;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use lab::Process;
use serde::Deserialize;

use crate::aim::Aim;
use crate::error::BenchError;
use crate::machine;
use crate::native::Group;
use crate::report::FigureReport;
use crate::side::bound_to_us;
use crate::stats::Spread;

/// Its id.
pub(crate) const ID: &str = "b15";

/// Runs of each measurement.
const RUNS: usize = 2;
/// For a run and what cargo builds before the first.
const LONGEST_RUN: Duration = Duration::from_secs(900);
const MEMBERS: f64 = 1e6;
const A_SECOND: f64 = 500e3;
const BYTES: f64 = 200.0;

/// Who measures itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Crate {
    /// The protocol.
    Igmp,
    /// The control thread's agent over the group table.
    Control,
}

impl Crate {
    fn name(self) -> &'static str {
        match self {
            Self::Igmp => "igmp",
            Self::Control => "control",
        }
    }

    /// What it is called in a variant.
    fn subject(self) -> &'static str {
        match self {
            Self::Igmp => "proxy",
            Self::Control => "agent and table",
        }
    }
}

/// What a crate says of one number of ports.
#[derive(Debug, Clone, PartialEq, Deserialize)]
struct Shape {
    ports: u32,
    members: f64,
    bytes_a_member: f64,
    joins_a_second: f64,
    refreshes_a_second: f64,
    /// Reports for a general query of the provider's; the agent does not say.
    answers_a_second: Option<f64>,
    leaves_a_second: f64,
}

/// Runs every measurement, with `cargo` in the folder `tree`, and tells `progress` what comes next.
///
/// # Errors
/// One does not build, delivers not what it should, or says what nobody understands; or a signal came.
pub(crate) fn run(
    cargo: &Path,
    tree: &Path,
    mut progress: impl FnMut(&str),
) -> Result<Vec<FigureReport>, BenchError> {
    let mut figures = Vec::new();
    for measured in [Crate::Igmp, Crate::Control] {
        let mut runs = Vec::with_capacity(RUNS);
        for number in 1..=RUNS {
            progress(&format!("{}, run {number}/{RUNS}", measured.name()));
            runs.push(once(measured, cargo, tree)?);
        }
        figures.extend(gather(measured, &runs).ok_or_else(|| unlike(measured, "shapes that differ"))?);
    }
    Ok(figures)
}

fn once(measured: Crate, cargo: &Path, tree: &Path) -> Result<Vec<Shape>, BenchError> {
    let io = || BenchError::io("the bench's answer");
    let mut answer = tempfile::tempfile().map_err(io())?;
    let mut command = bound_to_us(cargo);
    command.args(["bench", "--quiet", "-p", measured.name(), "--bench", "scale", "--", "--json"]);
    // What it builds and why it fails is for whoever waits.
    command.current_dir(tree).stdin(Stdio::null()).stderr(Stdio::inherit());
    command.stdout(answer.try_clone().map_err(io())?);
    // What cargo builds is built on all cores; the measurement keeps to one.
    let cargo = machine::unbound(|| Process::spawn(&mut command, "cargo"))?;
    let status = Group(cargo).0.wait(LONGEST_RUN)?;
    if !status.success() {
        return Err(BenchError::delivery(measured.name(), format!("its bench ended with {status}")));
    }
    answer.rewind().map_err(io())?;
    serde_json::from_reader(answer).map_err(|e| unlike(measured, e))
}

fn unlike(measured: Crate, what: impl std::fmt::Display) -> BenchError {
    BenchError::machine(
        format!("the bench of {} says what was not expected: {what}", measured.name()),
        "report it",
    )
}

/// One figure for each number in each shape; `None` when the runs are not of the same shapes.
fn gather(measured: Crate, runs: &[Vec<Shape>]) -> Option<Vec<FigureReport>> {
    let mut figures = Vec::new();
    for (place, first) in runs.first()?.iter().enumerate() {
        let shapes: Vec<_> = runs.iter().map(|run| run.get(place)).collect::<Option<_>>()?;
        if shapes.iter().any(|shape| shape.ports != first.ports) {
            return None;
        }
        let mut add = |what, metric, unit, of: fn(&Shape) -> Option<f64>, aim| {
            let values: Vec<_> = shapes.iter().filter_map(|shape| of(shape)).collect();
            let variant = format!("{what} ports={} {}", first.ports, measured.subject());
            let new = FigureReport::new(ID, variant, metric, unit);
            figures.extend(Spread::of(values).map(|ours| new.alone(ours, aim)));
        };
        let (fast, many) = (Some(Aim::AtLeast(A_SECOND)), Some(Aim::AtLeast(MEMBERS)));
        let rate = "reports/s";
        add("members", "members held", "members", |s| Some(s.members), many);
        add("joins", "reports a second", rate, |s| Some(s.joins_a_second), fast);
        add("refreshes", "reports a second", rate, |s| Some(s.refreshes_a_second), fast);
        add("answers", "answers to a general query", rate, |s| s.answers_a_second, None);
        add(
            "leaves",
            "leaves a second, to the end of each member",
            "leaves/s",
            |s| Some(s.leaves_a_second),
            None,
        );
        add("bytes", "memory", "bytes/member", |s| Some(s.bytes_a_member), Some(Aim::AtMost(BYTES)));
    }
    Some(figures)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::aim::Verdict;

    fn shape(joins: f64, bytes: f64) -> Shape {
        let json = format!(
            "{{\"ports\":50,\"members\":1000000,\"bytes_a_member\":{bytes},\"joins_a_second\":{joins},\
             \"refreshes_a_second\":9e5,\"leaves_a_second\":4e5,\"new\":1}}"
        );
        serde_json::from_str(&json).unwrap()
    }

    #[test]
    fn each_number_is_held_against_its_aim() {
        let runs = [vec![shape(6e5, 150.0)], vec![shape(4e5, 210.0)], vec![shape(7e5, 151.0)]];
        let figures = gather(Crate::Control, &runs).unwrap();
        let of = |what: &str| figures.iter().find(|f| f.variant.starts_with(what)).unwrap();
        assert_eq!(figures.len(), 5, "the agent says nothing of answers");
        assert_eq!(of("joins").variant, "joins ports=50 agent and table");
        assert_eq!(of("joins").ours, Some(Spread { min: 4e5, median: 6e5, max: 7e5 }));
        for what in ["joins", "members", "bytes"] {
            assert_eq!(of(what).verdict, Verdict::Reached, "{what}");
        }
        assert_eq!(of("leaves").verdict, Verdict::NoAim);
        assert_eq!((of("bytes").aim, of("bytes").aim_is), (Some(BYTES), Some("at most")));
        let slow = gather(Crate::Control, &[vec![shape(4e5, 210.0)]]).unwrap();
        let missed: Vec<_> = slow.iter().filter(|figure| figure.verdict == Verdict::Missed).collect();
        assert_eq!(missed.len(), 2, "joins and bytes");
    }

    #[test]
    fn runs_of_other_shapes_are_refused() {
        let other = Shape { ports: 1, ..shape(6e5, 150.0) };
        assert!(gather(Crate::Igmp, &[vec![shape(6e5, 150.0)], vec![other]]).is_none());
        assert!(gather(Crate::Igmp, &[vec![shape(6e5, 150.0)], vec![]]).is_none());
    }
}
