//! `report.json`: all figures of a run for other programs.

use std::fs;
use std::path::Path;

use serde::Serialize;

use crate::aim::{Aim, Verdict};
use crate::error::BenchError;
use crate::jitter::Jitter;
use crate::machine::Machine;
use crate::started::Started;
use crate::stats::Spread;

/// The whole file.
#[derive(Debug, Serialize)]
pub(crate) struct Report<'a> {
    /// Where it was measured.
    pub(crate) machine: &'a Machine,
    /// Version of the distribution's DPDK, both sides'.
    pub(crate) dpdk: Option<&'a str>,
    /// Version of the one of `make fast`, which b3 is measured on.
    pub(crate) own_dpdk: Option<&'a str>,
    /// Packages that peers are of, each with its version.
    pub(crate) packages: Vec<String>,
    /// The tree that was measured.
    pub(crate) commit: Option<&'a str>,
    /// When the run began, in UTC.
    pub(crate) date: Option<&'a str>,
    /// How long all figures took.
    pub(crate) seconds: f64,
    /// Whether a signal ended the run: the figures are those that were measured until then.
    pub(crate) interrupted: bool,
    /// Rounds at most of a figure that has a peer: the peer, ours, ours, the peer. How many there were is in each
    /// figure's trials.
    pub(crate) rounds: usize,
    /// Length of a trial.
    pub(crate) window_s: f64,
    /// What the forwarding core lost with nothing on it, before and after.
    pub(crate) jitter: [Option<Jitter>; 2],
    /// One for each figure.
    pub(crate) figures: Vec<FigureReport>,
}

/// One figure, of whatever kind: beside a peer or without one, a rate, a size or a delay. Table and page are made from
/// it. What a kind has not is left as [`FigureReport::new`] made it.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct FigureReport {
    /// Its number in the list of figures.
    pub(crate) id: &'static str,
    /// What tells it from others of its id.
    pub(crate) variant: String,
    /// What is counted.
    pub(crate) metric: &'static str,
    /// In what.
    pub(crate) unit: &'static str,
    /// What it came to; nothing where it could not be measured, as the verdict tells.
    pub(crate) ours: Option<Spread>,
    /// The other side.
    pub(crate) peer: Option<PeerReport>,
    /// Ours by the peer's, round by round.
    pub(crate) ratio: Option<Spread>,
    /// What the ratio, or ours where there is no peer, should come to.
    pub(crate) aim: Option<f64>,
    /// "at least" or "at most".
    pub(crate) aim_is: Option<&'static str>,
    /// What it means.
    pub(crate) verdict: Verdict,
    /// The peer's trials against each other.
    pub(crate) peer_by_itself: Option<Spread>,
    /// What a copy costs.
    pub(crate) cost: Option<Costs>,
    /// Where it belongs in a plot.
    pub(crate) at: Option<Varied>,
    /// Delays, for plots.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) distributions: Vec<Distribution>,
    /// How long it took to measure, in seconds; figures that come of one measurement have its whole time each.
    pub(crate) seconds: Option<f64>,
    /// What was run, each program once.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) programs: Vec<Started>,
    /// What a reader has to know besides.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) notes: Vec<String>,
    /// Each trial, round by round, in the order it was run.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) trials: Vec<[f64; 4]>,
}

/// The other side of a figure.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct PeerReport {
    /// Who it is.
    pub(crate) name: &'static str,
    /// What it came to.
    #[serde(flatten)]
    pub(crate) spread: Spread,
}

/// What the work costs on either side.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Costs {
    /// On ours.
    pub(crate) ours: Cost,
    /// On the peer's.
    pub(crate) peer: Cost,
}

/// What the work costs.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Cost {
    /// Nanoseconds of a packet with all its copies.
    pub(crate) packet_ns: Spread,
    /// Nanoseconds of a copy.
    pub(crate) copy_ns: Spread,
    /// The same in ticks of the time stamp counter.
    pub(crate) copy_tsc: Option<Spread>,
}

/// What was varied, for plots.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub(crate) struct Varied {
    /// Copies of each packet.
    pub(crate) fan_out: usize,
    /// Groups in the data.
    pub(crate) groups: u32,
    /// Bytes of a frame on the wire.
    pub(crate) wire_len: usize,
    /// Changes of the table beside the data, a second.
    pub(crate) updates: u32,
    /// Frames a second, where a clock gives them; else as many as are taken.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) frames_per_s: Option<u32>,
}

/// A distribution of delays.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Distribution {
    /// Whose, or of what.
    pub(crate) name: String,
    /// Percentiles in rising order, as 50, 99, 99.9, each with its delay in microseconds.
    pub(crate) percentiles_us: Vec<(f64, f64)>,
}

impl FigureReport {
    /// A figure with nothing but its name.
    pub(crate) fn new(id: &'static str, variant: String, metric: &'static str, unit: &'static str) -> Self {
        Self {
            id,
            variant,
            metric,
            unit,
            ours: None,
            peer: None,
            ratio: None,
            aim: None,
            aim_is: None,
            verdict: Verdict::NoAim,
            peer_by_itself: None,
            cost: None,
            at: None,
            distributions: Vec::new(),
            seconds: None,
            programs: Vec::new(),
            notes: Vec::new(),
            trials: Vec::new(),
        }
    }

    /// All rows of a kind, none of which could be measured.
    pub(crate) fn unmeasured(id: &'static str, metric: &'static str) -> Self {
        Self::new(id, "every row".to_owned(), metric, "-")
    }

    /// The same with an aim.
    pub(crate) fn aiming(self, aim: Option<Aim>) -> Self {
        Self { aim: aim.map(Aim::value), aim_is: aim.map(Aim::words), ..self }
    }

    /// The same without a peer: its verdict is that of the median.
    pub(crate) fn alone(self, ours: Spread, aim: Option<Aim>) -> Self {
        Self { ours: Some(ours), verdict: Aim::verdict(aim, ours.median), ..self.aiming(aim) }
    }

    /// The same, whose measurement failed: the first line of `why` is the verdict, what follows are notes.
    pub(crate) fn failed(self, why: &str) -> Self {
        let mut lines = why.lines().map(str::to_owned);
        let first = lines.next().unwrap_or_default();
        Self { verdict: Verdict::Failed(format!("failed: {first}")), notes: lines.collect(), ..self }
    }

    /// The same, whose measurement took so many seconds.
    pub(crate) fn taking(self, seconds: f64) -> Self {
        Self { seconds: Some((seconds * 10.0).round() / 10.0), ..self }
    }

    /// The same, not measured for want of something.
    pub(crate) fn without(self, what: impl Into<String>) -> Self {
        Self { verdict: Verdict::NotMeasured(what.into()), ..self }
    }
}

impl Cost {
    /// Of so many copies a second, `fan_out` of each packet.
    pub(crate) fn of(copies_per_s: Spread, fan_out: usize, machine: &Machine) -> Self {
        let copy_ns = copies_per_s.map(|rate| 1e9 / rate);
        let copy_tsc = machine.tsc_mhz.map(|mhz| copy_ns.map(|ns| ns * mhz / 1000.0));
        Self { packet_ns: copy_ns.map(|ns| ns * fan_out as f64), copy_ns, copy_tsc }
    }
}

impl Report<'_> {
    /// Writes `report.json` into `folder`, which is made if need be; whoever reads it meanwhile sees the old one
    /// or the new one.
    ///
    /// # Errors
    /// The file or its folder cannot be written.
    pub(crate) fn write(&self, folder: &Path) -> Result<(), BenchError> {
        let text = serde_json::to_string_pretty(self)
            .map_err(|e| BenchError::machine(format!("the report cannot be written: {e}"), "report it"))?;
        write_whole(folder, "report.json", &(text + "\n"))
    }
}

/// Sees to it that a report can be written into `folder`, before there is one to be lost.
///
/// # Errors
/// The folder cannot be made, or no file in it.
pub(crate) fn expect_room(folder: &Path) -> Result<(), BenchError> {
    let probe = folder.join("report.new");
    let written = fs::create_dir_all(folder)
        .and_then(|()| fs::write(&probe, ""))
        .and_then(|()| fs::remove_file(&probe));
    written.map_err(|e| {
        let what = format!("no report can be written into {}: {e}", folder.display());
        BenchError::machine(what, "name another folder with --out")
    })
}

/// Writes a file of `folder` whole or not at all.
///
/// # Errors
/// The file or its folder cannot be written.
pub(crate) fn write_whole(folder: &Path, name: &str, text: &str) -> Result<(), BenchError> {
    let (path, new) = (folder.join(name), folder.join(format!("{name}.new")));
    fs::create_dir_all(folder).map_err(BenchError::io(folder.display()))?;
    fs::write(&new, text).map_err(BenchError::io(new.display()))?;
    fs::rename(&new, &path).map_err(BenchError::io(path.display()))
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::figures::FIGURES;
    use crate::rounds::Outcome;

    /// Ours at 80 M, the peer at 100 M, fan-out 1.
    pub(crate) fn outcome() -> Outcome {
        let spread = |median: f64| Spread { min: median * 0.9, median, max: median * 1.1 };
        Outcome {
            figure: FIGURES[0],
            ours: spread(80e6),
            peer: spread(100e6),
            ratio: spread(0.8),
            itself: spread(1.0),
            trials: vec![[100e6, 80e6, 80e6, 100e6]],
            held_up: None,
            waited: 0.002,
            reports: None,
            kept: None,
        }
    }

    /// 158 bytes a member of 200.
    pub(crate) fn alone() -> FigureReport {
        let new = FigureReport::new("b15", "bytes ports=50 proxy".to_owned(), "memory", "bytes/member");
        new.alone(Spread { min: 157.0, median: 158.0, max: 159.0 }, Some(Aim::AtMost(200.0)))
    }

    pub(crate) fn machine() -> Machine {
        Machine {
            cpu: "A CPU".to_owned(),
            memory_mb: 8192,
            hugepages_mb: 0,
            hypervisor: Some("KVM".to_owned()),
            isolated: None,
            mitigations: vec!["retbleed: mitigated".to_owned()],
            cores: 2,
            kernel: "6.1".to_owned(),
            tsc_mhz: Some(2500.0),
            forwarding_core: 1,
            places: crate::machine::Cores { main: 0, forward: 1 }.places(),
            nodes: 1,
            load: Some(0.1),
        }
    }

    pub(crate) fn report(machine: &Machine, figures: Vec<FigureReport>) -> Report<'_> {
        Report {
            machine,
            dpdk: Some("22.11.11"),
            own_dpdk: Some("22.11.11"),
            packages: vec!["smcroute 2.5".to_owned()],
            commit: Some("abc"),
            date: Some("2026-01-01T00:00:00Z"),
            seconds: 60.0,
            interrupted: false,
            rounds: 5,
            window_s: 1.0,
            jitter: [None; 2],
            figures,
        }
    }

    #[test]
    fn file_has_the_agreed_fields() {
        let dir = tempfile::tempdir().unwrap();
        let machine = machine();
        let absent = FigureReport::new("b3", "x".to_owned(), "m", "u").without("not built: make fast");
        let report = report(
            &machine,
            vec![
                outcome().report(&machine),
                alone().taking(4.26),
                absent.clone(),
                absent.failed("no link\na log"),
            ],
        );
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
        // How exactly a number is read back depends on what else is built with serde_json.
        let near = |value: &serde_json::Value, what: f64| (value.as_f64().unwrap() / what - 1.0).abs() < 1e-9;
        assert!(near(&figure["peer"]["max"], 110e6) && near(&figure["ratio"]["min"], 0.8 * 0.9));
        assert_eq!((&figure["aim"], &figure["aim_is"]), (&0.85.into(), &"at least".into()));
        assert_eq!(figure["cost"]["ours"]["copy_ns"]["median"], 12.5);
        assert_eq!(figure["cost"]["peer"]["copy_tsc"]["median"], 25.0);
        assert_eq!(figure["trials"][0][1], 80e6);
        assert_eq!(figure["verdict"], "missed");
        let alone = &json["figures"][1];
        assert_eq!((&alone["id"], &alone["aim_is"]), (&"b15".into(), &"at most".into()));
        assert_eq!((&alone["ours"]["median"], &alone["verdict"]), (&158.0.into(), &"reached".into()));
        assert_eq!((&alone["seconds"], &figure["seconds"]), (&4.3.into(), &serde_json::Value::Null));
        let failed = &json["figures"][3];
        assert_eq!((&failed["verdict"], &failed["notes"][0]), (&"failed: no link".into(), &"a log".into()));
        assert_eq!(json["figures"][2]["ours"], serde_json::Value::Null);
        assert_eq!(json["figures"][2]["verdict"], "not built: make fast");
    }

    #[test]
    fn a_folder_that_takes_no_report_is_known_before_there_is_one() {
        let dir = tempfile::tempdir().unwrap();
        let folder = dir.path().join("bench/out");
        expect_room(&folder).unwrap();
        assert_eq!(fs::read_dir(&folder).unwrap().count(), 0, "nothing is left there");
        let file = dir.path().join("file");
        fs::write(&file, "").unwrap();
        for wrong in [&file, &file.join("out")] {
            let error = expect_room(wrong).unwrap_err().to_string();
            assert!(error.contains(&wrong.display().to_string()) && error.ends_with("with --out"), "{error}");
        }
    }

    #[test]
    fn a_packet_costs_all_its_copies() {
        let rate = Spread { min: 50e6, median: 100e6, max: 200e6 };
        let cost = Cost::of(rate, 4, &machine());
        assert_eq!(cost.packet_ns, Spread { min: 20.0, median: 40.0, max: 80.0 });
        assert_eq!(cost.copy_tsc.unwrap().median, 25.0);
    }
}
