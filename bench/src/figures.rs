//! The figures that hold one side against another, as data: what runs on either side, and what the ratio should be.

use std::fmt;

use crate::aim::Aim;
use crate::catalogue::Run;
use crate::reports::Listener;
use crate::side::Seat;
use crate::veth;
use crate::viewers::{self, Viewers};

mod who;

pub(crate) use self::who::{Build, Driver, Mode, Who};

/// One side: who, and what it is given.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Party {
    /// Who.
    pub(crate) who: Who,
    /// What it is called in tables.
    pub(crate) name: &'static str,
    /// Bytes of each frame on the wire, frame check sequence included.
    pub(crate) wire_len: usize,
    /// Groups in the data.
    pub(crate) groups: u32,
    /// Which sinks have members of them.
    pub(crate) viewers: Viewers,
    /// Whether each port has a source MAC of its own.
    pub(crate) own_macs: bool,
    /// Reports a second beside the data, and who hears them.
    pub(crate) igmp: Option<(Listener, u32)>,
}

/// Where frames come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Source {
    /// A capture file that net_pcap plays without end: each frame is copied.
    Pcap,
    /// net_null, whose buffers get a header each: costs the same for any length and any number of groups.
    Stamped,
    /// Plain buffers, no device.
    Memory,
    /// A host that sends as fast as a core can, on a veth; sinks are hosts' veths, too.
    Wire,
}

impl Source {
    /// Whether buffers come from hugepages.
    pub(crate) fn is_in_hugepages(self) -> bool {
        match self {
            Self::Pcap | Self::Stamped => true,
            Self::Memory | Self::Wire => false,
        }
    }
}

/// What a ratio is of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Terms {
    /// Copies a second.
    Rate,
    /// Time of a copy.
    Cost,
}

/// One figure.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Figure {
    /// Its number in the list of figures; variants share it.
    pub(crate) id: &'static str,
    /// What tells it from others of its id on the command line.
    pub(crate) label: &'static str,
    /// The metric, by its name in RFC 2432 or RFC 3918.
    pub(crate) metric: &'static str,
    /// Sinks that get a copy of each frame, in the mean.
    pub(crate) fan_out: usize,
    /// Where frames come from, on both sides.
    pub(crate) source: Source,
    /// Ours.
    pub(crate) ours: Party,
    /// Who ours is compared with.
    pub(crate) peer: Party,
    /// What the ratio is of.
    pub(crate) terms: Terms,
    /// The ratio that careful work should reach, where one was set.
    pub(crate) aim: Option<Aim>,
    /// Rounds at most, where fewer than the others' tell enough, or each takes long.
    pub(crate) most_rounds: usize,
    /// Which runs it belongs to.
    pub(crate) run: Run,
}

const OURS: Party = Party {
    who: Who::Manifold(Build::Packaged),
    name: "Manifold",
    wire_len: 64,
    groups: 1,
    viewers: Viewers::Everywhere,
    own_macs: false,
    igmp: None,
};
const FAST: Party = Party { who: Who::Manifold(Build::Own), name: "Manifold on its own DPDK", ..OURS };
const MACSWAP: Party =
    Party { who: Who::Testpmd(Mode::Macswap, Build::Packaged), name: "testpmd macswap", ..OURS };
const BONDING: Party =
    Party { who: Who::Testpmd(Mode::Bonding, Build::Packaged), name: "testpmd bonding mode 3", ..OURS };
const OWN_BONDING: Party = Party {
    who: Who::Testpmd(Mode::Bonding, Build::Own),
    name: "testpmd bonding mode 3 on our own DPDK",
    ..OURS
};
const IPV4_MULTICAST: Party = Party { who: Who::Ipv4Multicast, name: "DPDK's ipv4_multicast", ..OURS };

const B1: Figure = Figure {
    id: "b1",
    label: "1",
    metric: "throughput",
    fan_out: 1,
    source: Source::Pcap,
    ours: OURS,
    peer: MACSWAP,
    terms: Terms::Rate,
    aim: Some(Aim::AtLeast(0.85)),
    most_rounds: usize::MAX,
    run: Run::Quick,
};
const B2: Figure =
    Figure { id: "b2", metric: "aggregated multicast throughput", peer: BONDING, run: Run::Full, ..B1 };
const B3: Figure = Figure { id: "b3", ours: FAST, ..B2 };
const B3_OWN: Figure = Figure { peer: OWN_BONDING, aim: Some(Aim::AtLeast(0.8)), most_rounds: 3, ..B3 };
const B4: Figure = Figure { id: "b4", peer: IPV4_MULTICAST, most_rounds: 3, ..B2 };
const B5: Figure = Figure {
    id: "b5",
    label: "16",
    metric: "cost of a copy at 1362 B against 64 B",
    fan_out: 16,
    source: Source::Stamped,
    ours: Party { name: "Manifold, 1362 B", wire_len: IPTV, ..OURS },
    peer: Party { name: "Manifold, 64 B", ..OURS },
    terms: Terms::Cost,
    aim: Some(Aim::AtMost(1.05)),
    ..B2
};
const B5M: Figure = Figure {
    id: "b5m",
    metric: "cost of a copy with a MAC of its own for each port",
    source: Source::Pcap,
    ours: Party { name: "Manifold, mac = \"port\"", own_macs: true, ..OURS },
    peer: Party { name: "Manifold, mac = \"router\"", ..OURS },
    aim: Some(Aim::AtMost(1.8)),
    ..B5
};
/// Frames are stamped, not copied from a file: that would cost more than what is asked about.
const B5M_LONG: Figure = Figure {
    source: Source::Stamped,
    ours: Party { wire_len: IPTV, ..B5M.ours },
    peer: Party { wire_len: IPTV, ..B5M.peer },
    most_rounds: 3,
    ..B5M
};
/// Groups of the many and of the few.
const MANY: u32 = 65_536;
pub(crate) const FEW: u32 = 16;
const B6: Figure = Figure {
    id: "b6",
    metric: "scaled group forwarding",
    source: Source::Stamped,
    ours: Party { name: "Manifold, 65,536 groups", groups: MANY, ..OURS },
    peer: Party { name: "Manifold, 16 groups", groups: FEW, ..OURS },
    ..B2
};
/// Between the two, for the curve: nothing was asked for here.
const fn between(label: &'static str, name: &'static str, groups: u32) -> Figure {
    let ours = Party { name, groups, ..B6.ours };
    Figure { ours, most_rounds: 2, ..B6.without_aim(label, 4) }
}
/// Channels of a carrier whose subscribers each watch another one, beside as many copies with one set of ports for all.
const B6_MIXED: Figure = {
    let peer = Party {
        name: "Manifold, one set of ports for all",
        groups: CHANNELS,
        viewers: Viewers::Alike(4),
        ..B6.peer
    };
    let ours = Party { name: "Manifold, a set for each group", viewers: Viewers::Mixed(4), ..peer };
    Figure {
        metric: "forwarding to mixed sets of ports",
        ours,
        peer,
        most_rounds: 3,
        ..B6.without_aim("mixed", 4)
    }
};
const CHANNELS: u32 = 256;
const B8: Figure = Figure {
    id: "b8",
    metric: "throughput under table updates",
    fan_out: 4,
    source: Source::Memory,
    ours: updated(0),
    peer: updated(0),
    ..B2
};
const B13: Figure = Figure {
    id: "b13",
    metric: "mixed class throughput",
    fan_out: 4,
    ours: beside(Listener::Ours, LOSSLESS),
    peer: beside(Listener::Nobody, LOSSLESS),
    aim: Some(Aim::AtLeast(0.97)),
    most_rounds: 3,
    ..B2
};

const B14: Figure = Figure {
    id: "b14",
    metric: "aggregated multicast throughput on kernel interfaces",
    source: Source::Wire,
    ours: PACKET,
    peer: KERNEL,
    most_rounds: veth::ROUNDS,
    ..B2
};
const PACKET: Party = on_interfaces(Driver::AfPacket, Build::Packaged, "Manifold, af_packet");
const XDP: Party = on_interfaces(Driver::AfXdp, Build::Packaged, "Manifold, af_xdp");
/// What a container gets by default from `make fast`.
const FAST_XDP: Party = on_interfaces(Driver::Auto, Build::Own, "Manifold on its own DPDK, af_xdp");
const KERNEL: Party = Party { who: Who::Kernel, name: "kernel with smcroute", ..OURS };
/// Seven TS packets in UDP, as IPTV sends them.
const IPTV: usize = 1362;

const fn on_interfaces(driver: Driver, build: Build, name: &'static str) -> Party {
    Party { who: Who::OnInterfaces(driver, build), name, ..OURS }
}

const fn updated(updates: u32) -> Party {
    let name = if updates == 0 { "forwarder, table at rest" } else { "forwarder, table written" };
    Party { who: Who::Forwarder { updates }, name, groups: 4096, ..OURS }
}

const fn beside(listener: Listener, per_second: u32) -> Party {
    let name = match listener {
        Listener::Ours => "Manifold beside IGMP",
        Listener::Nobody => "Manifold without IGMP",
    };
    Party { name, igmp: Some((listener, per_second)), ..OURS }
}

impl Figure {
    const fn at(self, label: &'static str, fan_out: usize, aim: f64) -> Self {
        Self { label, fan_out, aim: Some(Aim::AtLeast(aim)), ..self }
    }

    const fn quick(self) -> Self {
        Self { run: Run::Quick, ..self }
    }

    const fn with_updates(self, label: &'static str, updates: u32, aim: f64) -> Self {
        Self { label, ours: updated(updates), aim: Some(Aim::AtLeast(aim)), ..self }
    }

    const fn by(self, label: &'static str, ours: Party, fan_out: usize, aim: f64) -> Self {
        Self { ours, ..self.at(label, fan_out, aim) }
    }

    /// The same with IPTV's frames.
    const fn with_long_frames(self, label: &'static str) -> Self {
        let ours = Party { wire_len: IPTV, ..self.ours };
        let peer = Party { wire_len: IPTV, ..self.peer };
        Self { label, ours, peer, ..self }
    }

    const fn with_rounds(self, most_rounds: usize) -> Self {
        Self { most_rounds, ..self }
    }

    /// At a fan-out at which nothing was asked for.
    const fn without_aim(self, label: &'static str, fan_out: usize) -> Self {
        Self { label, fan_out, aim: None, ..self }
    }

    const fn with_igmp(self, label: &'static str, per_second: u32) -> Self {
        let (ours, peer) = (beside(Listener::Ours, per_second), beside(Listener::Nobody, per_second));
        Self { label, ours, peer, ..self }
    }
}

/// Every figure that holds one side against another. 30 sinks are what a DPDK of 32 ports has room for.
pub(crate) const FIGURES: &[Figure] = &[
    B1,
    B2.at("4", 4, 0.85).quick(),
    B2.at("16", 16, 0.92).quick(),
    B2.at("30", 30, 0.95),
    B3.at("16", 16, 2.3),
    B3.at("30", 30, 2.6),
    B3_OWN.at("own16", 16, 0.8),
    B3_OWN.at("own30", 30, 0.8),
    B4.at("1", 1, 1.7),
    B4.at("2", 2, 2.3),
    B4.at("3", 3, 7.0),
    B5,
    B5M,
    // Nothing was asked for here.
    B5M.without_aim("1", 1).with_rounds(3),
    B5M_LONG.without_aim("16-1362", 16),
    B6.at("1", 1, 0.85),
    B6.at("4", 4, 0.92).quick(),
    B6.at("16", 16, 0.97),
    between("4-1k", "Manifold, 1,024 groups", 1_024),
    between("4-8k", "Manifold, 8,192 groups", 8_192),
    B6_MIXED,
    B8.with_updates("10k", 10_000, 0.99),
    B8.with_updates("100k", 100_000, 0.98).quick(),
    B8.with_updates("1M", 1_000_000, 0.95),
    B13.with_igmp("10000", LOSSLESS),
    B13.with_igmp("100000", 100_000),
    // Half as much again as a port may hand to the control thread.
    Figure { run: Run::Named, ..B13.with_igmp("150000", 150_000) },
    // Of one port and of af_packet nothing is asked but not to be far behind.
    B14.by("packet1", PACKET, 1, 1.0),
    B14.by("packet8", PACKET, 8, 1.0),
    // One round: what a byte more costs is the kernel's to copy on both sides.
    B14.by("packet8", PACKET, 8, 1.0).with_long_frames("packet8-1362").with_rounds(1),
    B14.by("packet30", PACKET, 30, 1.0).with_rounds(2),
    B14.by("xdp1", XDP, 1, 1.0),
    B14.by("xdp8", XDP, 8, 1.2),
    B14.by("xdp8", XDP, 8, 1.2).with_long_frames("xdp8-1362").with_rounds(1),
    B14.by("xdp30", XDP, 30, 1.2).with_rounds(2),
    // At one port the source is the limit.
    B14.by("own8", FAST_XDP, 8, 1.2),
    B14.by("own8", FAST_XDP, 8, 1.2).with_long_frames("own8-1362").with_rounds(1),
    B14.by("own30", FAST_XDP, 30, 1.2).with_rounds(2),
];

/// Up to so many reports a second none may be lost.
pub(crate) const LOSSLESS: u32 = 10_000;

impl Figure {
    /// What tells it from others of its id, in the report.
    pub(crate) fn variant(&self) -> String {
        let Self { fan_out, ours, .. } = self;
        let data = format!("fanout={fan_out} size={}", ours.wire_len);
        match (ours.igmp, ours.who) {
            (Some((_, per_second)), _) => format!("igmp={per_second}/s {data}"),
            (None, Who::Forwarder { updates }) => format!("updates={updates}/s {data}"),
            (None, Who::OnInterfaces(driver, Build::Packaged)) => format!("{} {data}", driver.taken()),
            (None, Who::OnInterfaces(driver, Build::Own)) => format!("{} build=own {data}", driver.taken()),
            (None, _) if self.peer.who == OWN_BONDING.who => format!("{data} peer=own-dpdk"),
            (None, _) if self.is_mixed() => {
                format!(
                    "groups={} fanout={fan_out} of {} size={}, mixed",
                    ours.groups,
                    self.sinks(),
                    ours.wire_len
                )
            }
            (None, _) if ours.groups > 1 => format!("groups={} {data}", ours.groups),
            (None, _) => data,
        }
    }

    /// Whether groups have sets of sinks of their own.
    pub(crate) fn is_mixed(&self) -> bool {
        matches!(self.ours.viewers, Viewers::Mixed(_))
    }

    /// Sinks that there are.
    pub(crate) fn sinks(&self) -> usize {
        if self.is_mixed() { viewers::SINKS } else { self.fan_out }
    }

    /// Its name on the command line: the id and the label.
    pub(crate) fn name(&self) -> String {
        format!("{}/{}", self.id, self.label)
    }

    /// Changes of the table beside the data, a second.
    pub(crate) fn updates_per_second(&self) -> u32 {
        match self.ours.who {
            Who::Forwarder { updates } => updates,
            Who::Manifold(_)
            | Who::Testpmd(..)
            | Who::Ipv4Multicast
            | Who::OnInterfaces(..)
            | Who::Kernel => 0,
        }
    }

    /// Who sits there.
    pub(crate) fn party(&self, seat: Seat) -> &Party {
        match seat {
            Seat::Ours => &self.ours,
            Seat::Peer => &self.peer,
        }
    }

    /// Both sides.
    pub(crate) fn parties(&self) -> [&Party; 2] {
        Seat::BOTH.map(|seat| self.party(seat))
    }

    /// Whether two programs on DPDK are there at once and take turns in [`slices`](crate::slices). Other figures have slices of
    /// their own: beside hosts, or a writer of the table, it is one program, and on kernel interfaces nobody may halt the
    /// kernel.
    pub(crate) fn is_in_slices(&self) -> bool {
        self.source.is_in_hugepages() && self.ours.igmp.is_none()
    }

    /// Reports that the hosts send beside the data, a second.
    pub(crate) fn reports_per_second(&self) -> Option<u32> {
        self.ours.igmp.map(|(_, per_second)| per_second)
    }
}

impl fmt::Display for Figure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.name(), self.variant())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_variants_are_unique() {
        for what in [Figure::name, |f: &Figure| format!("{} {}", f.id, f.variant())] {
            let mut all: Vec<_> = FIGURES.iter().map(what).collect();
            all.sort();
            all.dedup();
            assert_eq!(all.len(), FIGURES.len(), "{all:?}");
        }
    }

    #[test]
    fn both_sides_differ_in_what_is_measured() {
        for figure in FIGURES {
            assert_ne!(figure.ours, figure.peer, "{figure}");
            assert_ne!(figure.ours.name, figure.peer.name, "{figure}");
        }
    }
}
