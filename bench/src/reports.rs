//! Hosts that ask while data flows, and what became of their reports.
//!
//! They send from network namespaces over veth pairs, paced, in a thousand bursts a second, on the core that does not
//! forward. One pair ends in a port of Manifold, the other in a namespace where nobody listens: what the sender
//! costs the machine is in both sides of the figure, and what its reports cost Manifold in one.

use std::net::Ipv4Addr;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use api::PortCounters;
use igmp::wire::{Outgoing, emit};
use lab::{FrameSender, Host, Lab, Netns};
use serde::Serialize;
use types::{GroupAddr, Ipv4Net, MacAddr};

use crate::error::BenchError;
use crate::machine::on_core;
use crate::side::bound_to_us_in;

/// The port that hosts are on, and its interface.
pub(crate) const PORT: &str = "hosts";
/// Its address.
pub(crate) const ADDRESS: &str = "10.200.0.1/24";
/// Groups that the hosts ask for in turn; the first report for each makes a member.
const GROUPS: u32 = 1000;
const FIRST_GROUP: u32 = 0xef03_0000; // 239.3.0.0
const HOST: Ipv4Addr = Ipv4Addr::new(10, 200, 0, 2);
const MAC: MacAddr = MacAddr([2, 0, 0, 0, 2, 2]);

/// Who hears the reports.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Listener {
    /// Manifold.
    Ours,
    /// Nobody.
    Nobody,
}

/// The namespaces.
#[derive(Debug)]
pub(crate) struct Hosts {
    router: Netns,
    asking: Host,
    unheard: Host,
    reports: Vec<Vec<u8>>,
    // Goes last: it removes what the others are.
    lab: Lab,
}

impl Hosts {
    /// Makes them.
    ///
    /// # Errors
    /// As the lab's.
    pub(crate) fn new() -> Result<Self, BenchError> {
        let lab = Lab::new()?;
        let (router, nowhere) = (lab.netns("router")?, lab.netns("nowhere")?);
        let address = Ipv4Net::new(HOST, 24)
            .ok_or_else(|| BenchError::machine("no network of 24 bits", "report it"))?;
        let asking = Host::attach(&lab, "asking", address, (&router, PORT))?;
        let unheard = Host::attach(&lab, "unheard", address, (&nowhere, PORT))?;
        Ok(Self { router, asking, unheard, reports: reports(), lab })
    }

    /// A command where the hosts' port is.
    pub(crate) fn command(&self, program: &Path) -> Command {
        bound_to_us_in(&self.router, program)
    }

    /// Who sends the reports, from the core `core`.
    ///
    /// # Errors
    /// As the lab's.
    pub(crate) fn senders(&self, core: u16) -> Result<Senders<'_>, BenchError> {
        let hosts = [&self.asking, &self.unheard];
        let [asking, unheard] = on_core(core, || hosts.map(|host| FrameSender::start(&self.lab, host)))?;
        Ok(Senders { reports: &self.reports, asking: Some(asking?), unheard: Some(unheard?) })
    }
}

/// Who sends the reports: each is there all along, and sends when it is told to.
#[derive(Debug)]
pub(crate) struct Senders<'h> {
    reports: &'h [Vec<u8>],
    asking: Option<FrameSender>,
    unheard: Option<FrameSender>,
}

impl Senders<'_> {
    /// Has `per_second` reports a second sent to `listener` for `length`, meanwhile measures, and waits for the last report.
    ///
    /// # Errors
    /// The kernel refused a report; or those of `measure`.
    pub(crate) fn ask<T>(
        &mut self,
        listener: Listener,
        per_second: u32,
        length: Duration,
        measure: impl FnOnce() -> Result<T, BenchError>,
    ) -> Result<(T, Asked), BenchError> {
        let seat = match listener {
            Listener::Ours => &mut self.asking,
            Listener::Nobody => &mut self.unheard,
        };
        // One that failed is not there any more.
        let sender = seat.take().ok_or_else(|| BenchError::machine("a sender is gone", "report it"))?;
        let count = (f64::from(per_second) * length.as_secs_f64()) as usize;
        let flood = sender.flood(self.reports, count, per_second)?;
        let measured = measure()?;
        let (sender, flooded) = flood.finish()?;
        *seat = Some(sender);
        Ok((measured, Asked { count: count as u64, took: flooded.took, planned: length }))
    }
}

/// Reports that were sent.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Asked {
    /// How many.
    pub(crate) count: u64,
    /// How long it took. A sender that was held up sends the rest later: within the window there were fewer.
    pub(crate) took: Duration,
    /// How long it should have.
    pub(crate) planned: Duration,
}

impl Asked {
    /// And others.
    pub(crate) fn add(&mut self, more: Self) {
        self.count += more.count;
        self.took += more.took;
        self.planned += more.planned;
    }

    /// How long it took by how long it should have, where some were sent.
    pub(crate) fn held_up(&self) -> Option<f64> {
        (self.count > 0).then(|| self.took.as_secs_f64() / self.planned.as_secs_f64())
    }
}

/// What became of reports.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub(crate) struct Reports {
    /// Sent by the hosts.
    pub(crate) sent: u64,
    /// Taken by the proxy: each made or refreshed a member.
    pub(crate) taken: u64,
    /// Dropped above the rate that a port may hand to the control thread.
    pub(crate) policed: u64,
    /// Dropped because the port's ring to the control thread was full.
    pub(crate) ring_full: u64,
}

impl Reports {
    /// What `counters` of the hosts' port say, which do not know how many were sent; `None` when they are not those that were
    /// expected.
    pub(crate) fn read(counters: &PortCounters) -> Option<Self> {
        let taken = counters.verdicts.get("joined")? + counters.verdicts.get("refreshed")?;
        let [policed, ring_full] = ["punt-policed", "punt-full"].map(|reason| counters.drops.get(reason));
        Some(Self { sent: 0, taken, policed: *policed?, ring_full: *ring_full? })
    }

    /// What of these became of `sent` reports since the counters showed `before`.
    pub(crate) fn of_sent(self, sent: u64, before: Self) -> Self {
        Self {
            sent,
            taken: self.taken - before.taken,
            policed: self.policed - before.policed,
            ring_full: self.ring_full - before.ring_full,
        }
    }

    /// Reports that did not count, whatever the reason.
    pub(crate) fn lost(&self) -> u64 {
        self.sent.saturating_sub(self.taken)
    }

    /// Reports that no counter tells of: the kernel's packet socket had no room, or they are still under way.
    pub(crate) fn unaccounted(&self) -> u64 {
        self.lost().saturating_sub(self.policed + self.ring_full)
    }

    /// All of both.
    pub(crate) fn plus(self, other: Self) -> Self {
        Self {
            sent: self.sent + other.sent,
            taken: self.taken + other.taken,
            policed: self.policed + other.policed,
            ring_full: self.ring_full + other.ring_full,
        }
    }
}

fn reports() -> Vec<Vec<u8>> {
    let groups = (FIRST_GROUP..FIRST_GROUP + GROUPS).filter_map(GroupAddr::from_bits);
    groups.map(|group| emit(Outgoing::ReportV2(group), MAC, HOST, 0).as_slice().to_vec()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_group_is_asked_for_once_in_a_turn() {
        let reports = reports();
        assert_eq!(reports.len(), GROUPS as usize);
        let mut groups: Vec<_> = reports
            .iter()
            .map(|frame| match igmp::wire::parse(frame).unwrap().message {
                igmp::wire::Message::ReportV2(group) => group,
                other => panic!("{other:?}"),
            })
            .collect();
        groups.dedup();
        assert_eq!(groups.len(), GROUPS as usize);
    }

    #[test]
    fn what_is_lost_has_a_name_or_none() {
        let mut counters = PortCounters::default();
        assert_eq!(Reports::read(&counters), None, "all counters are there, also at zero");
        counters.verdicts.extend([("joined".to_owned(), 2), ("refreshed".to_owned(), 3)]);
        counters.drops.extend([("punt-policed".to_owned(), 2), ("punt-full".to_owned(), 1)]);
        let reports = Reports::read(&counters).unwrap().of_sent(9, Reports::default());
        assert_eq!((reports.taken, reports.lost(), reports.unaccounted()), (5, 4, 1));
        assert_eq!(reports.of_sent(3, reports).lost(), 3, "what was known before is of others");
        let twice = reports.plus(reports);
        assert_eq!((twice.sent, twice.lost(), twice.unaccounted()), (18, 8, 2));
    }
}
