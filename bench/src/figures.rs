//! The figures as data: what is measured, against what, and what it should come to.

use std::fmt;

/// How testpmd forwards.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mode {
    /// macswap, from the source to one sink: rewrites a header, looks nothing up.
    Macswap,
    /// From the source to a bonding device of mode 3 over the sinks: the same buffer to each of them with one
    /// bump of its reference count, no parsing and no look-up.
    Bonding,
}

/// Who does the same work on the same devices.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Peer {
    /// DPDK's testpmd.
    Testpmd(Mode),
    /// Manifold itself, while the hosts' IGMP goes to an interface that nobody reads: the sender costs the
    /// machine the same on both sides.
    WithoutIgmp {
        /// Reports that the hosts send, a second.
        per_second: u32,
    },
}

impl Peer {
    /// Its name in tables and reports.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Testpmd(Mode::Macswap) => "testpmd macswap",
            Self::Testpmd(Mode::Bonding) => "testpmd bonding mode 3",
            Self::WithoutIgmp { .. } => "Manifold without IGMP",
        }
    }

    /// Reports a second beside the data, where that is what is measured.
    pub(crate) fn reports_per_second(self) -> Option<u32> {
        match self {
            Self::Testpmd(_) => None,
            Self::WithoutIgmp { per_second } => Some(per_second),
        }
    }
}

/// One figure.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Figure {
    /// Its number in the list of figures; variants share it.
    pub(crate) id: &'static str,
    /// The metric, by its name in RFC 2432 or RFC 3918.
    pub(crate) metric: &'static str,
    /// Sinks that get a copy of each frame.
    pub(crate) fan_out: usize,
    /// Bytes of each frame on the wire, frame check sequence included.
    pub(crate) wire_len: usize,
    /// Who ours is compared with.
    pub(crate) peer: Peer,
    /// The least ratio of ours to the peer's that is acceptable.
    pub(crate) floor: f64,
    /// The ratio that careful work should reach.
    pub(crate) aim: f64,
    /// Whether it is measured when nothing is asked for by name.
    pub(crate) usual: bool,
}

/// Every figure that this version measures. 30 sinks are what a DPDK of 32 ports has room for.
pub(crate) const FIGURES: &[Figure] = &[
    Figure {
        id: "b1",
        metric: "throughput",
        fan_out: 1,
        wire_len: 64,
        peer: Peer::Testpmd(Mode::Macswap),
        floor: 0.5,
        aim: 0.85,
        usual: true,
    },
    Figure { fan_out: 4, aim: 0.85, usual: true, ..B2 },
    Figure { fan_out: 16, aim: 0.92, ..B2 },
    Figure { fan_out: 30, aim: 0.95, ..B2 },
    Figure { peer: Peer::WithoutIgmp { per_second: LOSSLESS }, ..B13 },
    Figure { peer: Peer::WithoutIgmp { per_second: 100_000 }, ..B13 },
    // Half as much again as a port may hand to the control thread.
    Figure { peer: Peer::WithoutIgmp { per_second: 150_000 }, ..B13 },
];

/// Up to so many reports a second none may be lost.
pub(crate) const LOSSLESS: u32 = 10_000;

const B13: Figure = Figure {
    id: "b13",
    metric: "mixed class throughput",
    fan_out: 4,
    wire_len: 64,
    peer: Peer::WithoutIgmp { per_second: LOSSLESS },
    floor: 0.9,
    aim: 0.97,
    usual: true,
};

const B2: Figure = Figure {
    id: "b2",
    metric: "aggregated multicast throughput",
    fan_out: 4,
    wire_len: 64,
    peer: Peer::Testpmd(Mode::Bonding),
    floor: 0.6,
    aim: 0.85,
    usual: false,
};

impl Figure {
    /// What tells it from others of its id.
    pub(crate) fn variant(&self) -> String {
        let data = format!("fanout={} size={}", self.fan_out, self.wire_len);
        match self.peer.reports_per_second() {
            Some(per_second) => format!("igmp={per_second}/s {data}"),
            None => data,
        }
    }

    /// Its name on the command line: the id and the fan-out, or the id and the reports a second.
    pub(crate) fn name(&self) -> String {
        match self.peer.reports_per_second() {
            Some(per_second) => format!("{}/{per_second}", self.id),
            None => format!("{}/{}", self.id, self.fan_out),
        }
    }
}

impl fmt::Display for Figure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} fan-out {}, {} B", self.id, self.fan_out, self.wire_len)?;
        match self.peer.reports_per_second() {
            Some(per_second) => write!(f, ", {} k IGMP/s", per_second / 1000),
            None => Ok(()),
        }
    }
}

/// What is to be measured.
#[derive(Debug, Default)]
pub(crate) struct Selection {
    /// Figures that have a peer.
    pub(crate) compared: Vec<Figure>,
    /// Whether the scale of the control side is among them ([`SCALE`]).
    pub(crate) scale: bool,
}

/// The id of the control side's scale, which has no peer.
pub(crate) const SCALE: &str = "b15";

/// What `names` ask for ("b2", "b2/16", "b15", "all"), or the usual figures.
///
/// # Errors
/// A name that no figure has; the text lists those there are.
pub(crate) fn select(names: &[String]) -> Result<Selection, String> {
    if names.is_empty() {
        let usual = FIGURES.iter().filter(|f| f.usual).copied().collect();
        return Ok(Selection { compared: usual, scale: true });
    }
    let asked = |f: &Figure, name: &str| name == "all" || name == f.id || name == f.name();
    let asks_scale = |name: &String| name == "all" || name == SCALE;
    let known = |name: &String| asks_scale(name) || FIGURES.iter().any(|f| asked(f, name));
    if let Some(unknown) = names.iter().find(|name| !known(name)) {
        let known: Vec<_> = FIGURES.iter().map(Figure::name).collect();
        return Err(format!("no figure is called `{unknown}`; there are all, {}, {SCALE}", known.join(", ")));
    }
    Ok(Selection {
        compared: FIGURES.iter().filter(|f| names.iter().any(|name| asked(f, name))).copied().collect(),
        scale: names.iter().any(asks_scale),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(asked: &[&str]) -> Result<Vec<String>, String> {
        let asked: Vec<_> = asked.iter().map(|s| (*s).to_owned()).collect();
        let Selection { compared, scale } = select(&asked)?;
        Ok(compared.iter().map(Figure::name).chain(scale.then(|| SCALE.to_owned())).collect())
    }

    #[test]
    fn figures_are_found_by_id_and_by_name() {
        assert_eq!(names(&[]).unwrap(), ["b1/1", "b2/4", "b13/10000", "b13/100000", "b13/150000", "b15"]);
        assert_eq!(names(&["b2"]).unwrap(), ["b2/4", "b2/16", "b2/30"]);
        assert_eq!(names(&["b2/30", "b1"]).unwrap(), ["b1/1", "b2/30"]);
        assert_eq!(names(&["b15", "b13/100000"]).unwrap(), ["b13/100000", "b15"]);
        assert_eq!(names(&["all"]).unwrap().len(), FIGURES.len() + 1);
        assert!(names(&["b1", "b99"]).unwrap_err().contains("`b99`; there are all, b1/1, b2/4"));
    }

    #[test]
    fn no_floor_is_above_its_aim() {
        for figure in FIGURES {
            assert!(figure.floor <= figure.aim, "{figure}");
        }
    }
}
