//! Interfaces that come, go, and gain or lose carrier, from rtnetlink: the drivers always say "up".

use std::collections::BTreeMap;
use std::io;
use std::os::fd::BorrowedFd;
use std::time::{Duration, Instant};

use rustix::net::RecvFlags;
use types::MacAddr;

use crate::info::{LinkError, dump_links};
use crate::message::LinkMessage;
use crate::netlink::{Netlink, RTM_DELLINK, RTM_NEWLINK, RTMGRP_LINK, Received};

/// One warning in this time that the kernel cannot be asked.
const PAUSE: Duration = Duration::from_secs(60);

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
    /// `None` after it failed, until there may be another.
    netlink: Option<Netlink>,
    links: Links,
    /// Changes may have been missed: all interfaces are to be read anew.
    is_stale: bool,
    /// When it was told last that they could not be.
    told: Option<Instant>,
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
        let mut links = Links::default();
        links.replace(&read_all()?, &mut Vec::new());
        Ok(Self { netlink: Some(netlink), links, is_stale: false, told: None })
    }

    /// Readable when [`poll`](Self::poll) has something to read; another after each call of it. `None` while the kernel gives
    /// none: then `poll` is to be called now and then.
    pub fn fd(&self) -> Option<BorrowedFd<'_>> {
        self.netlink.as_ref().map(Netlink::fd)
    }

    /// Whether frames could pass over the interface as of the last poll; `None` when there is none of that index.
    pub fn is_up(&self, index: u32) -> Option<bool> {
        self.links.0.get(&index).map(|known| known.up)
    }

    /// The changes since the last call, in order; empty when there are none. Never blocks. When the kernel had to
    /// throw notifications away, everything is read anew and the differences are given: no final state is missed.
    ///
    /// A kernel that can't be asked just now (no memory, no file descriptor, a list that never stands still) is told to the
    /// log and asked at the next call: until then things are as they were.
    pub fn poll(&mut self) -> Vec<LinkEvent> {
        self.turn(|| Netlink::open(RTMGRP_LINK), read_all)
    }

    /// As [`poll`](Self::poll), by these ways to ask the kernel.
    fn turn(
        &mut self,
        open: impl FnOnce() -> io::Result<Netlink>,
        read: impl FnOnce() -> Result<Vec<LinkMessage>, LinkError>,
    ) -> Vec<LinkEvent> {
        let mut events = Vec::new();
        if let Err(source) = self.receive(open, &mut events) {
            // Of no use any more. Another takes its place at the next turn, no sooner: what fails at once would be tried
            // without a pause.
            self.netlink = None;
            self.is_stale = true;
            self.tell(&LinkError::new("watch the interfaces", source));
        }
        if self.is_stale {
            match read() {
                Ok(all) => {
                    self.links.replace(&all, &mut events);
                    self.is_stale = false;
                }
                // Things stay as they are until the next try.
                Err(error) => self.tell(&error),
            }
        }
        events
    }

    /// Takes every notification that is there.
    fn receive(
        &mut self,
        open: impl FnOnce() -> io::Result<Netlink>,
        events: &mut Vec<LinkEvent>,
    ) -> io::Result<()> {
        let netlink = match &mut self.netlink {
            Some(netlink) => netlink,
            lost => {
                let netlink = lost.insert(open()?);
                // What changed before it began to hear, no message tells of.
                self.is_stale = true;
                netlink
            }
        };
        loop {
            match netlink.receive(RecvFlags::DONTWAIT)? {
                Received::Bytes(len) => {
                    for (kind, payload) in netlink.received(len) {
                        self.links.handle(kind, payload, events);
                    }
                }
                Received::Overrun => {
                    tracing::warn!("the kernel dropped link notifications; all interfaces are read anew");
                    self.is_stale = true;
                }
                Received::Empty => return Ok(()),
            }
        }
    }

    /// Once in a while, also where it works and fails by turns.
    fn tell(&mut self, error: &LinkError) {
        if self.told.is_none_or(|at| at.elapsed() >= PAUSE) {
            self.told = Some(Instant::now());
            tracing::warn!(
                "{error}; changes of interfaces may be missed until that is over, it is tried again"
            );
        }
    }
}

/// Reads all interfaces, through a socket of its own: notifications on the watch's would mix with the answers.
fn read_all() -> Result<Vec<LinkMessage>, LinkError> {
    let all = Netlink::open(0).and_then(|mut netlink| dump_links(&mut netlink));
    all.map_err(|source| LinkError::new("list the interfaces", source))
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
    fn interfaces_that_cannot_be_read_are_read_at_the_next_turn() {
        let mut watch = LinkWatch::new().unwrap();
        let before = watch.links.0.clone();
        // One that hears nothing: this machine's interfaces are not ours alone.
        watch.netlink = Netlink::open(0).ok();
        let unused = || panic!("the socket is good");
        watch.is_stale = true;
        for code in [24, 12] {
            let events = watch.turn(unused, || Err(LinkError::new("list the interfaces", os_error(code))));
            assert!(watch.is_stale && watch.told.is_some() && events.is_empty());
            assert_eq!(watch.links.0, before, "things are as they were");
        }
        watch.poll();
        assert!(!watch.is_stale);
    }

    #[test]
    fn a_socket_that_fails_is_waited_for_by_nobody_and_told_of_once() {
        let mut watch = LinkWatch::new().unwrap();
        let broken = || Ok(Netlink::broken());
        watch.netlink = broken().ok();
        let unused = || panic!("none is opened in the turn that one failed in");
        watch.turn(unused, || Ok(Vec::new()));
        let told = watch.told;
        assert!(told.is_some());
        for _ in 0..3 {
            assert!(watch.fd().is_none(), "poll(2) would return at once");
            // All interfaces are read in each of these turns, and still it is the same trouble.
            let events = watch.turn(|| Err(os_error(24)), || Ok(vec![eth9()]));
            assert!(!watch.is_stale && watch.links.0.contains_key(&9), "{events:?}");
            watch.turn(broken, || Ok(Vec::new()));
        }
        watch.turn(|| Netlink::open(RTMGRP_LINK), || Ok(vec![eth9()]));
        assert!(watch.fd().is_some() && watch.links.0.contains_key(&9), "what changed meanwhile is known");
        watch.netlink = broken().ok();
        watch.poll();
        assert_eq!(watch.told, told, "once a minute");
    }

    fn eth9() -> LinkMessage {
        LinkMessage::parse(&LinkRecord::new(9, "eth9").bytes()).unwrap()
    }

    /// As EMFILE and ENOMEM come.
    fn os_error(code: i32) -> io::Error {
        io::Error::from_raw_os_error(code)
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
