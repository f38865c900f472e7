//! What goes out of a port for the port's own sake: answers to ARP and echo requests, announcements.
//!
//! All of it is worth less than IGMP: it is sent when there is room, and never waited for.

use std::collections::VecDeque;
use std::time::Duration;

use neighbour::Neighbour;
use types::{PortIndex, Time};

use crate::agent::{Agent, Outlet};
use crate::configuration::{Configuration, PortInfo};

/// Answers that wait for the next poll; whoever asked beyond that asks again.
const ANSWERS_WAITING: usize = 256;
/// ANNOUNCE_NUM of RFC 5227, section 1.1.
const ANNOUNCEMENTS: u8 = 2;
/// ANNOUNCE_INTERVAL of RFC 5227, section 1.1.
const ANNOUNCE_INTERVAL: Duration = Duration::from_secs(2);

/// Announcements of a port that are still to come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Announcing {
    port: PortIndex,
    next: Time,
    left: u8,
}

/// What waits for the next poll.
#[derive(Debug, Default)]
pub(crate) struct Neighbours {
    answers: VecDeque<(PortIndex, Vec<u8>)>,
    announcing: Vec<Announcing>,
    /// Answers that found no room, so far.
    pub(crate) unsent: u64,
}

impl Neighbours {
    /// When the next announcement is due.
    pub(crate) fn next_deadline(&self) -> Option<Time> {
        self.announcing.iter().map(|announcing| announcing.next).min()
    }

    /// An answer found no room. Told as often as its number doubles.
    fn count_unsent(&mut self) {
        self.unsent += 1;
        if self.unsent.is_power_of_two() {
            tracing::warn!(unsent = self.unsent, "answers to ARP and echo requests found no room");
        }
    }

    /// The port's link is there, or its address is new: announcements from now on.
    fn announce(&mut self, now: Time, port: PortIndex) {
        self.announcing.retain(|announcing| announcing.port != port);
        self.announcing.push(Announcing { port, next: now, left: ANNOUNCEMENTS });
    }
}

/// The port as its link sees it; `None` without an address, or without carrier.
fn neighbour(port: &PortInfo) -> Option<Neighbour> {
    port.address.filter(|_| port.link_up).map(|address| Neighbour { mac: port.mac, address })
}

impl Agent {
    /// A request for the port itself came in.
    pub(crate) fn take_neighbour_request(&mut self, port: PortIndex, frame: &[u8]) {
        let Some(answer) = self.port(port).and_then(neighbour).and_then(|us| us.answer(frame)) else {
            return;
        };
        if self.neighbours.answers.len() < ANSWERS_WAITING {
            self.neighbours.answers.push_back((port, answer));
        } else {
            self.neighbours.count_unsent();
        }
    }

    /// Announces the ports that have an address and carrier now, and had not in `before`, or another.
    pub(crate) fn announce_changes(&mut self, now: Time, before: &Configuration) {
        for port in &self.configuration.ports {
            let old = before.ports.iter().find(|old| old.is_same(port) && old.device == port.device);
            if neighbour(port).is_some_and(|us| old.and_then(neighbour) != Some(us)) {
                self.neighbours.announce(now, port.index);
            }
        }
    }

    /// Announces the port whose carrier is there again.
    pub(crate) fn announce_link(&mut self, now: Time, port: PortIndex) {
        if self.port(port).and_then(neighbour).is_some() {
            self.neighbours.announce(now, port);
        }
    }

    /// Sends what there is room for. Answers without room go: a late one is of no use. Announcements come later.
    /// Whether there was anything to do.
    pub(crate) fn send_to_neighbours(&mut self, now: Time, outlet: &mut impl Outlet) -> bool {
        let mut spoke = !self.neighbours.answers.is_empty();
        let mut announcing = std::mem::take(&mut self.neighbours.announcing);
        announcing.retain_mut(|announcing| {
            let Some(us) = self.port(announcing.port).and_then(neighbour) else { return false };
            if announcing.next <= now {
                spoke = true;
                if outlet.has_room() {
                    outlet.send(now, announcing.port, &us.announcement());
                    announcing.left -= 1;
                }
                announcing.next = now + ANNOUNCE_INTERVAL;
            }
            announcing.left > 0
        });
        self.neighbours.announcing = announcing;
        while let Some((port, answer)) = self.neighbours.answers.pop_front() {
            if !self.port(port).is_some_and(|port| port.link_up) {
                continue;
            }
            if outlet.has_room() {
                outlet.send(now, port, &answer);
            } else {
                self.neighbours.count_unsent();
            }
        }
        spoke
    }
}
