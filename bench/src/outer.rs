//! b10 and b11 from outside: how long after a host's report on a veth the first frame arrives there, and after a Leave the
//! last, for Manifold and for the kernel with igmpproxy.
//!
//! The stream is already there before it is asked for. A host asks for many groups, one after the other ([`crate::probe`]), of each
//! forwarder in turns. There are two cores: one forwards, and the host and the source share the other with Manifold's control
//! thread, for which they stand aside; while it decides, no frame is sent or seen. igmpproxy has the forwarding core's idle
//! time, which Manifold's worker, polling, does not leave. Leaves are Manifold's alone: igmpproxy 0.3 went on for more than
//! 20 s with the stream of a host that left soon after it had asked, whatever its `quickleave`, which is about the
//! provider's side.

use std::net::Ipv4Addr;
use std::path::Path;
use std::time::Duration;

use crate::catalogue::Selection;
use crate::error::BenchError;
use crate::figures::Driver;
use crate::machine::Cores;
use crate::noise;
use crate::percentiles::Delays;
use crate::probe::{Seen, Task};
use crate::report::{FigureReport, PeerReport};
use crate::router::{Kernel, Members, OnInterfaces, Place};
use crate::stats::Spread;
use crate::traffic;
use crate::wires::{SOURCE, Wires, host};

/// The ids, and the names that ask for these alone.
pub(crate) const JOIN: (&str, &str) = ("b10", "b10/veth");
pub(crate) const LEAVE: (&str, &str) = ("b11", "b11/veth");
const PEER: &str = "kernel with igmpproxy";
const FIRST: Ipv4Addr = Ipv4Addr::new(239, 32, 0, 0);
/// In which order they have their turns, over and over.
const ORDER: [Who; 6] = {
    let (packet, xdp) = (Who::Ours(Driver::AfPacket), Who::Ours(Driver::AfXdp));
    [Who::Peer, packet, xdp, xdp, packet, Who::Peer]
};
const ROUNDS: usize = 2;
/// Groups of a turn: of ours each is joined and left, of the peer each is joined.
const GROUPS: u32 = 150;
/// How long a turn may take.
const TURN: Duration = Duration::from_secs(60);

/// Whose turn it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Who {
    Ours(Driver),
    Peer,
}

/// What it takes.
#[derive(Debug)]
pub(crate) struct Outer<'a> {
    /// The cables, of which the first client's is used.
    pub(crate) wires: &'a Wires,
    /// Manifold.
    pub(crate) manifold: &'a Path,
    /// The peer.
    pub(crate) igmpproxy: &'a Path,
    /// Where to run.
    pub(crate) cores: Cores,
    /// A folder for files.
    pub(crate) scratch: &'a Path,
}

impl Outer<'_> {
    /// The rows of those figures that are selected.
    ///
    /// # Errors
    /// A join or leave has no effect, or a frame comes unasked.
    pub(crate) fn reports(
        &self,
        selection: &Selection,
        say: impl Fn(String),
    ) -> Result<Vec<FigureReport>, BenchError> {
        let (mut turns, all) = (Vec::new(), ROUNDS * ORDER.len());
        for who in ORDER.into_iter().cycle().take(all) {
            say(format!("{} ({}/{all})", who.name(), turns.len() + 1));
            turns.push((who, self.turn(who)?));
        }
        let mut reports = Vec::new();
        for (kind, name) in [(Kind::Join, JOIN.1), (Kind::Leave, LEAVE.1)] {
            if selection.has(name) {
                reports.extend(rows(kind, &turns)?);
            }
        }
        Ok(reports)
    }

    fn turn(&self, who: Who) -> Result<Seen, BenchError> {
        let place = Place { wires: self.wires, clients: 1, cores: self.cores, scratch: self.scratch };
        match who {
            Who::Ours(driver) => {
                let running = OnInterfaces::start(self.manifold, driver, Members::Asking, place)?;
                let seen = self.probe(GROUPS)?;
                running.end()?;
                Ok(seen)
            }
            Who::Peer => {
                let kernel = Kernel::asked(self.igmpproxy, place)?;
                let seen = self.probe(0)?;
                kernel.end()?;
                Ok(seen)
            }
        }
    }

    fn probe(&self, leaves: u32) -> Result<Seen, BenchError> {
        let task = Task {
            source_netns: self.wires.source().name().to_owned(),
            source: SOURCE,
            host: host(1),
            first: FIRST,
            joins: GROUPS,
            leaves,
            core: self.cores.main,
        };
        let mut probe = traffic::start(self.wires.clients(), &traffic::Task::Probe(task), "the host")?;
        probe.tell("go")?;
        Ok(probe.answer_within(TURN)?)
    }
}

impl Who {
    fn name(self) -> String {
        match self {
            Self::Ours(driver) => format!("Manifold, {}", driver.name()),
            Self::Peer => PEER.to_owned(),
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Join,
    Leave,
}

impl Kind {
    fn of(self, seen: &Seen) -> &[u64] {
        match self {
            Self::Join => &seen.joins,
            Self::Leave => &seen.leaves,
        }
    }

    fn words(self) -> (&'static str, &'static str) {
        match self {
            Self::Join => (JOIN.0, "group join delay on veth"),
            Self::Leave => (LEAVE.0, "group leave delay on veth"),
        }
    }
}

/// What one forwarder came to in all its turns.
struct Total {
    all: Delays,
    turns: Vec<Delays>,
    note: String,
}

impl Total {
    fn of(kind: Kind, who: Who, turns: &[(Who, Seen)]) -> Option<Self> {
        let mine = || turns.iter().filter(|(whose, _)| *whose == who).map(|(_, seen)| seen);
        let all = Delays::of(&mine().flat_map(|seen| kind.of(seen).to_vec()).collect::<Vec<_>>())?;
        let turns = mine().map(|seen| Delays::of(kind.of(seen))).collect::<Option<Vec<_>>>()?;
        let gap = |at: usize| Spread::of(mine().map(|seen| seen.gaps[at] as f64 / 1000.0));
        let mut note = format!(
            "{}: {}; frames of the group were {:.1} us apart, 99 of 100 at most {:.1} us",
            who.name(),
            all.words(),
            gap(0)?.median,
            gap(1)?.median,
        );
        if kind == Kind::Leave {
            let after = Spread::of(mine().flat_map(|seen| &seen.after).map(|frames| *frames as f64))?;
            note += &format!(
                "; {:.0} frames came after a Leave in the median, {:.0} at most",
                after.median, after.max
            );
        }
        Some(Self { all, turns, note })
    }

    /// A percentile of every other turn by that of the next.
    fn by_itself(&self, percent: f64) -> Option<Spread> {
        Spread::of(self.turns.chunks_exact(2).map(|pair| pair[0].at(percent) / pair[1].at(percent)))
    }

    /// A percentile of all, with the least and the greatest of a turn.
    fn spread(&self, percent: f64) -> Option<Spread> {
        let of_turns = Spread::of(self.turns.iter().map(|delays| delays.at(percent)))?;
        Some(Spread { median: self.all.at(percent), ..of_turns })
    }
}

/// Two rows for each driver: the median, and the 99th percentile.
fn rows(kind: Kind, turns: &[(Who, Seen)]) -> Result<Vec<FigureReport>, BenchError> {
    let nothing = || BenchError::machine("nothing was measured", "report it");
    let peer = Total::of(kind, Who::Peer, turns);
    let (id, metric) = kind.words();
    let mut rows = Vec::new();
    for driver in [Driver::AfPacket, Driver::AfXdp] {
        let who = Who::Ours(driver);
        let ours = Total::of(kind, who, turns).ok_or_else(nothing)?;
        for (percent, name) in [(50.0, "p50"), (99.0, "p99")] {
            let mut row = FigureReport::new(id, format!("{name}, {} on veth", driver.name()), metric, "us");
            row.ours = ours.spread(percent);
            if let (Some(mine), Some(spread)) =
                (row.ours, peer.as_ref().and_then(|peer| peer.spread(percent)))
            {
                row.peer = Some(PeerReport { name: PEER, spread });
                row.peer_by_itself = peer.as_ref().and_then(|peer| peer.by_itself(percent));
                let ratio = mine.median / spread.median;
                if let Some(itself) = row.peer_by_itself {
                    row.verdict = noise::judge(None, ratio, itself, &noise::of_percentile(percent));
                }
                row.ratio =
                    Some(Spread { min: mine.min / spread.max, median: ratio, max: mine.max / spread.min });
            }
            if percent == 50.0 {
                row.distributions = vec![ours.all.distribution(who.name())];
                row.notes = vec![ours.note.clone()];
            }
            rows.push(row);
        }
    }
    // Once, with the last of ours.
    if let (Some(row), Some(peer)) = (rows.last_mut(), peer) {
        row.distributions = vec![peer.all.distribution(PEER)];
        row.notes.push(peer.note);
    }
    Ok(rows)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::aim::Verdict;

    fn seen(us: u64, number: u64) -> Seen {
        let delays = |from: u64| (0..number).map(|n| (from + n) * 1000).collect::<Vec<_>>();
        let ours = us < 1000;
        let leaves = if ours { delays(us * 2) } else { Vec::new() };
        Seen { joins: delays(us), after: vec![3; leaves.len()], leaves, gaps: [5000, 9000] }
    }

    #[test]
    fn rows_hold_ours_against_the_peers_turn_by_turn() {
        let turns: Vec<_> = ORDER
            .into_iter()
            .map(|who| (who, if who == Who::Peer { seen(1000, 100) } else { seen(100, 100) }))
            .collect();
        let rows = rows(Kind::Join, &turns).unwrap();
        let names: Vec<_> = rows.iter().map(|row| row.variant.as_str()).collect();
        assert_eq!(
            names,
            [
                "p50, af_packet on veth",
                "p99, af_packet on veth",
                "p50, af_xdp on veth",
                "p99, af_xdp on veth"
            ]
        );
        let to_three_digits = |found: f64, expected: f64| (found / expected - 1.0).abs() < 0.002;
        assert!(to_three_digits(rows[0].ours.unwrap().median, 149.0));
        assert!(to_three_digits(rows[0].peer.as_ref().unwrap().spread.median, 1049.0));
        assert!(to_three_digits(rows[0].ratio.unwrap().median, 149.0 / 1049.0));
        let plotted: Vec<_> =
            rows.iter().flat_map(|row| &row.distributions).map(|d| d.name.as_str()).collect();
        assert_eq!(plotted, ["Manifold, af_packet", "Manifold, af_xdp", PEER]);
        assert!(rows[0].notes[0].contains("5.0 us apart, 99 of 100 at most 9.0 us"), "{:?}", rows[0].notes);
    }

    #[test]
    fn a_peer_whose_turns_differ_says_nothing() {
        let mut peers = [1000, 1000, 2600, 1000].into_iter();
        let mut turn = |who| (who, seen(if who == Who::Peer { peers.next().unwrap() } else { 100 }, 100));
        let quiet: Vec<_> = ORDER.into_iter().map(&mut turn).collect();
        assert_eq!(rows(Kind::Join, &quiet).unwrap()[0].verdict, Verdict::NoAim);
        let restless: Vec<_> = ORDER.into_iter().map(&mut turn).collect();
        let verdicts = rows(Kind::Join, &restless).unwrap();
        assert!(verdicts.iter().all(|row| row.verdict == Verdict::TooNoisy), "{verdicts:?}");
    }

    #[test]
    fn leaves_are_ours_alone() {
        let turns: Vec<_> = ORDER
            .into_iter()
            .map(|who| (who, if who == Who::Peer { seen(1000, 100) } else { seen(100, 100) }))
            .collect();
        let rows = rows(Kind::Leave, &turns).unwrap();
        assert!(rows.len() == 4 && rows.iter().all(|row| row.ours.is_some() && row.peer.is_none()));
        assert!(rows[0].notes[0].ends_with("3 frames came after a Leave in the median, 3 at most"));
    }
}
