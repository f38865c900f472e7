//! Interfaces that come, go, and gain or lose carrier, from rtnetlink: the drivers always say "up".

use std::collections::BTreeMap;
use std::os::fd::BorrowedFd;

use rustix::net::RecvFlags;
use types::MacAddr;

use crate::info::{LinkError, dump_links};
use crate::message::LinkMessage;
use crate::netlink::{Netlink, RTM_DELLINK, RTM_NEWLINK, RTMGRP_LINK, Received};

/// A change of one interface.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LinkEvent {
    /// The kernel's index of the interface.
    pub index: u32,
    /// Its name, after the change.
    pub name: String,
    /// What changed.
    pub change: LinkChange,
}

/// What changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LinkChange {
    /// It came into being, or into this network namespace. It counts as down until `Up` follows.
    Appeared,
    /// It was deleted, or left this network namespace.
    Vanished,
    /// Frames can pass: administratively up, with carrier.
    Up,
    /// Frames can't pass any more: set down, or carrier lost.
    Down,
    /// The MTU, in octets, after the change.
    MtuChanged(u32),
    /// The hardware address, after the change; `None` where it has none of Ethernet's length.
    MacChanged(Option<MacAddr>),
    /// The name changed; it was the one given here.
    Renamed(String),
}

/// What is known of an interface between two messages.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Known {
    name: String,
    up: bool,
    mtu: u32,
    mac: Option<MacAddr>,
}

/// Follows all interfaces of the network namespace it was made in.
#[derive(Debug)]
pub struct LinkWatch {
    netlink: Netlink,
    links: Links,
}

impl LinkWatch {
    /// Begins to watch. Events are of changes from now on; [`is_up`](Self::is_up) tells how things stand.
    ///
    /// # Errors
    /// [`LinkError::Netlink`] when the kernel can't be asked. It takes no privilege.
    pub fn new() -> Result<Self, LinkError> {
        let failed = |source| LinkError::new("watch the interfaces", source);
        // Subscribed first, then read: a change between the two is seen twice rather than not at all.
        let netlink = Netlink::open(RTMGRP_LINK).map_err(failed)?;
        let mut watch = Self { netlink, links: Links::default() };
        watch.reread(&mut Vec::new())?;
        Ok(watch)
    }

    /// Readable when [`poll`](Self::poll) has something to read.
    pub fn fd(&self) -> BorrowedFd<'_> {
        self.netlink.fd()
    }

    /// Whether frames could pass over the interface as of the last poll; `None` when there is none of that index.
    pub fn is_up(&self, index: u32) -> Option<bool> {
        self.links.0.get(&index).map(|known| known.up)
    }

    /// The changes since the last call, in order; empty when there are none. Never blocks. When the kernel had to
    /// throw notifications away, everything is read anew and the differences are given: no final state is missed.
    ///
    /// # Errors
    /// [`LinkError::Netlink`] when the kernel can't be asked.
    pub fn poll(&mut self) -> Result<Vec<LinkEvent>, LinkError> {
        let mut events = Vec::new();
        let mut overrun = false;
        loop {
            let received = self.netlink.receive(RecvFlags::DONTWAIT);
            match received.map_err(|source| LinkError::new("watch the interfaces", source))? {
                Received::Bytes(len) => {
                    for (kind, payload) in self.netlink.received(len) {
                        self.links.handle(kind, payload, &mut events);
                    }
                }
                Received::Overrun => overrun = true,
                Received::Empty => break,
            }
        }
        if overrun {
            tracing::warn!("the kernel dropped link notifications; all interfaces are read anew");
            self.reread(&mut events)?;
        }
        Ok(events)
    }

    /// Reads all interfaces, through a socket of its own: notifications on ours would mix with the answers.
    fn reread(&mut self, events: &mut Vec<LinkEvent>) -> Result<(), LinkError> {
        let all = Netlink::open(0).and_then(|mut netlink| dump_links(&mut netlink));
        let all = all.map_err(|source| LinkError::new("list the interfaces", source))?;
        self.links.replace(&all, events);
        Ok(())
    }
}

/// The interfaces by index. Pure: messages in, events out.
#[derive(Debug, Default)]
struct Links(BTreeMap<u32, Known>);

impl Links {
    fn handle(&mut self, kind: u16, payload: &[u8], events: &mut Vec<LinkEvent>) {
        let Some(link) = LinkMessage::parse(payload) else { return };
        match kind {
            RTM_NEWLINK => self.update(&link, events),
            RTM_DELLINK => self.remove(link.index, events),
            _ => {}
        }
    }

    fn update(&mut self, link: &LinkMessage, events: &mut Vec<LinkEvent>) {
        let now = Known { name: link.name.clone(), up: link.is_up(), mtu: link.mtu, mac: link.mac };
        let mut push = |change| events.push(LinkEvent { index: link.index, name: link.name.clone(), change });
        let before = self.0.insert(link.index, now.clone());
        let before = before.unwrap_or_else(|| {
            push(LinkChange::Appeared);
            Known { up: false, ..now.clone() }
        });
        if before.name != now.name {
            push(LinkChange::Renamed(before.name));
        }
        if before.mtu != now.mtu {
            push(LinkChange::MtuChanged(now.mtu));
        }
        if before.mac != now.mac {
            push(LinkChange::MacChanged(now.mac));
        }
        if before.up != now.up {
            push(if now.up { LinkChange::Up } else { LinkChange::Down });
        }
    }

    fn remove(&mut self, index: u32, events: &mut Vec<LinkEvent>) {
        if let Some(known) = self.0.remove(&index) {
            events.push(LinkEvent { index, name: known.name, change: LinkChange::Vanished });
        }
    }

    /// Takes `all` as the whole truth.
    fn replace(&mut self, all: &[LinkMessage], events: &mut Vec<LinkEvent>) {
        let gone: Vec<u32> = self.0.keys().copied().filter(|i| all.iter().all(|l| l.index != *i)).collect();
        gone.into_iter().for_each(|index| self.remove(index, events));
        all.iter().for_each(|link| self.update(link, events));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::recorded::LinkRecord;

    const DOWN: u32 = 0x1002;

    fn changes(links: &mut Links, kind: u16, record: LinkRecord) -> Vec<LinkChange> {
        let mut events = Vec::new();
        links.handle(kind, &record.bytes(), &mut events);
        events.into_iter().map(|event| event.change).collect()
    }

    #[test]
    fn each_change_is_told_once() {
        let mut links = Links::default();
        let eth1 = || LinkRecord::new(7, "eth1");
        assert_eq!(changes(&mut links, RTM_NEWLINK, eth1()), [LinkChange::Appeared, LinkChange::Up]);
        assert_eq!(changes(&mut links, RTM_NEWLINK, eth1()), []);
        assert_eq!(changes(&mut links, RTM_NEWLINK, eth1().flags(DOWN)), [LinkChange::Down]);
        let mtu = eth1().flags(DOWN).number(4, 9000);
        assert_eq!(changes(&mut links, RTM_NEWLINK, mtu), [LinkChange::MtuChanged(9000)]);
        let renamed = LinkRecord::new(7, "wan").number(4, 9000);
        let expected = [LinkChange::Renamed("eth1".to_owned()), LinkChange::Up];
        assert_eq!(changes(&mut links, RTM_NEWLINK, renamed), expected);
        let mac = [2, 0, 0, 0, 0, 9];
        let other = || LinkRecord::new(7, "wan").number(4, 9000).with(1, &mac);
        assert_eq!(changes(&mut links, RTM_NEWLINK, other()), [LinkChange::MacChanged(Some(MacAddr(mac)))]);
        assert_eq!(changes(&mut links, RTM_NEWLINK, other()), []);
        assert_eq!(changes(&mut links, RTM_DELLINK, LinkRecord::new(7, "wan")), [LinkChange::Vanished]);
        assert_eq!(changes(&mut links, RTM_DELLINK, LinkRecord::new(7, "wan")), []);
    }

    #[test]
    fn a_port_that_leaves_a_bridge_has_not_vanished() {
        let mut links = Links::default();
        changes(&mut links, RTM_NEWLINK, LinkRecord::new(7, "eth1"));
        assert_eq!(changes(&mut links, RTM_DELLINK, LinkRecord::new(7, "eth1").family(7)), []);
        assert!(links.0.contains_key(&7));
    }

    #[test]
    fn after_an_overrun_the_differences_are_told() {
        let mut links = Links::default();
        changes(&mut links, RTM_NEWLINK, LinkRecord::new(7, "eth1"));
        changes(&mut links, RTM_NEWLINK, LinkRecord::new(8, "eth2"));
        let all: Vec<LinkMessage> = [LinkRecord::new(8, "eth2").flags(DOWN), LinkRecord::new(9, "eth1")]
            .into_iter()
            .map(|record| LinkMessage::parse(&record.bytes()).unwrap())
            .collect();
        let mut events = Vec::new();
        links.replace(&all, &mut events);
        let told: Vec<(u32, LinkChange)> = events.into_iter().map(|e| (e.index, e.change)).collect();
        let expected = [
            (7, LinkChange::Vanished),
            (8, LinkChange::Down),
            (9, LinkChange::Appeared),
            (9, LinkChange::Up),
        ];
        assert_eq!(told, expected);
    }
}
