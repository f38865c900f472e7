//! The summary that `manifold replay` prints.

use std::collections::BTreeMap;

/// What was counted on one port.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct PortSummary {
    /// Frames received.
    pub(crate) received: u64,
    /// Of those, frames that went out of at least one port.
    pub(crate) forwarded: u64,
    /// Of those, frames for the control thread.
    pub(crate) punted: u64,
    /// Frames sent.
    pub(crate) sent: u64,
    /// Frames dropped by a worker, by reason.
    pub(crate) drops: BTreeMap<String, u64>,
    /// What became of the IGMP among them, by verdict.
    pub(crate) igmp: BTreeMap<String, u64>,
}

impl PortSummary {
    /// Drops for one reason.
    pub(crate) fn dropped(&self, reason: &str) -> u64 {
        self.drops.get(reason).copied().unwrap_or(0)
    }

    /// IGMP that got this verdict.
    pub(crate) fn verdict(&self, name: &str) -> u64 {
        self.igmp.get(name).copied().unwrap_or(0)
    }
}

/// Reads the whole of it: a line for each port, and one beneath for its IGMP if there was any.
///
/// # Panics
/// At what it does not know.
pub(crate) fn parse(text: &str) -> BTreeMap<String, PortSummary> {
    let mut ports: BTreeMap<String, PortSummary> = BTreeMap::new();
    let mut last = String::new();
    for line in text.lines().skip(1) {
        if let Some(igmp) = line.strip_prefix("  IGMP: ") {
            ports.get_mut(&last).expect("a port before its IGMP").igmp = counts(igmp, " ");
            continue;
        }
        let (name, rest) = line.split_once(": ").unwrap_or_else(|| panic!("`{line}` is no port's line"));
        ports.insert(name.to_owned(), port(rest).unwrap_or_else(|| panic!("`{line}` is no port's line")));
        last = name.to_owned();
    }
    ports
}

fn port(text: &str) -> Option<PortSummary> {
    let (received, rest) = text.split_once(" received (")?;
    let (forwarded, rest) = rest.split_once(" forwarded, ")?;
    let (punted, rest) = rest.split_once(" to control), ")?;
    let (sent, rest) = rest.split_once(" sent")?;
    let drops = rest.strip_prefix(", ").map(|drops| counts(drops, " dropped as "));
    Some(PortSummary {
        received: received.parse().ok()?,
        forwarded: forwarded.parse().ok()?,
        punted: punted.parse().ok()?,
        sent: sent.parse().ok()?,
        drops: drops.unwrap_or_default(),
        igmp: BTreeMap::new(),
    })
}

/// `1 this, 2 that`.
fn counts(text: &str, between: &str) -> BTreeMap<String, u64> {
    let count = |item: &str| {
        let (count, name) = item.split_once(between)?;
        Some((name.to_owned(), count.parse().ok()?))
    };
    text.split(", ").map(|item| count(item).unwrap_or_else(|| panic!("`{item}` is no counter"))).collect()
}
