//! Our role on a client port: our General Queries, and what other routers' queries do to us.

use core::net::Ipv4Addr;
use core::time::Duration;

use types::{PortIndex, Time};

use super::{Proxy, TimerKey};
use crate::member::MemberEvent;
use crate::querier::{Querier, QuerierEvent, wins};
use crate::settings::QuerierVersion;
use crate::wire::{Outgoing, Query, Version};
use crate::{Action, Event, Left, Verdict};

/// How often it is said that a port's members depend on another router (r95).
const NOT_QUERIER_PAUSE: Duration = Duration::from_secs(600);

impl Proxy {
    /// A query of another router (r20 to r30).
    pub(super) fn handle_client_query(
        &mut self,
        now: Time,
        port: PortIndex,
        source: Ipv4Addr,
        query: &Query,
    ) -> Verdict {
        self.compare_versions(now, port, source, query.version);
        let client = &self.clients[&port];
        if client.querier == Querier::Silent || !wins(source, &client.settings) {
            return Verdict::QueryHeard;
        }
        self.step_querier(now, port, QuerierEvent::Lower(source));
        self.tell_not_querier(now, port);
        if self.lower_member(now, port, query) { Verdict::TimerLowered } else { Verdict::QuerierHeard }
    }

    fn compare_versions(&mut self, now: Time, port: PortIndex, querier: Ipv4Addr, version: Version) {
        let Some(client) = self.clients.get_mut(&port) else { return };
        let ours = client.settings.version.version();
        if version != ours && client.version_told.passes(now) {
            self.tell(Event::OtherVersion { port, querier, version, ours });
        }
    }

    /// The querier asks who listens to one group, and gives them so long (r28, r33, r66b). Where version 1 is
    /// spoken there is no such query, and no host to answer it in time (r29).
    fn lower_member(&mut self, now: Time, port: PortIndex, query: &Query) -> bool {
        let settings = &self.clients[&port].settings;
        let Some(group) = query.group else { return false };
        if query.sources > 0 || query.suppress_router_side || settings.version == QuerierVersion::V1 {
            return false;
        }
        let timers = settings.effective_timers();
        let response = match query.max_resp_ds {
            0 => timers.last_member_query_interval(),
            ds => Duration::from_millis(u64::from(ds) * 100),
        };
        let until = now + response * u32::from(timers.last_member_query_count());
        let Some(entry) = self.members.get(&(group, port)) else { return false };
        let before = entry.member;
        let step = before.handle(MemberEvent::Lower(until), now, &timers);
        self.store(now, port, group, step, Left::Expired);
        step.next.deadline() < before.deadline()
    }

    /// Says that another router has to serve the port's members, while there are any (r95).
    pub(super) fn tell_not_querier(&mut self, now: Time, port: PortIndex) {
        let Some(client) = self.clients.get_mut(&port) else { return };
        if let Querier::Other { address: querier, .. } = client.querier
            && client.groups > 0
            && client.not_querier_told.passes_once_in(NOT_QUERIER_PAUSE, now)
        {
            self.tell(Event::NotQuerier { port, querier });
        }
    }

    pub(super) fn handle_querier_timer(&mut self, now: Time, port: PortIndex) {
        self.step_querier(now, port, QuerierEvent::Timer);
    }

    pub(super) fn step_querier(&mut self, now: Time, port: PortIndex, event: QuerierEvent) {
        let Some(client) = self.clients.get_mut(&port) else { return };
        let before = client.querier;
        let step = before.handle(event, now, &client.settings.effective_timers());
        client.querier = step.next;
        if step.query {
            client.queried = now;
        }
        self.timers.set(&mut client.timer, TimerKey::Querier(port), step.next.deadline());
        self.follow_role(now, port, before);
        if step.query {
            self.send_general_query(port);
        }
    }

    /// Tells of a new role, and of a new winner at a limited rate: two that take turns change nothing.
    fn follow_role(&mut self, now: Time, port: PortIndex, before: Querier) {
        let Some(client) = self.clients.get_mut(&port) else { return };
        let (querier, ours) = match client.querier {
            Querier::Silent => return,
            Querier::Starting { .. } | Querier::Steady { .. } => (client.settings.query_source(), true),
            Querier::Other { address, .. } => (address, false),
        };
        if client.is_querier != ours {
            client.is_querier = ours;
            client.winner_told.passes(now);
            self.actions.push_back(Action::QuerierRole { port, querier: ours });
            self.tell(Event::QuerierChanged { port, querier, ours });
        } else if let (Querier::Other { address, .. }, false) = (before, ours)
            && address != querier
            && client.winner_told.passes(now)
        {
            self.tell(Event::QuerierChanged { port, querier, ours });
        }
    }

    fn send_general_query(&mut self, port: PortIndex) {
        let settings = &self.clients[&port].settings;
        // Version 1 knows no Max Resp Time: code 0 (RFC 2236, section 4).
        let max_resp_ds = match settings.version {
            QuerierVersion::V1 => 0,
            QuerierVersion::V2 => settings.timers.general_max_resp_ds(),
        };
        let source = settings.query_source();
        self.send(port, source, Outgoing::GeneralQuery { max_resp_ds });
    }
}
