//! Which ports may send to which: carrier, roles, `sources`, the switch.

use settings::Sources;
use types::{MAX_PORTS, PortIndex, PortSet, Time};

use crate::agent::Agent;
use crate::configuration::{PortInfo, PortRole};

/// The masks of one ingress port.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
struct Masks {
    always: PortSet,
    forward: PortSet,
}

impl Agent {
    /// Takes out at once what must not be there any more; what is to come in does so at the end of the next
    /// [`poll`](Self::poll), when the table has what the same change did to the members. Ports in `anew` are
    /// not what they were: until then nothing goes to them.
    pub(crate) fn change_masks(&mut self, anew: PortSet) {
        let stays = |set: PortSet| PortSet::from_bits(set.to_bits() & !anew.to_bits());
        self.write_masks(|wanted, now| stays(wanted.intersection(now)));
        self.masks_due = true;
    }

    /// Puts in what may come in.
    pub(crate) fn complete_masks(&mut self) {
        if self.masks_due {
            self.masks_due = false;
            self.write_masks(|wanted, _| wanted);
        }
    }

    /// Makes each mask what `merge` makes of what it should be and what it is.
    fn write_masks(&self, merge: impl Fn(PortSet, PortSet) -> PortSet) {
        let targets = self.forwarded_to();
        for ingress in (0..MAX_PORTS).filter_map(PortIndex::new) {
            let port = self.port(ingress);
            let wanted = port.map_or(Masks::default(), |port| self.masks_of(port, targets));
            let (always, forward) = (self.masks.always(ingress), self.masks.forward(ingress));
            self.masks.set_forward(ingress, merge(wanted.forward, forward));
            self.masks.set_always(ingress, merge(wanted.always, always));
            let is_source = port.is_some_and(|port| port.is_upstream() || port.sources != Sources::No);
            self.policy.set_source(ingress, is_source);
        }
        let ports = &self.configuration.ports;
        self.policy.set_enabled(self.is_forwarding() && ports.iter().any(PortInfo::is_upstream));
    }

    /// Data goes from the provider's port to the client ports; from a client port whose `sources` allow it
    /// always to the provider, and to the other client ports (RFC 4605, section 4.2; r74, r75).
    fn masks_of(&self, port: &PortInfo, Targets { upstream, clients }: Targets) -> Masks {
        let may_send = match port.sources {
            Sources::Yes => true,
            Sources::WhileQuerier => self.is_querier(port.index),
            Sources::No => false,
        };
        let (always, forward) = match &port.role {
            PortRole::Upstream(_) => (PortSet::EMPTY, clients),
            PortRole::Client(_) if may_send => (upstream, upstream.union(clients)),
            PortRole::Client(_) => (PortSet::EMPTY, PortSet::EMPTY),
        };
        let forward = if self.is_forwarding() { forward.without(port.index) } else { PortSet::EMPTY };
        Masks { always, forward }
    }

    /// The ports that may get anything: those with carrier, of the client ports those where we are querier
    /// or that do not ask for it (RFC 4605, section 3; r74).
    fn forwarded_to(&self) -> Targets {
        let mut targets = Targets { upstream: PortSet::EMPTY, clients: PortSet::EMPTY };
        for port in self.configuration.ports.iter().filter(|port| port.link_up) {
            if port.is_upstream() {
                targets.upstream = targets.upstream.with(port.index);
            } else if port.forward_when_not_querier || self.is_querier(port.index) {
                targets.clients = targets.clients.with(port.index);
            }
        }
        targets
    }

    /// Whether no other router won the election on the client port's link.
    pub(crate) fn is_querier(&self, port: PortIndex) -> bool {
        // The time is for the provider's port alone.
        let view = self.proxy.port_view(Time::ZERO, port);
        !view.is_some_and(|view| matches!(view.role, igmp::PortRole::NonQuerier { .. }))
    }
}

/// The ports that may get data.
#[derive(Debug, Clone, Copy)]
struct Targets {
    upstream: PortSet,
    clients: PortSet,
}
