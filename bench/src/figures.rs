//! The figures as data: what is measured, against what, and what it should come to.

use std::fmt;

/// A program that does the same work on the same devices.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Peer {
    /// testpmd in mode macswap, from the source to one sink: rewrites a header, looks nothing up.
    Macswap,
    /// testpmd from the source to a bonding device of mode 3 over the sinks: the same buffer to each of
    /// them with one bump of its reference count, no parsing and no look-up.
    Bonding,
}

impl Peer {
    /// Its name in tables and reports.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Macswap => "testpmd macswap",
            Self::Bonding => "testpmd bonding mode 3",
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
        peer: Peer::Macswap,
        floor: 0.5,
        aim: 0.85,
        usual: true,
    },
    Figure { fan_out: 4, aim: 0.85, usual: true, ..B2 },
    Figure { fan_out: 16, aim: 0.92, ..B2 },
    Figure { fan_out: 30, aim: 0.95, ..B2 },
];

const B2: Figure = Figure {
    id: "b2",
    metric: "aggregated multicast throughput",
    fan_out: 4,
    wire_len: 64,
    peer: Peer::Bonding,
    floor: 0.6,
    aim: 0.85,
    usual: false,
};

impl Figure {
    /// What tells it from others of its id.
    pub(crate) fn variant(&self) -> String {
        format!("fanout={} size={}", self.fan_out, self.wire_len)
    }

    /// Its name on the command line: the id, or id and fan-out.
    pub(crate) fn name(&self) -> String {
        format!("{}/{}", self.id, self.fan_out)
    }
}

impl fmt::Display for Figure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} fan-out {}, {} B", self.id, self.fan_out, self.wire_len)
    }
}

/// The figures that `names` ask for ("b2", "b2/16", "all"), or the usual ones.
///
/// # Errors
/// A name that no figure has; the text lists those there are.
pub(crate) fn select(names: &[String]) -> Result<Vec<Figure>, String> {
    if names.is_empty() {
        return Ok(FIGURES.iter().filter(|f| f.usual).copied().collect());
    }
    let asked = |f: &Figure, name: &str| name == "all" || name == f.id || name == f.name();
    if let Some(unknown) = names.iter().find(|name| !FIGURES.iter().any(|f| asked(f, name))) {
        let known: Vec<_> = FIGURES.iter().map(Figure::name).collect();
        return Err(format!("no figure is called `{unknown}`; there are all, {}", known.join(", ")));
    }
    Ok(FIGURES.iter().filter(|f| names.iter().any(|name| asked(f, name))).copied().collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(asked: &[&str]) -> Result<Vec<String>, String> {
        let asked: Vec<_> = asked.iter().map(|s| (*s).to_owned()).collect();
        select(&asked).map(|figures| figures.iter().map(Figure::name).collect())
    }

    #[test]
    fn figures_are_found_by_id_and_by_name() {
        assert_eq!(names(&[]).unwrap(), ["b1/1", "b2/4"]);
        assert_eq!(names(&["b2"]).unwrap(), ["b2/4", "b2/16", "b2/30"]);
        assert_eq!(names(&["b2/30", "b1"]).unwrap(), ["b1/1", "b2/30"]);
        assert_eq!(names(&["all"]).unwrap().len(), FIGURES.len());
        assert!(names(&["b1", "b99"]).unwrap_err().contains("`b99`; there are all, b1/1, b2/4"));
    }

    #[test]
    fn no_floor_is_above_its_aim() {
        for figure in FIGURES {
            assert!(figure.floor <= figure.aim, "{figure}");
        }
    }
}
