//! Figures that hold one side against another: who runs for which, and whether it is there.

use super::{COUNTED_FRAMES, Session};
use crate::churn;
use crate::error::BenchError;
use crate::figures::{Build, Figure, Source, Who};
use crate::hugepages::Hugepages;
use crate::manifold::{Manifold, mixed};
use crate::multicast::Multicast;
use crate::part::Part;
use crate::progress::Progress;
use crate::report::FigureReport;
use crate::rounds::{self, Outcome};
use crate::side::{Trial, Work};
use crate::slices::{self, Forwards, Seated};
use crate::source;

impl Session {
    /// Counts a number of frames, then measures.
    pub(super) fn compared(
        &self,
        figure: Figure,
        memory: &Part<Hugepages>,
        progress: &Progress,
    ) -> Result<FigureReport, BenchError> {
        let blank = rounds::blank(figure);
        if let Some(what) = self.missing(&figure) {
            return Ok(blank.without(what));
        }
        self.expect_parts(&figure, memory)?;
        let works = self.works(&figure);
        let [ours, _] = &works;
        // On kernel interfaces each round ends with a count; beside hosts both sides are one process.
        let counted = match (figure.source, figure.reports_per_second()) {
            (Source::Wire, _) => &works[..0],
            (Source::Pcap | Source::Stamped | Source::Memory, Some(_)) => &works[..1],
            (Source::Pcap | Source::Stamped | Source::Memory, None) => &works[..],
        };
        for work in counted {
            progress.say(format_args!("{}: counting {COUNTED_FRAMES} frames", work.party.name));
            self.check_delivery(work)?;
        }
        let rounds = self.plan.rounds.min(figure.most_rounds);
        let told = |done: usize, ours: f64, peer: f64| {
            let (ours, peer) = (ours / 1e6, peer / 1e6);
            progress.say(format_args!("round {done}/{rounds}, ours {ours:.1}, peer {peer:.1} M copies/s"));
        };
        let (outcome, notes) = match (figure.ours.who, figure.reports_per_second()) {
            (Who::Forwarder { updates }, _) => {
                let round = || churn::round(ours, updates);
                let (outcome, asides) = with_asides(figure, rounds, round, told)?;
                (outcome, churn::notes(&asides))
            }
            (Who::Manifold(build), Some(per_second)) => {
                let manifold = self.programs.manifold(build)?;
                let round = || manifold.mixed_round(ours, per_second);
                let (outcome, quiet) = with_asides(figure, rounds, round, told)?;
                (outcome, mixed::notes(&quiet))
            }
            (Who::OnInterfaces(driver, build), _) => {
                let program = &self.programs.manifold(build)?.program;
                let mut both = self.veth.get()?.both(program, driver, &works)?;
                let outcome = rounds::run(figure, rounds, || both.round(), told)?;
                both.end()?;
                (outcome, Vec::new())
            }
            (Who::Manifold(_) | Who::Testpmd(..) | Who::Ipv4Multicast | Who::Kernel, _) => {
                (rounds::run(figure, rounds, || self.in_slices(&works), told)?, Vec::new())
            }
        };
        let mut report = outcome.report(&self.machine);
        report.notes.extend(notes);
        if figure.source == Source::Stamped {
            report.notes.extend(self.source_alone(&figure)?);
        }
        Ok(report)
    }

    /// What a figure cannot be measured for want of, if that is so.
    pub(super) fn missing(&self, figure: &Figure) -> Option<String> {
        let missing = |who| match who {
            Who::Manifold(build) => self.programs.manifold(build).err(),
            Who::Testpmd(_, build) => self.programs.testpmd(build).err(),
            // Without cables it is not for want of a peer.
            Who::Kernel => self.veth.get().ok()?.smcrouted().err(),
            Who::Ipv4Multicast => self.multicast.get().err().map(BenchError::no_peer),
            Who::OnInterfaces(_, build) => self.programs.manifold(build).err(),
            Who::Forwarder { .. } => None,
        };
        let missing = figure.parties().into_iter().find_map(|party| missing(party.who))?.to_string();
        // What follows are a tool's own words.
        missing.lines().next().map(str::to_owned)
    }

    /// Whether what a figure needs could be made.
    fn expect_parts(&self, figure: &Figure, memory: &Part<Hugepages>) -> Result<(), BenchError> {
        match figure.source {
            Source::Pcap => {
                memory.get()?;
            }
            Source::Stamped => {
                memory.get()?;
                self.stamp.get()?;
            }
            Source::Memory => {}
            Source::Wire => {
                self.veth.get()?;
            }
        }
        if figure.reports_per_second().is_some() {
            self.hosts.get()?;
        }
        Ok(())
    }

    fn check_delivery(&self, work: &Work) -> Result<(), BenchError> {
        match work.party.who {
            Who::Manifold(build) => {
                source::write_for(work)?;
                self.programs.manifold(build)?.check_delivery(work)
            }
            // Each of their trials ends with a count.
            Who::Testpmd(..) => source::write_for(work),
            Who::Forwarder { .. } | Who::OnInterfaces(..) | Who::Kernel => Ok(()),
            Who::Ipv4Multicast => {
                Multicast::write_source(work, source::LOOPED_FRAMES)?;
                self.multicast.get()?.check_delivery(work)
            }
        }
    }

    /// A round in slices, of processes of its own.
    fn in_slices(&self, [ours, peer]: &[Work; 2]) -> Result<[Trial; 4], BenchError> {
        let peer = Seated::new(peer, self.forwards(ours, peer)?)?;
        let ours = Seated::new(ours, self.forwards(ours, ours)?)?;
        slices::round(ours, peer)
    }

    /// Starts who does `work`, beside Manifold that does the work `ours`.
    fn forwards(&self, ours: &Work, work: &Work) -> Result<Box<dyn Forwards>, BenchError> {
        match work.party.who {
            Who::Manifold(build) => self.programs.manifold(build)?.forwards(work),
            Who::Testpmd(mode, build) => {
                let ours = Manifold::read_settings(ours)?;
                self.programs.testpmd(build)?.forwards(mode, work, &ours)
            }
            Who::Ipv4Multicast => self.multicast.get()?.forwards(work),
            who @ (Who::Forwarder { .. } | Who::OnInterfaces(..) | Who::Kernel) => {
                Err(BenchError::machine(format!("{who:?} is not on devices of DPDK"), "report it"))
            }
        }
    }

    /// What the source costs without anybody who forwards.
    fn source_alone(&self, figure: &Figure) -> Result<Option<String>, BenchError> {
        let Ok(testpmd) = self.programs.testpmd(Build::Packaged) else { return Ok(None) };
        self.alone.told(testpmd, &self.works(figure)).map(Some)
    }
}

/// Rounds that come to something besides their trials.
fn with_asides<T>(
    figure: Figure,
    rounds: usize,
    mut round: impl FnMut() -> Result<([Trial; 4], T), BenchError>,
    told: impl FnMut(usize, f64, f64),
) -> Result<(Outcome, Vec<T>), BenchError> {
    let mut asides = Vec::with_capacity(rounds);
    let trials = || {
        let (trials, aside) = round()?;
        asides.push(aside);
        Ok(trials)
    };
    let outcome = rounds::run(figure, rounds, trials, told)?;
    Ok((outcome, asides))
}
