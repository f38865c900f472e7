//! Multicast Router Advertisements on the client ports, in either role (r102, RFC 4286).

use types::{GroupAddr, PortIndex, Time};

use super::{Proxy, TimerKey};
use crate::Verdict;
use crate::discovery::{ADVERTISEMENT_INTERVAL, Discovery, DiscoveryEffect, DiscoveryEvent};
use crate::wire::{Outgoing, Packet};

impl Proxy {
    /// Advertises where the settings, the link and the switch say so, and nowhere else.
    pub(super) fn update_discovery(&mut self, now: Time, port: PortIndex) {
        let running = self.is_running();
        let Some(client) = self.clients.get(&port) else { return };
        let wanted = running && client.link_up && client.settings.router_discovery;
        match (client.discovery, wanted) {
            (Discovery::Off, true) => self.step_discovery(now, port, DiscoveryEvent::Start),
            (Discovery::On { .. }, false) => self.step_discovery(now, port, DiscoveryEvent::Stop),
            (Discovery::Off, false) | (Discovery::On { .. }, true) => {}
        }
    }

    /// Starts anew under another address, where it advertises at all.
    pub(super) fn restart_discovery(&mut self, now: Time, port: PortIndex) {
        if self.clients.get(&port).is_some_and(|client| client.discovery != Discovery::Off) {
            self.step_discovery(now, port, DiscoveryEvent::Start);
        }
    }

    /// On a port that does not advertise it is one more unknown type.
    pub(super) fn handle_solicitation(&mut self, now: Time, port: PortIndex, packet: &Packet<'_>) -> Verdict {
        if self.clients[&port].discovery == Discovery::Off {
            return Verdict::UnknownType;
        }
        if packet.destination != GroupAddr::ALL_ROUTERS.addr() {
            return Verdict::Destination;
        }
        self.step_discovery(now, port, DiscoveryEvent::Solicitation);
        Verdict::SolicitationTaken
    }

    pub(super) fn handle_discovery_timer(&mut self, now: Time, port: PortIndex) {
        self.step_discovery(now, port, DiscoveryEvent::Timer);
    }

    pub(super) fn step_discovery(&mut self, now: Time, port: PortIndex, event: DiscoveryEvent) {
        let Some(client) = self.clients.get_mut(&port) else { return };
        let step = client.discovery.handle(event, now, &mut self.rng);
        client.discovery = step.next;
        self.timers.set(&mut client.discovery_timer, TimerKey::Discovery(port), step.next.deadline());
        let timers = client.settings.timers;
        let message = match step.effect {
            DiscoveryEffect::None => return,
            DiscoveryEffect::Advertise => Outgoing::Advertisement {
                interval_s: ADVERTISEMENT_INTERVAL.as_secs() as u8,
                query_interval_s: timers.query_interval().as_secs() as u16,
                robustness: timers.robustness().into(),
            },
            DiscoveryEffect::Terminate => Outgoing::Termination,
        };
        if client.link_up {
            let source = client.settings.query_source();
            self.send(port, source, message);
        }
    }
}
