//! What people and machines around the proxy do: hosts zap, routers come and go, links flap, settings change.

use igmp::{FastLeave, QuerierVersion};
use types::GroupAddr;

use crate::fault::Fault;
use crate::plan::{access, net, timers, with_count};
use crate::world::{Station, WAN, World, port, sibling};

impl World {
    pub(crate) fn somebody_moves(&mut self) {
        match self.chance.below(if self.plan.restless { 40 } else { 26 }) {
            0..=23 => self.a_host_moves(),
            24 => self.a_rival_moves(),
            25 => self.the_provider_moves(),
            26..=30 => self.a_link_flaps(),
            31..=33 => self.the_switch_is_turned(),
            34..=36 => self.a_port_is_set(),
            37 => self.the_provider_port_is_set(),
            38 => self.nothing_is_set(),
            _ => self.local_groups_are_set(),
        }
    }

    fn a_host_moves(&mut self) {
        let link = self.chance.below(self.hosts.len());
        if self.hosts[link].is_empty() {
            return;
        }
        let index = self.chance.below(self.hosts[link].len());
        let group = self.chance.pick(&self.plan.groups);
        if !self.hosts[link][index].groups.contains_key(&group) {
            if let Some(packet) = self.hosts[link][index].join(self.now, group, &mut self.chance) {
                self.launch(link, Station::Host(index), packet);
            }
        } else if self.chance.one_in(3) {
            if let Some(packet) = self.hosts[link][index].block(self.now, group) {
                self.launch(link, Station::Host(index), packet);
            }
        } else {
            let silent = self.chance.one_in(4);
            self.leave(link, index, group, silent);
        }
    }

    pub(crate) fn leave(&mut self, link: usize, index: usize, group: GroupAddr, silent: bool) {
        if !self.hosts[link][index].groups.contains_key(&group) {
            return;
        }
        if let Some(packet) = self.hosts[link][index].leave(self.now, group, silent) {
            self.launch(link, Station::Host(index), packet);
        }
        if !self.hosts[link].iter().any(|host| host.groups.contains_key(&group)) {
            self.deserted.insert((link, group), self.now);
        }
    }

    fn a_rival_moves(&mut self) {
        let (now, link) = (self.now, 1 + self.chance.below(self.ports.len()));
        if let Some(router) = &mut self.routers[link] {
            match router.active {
                None => router.start(now),
                Some(_) => router.stop(),
            }
            let line = format!("rival on {link}: {:?}", router.active);
            self.note_done(line);
        }
    }

    /// The provider's router stops, comes back, or speaks another version from now on.
    fn the_provider_moves(&mut self) {
        let (now, version) = (self.now, self.chance.pick(&[1, 2, 2, 3]));
        let Some(router) = &mut self.routers[WAN] else { return };
        if router.active.is_none() || self.chance.one_in(2) {
            router.version = version;
            router.start(now);
        } else {
            router.stop();
        }
        let line = format!("provider: {:?}, version {version}", router.active);
        self.note_done(line);
    }

    fn a_link_flaps(&mut self) {
        let link = self.chance.below(self.hosts.len());
        let now = self.now;
        let up = match link {
            WAN => !self.provider.up,
            link => !self.ports[link - 1].up,
        };
        self.note_done(format!("link {link} up: {up}"));
        match link {
            WAN => self.provider.link(now, up),
            link => self.ports[link - 1].link(now, up),
        }
        if !Fault::MissesLinks.is(self.fault()) {
            self.proxy.handle_link(now, port(link), up);
        }
        self.drain();
    }

    fn the_switch_is_turned(&mut self) {
        self.enabled = !self.enabled;
        let (now, on) = (self.now, self.enabled);
        self.note_done(format!("switched on: {on}"));
        self.ports.iter_mut().for_each(|port| port.switch(now, on));
        self.provider.switch(now, on);
        self.proxy.set_enabled(now, on);
        self.drain();
    }

    fn a_port_is_set(&mut self) {
        let index = self.chance.below(self.ports.len());
        let ledger = &mut self.ports[index];
        let mut settings = ledger.settings.clone();
        match self.chance.below(7) {
            0 => {
                let last = self.chance.pick(&[5, 7]);
                settings.address = settings.address.map(|old| net(sibling(old.addr(), last)));
            }
            1 => {
                settings.fast_leave =
                    self.chance.pick(&[FastLeave::Off, FastLeave::Single, FastLeave::Tracked])
            }
            2 => settings.access = access(&mut self.chance),
            3 => {
                let count = 1 + self.chance.below(4) as u8;
                settings.timers = with_count(timers(&mut self.chance), count);
            }
            4 => {
                settings.version = match settings.version {
                    QuerierVersion::V1 => QuerierVersion::V2,
                    QuerierVersion::V2 => QuerierVersion::V1,
                }
            }
            5 => settings.static_groups = self.plan.groups[..self.chance.below(3)].to_vec(),
            _ => settings.ignore_v1 = !settings.ignore_v1,
        }
        ledger.configure(self.now, settings.clone());
        let up = ledger.up;
        self.note_done(format!("port {} set to {settings:?}", index + 1));
        if !Fault::MissesSettings.is(self.fault()) {
            self.proxy.add_client_port(self.now, port(index + 1), settings, up);
        }
        self.drain();
    }

    fn the_provider_port_is_set(&mut self) {
        let mut settings = self.provider.settings.clone();
        let last = self.chance.pick(&[5, 7]);
        settings.address = settings.address.map(|old| net(sibling(old.addr(), last)));
        self.provider.configure(self.now, settings.clone());
        self.note_done(format!("the provider's port set to {settings:?}"));
        self.proxy.set_upstream(self.now, Some((port(WAN), settings)), self.provider.up);
        self.drain();
    }

    /// Settings that are what they were do nothing at all.
    fn nothing_is_set(&mut self) {
        for (index, ledger) in self.ports.iter().enumerate() {
            self.proxy.add_client_port(self.now, port(index + 1), ledger.settings.clone(), ledger.up);
        }
        let upstream = Some((port(WAN), self.provider.settings.clone()));
        self.proxy.set_upstream(self.now, upstream, self.provider.up);
        self.proxy.set_group_ranges(self.now, self.local.clone(), Vec::new());
        self.proxy.set_enabled(self.now, self.enabled);
        let action = self.proxy.poll_action();
        assert_eq!(action, None, "the same settings again");
    }

    /// One group more or less stays on its link.
    fn local_groups_are_set(&mut self) {
        let more = types::Ipv4Net::new(self.plan.groups[1].addr(), 32).unwrap();
        match self.local.iter().position(|net| *net == more) {
            Some(at) => drop(self.local.remove(at)),
            None => self.local.push(more),
        }
        let (now, local) = (self.now, self.local.clone());
        self.note_done(format!("local groups {local:?}"));
        self.ports.iter_mut().for_each(|port| port.set_local(now, local.clone()));
        self.proxy.set_group_ranges(now, local, Vec::new());
        self.drain();
    }
}
