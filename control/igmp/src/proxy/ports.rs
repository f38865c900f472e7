//! Ports come, go, change their role, and lose their link.

use types::{PortIndex, PortSet, Time};

use super::provider::Upstream;
use super::{ClientPort, Pause, Proxy, TimerKey};
use crate::Left;
use crate::discovery::{Discovery, DiscoveryEvent};
use crate::hosts::HostTracker;
use crate::member::Member;
use crate::querier::{Querier, QuerierEvent};
use crate::settings::{ClientPortSettings, FastLeave, QuerierVersion, UpstreamPortSettings};

impl Proxy {
    /// Makes `port` a client port, or gives it new settings: its members stay, and the querier starts anew
    /// where its queries change (r94). A provider's port is retired first.
    pub fn add_client_port(
        &mut self,
        now: Time,
        port: PortIndex,
        settings: ClientPortSettings,
        link_up: bool,
    ) {
        if self.stopped {
            return;
        }
        if self.upstream_port() == Some(port) {
            self.set_upstream(now, None, false);
        }
        if !link_up {
            self.forget_leaves(port);
        }
        let Some(client) = self.clients.get_mut(&port) else {
            self.clients.insert(port, ClientPort::new(now, settings, link_up));
            self.note_addresses();
            self.restart_querier(now, port);
            self.update_client(now, port);
            return self.apply_static_groups(now, port);
        };
        if client.settings != settings {
            let before = core::mem::replace(&mut client.settings, settings);
            self.note_addresses();
            // Nothing more is sent on a link that is gone.
            if !link_up {
                self.handle_link(now, port, false);
            }
            self.apply_change(now, port, &before);
        }
        self.handle_link(now, port, link_up);
    }

    /// The port has new settings in place of `before`: does what they differ in, and no more.
    fn apply_change(&mut self, now: Time, port: PortIndex, before: &ClientPortSettings) {
        let accepts_more = self.clients.contains_key(&port) && self.accepts_more(port, before);
        let Some(client) = self.clients.get_mut(&port) else { return };
        let after = &client.settings;
        let moved = before.address != after.address || before.query_source() != after.query_source();
        let retimed = before.version != after.version || before.timers != after.timers;
        let other_groups = before.static_groups != after.static_groups || before.access != after.access;
        let other_access = before.access != after.access;
        let v1_now = before.version != after.version && after.version == QuerierVersion::V1;
        let other_hosts =
            before.fast_leave != after.fast_leave || before.report_isolated != after.report_isolated;
        // Who has time to answer under the old timers is not silent under the new.
        if other_hosts || retimed {
            client.tracker = client.new_tracker(now);
        }
        if moved {
            self.restart_querier(now, port);
            self.restart_discovery(now, port);
        } else if retimed {
            self.step_querier(now, port, QuerierEvent::Retime);
        }
        self.update_client(now, port);
        if retimed {
            self.raise_members(now, port, &before.effective_timers());
        }
        if v1_now {
            self.end_checks(now, port);
        }
        if other_access {
            self.drop_forbidden(now, PortSet::only(port));
        }
        if other_groups {
            self.apply_static_groups(now, port);
        }
        // Who starts anew asks anyway.
        if accepts_more && !moved && !retimed {
            self.ask_anew(now, port);
        }
    }

    /// Makes a port the provider's, or none. The old one, if another and up, gets a Leave per joined
    /// group; the new one, if up, gets the reports (r70). A client port's members go first.
    pub fn set_upstream(
        &mut self,
        now: Time,
        upstream: Option<(PortIndex, UpstreamPortSettings)>,
        link_up: bool,
    ) {
        if self.stopped {
            return;
        }
        let port = upstream.as_ref().map(|(port, _)| *port);
        if let Some(port) = port {
            self.remove_client_port(now, port);
        }
        if port.is_some() && self.upstream_port() == port {
            return self.change_upstream(now, upstream.map(|(_, settings)| settings), link_up);
        }
        self.retire_groups(now);
        self.upstream = upstream.map(|(port, settings)| Upstream::new(now, port, settings, link_up));
        self.note_addresses();
        if let Some(port) = port.filter(|_| !link_up) {
            self.forget_leaves(port);
        }
        self.announce_groups(now);
    }

    /// New settings for the port that is the provider's already.
    fn change_upstream(&mut self, now: Time, settings: Option<UpstreamPortSettings>, link_up: bool) {
        let (Some(upstream), Some(settings)) = (&mut self.upstream, settings) else { return };
        let moved = upstream.settings.report_source() != settings.report_source();
        upstream.settings = settings;
        let (port, flapped) = (upstream.port, upstream.link_up != link_up);
        self.note_addresses();
        if flapped {
            self.handle_link(now, port, link_up);
        } else if moved {
            self.announce_groups(now);
        }
        self.set_silence_timer();
    }

    /// Takes the port's role away: a client port's members go, the provider's port gets the Leaves.
    pub fn remove_port(&mut self, now: Time, port: PortIndex) {
        if self.stopped {
            return;
        }
        self.remove_client_port(now, port);
        if self.upstream_port() == Some(port) {
            self.set_upstream(now, None, false);
        }
    }

    /// The port's link came up or went down. On a client port up means: querier, startup queries (r34); its
    /// members age all the while, and go when it is down for too long (r93). On the provider's port up means:
    /// all groups are reported anew, and what was known of the provider's routers is forgotten (r70).
    pub fn handle_link(&mut self, now: Time, port: PortIndex, up: bool) {
        if !up {
            self.forget_leaves(port);
        }
        if self.stopped {
            return;
        }
        if self.clients.get(&port).is_some_and(|client| up && client.hold_is_over(now)) {
            // Its timer may be late; and while switched off it has none.
            self.handle_hold_timer(now, port);
            self.asleep.retain(|((_, on), _)| *on != port);
        }
        if let Some(client) = self.clients.get_mut(&port)
            && client.link_up != up
        {
            client.link_up = up;
            client.link_since = now;
            // Who came or went meanwhile was not heard.
            client.tracker = client.new_tracker(now);
            if !up {
                self.interrupt_checks(now, port);
            }
            self.restart_querier(now, port);
            return self.update_client(now, port);
        }
        let Some(upstream) = self.upstream.as_mut().filter(|u| u.port == port && u.link_up != up) else {
            return;
        };
        upstream.link_up = up;
        upstream.forget_routers();
        if !up {
            self.silence_groups(now);
        }
        self.announce_groups(now);
    }

    pub(super) fn restart_clients(&mut self, now: Time) {
        for port in self.clients.keys().collect::<Vec<_>>() {
            if let Some(client) = self.clients.get_mut(&port) {
                client.tracker = client.new_tracker(now);
            }
            self.restart_querier(now, port);
            self.update_client(now, port);
            self.apply_static_groups(now, port);
        }
    }

    /// Querier with the startup queries where the port may send, silent elsewhere.
    fn restart_querier(&mut self, now: Time, port: PortIndex) {
        let up = self.is_running() && self.clients.get(&port).is_some_and(|client| client.link_up);
        self.step_querier(now, port, if up { QuerierEvent::Start } else { QuerierEvent::Stop });
    }

    /// Follows settings, link and switch with what else runs on a client port.
    pub(super) fn update_client(&mut self, now: Time, port: PortIndex) {
        self.update_discovery(now, port);
        let running = self.is_running();
        let Some(client) = self.clients.get_mut(&port) else { return };
        let hold_over = client.link_since + client.settings.link_hold();
        let due = (running && !client.link_up && client.groups > 0).then_some(hold_over);
        self.timers.set(&mut client.hold_timer, TimerKey::LinkHold(port), due);
    }

    /// The link was down for too long: whoever asked has to ask again. Static groups are members whatever
    /// the link does (r55, r93).
    pub(super) fn handle_hold_timer(&mut self, now: Time, port: PortIndex) {
        let Some(client) = self.clients.get_mut(&port) else { return };
        self.timers.cancel(&mut client.hold_timer);
        if client.groups == 0 {
            return;
        }
        self.forget_reports(now, port);
        self.drop_members(now, PortSet::only(port), |_, _, member| match member {
            Member::Static { .. } => None,
            Member::Absent | Member::Present { .. } | Member::V1Present { .. } | Member::Checking { .. } => {
                Some(Left::LinkDown)
            }
        });
    }

    fn remove_client_port(&mut self, now: Time, port: PortIndex) {
        if !self.clients.contains_key(&port) {
            return;
        }
        self.drop_members(now, PortSet::only(port), |_, _, _| Some(Left::PortRemoved));
        self.asleep.retain(|((_, on), _)| *on != port);
        self.step_discovery(now, port, DiscoveryEvent::Stop);
        if let Some(mut client) = self.clients.remove(&port) {
            self.timers.cancel(&mut client.timer);
            self.timers.cancel(&mut client.hold_timer);
        }
        self.note_addresses();
    }
}

impl ClientPort {
    fn new(now: Time, settings: ClientPortSettings, link_up: bool) -> Self {
        let mut client = Self {
            settings,
            link_up,
            link_since: now,
            hold_timer: None,
            querier: Querier::Silent,
            is_querier: true,
            timer: None,
            queried: Time::ZERO,
            discovery: Discovery::Off,
            discovery_timer: None,
            groups: 0,
            tracker: None,
            limit_told: Pause::default(),
            denial_told: Pause::default(),
            version_told: Pause::default(),
            winner_told: Pause::default(),
            not_querier_told: Pause::default(),
        };
        client.tracker = client.new_tracker(now);
        client
    }

    /// Whether the link has been down for longer than its members last (r93).
    pub(super) fn hold_is_over(&self, now: Time) -> bool {
        !self.link_up && self.link_since + self.settings.link_hold() <= now
    }

    /// A list of hosts that knows nobody, where Leaves depend on one.
    fn new_tracker(&self, now: Time) -> Option<HostTracker> {
        (self.settings.fast_leave == FastLeave::Tracked).then(|| HostTracker::new(now))
    }
}
