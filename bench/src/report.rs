//! `report.json`: all figures of a run for other programs.

use std::fs;
use std::path::Path;

use serde::Serialize;

use crate::error::BenchError;
use crate::jitter::Jitter;
use crate::machine::Machine;
use crate::reports::Reports;
use crate::rounds::Outcome;
use crate::stats::Spread;

/// The whole file.
#[derive(Debug, Serialize)]
pub(crate) struct Report<'a> {
    /// Where it was measured.
    pub(crate) machine: &'a Machine,
    /// Version of DPDK, both sides'.
    pub(crate) dpdk: Option<&'a str>,
    /// The tree that was measured.
    pub(crate) commit: Option<&'a str>,
    /// Rounds of each figure, of one trial of ours and two of the peer's.
    pub(crate) rounds: usize,
    /// Length of a trial.
    pub(crate) window_s: f64,
    /// What the forwarding core lost with nothing on it, before and after.
    pub(crate) jitter: [Option<Jitter>; 2],
    /// One for each figure.
    pub(crate) figures: Vec<FigureReport>,
}

/// One figure.
#[derive(Debug, Serialize)]
#[serde(untagged)]
pub(crate) enum FigureReport {
    /// Beside a peer.
    Compared(Box<ComparedReport>),
    /// Without one.
    Alone {
        /// Its number in the list of figures.
        id: &'static str,
        /// What tells it from others of its id.
        variant: String,
        /// What is counted.
        metric: &'static str,
        /// In what.
        unit: &'static str,
        /// What it came to.
        ours: Spread,
        /// What it should come to, where there is an aim.
        aim: Option<f64>,
        /// "at least" or "at most".
        aim_is: Option<&'static str>,
        /// Whether it did.
        verdict: &'static str,
    },
}

/// A figure beside a peer.
#[derive(Debug, Serialize)]
pub(crate) struct ComparedReport {
    id: &'static str,
    variant: String,
    metric: &'static str,
    unit: &'static str,
    ours: Spread,
    peer: PeerReport,
    ratio: Spread,
    aim: f64,
    aim_is: &'static str,
    /// The least that is acceptable, where the aim is what should be.
    floor: f64,
    verdict: &'static str,
    /// The peer's trials against each other.
    peer_by_itself: Spread,
    /// Nanoseconds of each copy.
    ours_ns: Spread,
    peer_ns: Spread,
    /// Each trial, round by round: the peer's, ours, the peer's.
    trials: Vec<[f64; 3]>,
    /// The largest share of a trial that a forwarding thread waited for its core.
    waited: f64,
    /// What became of the hosts' reports in all trials of ours, where some were sent beside the data.
    #[serde(skip_serializing_if = "Option::is_none")]
    reports: Option<Reports>,
}

#[derive(Debug, Serialize)]
struct PeerReport {
    name: &'static str,
    #[serde(flatten)]
    spread: Spread,
}

/// Nanoseconds of each copy at so many copies a second.
pub(crate) fn ns_per_copy(copies_per_s: f64) -> f64 {
    1e9 / copies_per_s
}

impl From<&Outcome> for FigureReport {
    fn from(outcome: &Outcome) -> Self {
        let figure = outcome.figure;
        Self::Compared(Box::new(ComparedReport {
            id: figure.id,
            variant: figure.variant(),
            metric: figure.metric,
            unit: "copies/s",
            ours: outcome.ours,
            peer: PeerReport { name: figure.peer.name(), spread: outcome.peer },
            ratio: outcome.ratio,
            aim: figure.aim,
            aim_is: "at least",
            floor: figure.floor,
            verdict: outcome.verdict().words(),
            peer_by_itself: outcome.itself,
            ours_ns: outcome.ours.map(ns_per_copy),
            peer_ns: outcome.peer.map(ns_per_copy),
            trials: outcome.trials.clone(),
            waited: outcome.waited,
            reports: outcome.reports,
        }))
    }
}

impl Report<'_> {
    /// Writes `report.json` into `folder`, which is made. A file that is there is replaced in one step.
    ///
    /// # Errors
    /// When that cannot be.
    pub(crate) fn write(&self, folder: &Path) -> Result<(), BenchError> {
        let (path, new) = (folder.join("report.json"), folder.join("report.json.new"));
        let text = serde_json::to_string_pretty(self)
            .map_err(|e| BenchError::machine(format!("the report cannot be written: {e}"), "report it"))?;
        fs::create_dir_all(folder).map_err(BenchError::io(folder.display()))?;
        fs::write(&new, text + "\n").map_err(BenchError::io(new.display()))?;
        fs::rename(&new, &path).map_err(BenchError::io(path.display()))
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::figures::FIGURES;
    use crate::scale::{AimIs, Scale};

    /// Ours at 80 M, the peer at 100 M, fan-out 1.
    pub(crate) fn outcome() -> Outcome {
        let spread = |median: f64| Spread { min: median * 0.9, median, max: median * 1.1 };
        Outcome {
            figure: FIGURES[0],
            ours: spread(80e6),
            peer: spread(100e6),
            ratio: spread(0.8),
            itself: spread(1.0),
            quiet: 1.0,
            trials: vec![[100e6, 80e6, 100e6]],
            waited: 0.002,
            reports: None,
        }
    }

    /// 158 bytes a member of 200.
    pub(crate) fn scale() -> Scale {
        Scale {
            variant: "bytes ports=50 proxy".to_owned(),
            metric: "memory",
            unit: "bytes/member",
            ours: Spread { min: 157.0, median: 158.0, max: 159.0 },
            aim: Some((200.0, AimIs::AtMost)),
        }
    }

    pub(crate) fn machine() -> Machine {
        Machine {
            cpu: "A CPU".to_owned(),
            cores: 2,
            kernel: "6.1".to_owned(),
            tsc_mhz: Some(2500.0),
            forwarding_core: 1,
            load: Some(0.1),
        }
    }

    #[test]
    fn file_has_the_agreed_fields() {
        let dir = tempfile::tempdir().unwrap();
        let machine = machine();
        let report = Report {
            machine: &machine,
            dpdk: Some("22.11.11"),
            commit: Some("abc"),
            rounds: 10,
            window_s: 1.0,
            jitter: [None; 2],
            figures: vec![FigureReport::from(&outcome()), FigureReport::from(&scale())],
        };
        let folder = dir.path().join("bench/out");
        report.write(&folder).unwrap();
        report.write(&folder).unwrap();
        let text = fs::read_to_string(folder.join("report.json")).unwrap();
        let json: serde_json::Value = serde_json::from_str(&text).unwrap();
        assert_eq!(json["dpdk"], "22.11.11");
        assert_eq!(json["commit"], "abc");
        assert_eq!(json["machine"]["cpu"], "A CPU");
        let figure = &json["figures"][0];
        assert_eq!(figure["id"], "b1");
        assert_eq!(figure["variant"], "fanout=1 size=64");
        assert_eq!(figure["unit"], "copies/s");
        assert_eq!(figure["ours"]["median"], 80e6);
        assert_eq!(figure["peer"]["name"], "testpmd macswap");
        assert_eq!(figure["peer"]["max"], 110e6);
        assert_eq!(figure["ratio"]["min"], 0.8 * 0.9);
        assert_eq!((&figure["aim"], &figure["aim_is"]), (&0.85.into(), &"at least".into()));
        assert_eq!(figure["ours_ns"]["median"], 12.5);
        assert_eq!(figure["trials"][0][1], 80e6);
        assert_eq!(figure["verdict"], "floor held");
        assert_eq!(figure.get("reports"), None, "nobody sent any");
        let alone = &json["figures"][1];
        assert_eq!((&alone["id"], &alone["aim_is"]), (&"b15".into(), &"at most".into()));
        assert_eq!((&alone["ours"]["median"], &alone["verdict"]), (&158.0.into(), &"reached".into()));
    }
}
