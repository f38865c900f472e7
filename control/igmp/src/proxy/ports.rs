//! Ports come, go, change their role, and lose their link.

use types::{GroupAddr, PortIndex, PortSet, Time};

use super::admission::Forbidden;
use super::{ClientPort, Pause, Proxy, Upstream};
use crate::Left;
use crate::querier::{Querier, QuerierEvent};
use crate::settings::{ClientPortSettings, UpstreamPortSettings};

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
        let Some(client) = self.clients.get_mut(&port) else {
            let client = ClientPort {
                settings,
                link_up,
                querier: Querier::Silent,
                timer: None,
                groups: 0,
                limit_told: Pause::default(),
                denial_told: Pause::default(),
            };
            self.clients.insert(port, client);
            self.restart_querier(now, port);
            return self.apply_static_groups(now, port);
        };
        if client.link_up == link_up && client.settings == settings {
            return;
        }
        let restart = client.link_up != link_up
            || client.settings.query_source() != settings.query_source()
            || client.settings.version != settings.version
            || client.settings.timers != settings.timers;
        let other_access = client.settings.access != settings.access;
        client.settings = settings;
        client.link_up = link_up;
        if restart {
            self.restart_querier(now, port);
        }
        self.apply_static_groups(now, port);
        if other_access {
            self.drop_forbidden(now, PortSet::only(port));
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
        self.upstream = upstream.map(|(port, settings)| Upstream {
            port,
            settings,
            link_up,
            v1_until: Time::ZERO,
            query: None,
        });
        if link_up {
            self.announce_groups(now);
        }
    }

    /// New settings for the port that is the provider's already.
    fn change_upstream(&mut self, now: Time, settings: Option<UpstreamPortSettings>, link_up: bool) {
        let (Some(upstream), Some(settings)) = (&mut self.upstream, settings) else { return };
        let moved = upstream.settings.report_source() != settings.report_source();
        upstream.settings = settings;
        let port = upstream.port;
        if upstream.link_up != link_up {
            self.handle_link(now, port, link_up);
        } else if moved && link_up {
            self.announce_groups(now);
        }
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
    /// members age all the while. On the provider's port up means: all groups are reported anew, and what
    /// was known of the provider's routers is forgotten (r70).
    pub fn handle_link(&mut self, now: Time, port: PortIndex, up: bool) {
        if self.stopped {
            return;
        }
        if let Some(client) = self.clients.get_mut(&port)
            && client.link_up != up
        {
            client.link_up = up;
            return self.restart_querier(now, port);
        }
        let Some(upstream) = self.upstream.as_mut().filter(|u| u.port == port && u.link_up != up) else {
            return;
        };
        upstream.link_up = up;
        upstream.v1_until = Time::ZERO;
        upstream.query = None;
        if up {
            self.announce_groups(now);
        } else {
            self.silence_groups(now);
        }
    }

    pub(super) fn restart_clients(&mut self, now: Time) {
        for port in self.clients.keys().copied().collect::<Vec<_>>() {
            self.restart_querier(now, port);
            self.apply_static_groups(now, port);
        }
    }

    /// Querier with the startup queries where the port may send, silent elsewhere.
    fn restart_querier(&mut self, now: Time, port: PortIndex) {
        let up = self.is_running() && self.clients.get(&port).is_some_and(|client| client.link_up);
        self.step_querier(now, port, if up { QuerierEvent::Start } else { QuerierEvent::Stop });
    }

    fn remove_client_port(&mut self, now: Time, port: PortIndex) {
        if !self.clients.contains_key(&port) {
            return;
        }
        self.drop_members(now, PortSet::only(port), |_, _| Some(Left::PortRemoved));
        if let Some(mut client) = self.clients.remove(&port) {
            self.timers.cancel(&mut client.timer);
        }
    }

    pub(super) fn drop_all_members(&mut self, now: Time, why: Left) {
        self.drop_members(now, PortSet::ALL, |_, _| Some(why));
    }

    /// Drops the members that the settings want no more (r54, r69, r100).
    pub(super) fn drop_forbidden(&mut self, now: Time, ports: PortSet) {
        self.drop_members(now, ports, |proxy, (group, port)| {
            proxy.forbids(&proxy.clients[&port], group).map(Forbidden::left)
        });
    }

    /// Drops those members of `ports` that `why` names a reason for. Looks at every member: only for what
    /// an operator or a link does.
    fn drop_members(
        &mut self,
        now: Time,
        ports: PortSet,
        why: impl Fn(&Self, (GroupAddr, PortIndex)) -> Option<Left>,
    ) {
        let gone: Vec<_> = self
            .members
            .keys()
            .filter(|(_, port)| ports.contains(*port))
            .filter_map(|&key| Some((key, why(self, key)?)))
            .collect();
        for ((group, port), why) in gone {
            self.remove_member(now, port, group, why);
        }
    }
}
